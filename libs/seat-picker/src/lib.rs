//! Best available: which free seats of a tier somebody gets who says only how many.
//!
//! Pure: a [`Prepared`] chart, a [`Wanted`] and the seats that are taken go
//! in, a [`Choice`] or the reason for none comes out, always the same for the
//! same input. The order is the contract's: ladder [`Step`], then the smallest
//! sum of distances to the focal point, then plan order.
//!
//! Architecture invariant: nothing here knows who holds a seat, for how long,
//! or that there are other customers. Whoever picks for a crowd says of seats
//! that are in flight for others that they are taken, and gets the next best.

mod ladder;
mod orphan;
mod prepared;
mod split;
mod wanted;

pub use ladder::pick;
pub use orphan::{leaves_single, orphans};
pub use prepared::Prepared;
pub use wanted::{Choice, MAX_QUANTITY, NoChoice, Step, Wanted};
