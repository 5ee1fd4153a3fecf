//! Fast refusals: a request for seats that cannot be had is answered from the
//! mirror alone, as a read as of the mirror's revision, while that is fresh.
//! In a crowd nearly every request is such a one.

use std::time::Instant;

use lock_service_client::wire::{Acquire, PricedSeat};
use seat_model::{Conflict, SeatState};
use service_kit::clock;

use super::Engine;

/// A hold with less left than this may be gone when the request would arrive.
const FAR_MS: i64 = 2_000;

impl Engine {
    /// The seats that are somebody else's, when at least one of them is so for
    /// long: sold, being confirmed, or held with a deadline still far. `None`:
    /// etcd must be asked. Never for a booking that is known: that is a replay
    /// (INV-8).
    pub(super) fn hopeless(
        &self,
        request: &Acquire,
        seats: &[PricedSeat],
    ) -> Option<Vec<Conflict>> {
        if !self.mirror_is_fresh() {
            return None;
        }
        let far_ms = clock::now().plus_millis(FAR_MS).as_millis();
        let conflicts = self.mirror.read(|state| {
            if state.knows(request.booking) {
                return None;
            }
            let mut hopeless = false;
            let mut conflicts = Vec::new();
            for PricedSeat { seat, .. } in seats {
                let Some(record) = state.record(&request.performance, seat) else { continue };
                hopeless |= match record.state {
                    SeatState::Sold | SeatState::Confirming => true,
                    SeatState::Held => record.deadline_ms > far_ms,
                };
                conflicts.push(Conflict { seat: seat.clone(), state: record.state.into() });
            }
            hopeless.then_some(conflicts)
        })?;
        self.metrics.fast_refusals.inc();
        Some(conflicts)
    }

    /// Whether the mirror has everything that etcd had at some moment of the
    /// last `fresh_ms`.
    fn mirror_is_fresh(&self) -> bool {
        let now = Instant::now();
        let confirmed = self.mirror.confirmed();
        confirmed.is_some_and(|last| self.freshness.covers(now, last.at))
            || self.freshness.proves(now, self.mirror.revision())
    }
}
