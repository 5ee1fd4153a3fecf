//! The nouns of the model, each as small as it can be: a state holds dozens of
//! them and millions of states are kept. Must not know: any role.

use std::fmt;

/// Seats a model has room for.
pub const SEATS: usize = 2;
/// Bookings a model has room for: each is one customer's request under one key.
pub const BOOKINGS: usize = 3;
/// Attempts a model has room for, over all bookings.
pub const ATTEMPTS: usize = 6;
/// Cancels a model has room for, over all bookings.
pub const CANCELS: usize = 2;
/// Reconcilers a model has room for.
pub const RECONCILERS: usize = 2;
/// Shards: where the show is, and where it may be moved.
pub const SHARDS: usize = 2;

/// A seat: 0 is printed A.
pub type Seat = u8;
/// A booking id. It is made from user, show and key, so every attempt under
/// one key has the same.
pub type Booking = u8;
/// One run of an instance for a booking. It is also the attempt's nonce.
pub type AttemptId = u8;

/// A set of seats of the one performance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Seats(pub u8);

impl Seats {
    /// No seat.
    pub const NONE: Self = Self(0);
    /// The first seat alone.
    pub const A: Self = Self(1);
    /// The second seat alone.
    pub const B: Self = Self(2);
    /// The first two seats.
    pub const AB: Self = Self(3);

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether this seat is among them.
    #[must_use]
    pub const fn has(self, seat: Seat) -> bool {
        self.0 & (1 << seat) != 0
    }

    /// With this seat.
    #[must_use]
    pub const fn with(self, seat: Seat) -> Self {
        Self(self.0 | (1 << seat))
    }

    /// In either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// In both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Here but not there.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// One by one, in order.
    pub fn iter(self) -> impl Iterator<Item = Seat> {
        (0..8).filter(move |seat| self.has(*seat))
    }
}

impl fmt::Display for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        self.iter().try_for_each(|seat| write!(f, "{}", char::from(b'A' + seat)))
    }
}

/// A revision of etcd, seen as a fence. 0 is none. Only equality and order of
/// revisions that somebody still remembers matter, so after every step they are
/// numbered anew from 1 on (see [`crate::state::State::renumber`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Fence(pub u8);

impl Fence {
    /// Of nothing.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f{}", self.0)
    }
}

/// Where a show is: a shard, and the epoch of its placement there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    /// The shard.
    pub shard: u8,
    /// The placement's epoch.
    pub epoch: u8,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} e{}", self.shard, self.epoch)
    }
}

/// `b1`, `b2`, …
#[must_use]
pub fn booking(number: Booking) -> String {
    format!("b{}", number + 1)
}

/// `a1`, `a2`, …
#[must_use]
pub fn attempt(number: AttemptId) -> String {
    format!("a{}", number + 1)
}

/// The index of a small number, for arrays.
#[must_use]
pub fn at(number: u8) -> usize {
    usize::from(number)
}

/// A small index as the number it is.
///
/// # Panics
/// Where it is no index of this model's arrays.
#[must_use]
pub fn number(index: usize) -> u8 {
    u8::try_from(index).expect("every array of the model is short")
}
