//! What is checked together: who wants what, who may do what, and how the
//! protocol is weakened. Each scenario is small enough to be explored whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::names::{AttemptId, BOOKINGS, Booking, CANCELS, Seats, at, number};
use crate::properties::Landmark;
use crate::weakness::{Weakness, Weaknesses};

/// Which seats a booking is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Exactly these.
    Named(Seats),
    /// So many, chosen by the service; which ones is free, as a mirror may be
    /// as stale as it likes.
    Pick(u32),
}

impl Wish {
    /// How many.
    #[must_use]
    pub const fn len(self) -> u32 {
        match self {
            Self::Named(seats) => seats.len(),
            Self::Pick(seats) => seats,
        }
    }

    /// Whether it is for none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// How one attempt goes about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Hold, then confirm.
    InTwo,
    /// Straight to `confirming`.
    Direct,
}

/// One customer's request under one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BookingPlan {
    /// What it is for.
    pub wish: Wish,
    /// Its attempts: the request, and its repetitions at any instance.
    pub attempts: Vec<Kind>,
}

/// An attempt of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttemptPlan {
    /// For which booking.
    pub booking: Booking,
    /// Whether it goes straight to `confirming`.
    pub direct: bool,
}

/// A cancel of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelPlan {
    /// Of which booking.
    pub booking: Booking,
    /// Which tickets.
    pub tickets: Seats,
    /// Whether all of the booking; a hold can only be given back as a whole.
    pub whole: bool,
}

/// Everything a run is made of.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it covers, for people.
    pub covers: &'static str,
    /// Seats of the performance.
    pub seats: Seats,
    /// The customers.
    pub bookings: Vec<BookingPlan>,
    /// The cancels.
    pub cancels: Vec<CancelPlan>,
    /// How many reconcilers run.
    pub reconcilers: usize,
    /// Whether customers may extend.
    pub extend: bool,
    /// Whether a commit may fail without having been sent (step back).
    pub step_back: bool,
    /// Whether the shard may refuse a commit for reasons of its own.
    pub refusals: bool,
    /// Whether acquires arrive after their sender has gone on.
    pub late_acquires: bool,
    /// Whether the show is moved.
    pub moves: bool,
    /// Whether payments are followed.
    pub money: bool,
    /// How the protocol is weakened.
    pub weak: Weaknesses,
    attempts: Vec<AttemptPlan>,
    reached: Arc<AtomicU32>,
}

impl Scenario {
    /// These customers and nothing else: one reconciler, late acquires, step back.
    #[must_use]
    pub fn new(name: &'static str, covers: &'static str, bookings: Vec<BookingPlan>) -> Self {
        assert!(bookings.len() <= BOOKINGS, "the model has room for {BOOKINGS} bookings");
        let attempts = (0..).zip(&bookings).flat_map(|(booking, plan)| {
            plan.attempts
                .iter()
                .map(move |kind| AttemptPlan { booking, direct: *kind == Kind::Direct })
        });
        Self {
            name,
            covers,
            seats: Seats::AB,
            attempts: attempts.collect(),
            bookings,
            cancels: Vec::new(),
            reconcilers: 1,
            extend: false,
            step_back: true,
            refusals: false,
            late_acquires: true,
            moves: false,
            money: false,
            weak: Weaknesses::NONE,
            reached: Arc::default(),
        }
    }

    /// With a cancel of the whole booking.
    #[must_use]
    pub fn cancel(mut self, booking: Booking) -> Self {
        self.cancels.push(CancelPlan { booking, tickets: self.seats, whole: true });
        assert!(self.cancels.len() <= CANCELS, "the model has room for {CANCELS} cancels");
        self
    }

    /// With a cancel of one ticket.
    #[must_use]
    pub fn cancel_ticket(mut self, booking: Booking, tickets: Seats) -> Self {
        self.cancels.push(CancelPlan { booking, tickets, whole: false });
        assert!(self.cancels.len() <= CANCELS, "the model has room for {CANCELS} cancels");
        self
    }

    /// Weakened.
    #[must_use]
    pub fn weakened(mut self, weaknesses: &[Weakness]) -> Self {
        self.weak = Weaknesses::of(weaknesses);
        self
    }

    /// The plan of an attempt.
    #[must_use]
    pub fn attempt(&self, id: AttemptId) -> AttemptPlan {
        self.attempts[at(id)]
    }

    /// Every attempt.
    pub fn attempt_ids(&self) -> impl Iterator<Item = AttemptId> + use<> {
        (0..self.attempts.len()).map(number)
    }

    /// The seats that an attempt may ask for.
    pub fn choices(&self, id: AttemptId) -> impl Iterator<Item = Seats> + use<> {
        let (wish, all) = (self.bookings[at(self.attempt(id).booking)].wish, self.seats);
        (1..=all.0).map(Seats).filter(move |seats| match wish {
            Wish::Named(named) => *seats == named,
            Wish::Pick(quantity) => seats.len() == quantity && seats.minus(all).is_empty(),
        })
    }

    /// Whether another attempt, interchangeable with this one, comes first: of
    /// attempts under one key of one kind, the lower one starts first, and so do
    /// the lower of bookings that nothing tells apart. Any run is such a run
    /// with the names exchanged.
    #[must_use]
    pub fn waits_for(&self, id: AttemptId) -> Option<AttemptId> {
        let before = id.checked_sub(1)?;
        let (this, other) = (self.attempt(id), self.attempt(before));
        if this == other {
            return Some(before);
        }
        let told_apart = |booking| self.cancels.iter().any(|cancel| cancel.booking == booking);
        let first = self.attempt_ids().find(|first| self.attempt(*first) == other)?;
        let same = self.bookings[at(this.booking)] == self.bookings[at(other.booking)]
            && !told_apart(this.booking)
            && !told_apart(other.booking)
            && self.bookings[at(this.booking)]
                .attempts
                .iter()
                .all(|kind| *kind == self.bookings[at(this.booking)].attempts[0]);
        (this.booking != other.booking && same).then_some(first)
    }

    /// Remembers that this happened.
    pub fn reach(&self, landmark: Landmark) {
        let bit = 1 << (landmark as u32);
        if self.reached.load(Ordering::Relaxed) & bit == 0 {
            self.reached.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether it did, in any run so far.
    #[must_use]
    pub fn reached(&self, landmark: Landmark) -> bool {
        self.reached.load(Ordering::Relaxed) & (1 << (landmark as u32)) != 0
    }
}
