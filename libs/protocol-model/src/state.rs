//! One state of the whole system, and how it is kept small.
//!
//! There is no list of messages. Every role remembers the one message that it
//! waits for an answer to, and the few earlier ones that could still have an
//! effect:
//!
//! - *A crash needs no step.* An instance that has crashed takes no more steps;
//!   nobody has to, so every state is also one in which any of them crashed.
//!   INV-6 is therefore asked in every state as if all had crashed in it.
//! - *A loss needs no step.* A lost message is one that never arrives.
//! - *Late, resent, repeated* messages are steps: a message may arrive without
//!   its answer being heard, and then again; and an acquire or a commit whose
//!   sender has gone on may arrive at any time, any number of times. All others
//!   that are out of date compare a revision that never returns, or a primary
//!   key that is taken: their arrival changes nothing, so it is no step.

use crate::attempt::Attempt;
use crate::cancel::Cancel;
use crate::ending::Ending;
use crate::etcd::Etcd;
use crate::money::Gateway;
use crate::mover::Mover;
use crate::names::{ATTEMPTS, BOOKINGS, Booking, CANCELS, Fence, RECONCILERS, SHARDS, Seats, at};
use crate::properties::Breaches;
use crate::relay::Relaying;
use crate::shard::{Row, Shard};

/// Everything there is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// etcd.
    pub etcd: Etcd,
    /// The shards.
    pub shards: [Shard; SHARDS],
    /// The payment gateway's own ledger, by booking.
    pub gateway: [Gateway; BOOKINGS],
    /// The instances at work for customers.
    pub attempts: [Attempt; ATTEMPTS],
    /// Customers (or organisers) who cancel.
    pub cancels: [Cancel; CANCELS],
    /// What each reconciler is ending.
    pub reconcilers: [Option<Ending>; RECONCILERS],
    /// What the outbox relay is freeing.
    pub relay: Option<Relaying>,
    /// Whoever moves the show.
    pub mover: Mover,
    /// Bookings whose customer was told that they are confirmed (INV-2).
    pub acknowledged: u8,
    /// Tickets that were refunded, by booking (INV-7).
    pub refunded: [Seats; BOOKINGS],
    /// Promises that a step broke.
    pub breaches: Breaches,
}

impl State {
    /// The shard that the map names.
    #[must_use]
    pub fn ledger(&self) -> &Shard {
        &self.shards[at(self.etcd.map.place.shard)]
    }

    /// The booking's row on the shard that the map names.
    #[must_use]
    pub fn row(&self, booking: Booking) -> Option<Row> {
        self.ledger().rows[at(booking)]
    }

    /// Every fence that anybody remembers.
    fn each_fence(&mut self, mut look: impl FnMut(&mut Fence)) {
        for value in self.etcd.seats.iter_mut().flatten() {
            look(&mut value.fence);
        }
        for shard in &mut self.shards {
            for row in shard.rows.iter_mut().flatten() {
                look(&mut row.fence);
            }
            shard.seen.iter_mut().for_each(&mut look);
        }
        for attempt in &mut self.attempts {
            look(&mut attempt.fence);
        }
        for cancel in &mut self.cancels {
            if let Some(fence) = cancel.fence_mut() {
                look(fence);
            }
        }
        for ending in self.reconcilers.iter_mut().flatten() {
            look(&mut ending.fence);
        }
        if let Some(relaying) = &mut self.relay {
            look(&mut relaying.free.fence);
        }
    }

    /// Numbers the revisions anew, in their order. Sound, because nothing but
    /// their order and equality is ever looked at, and a new revision is larger
    /// than every one that is remembered.
    pub fn renumber(&mut self) {
        let mut used = 0_u64;
        self.each_fence(|fence| used |= 1 << fence.0);
        used &= !1;
        self.each_fence(|fence| {
            if *fence != Fence::NONE {
                let smaller = used & ((1 << fence.0) - 1);
                fence.0 = u8::try_from(smaller.count_ones() + 1).unwrap_or(u8::MAX);
            }
        });
        self.etcd.revision.0 = u8::try_from(used.count_ones()).unwrap_or(u8::MAX);
    }
}
