//! The promises of docs/INVARIANTS.md as properties of the model, each asked in
//! every state (`always`). Two kinds:
//!
//! - what can be seen in a state: a seat sold twice, an acknowledged booking
//!   without a row, a hold without a lease;
//! - what only a step can break: a write to somebody else's seat, a sale that
//!   lands without its seats, a second refund. The step notes a [`Breach`].
//!
//! INV-6 and INV-10 speak of the end of all faults. They are asked in *every*
//! state as if everybody had died there and every message were lost: the mover
//! goes on to its end, reconcilers, relay and sweeper do what there is to do,
//! and then nothing may be left over. That is more than asking only where
//! everybody has finished, and needs no fairness.

use stateright::Property;

use crate::ending::Ended;
use crate::etcd::SeatState;
use crate::model::SeatProtocol;
use crate::mover::Mover;
use crate::names::{BOOKINGS, Booking, SHARDS, Seats, at, number};
use crate::scenario::{Scenario, Wish};
use crate::shard::RowState;
use crate::state::State;

/// A promise that a step broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Breach {
    /// INV-3: a seat was written for a booking that does not have it.
    ForeignWrite,
    /// INV-4: a sale landed and its seats were not the booking's, under its fence.
    SaleWithoutSeats,
    /// INV-7: a ticket was refunded again.
    SecondRefund,
}

/// The promises that steps have broken so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Breaches(u8);

impl Breaches {
    /// Remembers this one.
    pub fn note(&mut self, breach: Breach) {
        self.0 |= 1 << (breach as u8);
    }

    /// Whether this one happened.
    #[must_use]
    pub const fn has(self, breach: Breach) -> bool {
        self.0 & (1 << (breach as u8)) != 0
    }
}

/// Something that a scenario must have seen, or it has proved nothing: a
/// promise is easily kept where nothing happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Landmark {
    /// A customer was told that the booking is confirmed.
    Acknowledged,
    /// A commit met a row of its booking: a tombstone, or another attempt's.
    CommitMetRow,
    /// A commit came to a placement that is frozen, gone or of another epoch.
    StaleCommit,
    /// An attempt met another one's nonce.
    OtherAttempt,
    /// An acquire found its own booking's seats.
    Replayed,
    /// A reconciler found the sale and finished it.
    FinishedByRow,
    /// Pinned seats of a booking whose row is of another fence were freed.
    LeftoverFreed,
    /// A cancelled seat was freed.
    Freed,
    /// A seat was sold, cancelled, and sold to another booking.
    SoldAgain,
    /// An authorisation that no row knows was found.
    Swept,
    /// The show's move was completed, and a booking confirmed after it.
    SoldAfterMove,
}

impl Landmark {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Acknowledged,
        Self::CommitMetRow,
        Self::StaleCommit,
        Self::OtherAttempt,
        Self::Replayed,
        Self::FinishedByRow,
        Self::LeftoverFreed,
        Self::Freed,
        Self::SoldAgain,
        Self::Swept,
        Self::SoldAfterMove,
    ];
}

/// Every property, by its number in docs/INVARIANTS.md.
#[must_use]
pub fn all() -> Vec<Property<SeatProtocol>> {
    vec![
        Property::always("INV-1", |_, state| sold_once(state)),
        Property::always("INV-2", |_, state| acknowledged_stays(state)),
        Property::always("INV-3", |_, state| no_breach(state, Breach::ForeignWrite)),
        Property::always("INV-4", |_, state| no_breach(state, Breach::SaleWithoutSeats)),
        Property::always("INV-5", |_, state| a_lease_behind_every_hold(state)),
        Property::always("INV-6", |model, state| no_orphan_after_healing(model.scenario(), state)),
        Property::always("INV-7", |_, state| refunded_once_and_cancelled(state)),
        Property::always("INV-8", |model, state| one_set_of_seats(model.scenario(), state)),
        Property::always("INV-9", |model, state| all_or_nothing(model.scenario(), state)),
        Property::always("INV-10", |model, state| money_follows(model.scenario(), state)),
        Property::always("INV-13", |_, state| one_shard(state)),
    ]
}

fn no_breach(state: &State, breach: Breach) -> bool {
    !state.breaches.has(breach)
}

fn bookings() -> impl Iterator<Item = Booking> {
    (0..BOOKINGS).map(number)
}

/// INV-1: at most one CONFIRMED sale for a seat, over all shards that are not
/// just a frozen original or a copy of it: those the map names.
fn sold_once(state: &State) -> bool {
    let mut sold = Seats::NONE;
    bookings().all(|booking| {
        let valid = state.row(booking).map_or(Seats::NONE, |row| row.valid);
        let twice = !sold.and(valid).is_empty();
        sold = sold.or(valid);
        !twice
    })
}

/// INV-2: an acknowledged booking is CONFIRMED, or was cancelled.
fn acknowledged_stays(state: &State) -> bool {
    bookings()
        .filter(|booking| state.acknowledged & (1 << booking) != 0)
        .all(|booking| state.row(booking).is_some_and(|row| row.state != RowState::Aborted))
}

/// INV-5: whatever is held is on a lease and ends; whatever is pinned or sold is
/// not, and does not. The same for markers.
fn a_lease_behind_every_hold(state: &State) -> bool {
    let seats = state.etcd.seats.iter().flatten();
    seats.into_iter().all(|value| value.leased == (value.state == SeatState::Held))
}

