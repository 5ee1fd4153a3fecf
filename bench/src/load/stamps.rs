//! When holds succeeded: for the longest time in which none did.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Holder, Outcome};

/// A holder that notes the moment of every success.
pub(crate) struct Stamped<H> {
    inner: H,
    stamps: Mutex<Vec<Instant>>,
}

impl<H> Stamped<H> {
    /// Around another.
    pub(crate) const fn new(inner: H) -> Self {
        Self { inner, stamps: Mutex::new(Vec::new()) }
    }

    /// The longest time without a success between two moments.
    pub(crate) fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        longest_gap(&self.stamps.lock().unwrap_or_else(PoisonError::into_inner), from, to)
    }
}

impl<H: Holder> Holder for Stamped<H> {
    const RESENDABLE: bool = H::RESENDABLE;

    async fn hold(&self, caller: usize, n: u64) -> Outcome {
        let outcome = self.inner.hold(caller, n).await;
        if matches!(outcome, Outcome::Taken(_)) {
            self.stamps.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
        outcome
    }
}

/// Stamps are in order. The ends of the window bound a gap like a success does:
/// what never came back counts as the rest of the window.
fn longest_gap(stamps: &[Instant], from: Instant, to: Instant) -> Duration {
    let within = stamps.iter().copied().filter(|at| (from..=to).contains(at));
    let mut last = from;
    let mut longest = Duration::ZERO;
    for at in within.chain([to]) {
        longest = longest.max(at.saturating_duration_since(last));
        last = at;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_counts_from_the_windows_ends_too() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let gap = |stamps: &[Instant]| longest_gap(stamps, at(100), at(1_000)).as_millis();
        assert_eq!(gap(&[at(50), at(200), at(700), at(990), at(5_000)]), 500);
        assert_eq!(gap(&[at(300)]), 700, "nothing came back");
        assert_eq!(gap(&[]), 900);
    }
}
