//! etcd: one key for each seat that is not free, a marker for each pick, the
//! shard map; and every transaction of the protocol, as the one atomic step that
//! it is. Each says what it compares; its `Else` is what the caller is told.
//!
//! Must not know: who asks and what they do with the answer.

use crate::names::{AttemptId, BOOKINGS, Booking, Fence, Place, SEATS, Seats, at};
use crate::properties::Breach;
use crate::state::State;
use crate::weakness::{Weakness, Weaknesses};

/// What a seat that is not free is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SeatState {
    /// Somebody's until a deadline.
    Held,
    /// Pinned while its sale is written.
    Confirming,
    /// Sold.
    Sold,
}

/// The value of a seat's key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SeatValue {
    /// What it is.
    pub state: SeatState,
    /// Whose it is.
    pub booking: Booking,
    /// Its `mod_revision`.
    pub fence: Fence,
    /// Whether a lease is behind it.
    pub leased: bool,
    /// Who pinned it, and where its sale is written.
    pub pin: Option<Pin>,
}

/// What begin-confirm writes into the seats.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pin {
    /// Where the commit goes.
    pub place: Place,
    /// The attempt's nonce: only this attempt commits (INV-4).
    pub nonce: AttemptId,
}

/// `pick/{booking}`: which seats were chosen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Marker {
    /// They.
    pub seats: Seats,
    /// Whether a lease is behind it.
    pub leased: bool,
    /// Whether that lease is an older one than the seats'.
    pub old_lease: bool,
}

/// The shard map, as far as it concerns the one show.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ShardMap {
    /// Where the show is.
    pub place: Place,
    /// Its `mod_revision`, as a count of its changes.
    pub version: u8,
}

/// The whole of etcd.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Etcd {
    /// By seat; none is free.
    pub seats: [Option<SeatValue>; SEATS],
    /// By booking.
    pub markers: [Option<Marker>; BOOKINGS],
    /// The shard map.
    pub map: ShardMap,
    /// The last revision.
    pub revision: Fence,
    /// Records of holds, by booking; only [`Weakness::FinishByRecord`] has any.
    pub records: u8,
}

/// A free, ready to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Free {
    /// The seats to delete.
    pub seats: Seats,
    /// The seats whose revisions are compared.
    pub compared: Seats,
    /// Their revision.
    pub fence: Fence,
    /// Whether nothing is left of the booking afterwards.
    pub last: bool,
}

/// What a look at a cancelled booking's seats leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freeing {
    /// None of them is sold by the booking.
    Done,
    /// Some are still `confirming`: finish first.
    Confirming,
    /// Send this.
    Send(Free),
}

/// What an acquire is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acquired {
    /// The seats are the booking's, under this fence.
    Taken(Fence),
    /// The booking has these seats already.
    Replay(Seats),
    /// Somebody else has some of them.
    SeatTaken,
    /// The shard map has changed.
    MapMoved,
}

impl Etcd {
    /// The seats that a booking has.
    #[must_use]
    pub fn seats_of(&self, booking: Booking) -> Seats {
        self.select(|value| value.booking == booking)
    }

    /// The seats that a booking has in this state.
    #[must_use]
    pub fn seats_in(&self, booking: Booking, state: SeatState) -> Seats {
        self.select(|value| value.booking == booking && value.state == state)
    }

    fn select(&self, wanted: impl Fn(&SeatValue) -> bool) -> Seats {
        (0..).zip(&self.seats).fold(Seats::NONE, |seats, (seat, value)| match value {
            Some(value) if wanted(value) => seats.with(seat),
            Some(_) | None => seats,
        })
    }

    /// The value that all of these seats share; none if they differ or one is free.
    #[must_use]
    pub fn value_of(&self, seats: Seats) -> Option<SeatValue> {
        let mut values = seats.iter().map(|seat| self.seats[at(seat)]);
        let first = values.next()??;
        values.all(|value| value == Some(first)).then_some(first)
    }

