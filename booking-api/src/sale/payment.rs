//! The payments seam: authorise now, settle later from the outbox. What the
//! gateway says, or does not say, becomes one of the few things the sale
//! treats differently.
//!
//! An answer that does not come is asked for; where the gateway never heard of
//! the payment, it is made sure that it never will ([`Operation::GiveUp`]: one
//! step at the gateway, so that a second sending of the same confirm, on
//! another instance, cannot be authorised in between and lose its money).
//!
//! Must not know: seats, lock-service, what a booking's row looks like.

use std::time::Duration;

use futures_util::future::join_all;
use payment_gateway_client::wire::{
    Authorise, BadReference, Operation, Payment, PaymentState, Reference, Refusal, TOKENS, Verdict,
};
use payment_gateway_client::{GatewayClient, GatewayError};
use seat_model::{BookingId, Currency, PerformanceId, ShowId, UserId};
use serde::{Deserialize, Serialize};
use service_kit::{Component, on_behalf_of};

use super::metrics::SaleMetrics;
use crate::store::{OutboxRow, OutboxWork};

/// How often the gateway is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Payments that are looked at of one booking. Each is a confirm under another
/// key that got as far as the gateway.
const PAYMENTS_OF_ONE: usize = 64;

/// What is asked of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The booking that is paid for.
    pub(crate) booking: BookingId,
    /// The confirm's Idempotency-Key, hashed. With the booking it is the
    /// payment's name, so that a declined card can be followed by another.
    pub(crate) key_hash: String,
    /// The customer's means of payment.
    pub(crate) token: String,
    /// Minor units.
    pub(crate) amount: u64,
    /// ISO 4217.
    pub(crate) currency: Currency,
    /// Whose booking it is.
    pub(crate) memo: Memo,
}

/// What the gateway keeps for us with a payment: enough to find its booking,
/// and to write a tombstone for one that has no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memo {
    pub(crate) show: ShowId,
    pub(crate) user: UserId,
    pub(crate) performance: PerformanceId,
}

/// What the gateway said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Authorised {
    /// The money is reserved under this reference.
    Yes {
        /// For capture and refund.
        reference: String,
    },
    /// It is not, and will not be under this key.
    Declined,
    /// The key was used for another amount.
    KeyReused,
    /// The gateway was not reached: nothing was asked of it.
    NotReached(String),
    /// No answer. Nothing was or will be captured: either the gateway knows
    /// that it must not authorise this any more, or nobody commits under it.
    Unknown,
}

impl Authorised {
    const fn label(&self) -> &'static str {
        match self {
            Self::Yes { .. } => "authorised",
            Self::Declined => "declined",
            Self::KeyReused => "key_reused",
            Self::NotReached(_) => "not_reached",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Done, by this order or an earlier sending of it.
    Done,
    /// Never, as it is: the booking is stuck.
    Refused(String),
    /// Nobody knows yet: it is sent again.
    NotYet(String),
}

/// The gateway; clones share its connections.
#[derive(Clone)]
pub(crate) struct Gateway {
    client: GatewayClient,
    timeout: Duration,
    ask_timeout: Duration,
    metrics: SaleMetrics,
}

impl Gateway {
    /// At this URL. An authorise may take `timeout`, finding out what became
    /// of it `ask_timeout` more.
    ///
    /// # Errors
    /// When the URL makes no sense.
    pub(crate) fn new(
        url: &str,
        timeout: Duration,
        ask_timeout: Duration,
        metrics: SaleMetrics,
    ) -> Result<Self, GatewayError> {
        let client = GatewayClient::new(url, timeout)?;
        Ok(Self { client, timeout, ask_timeout, metrics })
    }

    /// Whether the gateway knows this kind of token at all.
    pub(crate) fn knows(token: &str) -> bool {
        TOKENS.contains(&token)
    }

    /// Reserves the money. Nothing is captured. The same order always gets the
    /// same answer.
    pub(crate) async fn authorise(&self, order: Order) -> Authorised {
        let answer = self.ask(order).await;
        self.metrics.authorised.with_label_values(&[answer.label()]).inc();
        answer
    }

    async fn ask(&self, order: Order) -> Authorised {
        let Ok(reference) = Reference::new(order.booking, &order.key_hash) else {
            return Authorised::NotReached("the key makes no reference".into());
        };
        let asked = Operation::Authorise(Authorise {
            reference: reference.clone(),
            amount: order.amount,
            currency: order.currency,
            token: order.token,
            memo: serde_json::to_string(&order.memo).unwrap_or_default(),
        });
        let answered = tokio::time::timeout(self.timeout, self.client.operate(&asked)).await;
        let unanswered = match answered {
            Ok(Ok(Verdict::Now(state))) => {
                return match state {
                    PaymentState::Authorised | PaymentState::Captured => yes(&reference),
                    // Voided: an earlier sending was given up, or its booking
                    // aborted. Another key may succeed.
                    PaymentState::Declined | PaymentState::Voided => Authorised::Declined,
                };
            }
            Ok(Ok(Verdict::Refused(Refusal::KeyReused))) => return Authorised::KeyReused,
            Ok(Ok(Verdict::Refused(why))) => {
                tracing::warn!(booking = %order.booking, %why, "an authorise was refused");
                return Authorised::Declined;
            }
            Ok(Err(GatewayError::NotReached(why))) => return Authorised::NotReached(why),
            Ok(Err(GatewayError::Invalid(problem))) => {
                tracing::error!(detail = problem.detail, "the gateway does not understand");
                return Authorised::NotReached(problem.detail);
            }
            Ok(Err(GatewayError::Unknown(why))) => why,
            Err(_) => "it took too long".into(),
        };
        tracing::warn!(booking = %order.booking, unanswered, "a payment was not answered");
        self.find_out(reference).await
    }

