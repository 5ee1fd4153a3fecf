//! Generating load: who is asked, what an answer means, and what is remembered
//! of it for the checks. Must not know which system is measured.

mod alarm;
mod closed;
mod history;
mod latency;
mod open;
mod rush;
mod schedule;
mod stamps;
mod tally;

use std::time::Duration;

pub(crate) use closed::ClosedLoop;
pub(crate) use history::History;
pub(crate) use latency::{Latency, median};
pub(crate) use open::OpenLoop;
pub(crate) use rush::{Rush, Rushed};
pub(crate) use stamps::Stamped;

/// Something that takes holds: lock-service, or a peer.
pub(crate) trait Holder: Send + Sync + 'static {
    /// Whether an order whose outcome is unknown may be sent again, and then
    /// learns what became of it.
    const RESENDABLE: bool = false;

    /// Takes the hold of the n-th order. Callers share connections in turn.
    fn hold(&self, caller: usize, n: u64) -> impl Future<Output = Outcome> + Send;
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The seat is the order's.
    Taken(Proof),
    /// Somebody else has it.
    Refused,
    /// Nothing happened; asked to come again after this.
    Busy(Duration),
    /// Nothing happened.
    NotApplied,
    /// No answer: it may have happened.
    Unknown,
}

impl Outcome {
    /// Whether the order got what it is for.
    pub(crate) const fn is_taken(&self) -> bool {
        matches!(self, Self::Taken(_))
    }
}

/// What the answer said about the hold in etcd, for the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The lease the seat's key must be on, where the answer named it.
    pub(crate) lease: Option<i64>,
    /// The revision the key must have been written at, where the answer named it.
    pub(crate) revision: Option<i64>,
}

/// One measurement.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Orders answered in each second of the window.
    pub(crate) per_second: f64,
    /// Of the answers in the window.
    pub(crate) latency: Latency,
    /// Of the whole run, the warm-up included.
    pub(crate) history: History,
    /// What each process used during the window.
    pub(crate) used: Vec<crate::usage::Used>,
}
