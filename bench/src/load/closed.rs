//! A closed loop: so many callers, each of whom asks again as soon as it is
//! answered. Finds the throughput; its latencies are those of a system driven
//! to its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::tally::Tally;
use super::{Holder, Measured, Outcome};
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

impl ClosedLoop {
    /// Runs it. Orders are taken from `numbers`, on which later runs go on.
    pub(crate) async fn run<H: Holder>(
        self,
        holder: &Arc<H>,
        numbers: &Arc<AtomicU64>,
        processes: &[Watched],
    ) -> Result<Measured, Failure> {
        let tally = Tally::new();
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
                    let counts = (begin..end).contains(&ended) && outcome.is_taken();
                    tally.note(n, outcome, counts.then(|| ended - started));
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
        tally.measured(self.measure, used)
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
