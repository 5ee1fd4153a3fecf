//! An attempt: one booking-api instance at work for one request of a customer,
//! from the hold to the ticket (steps 1 to 5 of the protocol). Several attempts
//! under one key are one booking; each has a nonce of its own.

use crate::ending::{EndStep, Ended, Ending};
use crate::etcd::{Acquired, Pin, SeatState};
use crate::mover::Mover;
use crate::names::{AttemptId, Booking, Fence, Place, Seats, at};
use crate::properties::{Breach, Landmark};
use crate::scenario::{Scenario, Wish};
use crate::shard::{Refusal, Row, RowState};
use crate::state::State;
use crate::weakness::Weakness;

/// Which answer an attempt waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Phase {
    /// The request has not come yet.
    #[default]
    NotStarted,
    /// A pick was beaten: choose again.
    Choosing,
    /// Acquire was sent, as a hold or straight to `confirming`.
    Acquiring,
    /// The hold stands; the customer extends or confirms.
    Holding,
    /// Extend was sent.
    Extending,
    /// The payment is authorised; begin-confirm was sent.
    Pinning,
    /// The commit is about to be sent or was sent.
    Committing {
        /// Whether it surely was not sent yet.
        unsent: bool,
    },
    /// Step back was sent: the commit surely was not.
    SteppingBack,
    /// The commit was refused: this is being done about it.
    Ending(EndStep),
    /// The sale stands and the customer knows; finish was sent.
    Finishing,
    /// Answered, one way or the other.
    Over,
}

/// What an attempt knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Attempt {
    /// What it waits for.
    pub phase: Phase,
    /// The seats it is about.
    pub seats: Seats,
    /// Their fence, as it was told.
    pub fence: Fence,
    /// Where the show is, by the map as it read it.
    pub place: Place,
    /// The revision of that map.
    pub map_version: u8,
    /// Every choice of seats that an acquire was sent for: bit n for `Seats(n)`.
    pub acquires_sent: u8,
    /// Whether a commit under `fence` was sent that may still arrive.
    pub commit_sent: bool,
}

impl Attempt {
    fn pin(&self, nonce: AttemptId) -> (Pin, u8) {
        (Pin { place: self.place, nonce }, self.map_version)
    }

    fn over(&mut self) {
        self.phase = Phase::Over;
    }
}

impl State {
    fn attempt(&mut self, id: AttemptId) -> &mut Attempt {
        &mut self.attempts[at(id)]
    }

    fn read_map(&mut self, id: AttemptId, scenario: &Scenario) {
        let map = self.etcd.map;
        let direct = scenario.attempt(id).direct;
        let attempt = self.attempt(id);
        if direct && attempt.map_version != map.version {
            // What compares the old map's revision never lands again.
            attempt.acquires_sent = 0;
        }
        (attempt.place, attempt.map_version) = (map.place, map.version);
        // A commit for another place cannot land any more: that is frozen or gone.
        attempt.commit_sent = false;
    }

    /// The request comes, or a pick is made again: acquire is sent.
    pub fn start(&mut self, id: AttemptId, seats: Seats, scenario: &Scenario) {
        if scenario.attempt(id).direct && !self.authorise(id, scenario) {
            return self.attempt(id).over();
        }
        self.read_map(id, scenario);
        let attempt = self.attempt(id);
        attempt.phase = Phase::Acquiring;
        attempt.seats = seats;
        if scenario.late_acquires {
            attempt.acquires_sent |= 1 << seats.0;
        }
    }

    fn send_acquire(&mut self, id: AttemptId, seats: Seats, scenario: &Scenario) -> Acquired {
        let plan = scenario.attempt(id);
        let pin = plan.direct.then(|| self.attempt(id).pin(id));
        let picked = matches!(scenario.bookings[at(plan.booking)].wish, Wish::Pick(_));
        self.acquire(plan.booking, seats, picked, pin, scenario.weak)
    }

    /// An earlier sending of an acquire arrives; nobody hears the answer.
    pub fn late_acquire(&mut self, id: AttemptId, seats: Seats, scenario: &Scenario) {
        self.send_acquire(id, seats, scenario);
    }

