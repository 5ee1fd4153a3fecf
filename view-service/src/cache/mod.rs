//! Redis: the only module that speaks it. Everything here can be rebuilt;
//! `FLUSHALL` at any moment costs a second of work and not one wrong answer.
//!
//! Must not know: HTTP, the catalogue's databases, where changes come from.

mod link;
mod records;
mod scripts;
mod seats;

pub use link::{CacheAway, Link, LinkConfig};
pub use records::RecordStore;
pub use seats::{Change, Projected, Reading, Said, SeatStore, Write};