    async fn find_out(&self, reference: Reference) -> Authorised {
        let asked = Operation::GiveUp(reference.clone());
        match tokio::time::timeout(self.ask_timeout, self.client.operate(&asked)).await {
            Ok(Ok(Verdict::Now(PaymentState::Authorised | PaymentState::Captured))) => {
                yes(&reference)
            }
            Ok(Ok(Verdict::Now(PaymentState::Declined))) => Authorised::Declined,
            // Whatever was authorised and not found out is left to the sweeper.
            Ok(Ok(_) | Err(_)) | Err(_) => Authorised::Unknown,
        }
    }

    /// Captures, refunds and voids what outbox rows ask for, side by side; an
    /// outcome for each. Repeating them changes nothing (INV-10).
    pub(crate) async fn settle(&self, rows: &[OutboxRow]) -> Vec<Settled> {
        join_all(rows.iter().map(|row| {
            let settling = async move {
                match self.operation(row).await {
                    Ok(operation) => self.settle_one(&operation).await,
                    Err(settled) => settled,
                }
            };
            // The others of the bite wait for it: one lost answer may not hold
            // them up for as long as a customer would wait.
            on_behalf_of(row.work.trace(), "settle", async move {
                let settled = tokio::time::timeout(self.ask_timeout, settling).await;
                settled.unwrap_or_else(|_| Settled::NotYet("it took too long".into()))
            })
        }))
        .await
    }

    /// What a row asks for; otherwise what became of it without asking.
    async fn operation(&self, row: &OutboxRow) -> Result<Operation, Settled> {
        let currency =
            |text: &str| Currency::new(text).map_err(|error| Settled::Refused(error.to_string()));
        Ok(match &row.work {
            OutboxWork::Confirmed(sold) => Operation::Capture {
                reference: self.reference(row.booking, &sold.payment).await?,
                amount: sold.amount,
                currency: currency(&sold.currency)?,
            },
            OutboxWork::Cancelled(refund) => Operation::Refund {
                reference: self.reference(row.booking, &refund.payment).await?,
                refund_key: refund.refund_key.clone(),
                amount: refund.amount,
                currency: currency(&refund.currency)?,
            },
            OutboxWork::Aborted => Operation::VoidBooking(row.booking),
        })
    }

    /// The payment a row names. A booking that was written again from etcd
    /// names none, etcd knows no money: then the one the gateway has for it.
    async fn reference(&self, booking: BookingId, named: &str) -> Result<Reference, Settled> {
        if !named.is_empty() {
            return named
                .parse()
                .map_err(|error: BadReference| Settled::Refused(error.to_string()));
        }
        let payments = self.payments_of(booking).await;
        let payments = payments.map_err(|error| Settled::NotYet(error.to_string()))?;
        let mut paid = payments.into_iter().filter(|payment| {
            matches!(payment.state, PaymentState::Authorised | PaymentState::Captured)
        });
        match (paid.next(), paid.next()) {
            (Some(payment), None) => Ok(payment.reference),
            (None, _) => Err(Settled::Refused("the gateway knows no payment of it".into())),
            (Some(_), Some(_)) => Err(Settled::Refused("it was paid more than once".into())),
        }
    }

    /// Every payment of a booking, at most [`PAYMENTS_OF_ONE`].
    async fn payments_of(&self, booking: BookingId) -> Result<Vec<Payment>, GatewayError> {
        let first = format!("{booking}-0").parse().ok();
        let page = self.client.payments(first.as_ref(), PAYMENTS_OF_ONE).await?;
        let all = page.payments.into_iter();
        Ok(all.take_while(|payment| payment.reference.booking() == booking).collect())
    }

    /// One settlement.
    pub(crate) async fn settle_one(&self, operation: &Operation) -> Settled {
        let settled = match self.client.operate(operation).await {
            Ok(Verdict::Now(_)) => Settled::Done,
            Ok(Verdict::Refused(why)) => Settled::Refused(why.to_string()),
            Err(GatewayError::Invalid(problem)) => Settled::Refused(problem.detail),
            Err(error @ (GatewayError::NotReached(_) | GatewayError::Unknown(_))) => {
                Settled::NotYet(error.to_string())
            }
        };
        let result = match &settled {
            Settled::Done => "done",
            Settled::Refused(_) => "refused",
            Settled::NotYet(_) => "not_yet",
        };
        self.metrics.settled.with_label_values(&[operation.name(), result]).inc();
        settled
    }

    /// Payments authorised for at least so long and neither captured nor
    /// voided, the oldest first, after the first `skip`.
    pub(crate) async fn open(
        &self,
        for_at_least: Duration,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Payment>, GatewayError> {
        self.client.open(for_at_least, skip, limit).await
    }

    /// Looks again and again whether it is there. Optional: holds and views
    /// need no money.
    pub(crate) async fn watch(self, component: Component) -> Result<(), GatewayError> {
        loop {
            match self.client.payments(None, 1).await {
                Ok(_) => component.up(),
                Err(error) => component.down(error.to_string()),
            }
            tokio::time::sleep(PROBE_EVERY).await;
        }
    }
}

fn yes(reference: &Reference) -> Authorised {
    Authorised::Yes { reference: reference.to_string() }
}