    /// The message on its way arrives, but the answer is lost: the attempt
    /// waits on, and sends it again.
    pub fn unheard(&mut self, id: AttemptId, scenario: &Scenario) {
        let mut deaf = self.clone();
        deaf.heard(id, scenario);
        // What was done stays; what was learnt, and told the customer, does not.
        deaf.attempts[at(id)] = self.attempts[at(id)];
        deaf.acknowledged = self.acknowledged;
        if let Phase::Committing { unsent } = &mut deaf.attempts[at(id)].phase {
            *unsent = false;
        }
        *self = deaf;
    }

    /// The message on its way arrives, and its answer is heard.
    pub fn heard(&mut self, id: AttemptId, scenario: &Scenario) {
        let booking = scenario.attempt(id).booking;
        let weak = scenario.weak;
        let Attempt { phase, seats, fence, .. } = self.attempts[at(id)];
        match phase {
            Phase::NotStarted | Phase::Choosing | Phase::Holding | Phase::Over => {}
            Phase::Acquiring => match self.send_acquire(id, seats, scenario) {
                Acquired::Taken(fence) if scenario.attempt(id).direct => {
                    self.pinned(id, fence, scenario)
                }
                Acquired::Taken(fence) => self.held(id, seats, fence, scenario),
                Acquired::Replay(seats) => self.replayed(id, seats, scenario),
                Acquired::MapMoved => self.read_map(id, scenario),
                Acquired::SeatTaken => {
                    let picks = matches!(scenario.bookings[at(booking)].wish, Wish::Pick(_));
                    self.attempt(id).phase = if picks { Phase::Choosing } else { Phase::Over };
                }
            },
            Phase::Extending => {
                self.extend(booking, seats, fence, weak);
                // Ours and held, by this or an earlier sending: success.
                match self.etcd.value_of(seats) {
                    Some(now) if now.booking == booking && now.state == SeatState::Held => {
                        self.attempt(id).fence = now.fence;
                        self.attempt(id).phase = Phase::Holding;
                    }
                    Some(_) | None => self.attempt(id).over(),
                }
            }
            Phase::Pinning => {
                let pin = self.attempt(id).pin(id);
                match self.begin_confirm(booking, seats, fence, pin, weak) {
                    Some(fence) => self.pinned(id, fence, scenario),
                    None => self.pin_refused(id, scenario),
                }
            }
            Phase::Committing { .. } => match self.commit(id, scenario) {
                Ok(()) => {
                    self.note_sale(booking, seats, scenario);
                    self.sold(id, scenario);
                }
                Err(Refusal::DuplicateBooking) => {
                    scenario.reach(Landmark::CommitMetRow);
                    self.stands_in_the_way(id, scenario);
                }
                Err(Refusal::StalePlacement) => {
                    scenario.reach(Landmark::StaleCommit);
                    self.refused(id);
                }
                Err(Refusal::SeatSold) => self.refused(id),
            },
            Phase::SteppingBack => {
                self.step_back(booking, seats, fence);
                self.attempt(id).over();
            }
            Phase::Ending(step) => {
                let place = self.attempts[at(id)].place;
                match self.end(Ending { booking, seats, fence, place, step }, scenario) {
                    Ended::Next(next) => {
                        if next.place != place {
                            self.read_map(id, scenario);
                        }
                        self.attempt(id).phase = Phase::Ending(next.step);
                    }
                    Ended::Finished => {
                        self.acknowledge(booking, scenario);
                        self.attempt(id).over();
                    }
                    Ended::Aborted | Ended::Unknown => self.attempt(id).over(),
                }
            }
            Phase::Finishing => {
                self.finish(booking, seats, fence, weak);
                self.attempt(id).over();
            }
        }
    }

    fn held(&mut self, id: AttemptId, seats: Seats, fence: Fence, scenario: &Scenario) {
        let attempt = self.attempt(id);
        (attempt.seats, attempt.fence) = (seats, fence);
        if scenario.extend {
            attempt.phase = Phase::Holding;
        } else {
            self.confirm(id, scenario);
        }
    }

