//! A closed loop: so many callers, each of whom asks again as soon as it is
//! answered. Finds the throughput; its latencies are those of a system driven
//! to its limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{History, Holder, Latency, Measured, Outcome};
use crate::Failure;
use crate::usage::{Sample, Watched};

/// How often an order is sent at most.
const MAX_SENDS: u32 = 60;

/// A run of a closed loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClosedLoop {
    /// How many callers.
    pub(crate) callers: usize,
    /// How long it runs before it is measured.
    pub(crate) warm_up: Duration,
    /// How long it is measured.
    pub(crate) measure: Duration,
}

/// What callers write down. They share one thread, so the lock is never waited
/// for, and one histogram stays in the cache where one for each would not.
struct Tally {
    latency: Latency,
    history: History,
}

impl ClosedLoop {
    /// Runs it. Orders are taken from `numbers`, on which later runs go on.
    pub(crate) async fn run<H: Holder>(
        self,
        holder: &Arc<H>,
        numbers: &Arc<AtomicU64>,
        processes: &[Watched],
    ) -> Result<Measured, Failure> {
        let tally =
            Arc::new(Mutex::new(Tally { latency: Latency::new(), history: History::default() }));
        let begin = Instant::now() + self.warm_up;
        let end = begin + self.measure;
        let mut callers = JoinSet::new();
        for caller in 0..self.callers {
            let (holder, numbers, tally) = (holder.clone(), numbers.clone(), tally.clone());
            callers.spawn(async move {
                while Instant::now() < end {
                    let n = numbers.fetch_add(1, Ordering::Relaxed);
                    let started = Instant::now();
                    let outcome = last_word(&*holder, caller, n).await;
                    let ended = Instant::now();
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    tally.history.note(n, outcome);
                    if ended >= begin && ended < end && matches!(outcome, Outcome::Taken(_)) {
                        tally.latency.record(ended - started);
                    }
                }
            });
        }
        sleep_until(begin).await;
        let before = Sample::take(processes);
        sleep_until(end).await;
        let used = before.until_now();
        while let Some(caller) = callers.join_next().await {
            caller?;
        }
        let tally = Arc::into_inner(tally).ok_or("a caller is still there")?;
        let Tally { latency, history } = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 orders")]
        let per_second = latency.count() as f64 / self.measure.as_secs_f64();
        Ok(Measured { per_second, latency, history, used })
    }
}

/// Tries an order until it knows what became of it: comes again when it is told
/// to, and sends again what may be sent again.
pub(super) async fn last_word<H: Holder>(holder: &H, caller: usize, n: u64) -> Outcome {
    let mut last = Outcome::NotApplied;
    for _ in 0..MAX_SENDS {
        match holder.hold(caller, n).await {
            Outcome::Busy(after) => tokio::time::sleep(after).await,
            Outcome::Unknown if H::RESENDABLE => last = Outcome::Unknown,
            outcome => return outcome,
        }
    }
    last
}
