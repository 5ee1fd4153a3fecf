//! Cancelling: a hold is released; a booking's tickets are cancelled in one
//! ledger transaction, and then their seats are freed (step 7).

use crate::etcd::{Free, Freeing, SeatState};
use crate::names::{Booking, Fence, Place, Seats, at};
use crate::properties::{Breach, Landmark};
use crate::scenario::Scenario;
use crate::shard::{Refusal, RowState};
use crate::state::State;
use crate::weakness::Weakness;

/// Which answer a cancel waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Cancel {
    /// The request has not come, or it has to look again.
    #[default]
    Looking,
    /// Release was sent for the hold under this fence.
    Releasing(Seats, Fence),
    /// Finish was sent first: the seats were still `confirming`.
    FinishingFirst(Seats, Fence),
    /// The ledger transaction was sent.
    Cancelling(Place),
    /// Free was sent.
    Freeing(Free),
    /// Answered.
    Over,
}

impl Cancel {
    /// The fence that it remembers.
    pub fn fence_mut(&mut self) -> Option<&mut Fence> {
        match self {
            Self::Releasing(_, fence) | Self::FinishingFirst(_, fence) => Some(fence),
            Self::Freeing(free) => Some(&mut free.fence),
            Self::Looking | Self::Cancelling(_) | Self::Over => None,
        }
    }
}

impl State {
    /// The request comes: what there is to cancel decides how.
    pub fn start_cancel(&mut self, cancel: usize, scenario: &Scenario) {
        let plan = scenario.cancels[cancel];
        let booking = plan.booking;
        let seats = self.etcd.seats_of(booking);
        let value = self.etcd.value_of(seats);
        self.cancels[cancel] = match value {
            Some(value) if value.state == SeatState::Held => {
                // A hold has no tickets; it is given back as a whole.
                if plan.whole { Cancel::Releasing(seats, value.fence) } else { Cancel::Over }
            }
            Some(value) if value.state == SeatState::Confirming => {
                let pinned_to = value.pin.map_or(self.etcd.map.place, |pin| pin.place);
                match self.shards[at(pinned_to.shard)].rows[at(booking)] {
                    // The commit's outcome is unknown: 409.
                    None => Cancel::Over,
                    Some(row) if row.state == RowState::Confirmed && row.fence == value.fence => {
                        Cancel::FinishingFirst(seats, value.fence)
                    }
                    Some(row) if row.state == RowState::Confirmed => {
                        Cancel::Cancelling(self.etcd.map.place)
                    }
                    Some(_) => Cancel::Over,
                }
            }
            Some(_) | None => {
                if self.row(booking).is_some_and(|row| row.state == RowState::Confirmed) {
                    Cancel::Cancelling(self.etcd.map.place)
                } else {
                    Cancel::Over
                }
            }
        };
    }

    /// The message on its way arrives, but the answer is lost: it is sent again.
    pub fn cancel_unheard(&mut self, cancel: usize, scenario: &Scenario) {
        let waiting = self.cancels[cancel];
        self.cancel_hears(cancel, scenario);
        self.cancels[cancel] = waiting;
    }

    /// The message on its way arrives, and its answer is heard.
    pub fn cancel_hears(&mut self, cancel: usize, scenario: &Scenario) {
        let plan = scenario.cancels[cancel];
        let (booking, weak) = (plan.booking, scenario.weak);
        self.cancels[cancel] = match self.cancels[cancel] {
            Cancel::Releasing(seats, fence) => {
                if self.give_back(booking, seats, fence) {
                    Cancel::Over
                } else {
                    Cancel::Looking
                }
            }
            Cancel::FinishingFirst(seats, fence) => {
                self.finish(booking, seats, fence, weak);
                Cancel::Cancelling(self.etcd.map.place)
            }
            Cancel::Cancelling(place) => {
                let shard = &mut self.shards[at(place.shard)];
                match shard.cancel(booking, place, plan.tickets, scenario) {
                    Ok(changed) => {
                        self.refund(booking, changed);
                        self.free_cancelled(booking, place, changed, scenario)
                    }
                    // Being moved: 503.
                    Err(_) if place == self.etcd.map.place => Cancel::Over,
                    Err(Refusal::StalePlacement) => Cancel::Cancelling(self.etcd.map.place),
                    Err(Refusal::DuplicateBooking | Refusal::SeatSold) => Cancel::Over,
                }
            }
            Cancel::Freeing(free) => {
                if self.free(booking, &free) {
                    scenario.reach(Landmark::Freed);
                }
                // Whatever is left the outbox frees.
                Cancel::Over
            }
            waiting @ (Cancel::Looking | Cancel::Over) => waiting,
        };
    }

    /// Frees the seats of every cancelled ticket, not only of those that this
    /// cancel changed: what another left behind is freed as well.
    fn free_cancelled(
        &self,
        booking: Booking,
        place: Place,
        changed: Seats,
        scenario: &Scenario,
    ) -> Cancel {
        let row = self.shards[at(place.shard)].rows[at(booking)];
        let cancelled = if scenario.weak.has(Weakness::FreeComparesOwnSeats) {
            changed
        } else {
            row.map_or(Seats::NONE, |row| row.tickets.minus(row.valid))
        };
        match self.etcd.freeing(booking, cancelled, scenario.weak) {
            Freeing::Send(free) => Cancel::Freeing(free),
            Freeing::Done | Freeing::Confirming => Cancel::Over,
        }
    }

    /// INV-7: a ticket is refunded once.
    fn refund(&mut self, booking: Booking, tickets: Seats) {
        let refunded = &mut self.refunded[at(booking)];
        if !refunded.and(tickets).is_empty() {
            self.breaches.note(Breach::SecondRefund);
        }
        *refunded = refunded.or(tickets);
    }
}