    /// The customer extends.
    pub fn extends(&mut self, id: AttemptId) {
        self.attempt(id).phase = Phase::Extending;
    }

    /// The customer confirms: authorise, read the map, begin to confirm.
    pub fn confirm(&mut self, id: AttemptId, scenario: &Scenario) {
        if !self.authorise(id, scenario) {
            return self.attempt(id).over();
        }
        self.read_map(id, scenario);
        self.attempt(id).phase = Phase::Pinning;
        if scenario.weak.unpinned() {
            // The hold is looked at here, and the sale sent off.
            self.committing(id, scenario);
        }
    }

    fn pinned(&mut self, id: AttemptId, fence: Fence, scenario: &Scenario) {
        self.attempt(id).fence = fence;
        self.committing(id, scenario);
    }

    fn committing(&mut self, id: AttemptId, scenario: &Scenario) {
        if scenario.weak.has(Weakness::AcknowledgeFirst) {
            self.acknowledge(scenario.attempt(id).booking, scenario);
        }
        self.attempt(id).phase = Phase::Committing { unsent: true };
    }

    /// Acquire found seats of one's own: answered by their state.
    fn replayed(&mut self, id: AttemptId, seats: Seats, scenario: &Scenario) {
        let booking = scenario.attempt(id).booking;
        let value = self.etcd.value_of(seats).filter(|value| value.booking == booking);
        let Some(value) = value else { return self.look_at_row(id, scenario) };
        scenario.reach(Landmark::Replayed);
        match value.state {
            SeatState::Held => self.held(id, seats, value.fence, scenario),
            SeatState::Confirming if scenario.weak.has(Weakness::ReplayHandsOutPinned) => {
                self.held(id, seats, value.fence, scenario);
            }
            SeatState::Confirming => {
                self.attempt(id).seats = seats;
                self.found_confirming(id, value.fence, value.pin, scenario);
            }
            SeatState::Sold => self.look_at_row(id, scenario),
        }
    }

    /// Begin-confirm's Else.
    fn pin_refused(&mut self, id: AttemptId, scenario: &Scenario) {
        let booking = scenario.attempt(id).booking;
        let seats = self.attempts[at(id)].seats;
        let value = self.etcd.value_of(seats).filter(|value| value.booking == booking);
        match value {
            None => self.look_at_row(id, scenario),
            Some(value) => match value.state {
                SeatState::Held => {
                    self.attempt(id).fence = value.fence;
                    self.read_map(id, scenario);
                }
                SeatState::Confirming => {
                    self.found_confirming(id, value.fence, value.pin, scenario);
                }
                SeatState::Sold => self.look_at_row(id, scenario),
            },
        }
    }

    /// Own nonce: pinned by an earlier sending. Another's: never commit (INV-4).
    fn found_confirming(
        &mut self,
        id: AttemptId,
        fence: Fence,
        pin: Option<Pin>,
        scenario: &Scenario,
    ) {
        let Some(pin) = pin else { return self.attempt(id).over() };
        if pin.nonce == id || scenario.weak.has(Weakness::NoNonce) {
            self.attempt(id).place = pin.place;
            self.pinned(id, fence, scenario);
        } else {
            scenario.reach(Landmark::OtherAttempt);
            self.attempt(id).over();
        }
    }

    /// Nothing to confirm: the ledger says why, and the customer is told that.
    fn look_at_row(&mut self, id: AttemptId, scenario: &Scenario) {
        let booking = scenario.attempt(id).booking;
        if self.row(booking).is_some_and(|row| row.state == RowState::Confirmed) {
            self.acknowledge(booking, scenario);
        }
        self.attempt(id).over();
    }

    fn acknowledge(&mut self, booking: Booking, scenario: &Scenario) {
        scenario.reach(Landmark::Acknowledged);
        self.acknowledged |= 1 << booking;
    }

