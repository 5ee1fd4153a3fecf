//! The way of pinned seats into the ledger: commit, then finish; or, when the
//! commit did not happen, back; or, when nobody knows, not a finger moved.

use std::sync::Arc;

use lock_service_client::LockError;
use lock_service_client::wire::{AtFence, BookedSeats, Moved, Pin};
use rand::Rng;
use seat_model::{BookingId, Fence, Nonce, ShowId};
use trace_context::Carried;

use super::answer::currency_of;
use super::error::SaleError;
use super::placement::Place;
use super::reconciler::Ended;
use super::{Progress, Sale, answer};
use crate::catalogue::Performance;
use crate::fail_points;
use crate::planted_bugs::{ACKNOWLEDGE_BEFORE_COMMIT, NOT_APPLIED_ON_UNKNOWN};
use crate::store::{LedgerBooking, NewBooking, NewTicket, Refusal, Sold, StoreError};

/// Seats that this attempt pinned, and what its commit will say.
pub(crate) struct Pinned {
    /// The seats, `confirming`, under this attempt's own nonce.
    pub(crate) seats: BookedSeats,
    /// Their performance.
    pub(crate) performance: Arc<Performance>,
    /// The authorised payment.
    pub(crate) payment: String,
    /// The confirm's Idempotency-Key.
    pub(crate) key: String,
    /// Hash of its body.
    pub(crate) hash: String,
    /// Whether hold and confirm were one request.
    pub(crate) direct: bool,
}

/// What became of a commit.
pub(crate) enum Committed {
    /// The sale stands; the seats are being marked sold.
    Done(LedgerBooking),
    /// Another row was there before: it is the answer.
    Before(LedgerBooking),
    /// Nobody knows yet.
    Pending,
}

/// A pin for a new attempt: its nonce is drawn, never reused (INV-4).
pub(crate) fn pin(place: &Place) -> Pin {
    Pin { shard: place.shard.clone(), epoch: place.epoch, nonce: Nonce::new(rand::rng().random()) }
}

impl Sale {
    /// Steps 4 and 5 of the protocol. Errors mean that there is no sale: the
    /// hold stays (503) or is gone.
    pub(super) async fn commit(
        &self,
        pinned: Pinned,
        progress: &Progress,
    ) -> Result<Committed, SaleError> {
        fail_points::PINNED.reach().await;
        progress.set_pinned(answer::pending(&pinned.seats, &pinned.performance));
        let Some(pin) = pinned.seats.pin.clone() else {
            return Err(SaleError::Broken("pinned seats have no pin".into()));
        };
        let booking = self.new_booking(&pinned, &pin)?;
        let seats = &pinned.seats;
        let (show, id, fence) = (&seats.show, seats.booking, seats.fence);
        // The shard named in the seats' values, not the one the map names now:
        // whoever ends this booking later looks exactly there.
        if ACKNOWLEDGE_BEFORE_COMMIT.is_planted() {
            let (sale, row) = (self.clone(), booking.clone().into_row());
            let (show, shard) = (show.clone(), self.shards.get(&pin.shard)?.clone());
            drop(self.background.finish(async move {
                if shard.commit(booking).await.is_ok() {
                    sale.finish_behind(show, id, fence);
                }
            }));
            return Ok(Committed::Done(row));
        }
        let sent = match self.shards.get(&pin.shard) {
            Ok(shard) => shard.commit(booking.clone()).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => {
                self.finish_behind(show.clone(), id, fence);
                Ok(Committed::Done(booking.into_row()))
            }
            Err(StoreError::Unknown { shard, why }) => {
                fail_points::COMMIT_UNKNOWN.reach().await;
                tracing::warn!(booking = %id, shard, why, "a commit's outcome is unknown");
                if NOT_APPLIED_ON_UNKNOWN.is_planted() {
                    return Err(SaleError::Unavailable(why));
                }
                Ok(self.pending())
            }
            Err(error @ (StoreError::NotSent { .. } | StoreError::Deadlock { .. })) => {
                fail_points::COMMIT_NOT_SENT.reach().await;
                self.step_back(seats).await;
                progress.clear();
                Err(SaleError::Unavailable(error.to_string()))
            }
            Err(StoreError::Refused(refusal)) => {
                fail_points::COMMIT_REFUSED.reach().await;
                self.refused(seats, refusal).await
            }
        }
    }

