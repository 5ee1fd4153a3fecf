//! A shard: the ledger of the show, and every transaction on it as the one
//! atomic step that it is. Primary keys and the placement row decide; a plain
//! read decides nothing.
//!
//! Must not know: etcd, and who asks. What a sale owed to etcd when it landed
//! is noted by the state (INV-4), not decided here.

use crate::names::{AttemptId, BOOKINGS, Booking, Fence, Place, SEATS, Seats, at};
use crate::scenario::Scenario;
use crate::weakness::{Weakness, Weaknesses};

/// What became of a booking.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RowState {
    /// Sold.
    Confirmed,
    /// Was sold.
    Cancelled,
    /// A tombstone.
    Aborted,
}

/// A booking's row with its tickets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Row {
    /// What became of it.
    pub state: RowState,
    /// Of the pinned seats.
    pub fence: Fence,
    /// A ticket for each of these.
    pub tickets: Seats,
    /// Those that are VALID.
    pub valid: Seats,
    /// The authorisation that pays for it.
    pub payment: AttemptId,
}

/// A show's placement row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Placement {
    /// Its epoch.
    pub epoch: u8,
    /// Whether it takes no writes any more.
    pub frozen: bool,
}

/// What the outbox owes for one booking, in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Outbox {
    /// First of all: the capture of the sale.
    pub capture: bool,
    /// Then the cancels, oldest first: refund and free these seats.
    pub cancelled: [Seats; 2],
    /// Of a tombstone: the void.
    pub void: bool,
}

impl Outbox {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn push(&mut self, seats: Seats) {
        let free = usize::from(!self.cancelled[0].is_empty());
        self.cancelled[free] = self.cancelled[free].or(seats);
    }

    /// Deletes the oldest cancel.
    pub fn pop(&mut self) {
        self.cancelled = [self.cancelled[1], Seats::NONE];
    }
}

/// One shard's tables for the show.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Shard {
    /// The show's placement; none where it does not live.
    pub placement: Option<Placement>,
    /// `booking`, by primary key.
    pub rows: [Option<Row>; BOOKINGS],
    /// `seat_sale`, by primary key.
    pub sales: [Option<Booking>; SEATS],
    /// The largest fence seen for a seat; only [`Weakness::FenceColumnOnly`]
    /// looks at it.
    pub seen: [Fence; SEATS],
    /// The outbox, by booking.
    pub outbox: [Outbox; BOOKINGS],
}

/// Why the ledger writes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The placement has another epoch, is frozen, or is not here.
    StalePlacement,
    /// The booking has a row.
    DuplicateBooking,
    /// A seat has a sale.
    SeatSold,
}

impl Shard {
    fn require(&self, epoch: u8, exempt: bool, weak: Weaknesses) -> Result<(), Refusal> {
        let takes_it = self.placement.is_some_and(|placement| {
            placement.epoch == epoch && (!placement.frozen || weak.has(Weakness::NoFrozenMark))
        });
        if takes_it || exempt { Ok(()) } else { Err(Refusal::StalePlacement) }
    }

    /// The commit point of a sale (INV-2).
    ///
    /// # Errors
    /// Why it was refused; nothing is written.
    pub fn commit(
        &mut self,
        booking: Booking,
        epoch: u8,
        sale: Row,
        scenario: &Scenario,
    ) -> Result<(), Refusal> {
        let weak = scenario.weak;
        self.require(epoch, weak.has(Weakness::CommitWithoutPlacement), weak)?;
        if self.rows[at(booking)].is_some() {
            return Err(Refusal::DuplicateBooking);
        }
        let sold = |seat| {
            if weak.has(Weakness::NoKeyAtAll) {
                false
            } else if weak.has(Weakness::FenceColumnOnly) {
                self.seen[at(seat)] > sale.fence
            } else {
                self.sales[at(seat)].is_some()
            }
        };
        if sale.tickets.iter().any(sold) {
            return Err(Refusal::SeatSold);
        }
        self.rows[at(booking)] = Some(sale);
        for seat in sale.tickets.iter() {
            self.sales[at(seat)] = Some(booking);
            if weak.has(Weakness::FenceColumnOnly) {
                self.seen[at(seat)] = sale.fence;
            }
        }
        self.outbox[at(booking)].capture = scenario.money;
        Ok(())
    }

    /// A tombstone: from here on no commit of this booking can land.
    ///
    /// # Errors
    /// Why it was refused; nothing is written.
    pub fn tombstone(
        &mut self,
        booking: Booking,
        epoch: u8,
        fence: Fence,
        scenario: &Scenario,
    ) -> Result<(), Refusal> {
        let weak = scenario.weak;
        self.require(epoch, weak.has(Weakness::TombstoneWithoutPlacement), weak)?;
        if self.rows[at(booking)].is_some() {
            return Err(Refusal::DuplicateBooking);
        }
        self.rows[at(booking)] = Some(Row {
            state: RowState::Aborted,
            fence,
            tickets: Seats::NONE,
            valid: Seats::NONE,
            payment: 0,
        });
        self.outbox[at(booking)].void = scenario.money;
        Ok(())
    }

    /// Cancels tickets; answers which are refunded: those that this very
    /// transaction changed (INV-7).
    ///
    /// # Errors
    /// Why it was refused; nothing is written.
    pub fn cancel(
        &mut self,
        booking: Booking,
        place: Place,
        wanted: Seats,
        scenario: &Scenario,
    ) -> Result<Seats, Refusal> {
        let weak = scenario.weak;
        self.require(place.epoch, weak.has(Weakness::CancelWithoutPlacement), weak)?;
        let all = weak.has(Weakness::CancelRefundsAll);
        let Some(row) = &mut self.rows[at(booking)] else { return Ok(Seats::NONE) };
        if row.state != RowState::Confirmed && !all || row.state == RowState::Aborted {
            return Ok(Seats::NONE);
        }
        let changed = wanted.and(if all { row.tickets } else { row.valid });
        row.valid = row.valid.minus(changed);
        if row.valid.is_empty() {
            row.state = RowState::Cancelled;
        }
        for seat in changed.iter() {
            if self.sales[at(seat)] == Some(booking) {
                self.sales[at(seat)] = None;
            }
        }
        if !changed.is_empty() {
            self.outbox[at(booking)].push(changed);
        }
        Ok(changed)
    }
}