    /// The commit arrives at the shard that the seats name.
    pub fn commit(&mut self, id: AttemptId, scenario: &Scenario) -> Result<(), Refusal> {
        let booking = scenario.attempt(id).booking;
        let Attempt { seats, fence, place, .. } = self.attempts[at(id)];
        self.attempt(id).commit_sent = true;
        let sale =
            Row { state: RowState::Confirmed, fence, tickets: seats, valid: seats, payment: id };
        let shard = &mut self.shards[at(place.shard)];
        let outcome = shard.commit(booking, place.epoch, sale, scenario);
        // INV-4, at the only moment that counts.
        let owned = self
            .etcd
            .value_of(seats)
            .is_some_and(|value| value.booking == booking && value.fence == fence);
        if outcome.is_ok() && !owned {
            self.breaches.note(Breach::SaleWithoutSeats);
        }
        outcome
    }

    fn note_sale(&self, booking: Booking, seats: Seats, scenario: &Scenario) {
        let sold_before = |(other, row): (u8, &Option<Row>)| {
            other != booking
                && row.is_some_and(|row| !row.tickets.minus(row.valid).and(seats).is_empty())
        };
        if (0..).zip(&self.ledger().rows).any(sold_before) {
            scenario.reach(Landmark::SoldAgain);
        }
        if self.mover == Mover::Deleted {
            scenario.reach(Landmark::SoldAfterMove);
        }
    }

    fn sold(&mut self, id: AttemptId, scenario: &Scenario) {
        self.acknowledge(scenario.attempt(id).booking, scenario);
        self.attempt(id).phase = Phase::Finishing;
    }

    /// A row of this booking was there before: it is the answer.
    fn stands_in_the_way(&mut self, id: AttemptId, scenario: &Scenario) {
        let booking = scenario.attempt(id).booking;
        let Attempt { place, fence, .. } = self.attempts[at(id)];
        let row = self.shards[at(place.shard)].rows[at(booking)];
        match row {
            Some(row) if row.state == RowState::Confirmed && row.fence == fence => {
                self.sold(id, scenario);
            }
            Some(row) => {
                if row.state == RowState::Confirmed {
                    self.acknowledge(booking, scenario);
                }
                self.attempt(id).phase = Phase::Ending(EndStep::Abort);
            }
            None => self.attempt(id).over(),
        }
    }

    /// Definitely refused, for a reason of the placement, of a seat, or of the
    /// shard's own (a full quota, a closed performance): a tombstone comes
    /// first, because an earlier sending may still go through.
    pub fn refused(&mut self, id: AttemptId) {
        self.attempt(id).commit_sent = true;
        self.attempt(id).phase = Phase::Ending(EndStep::Tombstone);
    }

    /// The commit was surely not sent: the hold goes on, and the request fails.
    pub fn not_sent(&mut self, id: AttemptId) {
        self.attempt(id).phase = Phase::SteppingBack;
    }

    /// Whether a commit whose sender has gone on could still change anything.
    #[must_use]
    pub fn late_commit_lands(&self, id: AttemptId, scenario: &Scenario) -> bool {
        let attempt = &self.attempts[at(id)];
        attempt.commit_sent
            && matches!(attempt.phase, Phase::Ending(_) | Phase::Over)
            && self.clone().commit(id, scenario).is_ok()
    }

    /// Forgets what an attempt that is over cannot need any more.
    pub fn forget_over(&mut self, id: AttemptId, scenario: &Scenario) {
        if self.attempts[at(id)].phase != Phase::Over {
            return;
        }
        let lands = self.late_commit_lands(id, scenario);
        let kept = self.attempts[at(id)];
        let attempt = self.attempt(id);
        *attempt =
            Attempt { phase: Phase::Over, acquires_sent: kept.acquires_sent, ..Attempt::default() };
        if lands {
            attempt.commit_sent = true;
            (attempt.seats, attempt.fence, attempt.place) = (kept.seats, kept.fence, kept.place);
        }
        // Straight to `confirming`, an acquire carries the map as it was read.
        if scenario.attempt(id).direct && kept.acquires_sent != 0 {
            (attempt.place, attempt.map_version) = (kept.place, kept.map_version);
        }
    }
}
