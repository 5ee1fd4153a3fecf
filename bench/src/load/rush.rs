//! A rush: everybody presses the button in the same moment. So many orders are
//! in flight at once, the others wait in line, and everybody's latency counts
//! from that moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::closed::last_word;
use super::tally::Tally;
use super::{History, Holder, Latency};
use crate::Failure;
use crate::usage::{Sample, Used, Watched};

/// A crowd.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rush {
    /// How many orders there are, from number 0 on.
    pub(crate) orders: u64,
    /// How many are in flight at once.
    pub(crate) at_once: usize,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Rushed {
    /// Until the last one was answered.
    pub(crate) took: Duration,
    /// From the common start, refusals included.
    pub(crate) latency: Latency,
    /// Everybody.
    pub(crate) history: History,
    /// What each process used meanwhile.
    pub(crate) used: Vec<Used>,
}

impl Rush {
    /// Runs it.
    pub(crate) async fn run<H: Holder>(
        self,
        holder: &Arc<H>,
        processes: &[Watched],
    ) -> Result<Rushed, Failure> {
        let tally = Tally::new();
        let numbers = Arc::new(AtomicU64::new(0));
        let before = Sample::take(processes);
        let start = Instant::now();
        let mut lines = JoinSet::new();
        for line in 0..self.at_once {
            let (holder, numbers, tally) = (holder.clone(), numbers.clone(), tally.clone());
            lines.spawn(async move {
                loop {
                    let n = numbers.fetch_add(1, Ordering::Relaxed);
                    if n >= self.orders {
                        return;
                    }
                    let outcome = last_word(&*holder, line, n).await;
                    tally.note(n, outcome, Some(start.elapsed()));
                }
            });
        }
        while let Some(line) = lines.join_next().await {
            line?;
        }
        let took = start.elapsed();
        let used = before.until_now();
        let (latency, history) = tally.close()?;
        Ok(Rushed { took, latency, history, used })
    }
}

impl Rushed {
    /// Orders answered in a second.
    pub(crate) fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 orders")]
        let orders = self.latency.count() as f64;
        orders / self.took.as_secs_f64()
    }
}
