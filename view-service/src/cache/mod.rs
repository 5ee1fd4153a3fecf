//! Redis: the only module that speaks it. Everything here can be rebuilt;
//! `FLUSHALL` at any moment costs a second of work and not one wrong answer.
//!
//! Must not know: HTTP, the catalogue's databases, where changes come from.

mod link;
mod records;
mod scripts;
mod seats;
mod servers;

pub use link::{CacheAway, Deadlines, Link, LinkConfig};
pub use records::RecordStore;
pub use seats::{Change, Projected, Reading, Said, SeatPartition, SeatStore, Write};
pub use servers::RedisServers;
