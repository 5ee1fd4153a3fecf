//! The mirror of etcd: a supervised watch keeps [`State`] current, and
//! `caught_up` says when it may decide.
//!
//! Architecture invariant: the mirror chooses and answers, it never takes. A
//! seat changes hands only by a transaction that compares.

mod catch_up;
mod charts;
mod feed;
mod follow;
mod kept;
mod state;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use seat_model::{PerformanceId, Timestamp};
use seat_picker::Prepared;
use tokio::sync::{Notify, watch};

pub use catch_up::CatchUp;
pub use feed::{History, Since, change_line, line};
pub use follow::{follow, pulse};
pub use state::{Change, State};

use crate::etcd::{Listing, WatchBatch};
use crate::metrics::Metrics;
use kept::Kept;

/// That the mirror was current: etcd's own revision at `as_of` was reached.
#[derive(Debug, Clone, Copy)]
pub struct Confirmed {
    /// The revision.
    pub revision: u64,
    /// On this service's wall clock, for people.
    pub as_of: Timestamp,
    /// On its monotonic clock.
    pub at: Instant,
}

/// The mirror; clones share it.
#[derive(Clone)]
pub struct Mirror {
    shared: Arc<Shared>,
}

struct Shared {
    state: RwLock<State>,
    history: History,
    /// The revision reached; 0 until the first listing.
    reached: watch::Sender<u64>,
    confirmed: watch::Sender<Option<Confirmed>>,
    /// What is let go when a revision is reached.
    kept: Kept,
    /// The watch does not deliver: open another.
    lagging: Notify,
    /// The revisions of etcd went back: list again.
    distrusted: Notify,
    metrics: Metrics,
}

impl Mirror {
    /// Knows nothing yet; remembers at most so many changes for feeds.
    #[must_use]
    pub fn new(history: usize, metrics: Metrics) -> Self {
        let shared = Shared {
            state: RwLock::new(State::new()),
            history: History::new(history),
            reached: watch::Sender::new(0),
            confirmed: watch::Sender::new(None),
            kept: Kept::default(),
            lagging: Notify::new(),
            distrusted: Notify::new(),
            metrics,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Looks at the contents. Keep it short: the watch waits meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the taken seats of a performance ready for picking by this plan
    /// from now on; of at most so many performances. Looks at every taken seat
    /// the first time, and at nothing after that.
    pub fn chart(&self, performance: &PerformanceId, prepared: &Arc<Prepared>, at_most: usize) {
        if self.read(|state| state.charted(performance, prepared)) {
            return;
        }
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        state.chart(performance, prepared, at_most);
    }

    /// The changes remembered for feeds.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.shared.history
    }

    /// The revision reached; 0 until the first listing.
    #[must_use]
    pub fn revision(&self) -> u64 {
        *self.shared.reached.borrow()
    }

    /// Tells of every revision reached.
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.shared.reached.subscribe()
    }

    /// When the mirror was last known to be current.
    #[must_use]
    pub fn confirmed(&self) -> Option<Confirmed> {
        *self.shared.confirmed.borrow()
    }

    /// Tells whenever the mirror is known to be current.
    #[must_use]
    pub fn confirmations(&self) -> watch::Receiver<Option<Confirmed>> {
        self.shared.confirmed.subscribe()
    }

    /// Waits until a revision is reached; `false` when the deadline came first.
    pub async fn reach(&self, revision: u64, until: Instant) -> bool {
        if self.revision() >= revision {
            return true;
        }
        let mut revisions = self.shared.reached.subscribe();
        let reached = revisions.wait_for(|reached| *reached >= revision);
        tokio::time::timeout_at(until.into(), reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Drops something once a revision is reached, or the deadline has passed.
    pub fn keep(&self, revision: u64, until: Instant, what: impl Send + 'static) {
        self.shared.kept.keep(revision, until, Box::new(what));
        // It may have been reached since it was looked at.
        self.shared.kept.let_go(self.revision());
    }

    fn confirm(&self, confirmed: Confirmed) {
        self.shared.confirmed.send_replace(Some(confirmed));
    }

    fn apply(&self, batch: WatchBatch) {
        self.change(|state| state.apply(batch.events, batch.revision), false);
    }

    fn replace(&self, listing: &Listing) {
        self.shared.metrics.mirror_listings.inc();
        // Without a past, or after one that was undone, no feed can go on from here.
        let restart = self.revision() == 0 || listing.revision < self.revision();
        self.change(|state| state.replace(listing), restart);
    }

    fn change(&self, work: impl FnOnce(&mut State) -> Vec<Change>, restart: bool) {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        let changes = work(&mut state);
        let revision = state.revision();
        if restart {
            self.shared.history.restart(revision);
        } else {
            self.shared.history.push(changes);
        }
        let remembered = i64::try_from(self.shared.history.remembered()).unwrap_or(i64::MAX);
        self.shared.metrics.remembered_changes.set(remembered);
        let [held, confirming, sold] = state.totals();
        drop(state);
        self.shared.reached.send_replace(revision);
        self.shared.kept.let_go(revision);
        self.shared.metrics.seats(held, confirming, sold);
        self.shared.metrics.mirror_revision.set(i64::try_from(revision).unwrap_or(i64::MAX));
    }
}