/// INV-7: what was refunded is not valid, and no seat of it was refunded twice.
fn refunded_once_and_cancelled(state: &State) -> bool {
    !state.breaches.has(Breach::SecondRefund)
        && bookings().all(|booking| {
            state
                .row(booking)
                .is_none_or(|row| state.refunded[at(booking)] == row.tickets.minus(row.valid))
        })
}

/// INV-8: one key never has two sets of seats: they are all of one fence, and no
/// more than were wished for.
fn one_set_of_seats(scenario: &Scenario, state: &State) -> bool {
    bookings().all(|booking| {
        let seats = state.etcd.seats_of(booking);
        seats.is_empty()
            || (state.etcd.value_of(seats).is_some()
                && seats.len() <= scenario.bookings[at(booking)].wish.len())
    })
}

/// INV-9: a booking has all seats it wished for, or none; less those whose
/// tickets were cancelled. Its row has a ticket for each.
fn all_or_nothing(scenario: &Scenario, state: &State) -> bool {
    bookings().take(scenario.bookings.len()).all(|booking| {
        let wish = scenario.bookings[at(booking)].wish;
        let seats = state.etcd.seats_of(booking);
        let row = state.row(booking);
        let cancelled = row.map_or(0, |row| row.tickets.minus(row.valid).len());
        let in_etcd = seats.is_empty() || seats.len() + cancelled >= wish.len();
        let in_ledger = row.is_none_or(|row| {
            row.state == RowState::Aborted
                || match wish {
                    Wish::Named(seats) => row.tickets == seats,
                    Wish::Pick(_) => row.tickets.len() == wish.len(),
                }
        });
        in_etcd && in_ledger
    })
}

/// INV-13: whatever row there is on any shard, the shard that the map names has
/// it, too, and both are sales or both are tombstones.
fn one_shard(state: &State) -> bool {
    bookings().all(|booking| {
        let named = state.row(booking);
        state.shards.iter().all(|shard| {
            shard.rows[at(booking)].is_none_or(|other| {
                named.is_some_and(|named| {
                    (named.state == RowState::Aborted) == (other.state == RowState::Aborted)
                        && named.fence == other.fence
                })
            })
        })
    })
}

/// INV-6: after healing no `confirming`, no `sold` without a valid ticket, no
/// valid ticket without `sold`, no work left in an outbox, and a marker only
/// where its booking has seats.
fn no_orphan_after_healing(scenario: &Scenario, state: &State) -> bool {
    let healed = healed(scenario, state);
    let nothing_left = healed
        .shards
        .iter()
        .all(|shard| shard.outbox.iter().all(|outbox| outbox.cancelled[0].is_empty()));
    nothing_left
        && bookings().all(|booking| {
            let sold = healed.etcd.seats_in(booking, SeatState::Sold);
            let valid = healed.row(booking).map_or(Seats::NONE, |row| row.valid);
            let marker = healed.etcd.markers[at(booking)];
            healed.etcd.seats_in(booking, SeatState::Confirming).is_empty()
                && sold == valid
                && marker.is_none_or(|_| !healed.etcd.seats_of(booking).is_empty())
        })
}

/// INV-10: only the payment that a row names is ever captured, and it is never
/// voided; after healing it is captured exactly if there was a sale, refunded
/// exactly for cancelled tickets, and every other authorisation is voided.
fn money_follows(scenario: &Scenario, state: &State) -> bool {
    if !scenario.money {
        return true;
    }
    let sale =
        |state: &State, booking| state.row(booking).filter(|row| row.state != RowState::Aborted);
    let now = bookings().all(|booking| {
        let gateway = &state.gateway[at(booking)];
        let payment = sale(state, booking).map_or(0, |row| 1 << row.payment);
        gateway.captured & !payment == 0 && gateway.voided & payment == 0
    });
    let healed = healed(scenario, state);
    now && bookings().all(|booking| {
        let gateway = &healed.gateway[at(booking)];
        let row = sale(&healed, booking);
        let payment = row.map_or(0, |row| 1 << row.payment);
        gateway.captured == payment
            && gateway.voided == gateway.authorised & !payment
            && gateway.refunded == row.map_or(Seats::NONE, |row| row.tickets.minus(row.valid))
    })
}

/// What becomes of a state when everybody dies in it, every message is lost, and
/// afterwards nothing goes wrong any more.
fn healed(scenario: &Scenario, state: &State) -> State {
    let mut state = state.clone();
    state.relay = None;
    while state.mover != Mover::Idle && state.mover != Mover::Deleted {
        state.move_on();
    }
    // Everything there is to do is done within a few rounds; what is not done
    // by then never is.
    for _ in 0..4 {
        for booking in bookings() {
            if let Some(mut ending) = state.reconcilable(booking, scenario) {
                for _ in 0..8 {
                    match state.end(ending, scenario) {
                        Ended::Next(next) => ending = next,
                        Ended::Finished | Ended::Aborted | Ended::Unknown => break,
                    }
                }
            }
            for shard in 0..SHARDS {
                for _ in 0..4 {
                    if state.relayable(shard, booking, scenario) {
                        state.relay_takes(shard, booking, scenario);
                        state.relay_hears();
                    }
                }
            }
            if scenario.money {
                for id in scenario.attempt_ids() {
                    if state.sweepable(booking, id) {
                        state.sweep(booking, id, scenario);
                    }
                }
            }
        }
    }
    state
}
