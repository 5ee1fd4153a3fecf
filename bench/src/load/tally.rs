//! What callers of one run write down together. They share one thread, so the
//! lock is never waited for, and one histogram stays in the cache where one
//! for each would not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{History, Latency, Measured, Outcome};
use crate::Failure;
use crate::usage::Used;

/// Clones write on the same page.
#[derive(Clone)]
pub(super) struct Tally(Arc<Mutex<Page>>);

struct Page {
    latency: Latency,
    history: History,
}

impl Tally {
    /// Nothing written yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Page { latency: Latency::new(), history: History::default() })))
    }

    /// Notes the last word on an order, and how long it took where that counts.
    pub(super) fn note(&self, n: u64, outcome: Outcome, took: Option<Duration>) {
        let mut page = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        page.history.note(n, outcome);
        if let Some(took) = took {
            page.latency.record(took);
        }
    }

    /// All of it, of a loop that was measured for so long.
    ///
    /// # Errors
    /// When somebody still writes.
    pub(super) fn measured(self, over: Duration, used: Vec<Used>) -> Result<Measured, Failure> {
        let (latency, history) = self.close()?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 orders")]
        let per_second = latency.count() as f64 / over.as_secs_f64();
        Ok(Measured { per_second, latency, history, used })
    }

    /// All of it.
    ///
    /// # Errors
    /// When somebody still writes.
    pub(super) fn close(self) -> Result<(Latency, History), Failure> {
        let page = Arc::into_inner(self.0).ok_or("a caller is still there")?;
        let Page { latency, history } = page.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((latency, history))
    }
}
