//! A lease and a transaction for each hold: what `etcdctl lock` and the mutexes
//! of etcd's client libraries do, without their queue of waiters. The value is
//! shorter than lock-service's, which favours this peer.

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp};

use super::{Members, PREFIX};
use crate::load::{Holder, Outcome, Proof};
use crate::orders::Orders;

/// As long as lock-service's holds.
const TTL_S: i64 = 600;

/// Takes holds with a lease each.
pub(crate) struct LeaseLock {
    members: Members,
    orders: Orders,
}

impl LeaseLock {
    /// Over these connections, in turn.
    pub(crate) const fn new(members: Members, orders: Orders) -> Self {
        Self { members, orders }
    }
}

impl Holder for LeaseLock {
    async fn hold(&self, caller: usize, n: u64) -> Outcome {
        let (mut kv, mut leases) = self.members.of(caller);
        let (performance, seat) = self.orders.place(n);
        let key = format!("{PREFIX}{performance}/{seat}");
        let value = self.orders.booking(n).to_string();
        // A lease that was granted or not holds nothing yet.
        let Ok(granted) = leases.grant(TTL_S, None).await else { return Outcome::NotApplied };
        let lease = granted.id();
        let txn = Txn::new()
            .when([Compare::create_revision(key.as_str(), CompareOp::Equal, 0)])
            .and_then([TxnOp::put(key.as_str(), value, Some(PutOptions::new().with_lease(lease)))]);
        match kv.txn(txn).await {
            Ok(answer) if answer.succeeded() => {
                let revision = answer.header().map(etcd_client::ResponseHeader::revision);
                Outcome::Taken(Proof { lease: Some(lease), revision })
            }
            Ok(_) => Outcome::Refused,
            Err(_) => Outcome::Unknown,
        }
    }
}
