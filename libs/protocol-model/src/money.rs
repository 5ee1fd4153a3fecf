//! Payments: authorised before the seats are pinned, captured, voided and
//! refunded from the outbox; and the sweeper for authorisations no row knows.

use crate::names::{AttemptId, Booking, Seats, at};
use crate::scenario::Scenario;
use crate::shard::RowState;
use crate::state::State;
use crate::weakness::Weakness;

/// What the gateway has of one booking. Its key is booking and attempt: each
/// confirm brings an Idempotency-Key of its own. Bit n is attempt n.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Gateway {
    /// Authorised once.
    pub authorised: u8,
    /// Captured.
    pub captured: u8,
    /// Voided: nothing can be captured any more.
    pub voided: u8,
    /// Tickets whose money was given back.
    pub refunded: Seats,
}

impl Gateway {
    /// Takes the money, unless it was voided.
    pub fn capture(&mut self, payment: AttemptId) {
        self.captured |= (1 << payment) & self.authorised & !self.voided;
    }

    /// Voids all of a booking's authorisations that were not captured.
    pub fn void_all(&mut self) {
        self.voided |= self.authorised & !self.captured;
    }

    /// Gives money back; each ticket's once, by the order's key.
    pub fn refund(&mut self, tickets: Seats) {
        self.refunded = self.refunded.or(tickets);
    }
}

impl State {
    /// Authorises; answers whether the money is reserved. Asking again under the
    /// same key gets the same answer, and what was voided stays so.
    pub fn authorise(&mut self, id: AttemptId, scenario: &Scenario) -> bool {
        if !scenario.money {
            return true;
        }
        let gateway = &mut self.gateway[at(scenario.attempt(id).booking)];
        gateway.authorised |= 1 << id;
        gateway.voided & (1 << id) == 0
    }

    /// Whether the sweeper finds something to do about this authorisation.
    #[must_use]
    pub fn sweepable(&self, booking: Booking, id: AttemptId) -> bool {
        let gateway = &self.gateway[at(booking)];
        let open = gateway.authorised & !gateway.voided & !gateway.captured & (1 << id) != 0;
        let frozen = self.ledger().placement.is_none_or(|placement| placement.frozen);
        let known = self
            .row(booking)
            .is_some_and(|row| row.state != RowState::Aborted && row.payment == id);
        open && !known && !frozen
    }

    /// The sweeper: an authorisation that no row knows. Where the booking has no
    /// row it gets a tombstone, and the outbox voids; where it has one, that
    /// row keeps every other commit out, so this payment alone is voided.
    pub fn sweep(&mut self, booking: Booking, id: AttemptId, scenario: &Scenario) {
        let place = self.etcd.map.place;
        let no_row = self.row(booking).is_none();
        if no_row && !scenario.weak.has(Weakness::SweeperOnlyReads) {
            let fence = crate::names::Fence::NONE;
            let shard = &mut self.shards[at(place.shard)];
            // Refused, it comes again later.
            let _ = shard.tombstone(booking, place.epoch, fence, scenario);
        } else {
            self.gateway[at(booking)].voided |= 1 << id;
        }
    }
}
