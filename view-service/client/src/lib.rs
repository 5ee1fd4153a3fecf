//! How others look: the answers of view-service, a client, and a reader of
//! its event streams.
//!
//! Must not know: Redis, the catalogue, how a view is made.

pub mod bits;
mod client;
mod events;
pub mod wire;

pub use client::{Unviewed, ViewClient, Viewed};
pub use events::{SeatEvent, SeatEvents};
