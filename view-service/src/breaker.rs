//! Passes over what does not answer, so that a part that hangs costs one
//! request its deadline and the others nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::metrics::BreakerMetrics;

/// Closed while things go well; after a failure nobody tries for `away_for`,
/// then one caller at a time.
#[derive(Debug)]
pub(crate) struct Breaker {
    born: Instant,
    away_for: Duration,
    /// Milliseconds after `born` until which nobody tries; 0 while closed.
    open_until_ms: AtomicU64,
    metrics: BreakerMetrics,
}

impl Breaker {
    pub(crate) fn new(away_for: Duration, metrics: BreakerMetrics) -> Self {
        Self { born: Instant::now(), away_for, open_until_ms: AtomicU64::new(0), metrics }
    }

    /// Whether this caller may try. Once the time is up, the first to ask
    /// moves it on and tries; the others are passed over until it succeeds.
    pub(crate) fn may_try(&self) -> bool {
        let may = self.may_try_at(self.now_ms());
        if !may {
            self.metrics.passed_over.inc();
        }
        may
    }

    fn may_try_at(&self, now_ms: u64) -> bool {
        let open_until = self.open_until_ms.load(Ordering::Relaxed);
        if open_until == 0 {
            return true;
        }
        let later = self.later(now_ms);
        let place = &self.open_until_ms;
        now_ms >= open_until
            && place
                .compare_exchange(open_until, later, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(crate) fn succeeded(&self) {
        // Reading first: while all is well every call comes by here.
        if self.open_until_ms.load(Ordering::Relaxed) != 0
            && self.open_until_ms.swap(0, Ordering::Relaxed) != 0
        {
            self.metrics.open.dec();
        }
    }

    pub(crate) fn failed(&self) {
        if self.open_until_ms.swap(self.later(self.now_ms()), Ordering::Relaxed) == 0 {
            self.metrics.open.inc();
        }
    }

    fn later(&self, now_ms: u64) -> u64 {
        let away_for = u64::try_from(self.away_for.as_millis()).unwrap_or(u64::MAX);
        now_ms.saturating_add(away_for).max(1)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;
    use crate::metrics::{Layer, Metrics};

    #[test]
    fn after_a_failure_nobody_tries_and_then_only_one() {
        let metrics = Metrics::new(&Registry::new()).unwrap().breaker(Layer::Redis);
        let breaker = Breaker::new(Duration::from_secs(60), metrics.clone());
        assert!(breaker.may_try() && breaker.may_try());
        breaker.failed();
        breaker.failed();
        assert!(!breaker.may_try());
        assert_eq!((metrics.open.get(), metrics.passed_over.get()), (1, 1));
        let later = breaker.now_ms() + 60_001;
        assert!(breaker.may_try_at(later), "the time is up");
        assert!(!breaker.may_try_at(later), "and somebody tries already");
        assert!(breaker.may_try_at(later + 60_001), "who was never heard of again");
        breaker.succeeded();
        assert!(breaker.may_try() && breaker.may_try());
        breaker.succeeded();
        assert_eq!(metrics.open.get(), 0);
    }
}
