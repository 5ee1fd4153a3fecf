//! Holds through lock-service over HTTP/2, as booking-api takes them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lock_service_client::wire::Acquired;
use lock_service_client::{LockClient, LockError};

use crate::load::{Holder, Outcome, Proof};
use crate::orders::Orders;

/// What lock-service says in `Retry-After` when it is too busy.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// Takes what orders are for.
pub(crate) struct ThroughLockService {
    clients: Vec<LockClient>,
    orders: Orders,
    receipts: Option<Mutex<Vec<Receipt>>>,
}

/// Which seats an order was told are its.
pub(crate) type Receipt = (u64, Vec<String>);

impl ThroughLockService {
    /// Over these clients, in turn.
    pub(crate) const fn new(clients: Vec<LockClient>, orders: Orders) -> Self {
        Self { clients, orders, receipts: None }
    }

    /// The same, remembering the seats that were chosen.
    pub(crate) const fn keeping_receipts(clients: Vec<LockClient>, orders: Orders) -> Self {
        Self { clients, orders, receipts: Some(Mutex::new(Vec::new())) }
    }

    /// The seats that were chosen, by order.
    pub(crate) fn into_receipts(self) -> Vec<Receipt> {
        let kept = self.receipts.map(Mutex::into_inner);
        kept.map(|kept| kept.unwrap_or_else(PoisonError::into_inner)).unwrap_or_default()
    }

    fn outcome(&self, n: u64, answer: Result<Acquired, LockError>) -> Outcome {
        match answer {
            // A replay is the answer to a resend of ours: each booking is one order.
            Ok(Acquired::Taken { seats } | Acquired::Replay { seats }) => {
                if let Some(receipts) = &self.receipts {
                    let names = seats.seats.iter().map(|seat| seat.seat.to_string()).collect();
                    receipts.lock().unwrap_or_else(PoisonError::into_inner).push((n, names));
                }
                let revision = i64::try_from(seats.fence.revision()).ok();
                Outcome::Taken(Proof { lease: None, revision })
            }
            Ok(Acquired::SeatTaken { .. } | Acquired::SoldOut) => Outcome::Refused,
            Ok(_) | Err(LockError::Invalid(_)) => Outcome::NotApplied,
            Err(LockError::NotApplied(_)) => Outcome::Busy(COME_AGAIN),
            Err(LockError::Unknown(_)) => Outcome::Unknown,
        }
    }
}

impl Holder for ThroughLockService {
    const RESENDABLE: bool = true;

    async fn hold(&self, caller: usize, n: u64) -> Outcome {
        let Ok(request) = self.orders.acquire(n) else { return Outcome::NotApplied };
        let answer = self.clients[caller % self.clients.len()].acquire(&request).await;
        self.outcome(n, answer)
    }
}