    async fn refused(&self, seats: &BookedSeats, refusal: Refusal) -> Result<Committed, SaleError> {
        if refusal == Refusal::SeatSold {
            self.metrics.broken_invariants.inc();
            tracing::error!(booking = %seats.booking, performance = %seats.performance,
                "a pinned seat is sold to another booking in the ledger");
        }
        // Whatever the refusal was, the booking's row is the last word, and a
        // tombstone is written where there is none: an earlier sending of the
        // same commit may have gone through, or may still be on its way.
        match self.end_confirming(seats).await {
            Err(error) => {
                tracing::warn!(booking = %seats.booking, %error, "could not end a refused commit");
                Ok(self.pending())
            }
            Ok(Ended::Finished(row)) => Ok(Committed::Done(*row)),
            Ok(Ended::Leftover(row)) => Ok(Committed::Before(*row)),
            Ok(Ended::Aborted) => Err(match refusal {
                Refusal::Quota => SaleError::Limit,
                Refusal::PerformanceClosed => {
                    SaleError::Gone("the performance is not sold any more")
                }
                Refusal::StalePlacement => SaleError::Gone("the show was moved meanwhile"),
                Refusal::DuplicateBooking | Refusal::TicketsLive => {
                    SaleError::Gone("the booking was aborted")
                }
                Refusal::SeatSold => {
                    SaleError::Broken("a seat was sold twice but for the key".into())
                }
            }),
        }
    }

    fn pending(&self) -> Committed {
        self.metrics.pending.inc();
        Committed::Pending
    }

    fn new_booking(&self, pinned: &Pinned, pin: &Pin) -> Result<NewBooking, SaleError> {
        let Pinned { seats, performance, .. } = pinned;
        let broken = |error: serde_json::Error| SaleError::Broken(error.to_string());
        let currency = currency_of(performance);
        let sold = Sold {
            payment: pinned.payment.clone(),
            currency: currency.as_str().to_owned(),
            amount: seats.seats.iter().map(|seat| seat.price).sum(),
            trace: Carried::current(),
        };
        let tickets = self.tickets(seats, performance);
        Ok(NewBooking {
            id: seats.booking,
            user_id: seats.user.clone(),
            show_id: seats.show.clone(),
            epoch: pin.epoch,
            performance_id: seats.performance.clone(),
            fence: seats.fence,
            acquired: seats.acquired,
            first_deadline_ms: seats.first_deadline.as_millis(),
            body_hash: seats.body_hash.clone(),
            direct: pinned.direct,
            confirm_key: pinned.key.clone(),
            confirm_hash: pinned.hash.clone(),
            payment: pinned.payment.clone(),
            currency,
            at_ms: service_kit::clock::now().as_millis(),
            seats: tickets.len(),
            seats_limit: performance.max_seats_per_customer,
            payload: serde_json::to_string(&sold).map_err(broken)?,
            tickets,
        })
    }

    /// Tickets in plan order, numbered so that neighbours follow one another.
    fn tickets(&self, seats: &BookedSeats, performance: &Performance) -> Vec<NewTicket> {
        let chart = &performance.chart;
        let mut priced: Vec<_> = seats.seats.iter().collect();
        priced.sort_by_key(|priced| chart.index_of(&priced.seat));
        let mut number = 0;
        let mut last = None;
        priced
            .into_iter()
            .map(|priced| {
                let neighbour =
                    last.is_some_and(|last| chart.next_to_each_other([last, &priced.seat]));
                number += if neighbour || last.is_none() { 1 } else { 2 };
                last = Some(&priced.seat);
                NewTicket {
                    number,
                    seat: priced.seat.clone(),
                    tier: priced.tier.clone(),
                    price: priced.price,
                    code: self.ids.ticket_code(seats.booking, number, priced.seat.as_str()),
                }
            })
            .collect()
    }

    /// Marks the seats sold without keeping the customer waiting; the
    /// reconciler does it where this does not.
    fn finish_behind(&self, show: ShowId, booking: BookingId, fence: Fence) {
        let sale = self.clone();
        self.background.finish(async move {
            if let Err(error) = sale.finish(&show, booking, fence).await {
                tracing::warn!(%booking, %error, "a sale is left for the reconciler to finish");
            }
        });
    }

    /// Step 5, only for a row under this very fence.
    pub(crate) async fn finish(
        &self,
        show: &ShowId,
        booking: BookingId,
        fence: Fence,
    ) -> Result<(), LockError> {
        fail_points::FINISHING.reach().await;
        let at = AtFence { booking, fence };
        let moved = match self.locks.finish(show, &at).await {
            // The same compares: it may be sent again.
            Err(LockError::Unknown(_)) => self.locks.finish(show, &at).await?,
            other => other?,
        };
        match moved {
            Moved::Done { .. } | Moved::Gone => {}
            other => tracing::error!(%booking, ?other, "a confirmed booking could not be finished"),
        }
        fail_points::FINISHED.reach().await;
        Ok(())
    }

    /// The commit was surely not sent: the seats are a hold again. Where this
    /// fails the reconciler ends the booking instead.
    async fn step_back(&self, seats: &BookedSeats) {
        let at = AtFence { booking: seats.booking, fence: seats.fence };
        match self.locks.step_back(&seats.show, &at).await {
            Ok(_) => fail_points::STEPPED_BACK.reach().await,
            Err(error) => {
                tracing::warn!(booking = %seats.booking, %error, "could not step back");
            }
        }
    }
}
