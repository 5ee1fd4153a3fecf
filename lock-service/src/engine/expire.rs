//! Expire: deletes holds that their lease has left behind (a leader change
//! restarts a lease at full length), and strays that should not exist.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use seat_model::{BookingId, SeatState};
use service_kit::clock;

use super::Engine;
use crate::config::ms;
use crate::fault::Fault;
use crate::operations::{Asked, Ending, Landing, RewritePlan};
use crate::record::BookingSeen;

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
    /// one: a clock that jumps cannot take a hold from anybody (INV-5).
    async fn expire_overdue(&self) -> Result<(), Fault> {
        let grace = i64::try_from(self.timing.expire_grace_ms).unwrap_or(i64::MAX);
        let overdue_ms = clock::now().plus_millis(grace.saturating_neg()).as_millis();
        let overdue: Vec<BookingSeen> = self.mirror.read(|state| {
            state
                .due(overdue_ms)
                .filter_map(|booking| state.booking(booking))
                .filter(watched_long_enough)
                .take(self.bounds.max_expiring)
                .collect()
        });
        let mut deletions = stream::iter(overdue)
            .map(|seen| self.delete_held(seen, "expire"))
            .buffer_unordered(self.bounds.max_expiring);
        while let Some(deleted) = deletions.next().await {
            if deleted? {
                self.metrics.expired.inc();
            }
        }
        Ok(())
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
                if self.delete_held(stray, "release_stray").await? {
                    self.metrics.strays.inc_by(seats);
                    tracing::error!(%booking, seats, "released stray seats of a booking");
                }
            }
        }
        Ok(())
    }

    async fn delete_held(&self, at: BookingSeen, name: &'static str) -> Result<bool, Fault> {
        if at.record().state != SeatState::Held {
            return Ok(false);
        }
        let plan = RewritePlan { asked: Asked::Expire, at, ending: Ending::Free };
        let until: Instant = self.deadline();
        let answer = self.submit(plan.txn(), until).await?;
        let deleted = matches!(plan.outcome(&answer)?, Landing::Landed(..));
        self.metrics.operation(name, if deleted { "done" } else { "changed" });
        Ok(deleted)
    }
}

fn watched_long_enough(seen: &BookingSeen) -> bool {
    seen.record().state == SeatState::Held
        && seen.since.elapsed() >= Duration::from_millis(seen.record().ttl_ms)
}
