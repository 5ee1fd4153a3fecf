//! Reconcilers: stateless, any number, anywhere, as slow as they like. Time is
//! free here: they may act on seats the moment these are `confirming`.

use crate::ending::{EndStep, Ended, Ending};
use crate::etcd::SeatState;
use crate::names::Booking;
use crate::properties::Landmark;
use crate::scenario::Scenario;
use crate::shard::RowState;
use crate::state::State;
use crate::weakness::Weakness;

impl State {
    /// What a reconciler would do about this booking.
    #[must_use]
    pub fn reconcilable(&self, booking: Booking, scenario: &Scenario) -> Option<Ending> {
        let seats = self.etcd.seats_in(booking, SeatState::Confirming);
        // Seats of one booking are written together; were they not, each fence
        // would be a case of its own, and INV-9 broken.
        let value = self.etcd.value_of(seats)?;
        let step = if scenario.weak.has(Weakness::ReconcilerOnlyReads) {
            EndStep::ReadRow
        } else {
            EndStep::Tombstone
        };
        Some(Ending { booking, seats, fence: value.fence, place: value.pin?.place, step })
    }

    /// A reconciler's message arrives and is answered.
    pub fn reconciler_hears(&mut self, reconciler: usize, scenario: &Scenario) {
        let Some(ending) = self.reconcilers[reconciler].take() else { return };
        if let Ended::Next(next) = self.end(ending, scenario) {
            let booking = next.booking;
            let aborted = self.row(booking).is_some_and(|row| row.state == RowState::Aborted);
            match next.step {
                EndStep::Finish => scenario.reach(Landmark::FinishedByRow),
                EndStep::Abort if !aborted => scenario.reach(Landmark::LeftoverFreed),
                EndStep::Abort | EndStep::Tombstone | EndStep::ReadRow => {}
            }
            self.reconcilers[reconciler] = Some(next);
        }
    }
}
