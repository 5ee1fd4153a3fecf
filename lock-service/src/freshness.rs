//! Since when the mirror is known to be at most so old: what lets a hopeless
//! request be answered without asking etcd.
//!
//! What was sent to etcd at some moment was answered at a revision that was
//! etcd's own at that moment or later. A mirror that has reached this revision
//! has seen everything that etcd had when it was sent. (The moment of sending
//! counts, not that of the answer, and not that of a request which is answered
//! by what was sent for another one.)
//!
//! Must not know: what is decided by it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many answers are remembered.
const REMEMBERED: usize = 32;

/// Some of the latest answers: when they were asked for, and their revision.
#[derive(Debug)]
pub struct Freshness {
    answered: Mutex<VecDeque<(Instant, u64)>>,
    /// The highest revision of any answer.
    highest: AtomicU64,
    fresh: Duration,
}

/// Something on its way to etcd.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    at: Instant,
    after: u64,
}

impl Freshness {
    /// None yet. What is older than `fresh` proves nothing; zero: nothing does.
    #[must_use]
    pub const fn new(fresh: Duration) -> Self {
        Self { answered: Mutex::new(VecDeque::new()), highest: AtomicU64::new(0), fresh }
    }

    /// Something is being sent.
    #[must_use]
    pub fn sending(&self, now: Instant) -> Sending {
        Sending { at: now, after: self.highest.load(Ordering::Relaxed) }
    }

    /// It was answered. An answer from before what was known already when it
    /// was sent is of a cell whose revisions went back, and proves nothing.
    pub fn answered(&self, sending: Sending, revision: u64) {
        let Sending { at: sent, after } = sending;
        self.highest.fetch_max(revision, Ordering::Relaxed);
        if self.fresh.is_zero() || revision < after {
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

    /// Revisions began anew: nothing that was answered proves anything.
    pub fn forget(&self) {
        self.highest.store(0, Ordering::Relaxed);
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).clear();
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

    fn note(freshness: &Freshness, sent: Instant, revision: u64) {
        freshness.answered(freshness.sending(sent), revision);
    }

    #[test]
    fn only_a_recent_answer_that_the_mirror_has_reached_proves_anything() {
        let (freshness, begun) = (Freshness::new(MS(250)), Instant::now());
        assert!(!freshness.proves(begun, 100), "nothing was answered yet");
        note(&freshness, begun, 7);
        assert!(freshness.proves(begun + MS(250), 7));
        assert!(!freshness.proves(begun + MS(250), 6), "the mirror has not reached it");
        assert!(!freshness.proves(begun + MS(251), 7), "too long ago");
        note(&freshness, begun + MS(200), 20);
        assert!(freshness.proves(begun + MS(240), 7), "an earlier one still proves it");
        assert!(!freshness.proves(begun + MS(300), 7));
        assert!(freshness.proves(begun + MS(300), 20));
    }

    #[test]
    fn a_cell_whose_revisions_went_back_proves_nothing() {
        let (freshness, begun) = (Freshness::new(MS(250)), Instant::now());
        note(&freshness, begun, 1_000);
        let later = begun + MS(300);
        note(&freshness, later, 501);
        assert!(!freshness.proves(later, 1_000));
        freshness.forget();
        note(&freshness, later, 502);
        assert!(freshness.proves(later, 502), "the mirror has begun anew");
    }

    #[test]
    fn switched_off_nothing_is_fresh() {
        let (freshness, begun) = (Freshness::new(Duration::ZERO), Instant::now());
        note(&freshness, begun, 1);
        assert!(!freshness.proves(begun, 1) && !freshness.covers(begun, begun));
    }

    #[test]
    fn under_load_few_are_remembered_and_always_a_recent_one() {
        let (freshness, begun) = (Freshness::new(MS(250)), Instant::now());
        for n in 0..10_000_u64 {
            let sent = begun + Duration::from_micros(n * 30);
            note(&freshness, sent, n + 1);
            // A mirror that is always 50 ms behind.
            let mirror = n.saturating_sub(1_666);
            assert!(n < 2_000 || freshness.proves(sent, mirror), "{n}");
        }
        assert!(freshness.answered.lock().unwrap().len() <= REMEMBERED);
    }
}
