//! Lets go of authorised money that nobody will take: the payment of an
//! attempt that died, or that lost its race. A payment that has been open for
//! long belongs to a living hold, to a row, or to nothing; to nothing becomes
//! certain with a tombstone, and only then is it voided (INV-10).
//!
//! Any number of sweepers may run, anywhere.

use std::time::Duration;

use futures_util::StreamExt;
use payment_gateway_client::GatewayError;
use payment_gateway_client::wire::{Operation, Payment};
use seat_model::{Fence, SeatState};

use super::Sale;
use super::error::{SaleError, of_read};
use super::payment::{Memo, Settled};
use crate::store::{LedgerState, Refusal, StoreError, Tombstone};

/// Payments looked at in one bite.
const PAGE: usize = 200;

/// What became of an old authorisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swept {
    /// Its booking never will be.
    Voided,
    /// Its booking was paid for otherwise.
    Unused,
    /// Its booking is sold with it.
    Captured,
    /// Not now: a living hold, a booking that is being confirmed or settled,
    /// something away.
    Left,
}

impl Swept {
    const fn label(self) -> &'static str {
        match self {
            Self::Voided => "voided",
            Self::Unused => "unused",
            Self::Captured => "captured",
            Self::Left => "left",
        }
    }
}

impl Sale {
    /// Starts the loop.
    pub(super) fn sweep(&self) {
        let sale = self.clone();
        self.background.supervise("sweeper", move || sale.clone().sweep_forever());
    }

    async fn sweep_forever(self) -> Result<(), GatewayError> {
        let every = Duration::from_millis(self.config.sweep_every_ms.max(10));
        loop {
            tokio::time::sleep(every).await;
            self.sweep_all().await?;
        }
    }

    /// Looks once at everything that has been open for long.
    async fn sweep_all(&self) -> Result<(), GatewayError> {
        let mut left = 0;
        loop {
            let page = self.gateway.open(self.config.sweep_older_than(), left, PAGE).await?;
            let full = page.len() >= PAGE;
            let swept: Vec<Swept> = futures_util::stream::iter(page)
                .map(|payment| async move { self.sweep_one(&payment).await })
                .buffer_unordered(self.config.sweep_at_once)
                .collect()
                .await;
            // What is left stays in the list, before what comes next.
            left += swept.iter().filter(|swept| **swept == Swept::Left).count();
            if !full {
                self.metrics.swept_left.set(i64::try_from(left).unwrap_or(i64::MAX));
                return Ok(());
            }
        }
    }

    async fn sweep_one(&self, payment: &Payment) -> Swept {
        let swept = self.end_payment(payment).await.unwrap_or_else(|error| {
            let booking = payment.reference.booking();
            tracing::warn!(%booking, %error, "an old authorisation was not swept");
            Swept::Left
        });
        self.metrics.swept.with_label_values(&[swept.label()]).inc();
        swept
    }

    async fn end_payment(&self, payment: &Payment) -> Result<Swept, SaleError> {
        let booking = payment.reference.booking();
        let memo: Memo = serde_json::from_str(&payment.memo)
            .map_err(|error| SaleError::Broken(format!("the memo of {booking}: {error}")))?;
        self.require_own(booking, &memo.user, &memo.show)?;
        let seats = self.seats_of(&memo.show, booking).await?;
        if let Some(SeatState::Held | SeatState::Confirming) = seats.map(|seats| seats.state) {
            return Ok(Swept::Left);
        }
        // No seats were seen; that none will be sold is decided by the ledger.
        let place = self.placements.of(&memo.show).await?;
        let shard = self.shards.get(&place.shard)?;
        let none = Fence::from_u64(0);
        let stone = Tombstone {
            id: booking,
            user: memo.user,
            show: memo.show,
            performance: memo.performance,
            epoch: place.epoch,
            fence: none,
            acquired: none,
            at: service_kit::clock::now(),
        };
        let unsold = (Operation::VoidBooking(booking), Swept::Voided);
        let (order, swept) = match shard.tombstone(&stone).await {
            Ok(()) => unsold,
            Err(StoreError::Refused(Refusal::DuplicateBooking)) => {
                let row = shard.read(booking).await.map_err(|error| of_read(&error))?;
                let Some(row) = row else { return Ok(Swept::Left) };
                let ours = row.payment == payment.reference.as_str();
                match row.state {
                    LedgerState::Aborted => unsold,
                    LedgerState::Confirmed if ours => {
                        let Some(currency) = payment.currency.clone() else {
                            return Ok(Swept::Left);
                        };
                        let reference = payment.reference.clone();
                        let amount = payment.amount;
                        (Operation::Capture { reference, amount, currency }, Swept::Captured)
                    }
                    // The outbox captures and refunds it, in this order; also what
                    // was written again from etcd, which knows no payment's name.
                    LedgerState::Cancelled if ours => return Ok(Swept::Left),
                    _ if row.payment.is_empty() => return Ok(Swept::Left),
                    LedgerState::Confirmed | LedgerState::Cancelled => {
                        (Operation::Void(payment.reference.clone()), Swept::Unused)
                    }
                }
            }
            Err(StoreError::Refused(Refusal::StalePlacement)) => {
                self.placements.refresh().await?;
                return Ok(Swept::Left);
            }
            Err(error) => return Err(error.into()),
        };
        match self.gateway.settle_one(&order).await {
            Settled::Done => Ok(swept),
            Settled::Refused(why) | Settled::NotYet(why) => Err(SaleError::Unavailable(why)),
        }
    }

    /// Lets go of a payment whose booking has a row that names another: that
    /// row's primary key makes sure that this one is never used.
    pub(super) fn let_go_of(&self, payment: &str, row: &crate::store::LedgerBooking) {
        // A sale that names none was written again from etcd; this may be the
        // one. A tombstone names none either, and needs none.
        let may_be_its_own = row.payment.is_empty() && row.state != LedgerState::Aborted;
        if row.payment == payment || may_be_its_own {
            return;
        }
        let Ok(reference) = payment.parse() else { return };
        let sale = self.clone();
        self.background.finish(async move {
            let settled = sale.gateway.settle_one(&Operation::Void(reference)).await;
            if settled != Settled::Done {
                tracing::warn!(?settled, "an unused payment is left to the sweeper");
            }
        });
    }
}
