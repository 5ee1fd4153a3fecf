//! The judges: one promise a file, each a pure function from what customers
//! saw and what the stores hold to a [`Judgement`]. They must not know how a
//! run was made, and share no code with the services: the sequential model and
//! the rules are written again here.

mod abandoned;
mod acknowledged;
mod all_or_nothing;
mod cancels;
mod contract;
mod evidence;
mod money;
mod one_order;
mod one_shard;
mod orphans;
mod pinned_sales;
mod recovery;
mod same_key;
#[cfg(test)]
mod sample;
mod search;
mod seat_machine;
mod sold_once;
mod views;

use serde::{Deserialize, Serialize};

use crate::final_state::FinalState;
use crate::history::History;

pub use evidence::{Evidence, Story};

/// What a run may do that a quiet one may not, because of what was done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Clocks were moved by so much: deadlines may be early or late by it.
    pub clocks_off_ms: u64,
    /// etcd was paused and is older than 3.4.32: it may revoke living leases
    /// (a known limit, docs/INVARIANTS.md). Holds may then end early.
    pub holds_may_end_early: bool,
    /// Within how long after healing a purchase must succeed, milliseconds.
    pub recovers_within_ms: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { clocks_off_ms: 0, holds_may_end_early: false, recovers_within_ms: 10_000 }
    }
}

/// What a judge says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// `INV-1` … `INV-13`, or `contract`.
    pub about: String,
    /// The promise in a few words.
    pub promise: String,
    /// How many things were looked at: none proves nothing.
    pub checked: u64,
    /// Each a breach.
    pub breaches: Vec<String>,
    /// What could not be decided.
    pub undecided: Vec<String>,
}

/// How many breaches of one promise are told in words; all are counted.
const TOLD: usize = 20;

/// A judgement being made.
pub(crate) struct Judging(Judgement, usize);

impl Judging {
    pub(crate) fn of(about: &str, promise: &str) -> Self {
        let judgement = Judgement {
            about: about.to_owned(),
            promise: promise.to_owned(),
            checked: 0,
            breaches: Vec::new(),
            undecided: Vec::new(),
        };
        Self(judgement, 0)
    }

    /// One more thing is looked at; `says` is asked only where it does not hold.
    pub(crate) fn must(&mut self, holds: bool, says: impl FnOnce() -> String) {
        self.0.checked += 1;
        if !holds {
            self.1 += 1;
            if self.0.breaches.len() < TOLD {
                self.0.breaches.push(says());
            }
        }
    }

    pub(crate) fn undecided(&mut self, why: String) {
        self.0.undecided.push(why);
    }

    /// What the comparison of the stores found against this promise.
    pub(crate) fn findings(&mut self, state: &FinalState, invariant: u8) {
        for finding in state.findings.iter().filter(|finding| finding.invariant == invariant) {
            self.must(false, || format!("{}: {}", finding.kind, finding.sentence));
        }
    }

    pub(crate) fn done(mut self) -> Judgement {
        let more = self.1.saturating_sub(self.0.breaches.len());
        if more > 0 {
            self.0.breaches.push(format!("… and {more} more"));
        }
        self.0
    }
}

/// All judges, in the order of the promises.
#[must_use]
pub fn judge(history: &History, state: &FinalState, terms: &Terms) -> Vec<Judgement> {
    let evidence = Evidence::new(history, state, *terms);
    let judges: [fn(&Evidence<'_>) -> Judgement; 14] = [
        sold_once::judge,
        acknowledged::judge,
        one_order::judge,
        pinned_sales::judge,
        abandoned::judge,
        orphans::judge,
        cancels::judge,
        same_key::judge,
        all_or_nothing::judge,
        money::judge,
        views::judge,
        recovery::judge,
        one_shard::judge,
        contract::judge,
    ];
    judges.iter().map(|judge| judge(&evidence)).collect()
}

#[cfg(test)]
mod tests {
    use super::sample::Sample;
    use super::*;

    #[test]
    fn nothing_wrong_is_found_in_a_quiet_evening() {
        let mut sample = Sample::new();
        sample.quiet_evening();
        let (history, state) = sample.finish();
        for judgement in judge(&history, &state, &Terms::default()) {
            assert_eq!(judgement.breaches, Vec::<String>::new(), "{}", judgement.about);
            assert_eq!(judgement.undecided, Vec::<String>::new(), "{}", judgement.about);
        }
    }

    #[test]
    fn breaches_beyond_the_first_are_counted() {
        let mut judging = Judging::of("INV-1", "a seat is sold once");
        for number in 0..30 {
            judging.must(false, || format!("number {number}"));
        }
        let judgement = judging.done();
        assert_eq!(judgement.breaches.len(), TOLD + 1);
        assert_eq!(judgement.breaches.last().unwrap(), "… and 10 more");
    }
}
