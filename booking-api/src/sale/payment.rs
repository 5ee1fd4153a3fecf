//! The payments seam: authorise now, settle later from the outbox.
//!
//! The sandbox gateway lives in this process: what it answers depends on the
//! token alone, so that every instance answers the same. Its ledger of
//! captures, refunds and voids stands on the shards. Everything that would
//! change when the gateway becomes a process of its own is in this file.
//!
//! Must not know: seats, lock-service, what a booking's row looks like.

use std::time::Duration;

use seat_model::BookingId;

use crate::store::{Settlement, Shard, StoreError};

/// How long `tok_slow` takes.
const SLOW: Duration = Duration::from_secs(3);

/// What is asked of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The booking that is paid for.
    pub(crate) booking: BookingId,
    /// The confirm's Idempotency-Key, hashed. With the booking it is the
    /// gateway's own key, so that a declined card can be followed by another.
    pub(crate) key_hash: String,
    /// The customer's means of payment.
    pub(crate) token: String,
}

/// What the gateway said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Authorised {
    /// The money is reserved under this reference.
    Yes {
        /// For capture and refund.
        reference: String,
    },
    /// It is not.
    Declined,
    /// No answer, not even when asked by key; it was voided by key.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Ok,
    Declined,
    Slow,
    Unknown,
}

impl Token {
    fn read(token: &str) -> Option<Self> {
        match token {
            "tok_ok" => Some(Self::Ok),
            "tok_declined" => Some(Self::Declined),
            "tok_slow" => Some(Self::Slow),
            "tok_unknown" => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// The gateway.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    timeout: Duration,
}

impl Gateway {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// Whether the gateway knows this kind of token at all.
    pub(crate) fn knows(token: &str) -> bool {
        Token::read(token).is_some()
    }

    /// Reserves the money. Nothing is captured. The same order always gets the
    /// same answer.
    pub(crate) async fn authorise(&self, order: &Order) -> Authorised {
        match tokio::time::timeout(self.timeout, self.ask(order)).await {
            Ok(answer) => answer,
            // Asked by key, the sandbox knows nothing of it; voiding by key
            // makes sure that nothing is reserved, and leaves no trace.
            Err(_) => Authorised::Unknown,
        }
    }

    async fn ask(&self, order: &Order) -> Authorised {
        let yes = || Authorised::Yes { reference: format!("{}-{}", order.booking, order.key_hash) };
        match Token::read(&order.token) {
            Some(Token::Ok) => yes(),
            Some(Token::Slow) => {
                tokio::time::sleep(SLOW).await;
                yes()
            }
            Some(Token::Unknown) => std::future::pending().await,
            Some(Token::Declined) | None => Authorised::Declined,
        }
    }

    /// Captures, refunds and voids, in this order, all or none. Repeating them
    /// changes nothing (INV-10).
    ///
    /// # Errors
    /// As the ledger that the sandbox writes to.
    pub(crate) async fn settle(
        &self,
        ledger: &Shard,
        orders: &[Settlement],
    ) -> Result<(), StoreError> {
        ledger.settle(orders).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(token: &str) -> Order {
        Order { booking: BookingId::from_bytes([7; 16]), key_hash: "k".into(), token: token.into() }
    }

    #[tokio::test]
    async fn each_token_answers_as_the_contract_says() {
        let gateway = Gateway::new(Duration::from_millis(20));
        let yes = Authorised::Yes { reference: "07070707070707070707070707070707-k".into() };
        assert_eq!(gateway.authorise(&order("tok_ok")).await, yes);
        assert_eq!(gateway.authorise(&order("tok_declined")).await, Authorised::Declined);
        assert_eq!(gateway.authorise(&order("tok_unknown")).await, Authorised::Unknown);
        // Slower than it may be is as good as no answer.
        assert_eq!(gateway.authorise(&order("tok_slow")).await, Authorised::Unknown);
        assert!(!Gateway::knows("tok_of_another_bank"));
    }
}