    /// What there is to free of these cancelled seats.
    #[must_use]
    pub fn freeing(&self, booking: Booking, cancelled: Seats, weak: Weaknesses) -> Freeing {
        if !self.seats_in(booking, SeatState::Confirming).and(cancelled).is_empty() {
            return Freeing::Confirming;
        }
        let seats = self.seats_in(booking, SeatState::Sold).and(cancelled);
        let left = self.seats_of(booking);
        let Some(value) = self.value_of(seats) else { return Freeing::Done };
        let compared = if weak.has(Weakness::FreeComparesOwnSeats) { seats } else { left };
        Freeing::Send(Free { seats, compared, fence: value.fence, last: seats == left })
    }

    /// The compare of every rewrite: each seat has exactly this `mod_revision`.
    #[must_use]
    pub fn all_at(&self, seats: Seats, fence: Fence) -> bool {
        !seats.is_empty()
            && seats.iter().all(|seat| self.seats[at(seat)].is_some_and(|v| v.fence == fence))
    }
}

/// The transactions. They are the state's, because a breach is noted there.
impl State {
    fn next_revision(&mut self) -> Fence {
        self.etcd.revision.0 += 1;
        self.etcd.revision
    }

    /// INV-3: whoever writes a seat that is not free writes it for the booking
    /// that has it. Every compare is there to make this so.
    fn note_foreign_write(&mut self, booking: Booking, seats: Seats) {
        let foreign =
            |seat| self.etcd.seats[at(seat)].is_some_and(|value| value.booking != booking);
        if seats.iter().any(foreign) {
            self.breaches.note(Breach::ForeignWrite);
        }
    }

    fn put(
        &mut self,
        booking: Booking,
        seats: Seats,
        state: SeatState,
        leased: bool,
        pin: Option<Pin>,
    ) -> Fence {
        self.note_foreign_write(booking, seats);
        let fence = self.next_revision();
        for seat in seats.iter() {
            self.etcd.seats[at(seat)] = Some(SeatValue { state, booking, fence, leased, pin });
        }
        fence
    }

    fn delete(&mut self, booking: Booking, seats: Seats) {
        self.note_foreign_write(booking, seats);
        for seat in seats.iter() {
            self.etcd.seats[at(seat)] = None;
        }
        self.etcd.records &= !(1 << booking);
    }

    /// Acquire: all seats absent (and the marker, for a pick; and the map as
    /// read, straight to `confirming`) → put all of them.
    pub fn acquire(
        &mut self,
        booking: Booking,
        seats: Seats,
        picked: bool,
        pin: Option<(Pin, u8)>,
        weak: Weaknesses,
    ) -> Acquired {
        let picked = picked && !weak.has(Weakness::NoMarker);
        if let Some(marker) = self.etcd.markers[at(booking)].filter(|_| picked) {
            return Acquired::Replay(marker.seats);
        }
        if seats.iter().all(|seat| self.etcd.seats[at(seat)].is_none()) {
            if pin.is_some_and(|(_, version)| version != self.etcd.map.version) {
                return Acquired::MapMoved;
            }
            let (state, leased) = match pin {
                None => (SeatState::Held, true),
                Some(_) => (SeatState::Confirming, false),
            };
            let fence = self.put(booking, seats, state, leased, pin.map(|(pin, _)| pin));
            if picked {
                self.etcd.markers[at(booking)] = Some(Marker { seats, leased, old_lease: false });
            }
            if weak.has(Weakness::FinishByRecord) {
                self.etcd.records |= 1 << booking;
            }
            return Acquired::Taken(fence);
        }
        if self.etcd.seats_of(booking).and(seats).is_empty() {
            Acquired::SeatTaken
        } else {
            Acquired::Replay(self.etcd.seats_of(booking))
        }
    }

