//! This instance's own copy of which seats are taken: a fold over the change
//! feed. Pure but for its lock: knows no Redis, no HTTP, no clock.

mod live;
mod memory;

pub use live::{Event, Message, Start, Subscription};
pub use memory::{Exported, Known, Projection, Refused, Stand, Step};
