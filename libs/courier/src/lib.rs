//! How one process asks another many things at once: connections that heal,
//! lines of JSON, and a courier that takes along whatever waits.
//!
//! Must not know: what is asked, what an answer means, which instance to ask.

mod courier;
mod lines;
mod link;

pub use courier::{Courier, Route};
pub use lines::JsonLines;
pub use link::{Link, LinkError};
