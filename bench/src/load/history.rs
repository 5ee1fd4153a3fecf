//! What was answered to whom: all that the checks have to go by.

use super::{Outcome, Proof};

/// Every order that was tried, by what became of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Acknowledged.
    pub(crate) taken: Vec<(u64, Proof)>,
    /// Told that somebody else has the seat.
    pub(crate) refused: Vec<u64>,
    /// Without an answer: in etcd or not.
    pub(crate) unknown: Vec<u64>,
    /// Told that nothing happened.
    pub(crate) not_applied: Vec<u64>,
}

impl History {
    /// Notes the last word on an order.
    pub(crate) fn note(&mut self, n: u64, outcome: Outcome) {
        match outcome {
            Outcome::Taken(proof) => self.taken.push((n, proof)),
            Outcome::Refused => self.refused.push(n),
            Outcome::Unknown => self.unknown.push(n),
            Outcome::Busy(_) | Outcome::NotApplied => self.not_applied.push(n),
        }
    }

    /// Takes in what another run on the same seats did.
    pub(crate) fn join(&mut self, mut other: Self) {
        self.taken.append(&mut other.taken);
        self.refused.append(&mut other.refused);
        self.unknown.append(&mut other.unknown);
        self.not_applied.append(&mut other.not_applied);
    }
}
