//! Since when the mirror is known to be at most so old: what lets a hopeless
//! request be answered without asking etcd.
//!
//! A transaction sent at some moment was answered at a revision that was
//! etcd's own at that moment or later. A mirror that has reached this revision
//! has seen everything that etcd had when the transaction was sent.
//!
//! Must not know: what is decided by it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many transactions are remembered.
const REMEMBERED: usize = 32;

/// Some of the latest transactions: when they were sent, the revision they
/// were answered at.
#[derive(Debug)]
pub struct Freshness {
    answered: Mutex<VecDeque<(Instant, u64)>>,
    fresh: Duration,
}

impl Freshness {
    /// None yet. What is older than `fresh` proves nothing; zero: nothing does.
    #[must_use]
    pub const fn new(fresh: Duration) -> Self {
        Self { answered: Mutex::new(VecDeque::new()), fresh }
    }

    /// A transaction was answered. `mirrored` is the mirror's revision when it
    /// was sent: an answer from before that is of a cell whose revisions went
    /// back, and proves nothing.
    pub fn note(&self, sent: Instant, mirrored: u64, revision: u64) {
        if self.fresh.is_zero() || revision < mirrored {
            return;
        }
        // One in a hundredth of the span is enough; whoever finds it locked
        // has somebody else's.
        let Ok(mut answered) = self.answered.try_lock() else { return };
        if answered.back().is_some_and(|(last, _)| sent < *last + self.fresh / 25) {
            return;
        }
        if answered.len() >= REMEMBERED {
            answered.pop_front();
        }
        answered.push_back((sent, revision));
    }

    /// Whether a mirror at this revision has all that etcd had at some moment
    /// within the span.
    #[must_use]
    pub fn proves(&self, now: Instant, mirror: u64) -> bool {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.iter().any(|(sent, revision)| *revision <= mirror && self.covers(now, *sent))
    }

    /// Whether what was known to be current then is fresh now.
    #[must_use]
    pub fn covers(&self, now: Instant, then: Instant) -> bool {
        !self.fresh.is_zero() && now.saturating_duration_since(then) <= self.fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn only_a_recent_answer_that_the_mirror_has_reached_proves_anything() {
        let (freshness, begun) = (Freshness::new(MS(250)), Instant::now());
        assert!(!freshness.proves(begun, 100), "nothing was answered yet");
        freshness.note(begun, 5, 7);
        assert!(freshness.proves(begun + MS(250), 7));
        assert!(!freshness.proves(begun + MS(250), 6), "the mirror has not reached it");
        assert!(!freshness.proves(begun + MS(251), 7), "too long ago");
        freshness.note(begun + MS(200), 7, 20);
        assert!(freshness.proves(begun + MS(240), 7), "an earlier one still proves it");
        assert!(!freshness.proves(begun + MS(300), 7));
        assert!(freshness.proves(begun + MS(300), 20));
    }

    #[test]
    fn a_cell_whose_revisions_went_back_proves_nothing() {
        let (freshness, begun) = (Freshness::new(MS(250)), Instant::now());
        freshness.note(begun, 1_000, 501);
        assert!(!freshness.proves(begun, 1_000));
    }

    #[test]
    fn switched_off_nothing_is_fresh() {
        let (freshness, begun) = (Freshness::new(Duration::ZERO), Instant::now());
        freshness.note(begun, 1, 1);
        assert!(!freshness.proves(begun, 1) && !freshness.covers(begun, begun));
    }

    #[test]
    fn under_load_few_are_remembered_and_always_a_recent_one() {
        let (freshness, begun) = (Freshness::new(MS(250)), Instant::now());
        for n in 0..10_000_u64 {
            let sent = begun + Duration::from_micros(n * 30);
            freshness.note(sent, n, n + 1);
            // A mirror that is always 50 ms behind.
            let mirror = n.saturating_sub(1_666);
            assert!(n < 2_000 || freshness.proves(sent, mirror), "{n}");
        }
        assert!(freshness.answered.lock().unwrap().len() <= REMEMBERED);
    }
}
