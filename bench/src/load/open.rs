//! An open loop: orders come when they come, however slow the answers are. The
//! latency of each counts from when it was *meant* to start, so that a stall
//! is felt by everybody who would have come during it (no coordinated
//! omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::closed::last_word;
use super::schedule::Arrivals;
use super::tally::Tally;
use super::{Holder, Measured};
use crate::Failure;
use crate::usage::{Sample, Watched};

/// How exactly an order starts when it was meant to.
const TICK: Duration = Duration::from_micros(250);

/// Where fewer orders than these are to be expected, it is measured for longer:
/// a rate that a moment's stall made low must not leave nobody to measure.
const FEWEST: f64 = 20.0;

/// But never for longer than this.
const LONGEST: Duration = Duration::from_secs(30);

/// Orders in flight; more wait, and their waiting counts.
const MAX_IN_FLIGHT: usize = 4_096;

/// A run of an open loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenLoop {
    /// Orders that come in a second.
    pub(crate) per_second: f64,
    /// How long it runs before it is measured.
    pub(crate) warm_up: Duration,
    /// How long it is measured, at least.
    pub(crate) measure: Duration,
}

impl OpenLoop {
    fn long_enough(&self) -> Duration {
        let expected = Duration::try_from_secs_f64(FEWEST / self.per_second).unwrap_or(LONGEST);
        self.measure.max(expected.min(LONGEST))
    }

    /// Runs it. Orders are taken from `numbers`, on which later runs go on.
    pub(crate) async fn run<H: Holder>(
        self,
        holder: &Arc<H>,
        numbers: &Arc<AtomicU64>,
        processes: &[Watched],
    ) -> Result<Measured, Failure> {
        let tally = Tally::new();
        let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        let mut alarm = Alarm::new(TICK)?;
        let start = Instant::now();
        let begin = start + self.warm_up;
        let measure = self.long_enough();
        let end = begin + measure;
        let mut before = Sample::take(processes);
        let mut sampled = false;
        let mut under_way = JoinSet::new();
        let first = numbers.load(Ordering::Relaxed);
        for (caller, arrival) in Arrivals::new(self.per_second, first).enumerate() {
            let meant = start + arrival;
            if meant >= end {
                break;
            }
            if !sampled && meant >= begin {
                (before, sampled) = (Sample::take(processes), true);
            }
            alarm.until(meant.into_std()).await?;
            let place = places.clone().acquire_owned().await?;
            let n = numbers.fetch_add(1, Ordering::Relaxed);
            let (holder, tally) = (holder.clone(), tally.clone());
            under_way.spawn(async move {
                let outcome = last_word(&*holder, caller, n).await;
                let ended = Instant::now();
                let counts = meant >= begin && outcome.is_taken();
                tally.note(n, outcome, counts.then(|| ended - meant));
                drop(place);
            });
            while under_way.try_join_next().is_some() {}
        }
        let used = before.until_now();
        while let Some(order) = under_way.join_next().await {
            order?;
        }
        tally.measured(measure, used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(per_second: f64) -> Duration {
        let (warm_up, measure) = (Duration::ZERO, Duration::from_millis(400));
        OpenLoop { per_second, warm_up, measure }.long_enough()
    }

    #[test]
    fn a_low_rate_is_measured_until_somebody_came() {
        assert_eq!(measured(1_000.0), Duration::from_millis(400));
        assert_eq!(measured(2.0), Duration::from_secs(10));
        assert_eq!(measured(0.1), LONGEST);
        assert_eq!(measured(0.0), LONGEST);
    }
}
