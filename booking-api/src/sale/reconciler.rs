//! Ends what others left: seats that stay `confirming`. Any number of
//! reconcilers may run, anywhere, and be as slow as they like; every step is a
//! compare or a primary key (INV-6).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lock_service_client::wire::{AtFence, BookedSeats, Pin};
use seat_model::{BookingId, Fence};

use super::Sale;
use super::error::{SaleError, of_read};
use crate::fail_points;
use crate::planted_bugs::{NO_TOMBSTONE, TOMBSTONE_ON_WRONG_SHARD, UNANSWERED_IS_ABSENT};
use crate::store::{LedgerBooking, LedgerState, Refusal, StoreError, Tombstone};

/// How a booking that was `confirming` ended.
pub(crate) enum Ended {
    /// Its row stands under the seats' fence; the seats are sold.
    Finished(Box<LedgerBooking>),
    /// Its row was written under another fence, or is cancelled: the seats were
    /// a leftover and are free.
    Leftover(Box<LedgerBooking>),
    /// It has a tombstone; the seats are free.
    Aborted,
}

impl Ended {
    fn label(&self) -> &'static str {
        match self {
            Self::Finished(_) => "finished",
            Self::Leftover(_) => "leftover",
            Self::Aborted => "aborted",
        }
    }
}

impl Sale {
    /// Starts the loop.
    pub(super) fn reconcile(&self) {
        let sale = self.clone();
        self.background.supervise("reconciler", move || sale.clone().reconcile_forever());
    }

    async fn reconcile_forever(self) -> Result<(), SaleError> {
        let every = Duration::from_millis(self.config.reconcile_every_ms.max(10));
        let mut since: HashMap<(BookingId, Fence), Instant> = HashMap::new();
        loop {
            let stuck = self.locks.confirming(self.config.confirming_for()).await?;
            let now = Instant::now();
            let present: HashMap<_, _> = stuck
                .iter()
                .map(|seats| {
                    let name = (seats.booking, seats.fence);
                    (name, since.get(&name).copied().unwrap_or(now))
                })
                .collect();
            since = present;
            let oldest = since
                .values()
                .min()
                .map_or(0, |first| (first.elapsed() + self.config.confirming_for()).as_secs());
            self.metrics.oldest_confirming.set(i64::try_from(oldest).unwrap_or(i64::MAX));
            let sale = &self;
            futures_util::stream::iter(stuck)
                .for_each_concurrent(sale.config.reconcile_at_once, |seats| async move {
                    sale.reconcile_one(&seats).await;
                })
                .await;
            tokio::time::sleep(every).await;
        }
    }

    async fn reconcile_one(&self, seats: &BookedSeats) {
        fail_points::FOUND_CONFIRMING.reach().await;
        match self.end_confirming(seats).await {
            Ok(ended) => {
                tracing::info!(booking = %seats.booking, ended = ended.label(), "reconciled");
                self.metrics.reconciled.with_label_values(&[ended.label()]).inc();
            }
            Err(error) => {
                tracing::warn!(booking = %seats.booking, %error, "not reconciled yet");
                self.metrics.reconciled.with_label_values(&["unknown"]).inc();
            }
        }
    }

    /// Step 6 of the protocol, for seats seen `confirming` under this fence:
    /// a tombstone, or the row that stands in its way, says what they are. An
    /// error means that nothing is known: touch nothing, come again.
    pub(super) async fn end_confirming(&self, seats: &BookedSeats) -> Result<Ended, SaleError> {
        let Some(pin) = &seats.pin else {
            return Err(SaleError::Broken("confirming seats have no pin".into()));
        };
        match self.tombstone(seats, pin).await {
            // The show was moved: whatever was on its way to the old shard is
            // refused there, so its new place is the one that counts.
            Err(StoreError::Refused(Refusal::StalePlacement)) => {
                self.placements.refresh().await?;
                let place = self.placements.of(&seats.show).await?;
                if place.shard == pin.shard && place.epoch == pin.epoch {
                    return Err(SaleError::Unavailable("the show is being moved".into()));
                }
                let pin = Pin { shard: place.shard, epoch: place.epoch, nonce: pin.nonce };
                let written = self.tombstone(seats, &pin).await;
                self.follow(seats, &pin, written).await
            }
            written => self.follow(seats, pin, written).await,
        }
    }

    async fn tombstone(&self, seats: &BookedSeats, pin: &Pin) -> Result<(), StoreError> {
        let stone = Tombstone {
            id: seats.booking,
            user: seats.user.clone(),
            show: seats.show.clone(),
            performance: seats.performance.clone(),
            epoch: pin.epoch,
            fence: seats.fence,
            acquired: seats.acquired,
            at: service_kit::clock::now(),
        };
        let shard = self.shards.get(&pin.shard)?;
        if NO_TOMBSTONE.is_planted() {
            return match shard.read(seats.booking).await? {
                Some(_) => Err(StoreError::Refused(Refusal::DuplicateBooking)),
                None => Ok(()),
            };
        }
        if TOMBSTONE_ON_WRONG_SHARD.is_planted() {
            let other = self.shards.iter().find(|other| *other.id() != pin.shard);
            // Its refusal, because the show is not there, is taken for the end.
            drop(other.unwrap_or(shard).tombstone(&stone).await);
            return Ok(());
        }
        let written = shard.tombstone(&stone).await;
        match written {
            Err(StoreError::Unknown { .. }) if UNANSWERED_IS_ABSENT.is_planted() => Ok(()),
            written => written,
        }
    }

    async fn follow(
        &self,
        seats: &BookedSeats,
        pin: &Pin,
        written: Result<(), StoreError>,
    ) -> Result<Ended, SaleError> {
        let ended = match written {
            Ok(()) => {
                fail_points::TOMBSTONED.reach().await;
                Ended::Aborted
            }
            Err(StoreError::Refused(Refusal::DuplicateBooking)) => {
                fail_points::ROW_FOUND.reach().await;
                let shard = self.shards.get(&pin.shard)?;
                let row = shard.read(seats.booking).await.map_err(|error| of_read(&error))?;
                let row = row.ok_or_else(|| {
                    SaleError::Unavailable("the row that stood in the way is gone".into())
                })?;
                match row.state {
                    // Finish without comparing the fence would mark seats sold
                    // that this sale never had.
                    LedgerState::Confirmed if row.fence == seats.fence => {
                        Ended::Finished(Box::new(row))
                    }
                    LedgerState::Confirmed | LedgerState::Cancelled => {
                        Ended::Leftover(Box::new(row))
                    }
                    LedgerState::Aborted => Ended::Aborted,
                }
            }
            Err(error) => return Err(error.into()),
        };
        let at = AtFence { booking: seats.booking, fence: seats.fence };
        match &ended {
            Ended::Finished(_) => {
                self.locks.finish(&seats.show, &at).await?;
                fail_points::RECONCILED.reach().await;
            }
            Ended::Leftover(_) | Ended::Aborted => {
                self.locks.abort(&seats.show, &at).await?;
                fail_points::ABORTED.reach().await;
            }
        }
        Ok(ended)
    }
}
