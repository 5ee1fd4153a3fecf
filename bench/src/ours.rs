//! Holds through lock-service over HTTP/2, as booking-api takes them.

use std::time::Duration;

use lock_service_client::wire::Acquired;
use lock_service_client::{LockClient, LockError};

use crate::load::{Holder, Outcome, Proof};
use crate::orders::Orders;

/// What lock-service says in `Retry-After` when it is too busy.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// Takes the named seats of orders.
pub(crate) struct ThroughLockService {
    clients: Vec<LockClient>,
    orders: Orders,
}

impl ThroughLockService {
    /// Over these clients, in turn.
    pub(crate) const fn new(clients: Vec<LockClient>, orders: Orders) -> Self {
        Self { clients, orders }
    }
}

impl Holder for ThroughLockService {
    async fn hold(&self, caller: usize, n: u64) -> Outcome {
        let Ok(request) = self.orders.named(n) else { return Outcome::NotApplied };
        outcome(self.clients[caller % self.clients.len()].acquire(&request).await)
    }
}

/// What an answer of lock-service means to whoever asked for named seats.
pub(crate) fn outcome(answer: Result<Acquired, LockError>) -> Outcome {
    match answer {
        // A replay is the answer to a resend of ours: each booking is one order.
        Ok(Acquired::Taken { seats } | Acquired::Replay { seats }) => Outcome::Taken(Proof {
            lease: None,
            revision: i64::try_from(seats.fence.revision()).ok(),
        }),
        Ok(_) => Outcome::Refused,
        Err(LockError::NotApplied(_)) => Outcome::Busy(COME_AGAIN),
        Err(LockError::Unknown(_)) => Outcome::Unknown,
        Err(LockError::Invalid(_)) => Outcome::NotApplied,
    }
}
