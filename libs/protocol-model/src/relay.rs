//! The outbox relay: does what ledger writes left behind, at least once, in
//! order per booking. It frees the seats of cancelled tickets that no request
//! lived to free, and settles the money where the scenario has any.

use crate::etcd::{Free, Freeing};
use crate::names::{Booking, at, number};
use crate::scenario::Scenario;
use crate::state::State;

/// A free that the relay waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Relaying {
    /// Whose outbox row it is.
    pub booking: Booking,
    /// Of which shard.
    pub shard: u8,
    /// What was sent.
    pub free: Free,
}

impl State {
    /// Whether the oldest row of this booking can be worked on: it waits while a
    /// seat is still `confirming`.
    #[must_use]
    pub fn relayable(&self, shard: usize, booking: Booking, scenario: &Scenario) -> bool {
        let outbox = &self.shards[shard].outbox[at(booking)];
        let seats = outbox.cancelled[0];
        outbox.capture
            || outbox.void
            || !seats.is_empty()
                && self.etcd.freeing(booking, seats, scenario.weak) != Freeing::Confirming
    }

    /// The relay takes the oldest row of a booking. The gateway knows an order
    /// by its key, so what is settled twice is settled once.
    pub fn relay_takes(&mut self, shard: usize, booking: Booking, scenario: &Scenario) {
        let row = self.shards[shard].rows[at(booking)];
        let outbox = &mut self.shards[shard].outbox[at(booking)];
        if outbox.capture {
            outbox.capture = false;
            if let Some(row) = row {
                self.gateway[at(booking)].capture(row.payment);
            }
            return;
        }
        if outbox.void {
            outbox.void = false;
            self.gateway[at(booking)].void_all();
            return;
        }
        let seats = outbox.cancelled[0];
        if seats.is_empty() {
            return;
        }
        if scenario.money {
            self.gateway[at(booking)].refund(seats);
        }
        match self.etcd.freeing(booking, seats, scenario.weak) {
            Freeing::Done => self.shards[shard].outbox[at(booking)].pop(),
            Freeing::Confirming => {}
            Freeing::Send(free) => {
                self.relay = Some(Relaying { booking, shard: number(shard), free });
            }
        }
    }

    /// Its free arrives and is answered: the row is done where it went in, and
    /// taken again where something of the booking has moved meanwhile.
    pub fn relay_hears(&mut self) {
        let Some(Relaying { booking, shard, free }) = self.relay.take() else { return };
        if self.free(booking, &free) {
            self.shards[at(shard)].outbox[at(booking)].pop();
        }
    }
}
