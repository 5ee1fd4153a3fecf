//! Expire: deletes holds that their lease has left behind (a leader change
//! restarts a lease at full length), and strays that should not exist.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use rand::seq::SliceRandom;
use seat_model::{BookingId, SeatState};
use service_kit::clock;

use super::Engine;
use crate::config::ms;
use crate::fail_points;
use crate::fault::Fault;
use crate::operations::{Asked, Ending, Landing, RewritePlan};
use crate::record::BookingSeen;

/// Every instance deletes what is overdue. Each takes its share at random from
/// so many times as much, or all would be after the same holds.
const CHOICE: usize = 4;

/// Looks again and again; supervised.
pub async fn expire(engine: Arc<Engine>) {
    let mut ticks = tokio::time::interval(ms(engine.timing.expire_every_ms));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if engine.gate().is_err() {
            continue;
        }
        if let Err(fault) = engine.expire_overdue().await {
            tracing::warn!(%fault, "overdue holds were not all deleted");
        }
        if let Err(fault) = engine.release_strays().await {
            tracing::warn!(%fault, "strays were not all released");
        }
    }
}

impl Engine {
    /// Deletes holds whose deadline plus grace has passed on the wall clock
    /// and that were watched, unchanged, for their whole TTL on the monotonic
    /// one: a clock that jumps cannot take a hold from anybody (INV-5). Goes on
    /// until none is left: where a leader change has stretched the leases of a
    /// whole on-sale, all of its holds are overdue together.
    async fn expire_overdue(&self) -> Result<(), Fault> {
        loop {
            let overdue = self.overdue();
            if overdue.is_empty() {
                return Ok(());
            }
            let mut revision = 0;
            let mut failed = None;
            let mut deletions = stream::iter(overdue)
                .map(|seen| self.delete_held(seen, "expire"))
                .buffer_unordered(self.bounds.max_expiring);
            while let Some(deleted) = deletions.next().await {
                match deleted {
                    Ok(deleted) => {
                        revision = revision.max(deleted.revision);
                        self.metrics.expired.inc_by(u64::from(deleted.done));
                    }
                    Err(fault) => failed = Some(fault),
                }
            }
            if let Some(fault) = failed {
                return Err(fault);
            }
            // Or the next round would be after the same ones.
            if !self.mirror.reach(revision, self.deadline()).await {
                return Err(Fault::Unavailable("the mirror is behind".into()));
            }
        }
    }

    fn overdue(&self) -> Vec<BookingSeen> {
        let grace = i64::try_from(self.timing.expire_grace_ms).unwrap_or(i64::MAX);
        let overdue_ms = clock::now().plus_millis(grace.saturating_neg()).as_millis();
        let (now, at_once) = (Instant::now(), self.bounds.max_expiring);
        let due = |state: &crate::mirror::State| -> Vec<BookingId> {
            state.due(now, overdue_ms).take(at_once.saturating_mul(CHOICE)).collect()
        };
        let mut bookings = self.mirror.read(due);
        bookings.shuffle(&mut rand::rng());
        bookings.truncate(at_once);
        self.mirror.read(|state| {
            let seen = bookings.into_iter().filter_map(|booking| state.booking(booking));
            seen.filter(watched_long_enough).collect()
        })
    }

    /// Releases seats that a booking took later than its first ones.
    async fn release_strays(&self) -> Result<(), Fault> {
        let suspects: Vec<BookingId> = self.mirror.read(crate::mirror::State::with_strays);
        if suspects.is_empty() {
            return Ok(());
        }
        // It decides, so the mirror catches up first.
        self.catch_up.now(self.deadline()).await?;
        for booking in suspects.into_iter().take(self.bounds.max_expiring) {
            for stray in self.mirror.read(|state| state.strays(booking)) {
                let seats = u64::try_from(stray.seats.len()).unwrap_or(0);
                if self.delete_held(stray, "release_stray").await?.done {
                    self.metrics.strays.inc_by(seats);
                    tracing::error!(%booking, seats, "released stray seats of a booking");
                }
            }
        }
        Ok(())
    }

    async fn delete_held(&self, at: BookingSeen, name: &'static str) -> Result<Deleted, Fault> {
        if at.record().state != SeatState::Held {
            return Ok(Deleted { done: false, revision: 0 });
        }
        let plan = RewritePlan { asked: Asked::Expire, at, ending: Ending::Free };
        let until: Instant = self.deadline();
        fail_points::EXPIRING.reach().await;
        let answer = self.submit(plan.txn(), until).await?;
        fail_points::EXPIRED.reach().await;
        let done = matches!(plan.outcome(&answer)?, Landing::Landed(..));
        self.metrics.operation(name, if done { "done" } else { "changed" });
        Ok(Deleted { done, revision: answer.revision })
    }
}

/// What came of a deletion.
struct Deleted {
    /// Whether it was this one that deleted them; else they had moved on.
    done: bool,
    /// The revision that shows it.
    revision: u64,
}

fn watched_long_enough(seen: &BookingSeen) -> bool {
    seen.record().state == SeatState::Held
        && seen.since.elapsed() >= Duration::from_millis(seen.record().ttl_ms)
}
