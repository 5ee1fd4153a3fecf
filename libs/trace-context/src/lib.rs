//! Which request all of this is done for: its id and its place in a trace, as
//! W3C Trace Context has it, from whoever asked to whoever is asked.
//!
//! Must not know: how a process listens, what it logs, where spans are sent.

mod carried;
mod trace;
mod traceparent;

pub use carried::{Carried, MAX_CARRIED_BYTES, read_line, write_line};
pub use trace::{Trace, inherit};
pub use traceparent::Traceparent;