    /// Extend: the fence → put all, and the marker, on a new lease.
    pub fn extend(
        &mut self,
        booking: Booking,
        seats: Seats,
        fence: Fence,
        weak: Weaknesses,
    ) -> bool {
        let here = self.etcd.all_at(seats, fence);
        if here {
            self.put(booking, seats, SeatState::Held, true, None);
            if let Some(marker) = &mut self.etcd.markers[at(booking)] {
                marker.leased = true;
                marker.old_lease = weak.has(Weakness::MarkerKeepsOldLease);
            }
        }
        here
    }

    /// Begin-confirm: the fence, and the map as read → put all `confirming`,
    /// without a lease, with this attempt's pin.
    pub fn begin_confirm(
        &mut self,
        booking: Booking,
        seats: Seats,
        fence: Fence,
        (pin, version): (Pin, u8),
        weak: Weaknesses,
    ) -> Option<Fence> {
        let here = self.etcd.all_at(seats, fence) && version == self.etcd.map.version;
        here.then(|| {
            let leased = weak.has(Weakness::StillLeased);
            if let Some(marker) = &mut self.etcd.markers[at(booking)] {
                (marker.leased, marker.old_lease) = (leased, false);
            }
            self.put(booking, seats, SeatState::Confirming, leased, Some(pin))
        })
    }

    /// Step back: fence2 → put all `held` on a fresh lease.
    pub fn step_back(&mut self, booking: Booking, seats: Seats, fence: Fence) {
        if self.etcd.all_at(seats, fence) {
            self.put(booking, seats, SeatState::Held, true, None);
            if let Some(marker) = &mut self.etcd.markers[at(booking)] {
                (marker.leased, marker.old_lease) = (true, false);
            }
        }
    }

    /// Finish: fence2 → put all `sold`.
    pub fn finish(&mut self, booking: Booking, seats: Seats, fence: Fence, weak: Weaknesses) {
        let here = if weak.has(Weakness::FinishByRecord) {
            self.etcd.records & (1 << booking) != 0
        } else {
            self.etcd.all_at(seats, fence)
        };
        if here {
            self.put(booking, seats, SeatState::Sold, false, None);
            self.etcd.records &= !(1 << booking);
        }
    }

    /// Release and abort: the fence → delete all, and the marker.
    pub fn give_back(&mut self, booking: Booking, seats: Seats, fence: Fence) -> bool {
        let here = self.etcd.all_at(seats, fence);
        if here {
            self.delete(booking, seats);
            self.etcd.markers[at(booking)] = None;
        }
        here
    }

    /// Abort as [`Weakness::AbortWithoutCompare`] has it.
    pub fn abort_whatever_is_there(&mut self, booking: Booking, seats: Seats) {
        self.delete(booking, seats);
        self.etcd.markers[at(booking)] = None;
    }

    /// The lease behind a booking's seats runs out, or *expire* deletes them:
    /// with every instance's clock free, both come to "at any time, if held".
    pub fn expire(&mut self, booking: Booking, weak: Weaknesses) {
        let too = weak.has(Weakness::ExpireConfirming);
        let due = |value: &SeatValue| {
            value.booking == booking
                && (value.leased || too && value.state == SeatState::Confirming)
        };
        let seats = self.etcd.select(due);
        self.delete(booking, seats);
        if self.etcd.markers[at(booking)].is_some_and(|marker| marker.leased) {
            self.etcd.markers[at(booking)] = None;
        }
    }

    /// Whether [`State::expire`] would change anything.
    #[must_use]
    pub fn may_expire(&self, booking: Booking, weak: Weaknesses) -> bool {
        let too = weak.has(Weakness::ExpireConfirming);
        self.etcd.seats.iter().flatten().any(|value| {
            value.booking == booking
                && (value.leased || too && value.state == SeatState::Confirming)
        })
    }

    /// Free: the revision of every seat that is left of the booking as seen →
    /// delete those of cancelled tickets; with the last, the marker (INV-7).
    pub fn free(&mut self, booking: Booking, free: &Free) -> bool {
        let here = self.etcd.all_at(free.compared, free.fence);
        if here {
            self.delete(booking, free.seats);
            if free.last {
                self.etcd.markers[at(booking)] = None;
            }
        }
        here
    }
}
