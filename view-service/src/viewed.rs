//! How often each performance was looked at: counted in memory while views are
//! answered, added up in the catalogue every few seconds, for organisers.
//!
//! What is lost is lost, and nothing is added twice: rather too little than too
//! much. Must not know: who looked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus::IntCounter;
use seat_model::PerformanceId;
use service_kit::clock;
use tokio_util::sync::CancellationToken;

use crate::catalogue::{NotAdded, ViewsAdded};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Counts; asks nobody and waits for nothing.
pub(crate) struct Viewed {
    counts: RwLock<HashMap<PerformanceId, AtomicU64>>,
    /// Performances counted until the next time they are added up.
    max: usize,
    lost: IntCounter,
}

impl Viewed {
    /// Counts so many performances at once; views of others are lost. 0: none
    /// is counted.
    pub(crate) fn new(max: usize, lost: IntCounter) -> Self {
        Self { counts: RwLock::default(), max, lost }
    }

    /// Somebody has been shown its seats.
    pub(crate) fn note(&self, performance: &PerformanceId) {
        self.note_many(performance, 1);
    }

    fn note_many(&self, performance: &PerformanceId, views: u64) {
        if self.max == 0 {
            return;
        }
        {
            let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = counts.get(performance) {
                count.fetch_add(views, Ordering::Relaxed);
                return;
            }
        }
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        let room = counts.len() < self.max;
        if let Some(count) = counts.get(performance) {
            count.fetch_add(views, Ordering::Relaxed);
        } else if room {
            counts.insert(performance.clone(), AtomicU64::new(views));
        } else {
            self.lost.inc_by(views);
        }
    }

    /// What was counted since the last time, in order.
    fn take(&self) -> Vec<(PerformanceId, u64)> {
        let counts = {
            let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *counts)
        };
        let counts = counts.into_iter();
        let mut views: Vec<_> = counts.map(|(id, count)| (id, count.into_inner())).collect();
        views.sort_unstable();
        views
    }

    /// Adds views up until the process ends, what is left then included.
    pub(crate) async fn add_up(
        self: Arc<Self>,
        to: ViewsAdded,
        every: Duration,
        shutdown: CancellationToken,
    ) {
        let mut told = None;
        loop {
            let ending = tokio::select! {
                () = tokio::time::sleep(every) => false,
                () = shutdown.cancelled() => true,
            };
            let failed = self.add_to(&to).await.err().map(|error| error.to_string());
            if let Some(error) = &failed
                && told != failed
            {
                tracing::warn!(error, "views are not added up");
            }
            told = failed;
            if ending {
                return;
            }
        }
    }

    async fn add_to(&self, to: &ViewsAdded) -> Result<(), NotAdded> {
        let mut views = self.take();
        let hour_ms = clock::now().as_millis().div_euclid(HOUR_MS) * HOUR_MS;
        let added = to.add(hour_ms, &mut views).await;
        if let Err(NotAdded::Unknown { views, .. }) = &added {
            self.lost.inc_by(*views);
        }
        for (performance, count) in &views {
            self.note_many(performance, *count);
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewed(max: usize) -> Viewed {
        Viewed::new(max, IntCounter::new("lost", "lost").unwrap())
    }

    fn performance(id: &str) -> PerformanceId {
        PerformanceId::new(id).unwrap()
    }

    #[test]
    fn views_are_counted_by_performance_and_taken_once() {
        let viewed = viewed(10);
        for id in ["b", "a", "b"] {
            viewed.note(&performance(id));
        }
        assert_eq!(viewed.take(), [(performance("a"), 1), (performance("b"), 2)]);
        assert_eq!(viewed.take(), []);
    }

    #[test]
    fn performances_beyond_the_bound_are_told_as_lost() {
        let viewed = viewed(2);
        for id in ["a", "b", "c", "c", "a"] {
            viewed.note(&performance(id));
        }
        assert_eq!(viewed.take(), [(performance("a"), 2), (performance("b"), 1)]);
        assert_eq!(viewed.lost.get(), 2);
        viewed.note(&performance("c"));
        assert_eq!(viewed.take(), [(performance("c"), 1)], "there is room again");
        let off = Viewed::new(0, viewed.lost.clone());
        off.note(&performance("a"));
        assert_eq!((off.take().len(), viewed.lost.get()), (0, 2), "nobody wants to know");
    }

    #[tokio::test]
    async fn what_could_not_be_added_waits_with_what_came_since() {
        let viewed = viewed(10);
        viewed.note(&performance("a"));
        // Nobody listens on port 1.
        let nobody = ViewsAdded::new("mysql://x:x@127.0.0.1:1/x", Duration::from_millis(300));
        let failed = viewed.add_to(&nobody.unwrap()).await;
        assert!(matches!(failed, Err(NotAdded::Away(_))), "{failed:?}");
        viewed.note(&performance("a"));
        assert_eq!(viewed.take(), [(performance("a"), 2)]);
        assert_eq!(viewed.lost.get(), 0);
    }
}
