//! Best available: which free seats of a tier somebody gets who says only how many.
//!
//! Pure: a [`Prepared`] chart, a [`Wanted`], the [`SeatSet`] that is taken and
//! a [`Spread`] go in, a [`Choice`] or the reason for none comes out, always
//! the same for the same input. The order is the contract's: ladder [`Step`],
//! then the smallest sum of distances to the focal point, then plan order; a
//! spread lets chance decide among the choices that are nearly as near.
//!
//! Microseconds, however full the house is, because callers hold locks
//! meanwhile: seats are bits in plan order, a row is looked at as one word, and
//! rows are looked at nearest first.
//!
//! Architecture invariant: nothing here knows who holds a seat, for how long,
//! or that there are other customers. Whoever picks for a crowd says of seats
//! that are in flight for others that they are taken, and gets the next best.

mod free;
mod ladder;
mod orphan;
mod prepared;
mod seat_set;
mod split;
mod wanted;

pub use ladder::pick;
pub use orphan::{leaves_single, orphans};
pub use prepared::Prepared;
pub use seat_set::SeatSet;
pub use wanted::{Choice, MAX_QUANTITY, NoChoice, Spread, Step, Wanted};
