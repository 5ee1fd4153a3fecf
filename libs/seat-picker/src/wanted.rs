//! What is asked of the picker and what it answers. Seats are numbers in plan
//! order, as in [`seat_model::Chart::seats`]; names and prices are for others.

use std::fmt;

/// The most seats one request can have, whatever a performance's limit says.
pub const MAX_QUANTITY: u32 = 10;

/// A request for the best available seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Index into [`seat_model::Chart::tiers`].
    pub tier: usize,
    /// How many seats, accessible ones included; 1 to [`MAX_QUANTITY`].
    pub quantity: u32,
    /// Exactly so many of them accessible; at most `quantity`.
    pub accessible: u32,
    /// Whether the seats may be apart where they cannot be next to each other.
    pub accept_split: bool,
}

/// How widely choices that are nearly equal may be spread, so that a crowd does
/// not collide where nobody can say of everybody's seats in flight that they
/// are taken: between two instances, or with people who choose by hand.
///
/// Nearly equal is a choice of the same [`Step`], in another row, whose seats
/// are together at most one usual seat spacing a seat farther from the focal
/// point than the best. Seats apart are never spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Among at most so many of the nearest choices; 0 and 1 mean the best.
    pub choices: usize,
    /// Decides among them; every number is as good as another.
    pub seed: u64,
}

impl Spread {
    /// The best and nothing else: for one customer alone.
    pub const NONE: Self = Self { choices: 1, seed: 0 };
}

/// The rung of the ladder a choice was found on. A lower one always wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Next to each other, and nobody is left a lone free seat beside them.
    Adjacent,
    /// Next to each other, leaving a lone free seat.
    AdjacentWithOrphans,
    /// Apart, within one section; nobody sits alone where that is possible.
    OneSection,
    /// Apart, in several sections.
    AcrossSections,
}

impl Step {
    /// The number the domain gives it: 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Adjacent => 1,
            Self::AdjacentWithOrphans => 2,
            Self::OneSection => 3,
            Self::AcrossSections => 4,
        }
    }
}

/// The seats chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Their numbers, in plan order.
    pub seats: Vec<usize>,
    /// How good it is.
    pub step: Step,
    /// Whether they form one unbroken run; true for a single seat.
    pub next_to_each_other: bool,
}

/// Why there is no choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoChoice {
    /// The tier has fewer free seats than wanted, accessible and ordinary ones
    /// counted apart: an ordinary request never gets an accessible seat.
    SoldOut,
    /// Enough free seats, but not next to each other, and they may not be apart.
    NoAdjacentSeats,
    /// No plan could satisfy this: no or too many seats, more accessible seats
    /// than seats, a tier the plan does not have, or taken seats of another
    /// plan. The caller checks this before, so here it is a caller's mistake,
    /// not a state of the hall.
    NeverPossible,
}

impl fmt::Display for NoChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SoldOut => "fewer free seats than wanted",
            Self::NoAdjacentSeats => "enough free seats, but not next to each other",
            Self::NeverPossible => "a request that no seating plan can satisfy",
        })
    }
}

impl std::error::Error for NoChoice {}
