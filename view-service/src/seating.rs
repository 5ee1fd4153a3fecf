//! Which seats are taken, from whoever can say: Redis, this instance's own
//! projection, or lock-service itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use lock_service_client::wire::ChangeLine;
use lock_service_client::{LockClient, LockError};
use moka::future::Cache;
use seat_model::{Chart, PerformanceId, PlanId, PublicSeatState, SeatId, Timestamp};
use service_kit::clock;
use view_service_client::wire::Source;

use crate::breaker::Breaker;
use crate::cache::{Reading, SeatStore};
use crate::metrics::{Layer, Metrics};
use crate::planted_bugs::VIEW_WITHOUT_REVISION_GUARD;
use crate::projection::{Known, Projection, Stand};

/// The taken seats of a performance, and how old that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What the projection had reached.
    pub revision: u64,
    /// When that was last known to be the newest.
    pub as_of: Timestamp,
    /// Whether that is too long ago.
    pub stale: bool,
    /// Seats that are not free.
    pub seats: BTreeMap<SeatId, PublicSeatState>,
    /// Who said so.
    pub source: Source,
}

/// A snapshot read straight from lock-service.
#[derive(Debug)]
struct Snapshot {
    revision: u64,
    as_of: Timestamp,
    performances: HashMap<PerformanceId, BTreeMap<SeatId, PublicSeatState>>,
}

/// How long is waited for whom, and what is too old.
#[derive(Debug, Clone, Copy)]
pub struct SeatingLimits {
    /// How long lock-service may take to say which seats are taken.
    pub locks_deadline: Duration,
    /// What nobody vouched for since so long is stale.
    pub stale_after: Duration,
    /// How long lock-service is left alone after it did not answer.
    pub away_for: Duration,
    /// Revisions that went back this much later are another cell's, in milliseconds.
    pub regressed_after_ms: i64,
}

/// Everyone who knows which seats are taken.
pub struct Seating {
    store: SeatStore,
    projection: Arc<Projection>,
    locks: LockClient,
    locks_deadline: Duration,
    locks_breaker: Breaker,
    stale_after_ms: i64,
    regressed_after_ms: i64,
    /// One read of a snapshot at a time, and at most one a second.
    snapshots: Cache<(), Arc<Snapshot>>,
    /// Taken seats by tier, by the version of a performance in memory.
    counts: Cache<(PerformanceId, PlanId, u64), Arc<Vec<usize>>>,
}

impl Seating {
    /// Joins the three.
    #[must_use]
    pub fn new(
        store: SeatStore,
        projection: Arc<Projection>,
        locks: LockClient,
        limits: SeatingLimits,
        metrics: &Metrics,
    ) -> Self {
        Self {
            store,
            projection,
            locks,
            locks_deadline: limits.locks_deadline,
            locks_breaker: Breaker::new(limits.away_for, metrics.breaker(Layer::Locks)),
            stale_after_ms: i64::try_from(limits.stale_after.as_millis()).unwrap_or(i64::MAX),
            regressed_after_ms: limits.regressed_after_ms,
            snapshots: Cache::builder().time_to_live(Duration::from_secs(1)).build(),
            counts: Cache::builder().max_capacity(20_000).build(),
        }
    }

    /// The projection of this instance.
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// Where a performance stands in memory, while that is fresh: it is what
    /// Redis is written from, and nobody else needs to be asked.
    pub fn fresh(&self, performance: &PerformanceId) -> Option<Stand> {
        self.projection.stand(performance).filter(|stand| !self.is_stale(stand.as_of))
    }

    /// Whether what was known then is older than what was known there, and not
    /// just another cell's: a lower revision that was confirmed much later means
    /// that etcd began again.
    pub(crate) fn is_older(&self, this: (u64, Timestamp), than: (u64, Timestamp)) -> bool {
        let older = this.0 < than.0 && this.1 <= than.1.plus_millis(self.regressed_after_ms);
        older && !VIEW_WITHOUT_REVISION_GUARD.is_planted()
    }

    /// The taken seats of a performance; `None` when nobody can say: there is
    /// nothing in memory, and Redis and lock-service are away.
    pub async fn taken(&self, performance: &PerformanceId) -> Option<Taken> {
        if self.fresh(performance).is_some()
            && let Some(known) = self.projection.known(performance)
        {
            return Some(self.as_known(known));
        }
        self.taken_elsewhere(performance).await
    }

    /// The same from those who are asked when memory is not fresh, or older than
    /// what was shown already.
    pub(crate) async fn taken_elsewhere(&self, performance: &PerformanceId) -> Option<Taken> {
        let stored = self.stored(std::slice::from_ref(performance)).await;
        let stored = stored.and_then(|mut all| all.pop().flatten());
        self.newest(performance, stored).await
    }

    /// Taken seats by tier of several performances, in the order asked for.
    /// From memory while that is fresh: it is what Redis is written from.
    pub async fn counts(
        &self,
        wanted: &[(PerformanceId, PlanId, Arc<Chart>)],
    ) -> Option<(Vec<Arc<Vec<usize>>>, Timestamp)> {
        let fresh = self.is_fresh();
        let ids: Vec<PerformanceId> = wanted.iter().map(|(id, ..)| id.clone()).collect();
        let mut stored = if fresh { None } else { self.stored(&ids).await }
            .unwrap_or_else(|| vec![None; ids.len()])
            .into_iter();
        let mut all = Vec::with_capacity(wanted.len());
        let mut oldest = clock::now();
        for (id, plan, chart) in wanted {
            let stored = stored.next().flatten();
            if fresh && let Some((_, as_of)) = self.projection.reached() {
                oldest = oldest.min(as_of);
                all.push(self.counts_in_memory(id, plan, chart).await);
            } else {
                let taken = self.newest(id, stored).await?;
                oldest = oldest.min(taken.as_of);
                all.push(Arc::new(count(chart, taken.seats.keys())));
            }
        }
        Some((all, oldest))
    }

    async fn counts_in_memory(
        &self,
        performance: &PerformanceId,
        plan: &PlanId,
        chart: &Chart,
    ) -> Arc<Vec<usize>> {
        let version = self.projection.stand(performance).map_or(0, |stand| stand.version);
        let key = (performance.clone(), plan.clone(), version);
        self.counts
            .get_with(key, async {
                let counted = self
                    .projection
                    .look(performance, |_, seats| count(chart, seats.map(|(s, _)| s)));
                Arc::new(counted.unwrap_or_else(|| vec![0; chart.tiers.len()]))
            })
            .await
    }

    /// Whether memory is.
    pub(crate) fn is_fresh(&self) -> bool {
        self.projection.reached().is_some_and(|(_, as_of)| !self.is_stale(as_of))
    }

    async fn stored(&self, performances: &[PerformanceId]) -> Option<Vec<Option<Reading>>> {
        self.store.read(performances).await.ok()
    }

    /// What Redis said, unless memory is newer; lock-service where neither knows.
    async fn newest(&self, performance: &PerformanceId, stored: Option<Reading>) -> Option<Taken> {
        let stored = stored.map(|reading| self.as_stored(reading));
        let changed = self.projection.changed(performance);
        if let Some(stored) = &stored
            && !stored.stale
            && stored.revision >= changed
        {
            return Some(stored.clone());
        }
        // Redis is away, behind what this instance has shown already, or
        // nobody writes to it: whatever is newest, and it says how old it is.
        let known = self.projection.known(performance).map(|known| self.as_known(known));
        match (known, stored) {
            (Some(known), Some(stored)) if stored.as_of > known.as_of => Some(stored),
            (Some(known), _) => Some(known),
            (None, Some(stored)) => Some(stored),
            (None, None) => self.ask_locks(performance).await,
        }
    }

    fn as_stored(&self, reading: Reading) -> Taken {
        Taken {
            revision: reading.projected.revision,
            as_of: reading.projected.as_of,
            stale: self.is_stale(reading.projected.as_of),
            seats: reading.seats,
            source: Source::Redis,
        }
    }

    fn as_known(&self, known: Known) -> Taken {
        Taken {
            revision: known.revision,
            as_of: known.as_of,
            stale: self.is_stale(known.as_of),
            seats: known.seats,
            source: Source::Memory,
        }
    }

    async fn ask_locks(&self, performance: &PerformanceId) -> Option<Taken> {
        let snapshot = self.snapshots.try_get_with((), self.read_snapshot()).await;
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::debug!(%error, "no snapshot from lock-service");
                return None;
            }
        };
        Some(Taken {
            revision: snapshot.revision,
            as_of: snapshot.as_of,
            stale: self.is_stale(snapshot.as_of),
            seats: snapshot.performances.get(performance).cloned().unwrap_or_default(),
            source: Source::Locks,
        })
    }

    /// Reads until the snapshot is complete and somebody said how new it is:
    /// what nobody vouches for has no date, and is not shown (INV-11).
    async fn read_snapshot(&self) -> Result<Arc<Snapshot>, LockError> {
        if !self.locks_breaker.may_try() {
            return Err(LockError::NotApplied("it did not answer a moment ago".into()));
        }
        let read = tokio::time::timeout(self.locks_deadline, snapshot_of(&self.locks)).await;
        let read = read.unwrap_or_else(|_| {
            Err(LockError::NotApplied("the snapshot did not come in time".into()))
        });
        match &read {
            Ok(_) => self.locks_breaker.succeeded(),
            Err(_) => self.locks_breaker.failed(),
        }
        read.map(Arc::new)
    }

    pub(crate) fn is_stale(&self, as_of: Timestamp) -> bool {
        is_stale(as_of, clock::now(), self.stale_after_ms)
    }
}

/// It is too long ago that somebody said it is the newest.
fn is_stale(as_of: Timestamp, now: Timestamp, stale_after_ms: i64) -> bool {
    now > as_of.plus_millis(stale_after_ms)
}

/// The whole feed as it is now, up to the first word that it is the newest.
async fn snapshot_of(locks: &LockClient) -> Result<Snapshot, LockError> {
    let mut feed = locks.changes(0).await?;
    let mut performances: HashMap<PerformanceId, BTreeMap<_, _>> = HashMap::new();
    let mut reached = 0;
    let mut complete = false;
    while let Some(line) = feed.next().await? {
        match line {
            ChangeLine::Snapshot { .. } => {}
            ChangeLine::Seats { performance, revision, seats } => {
                reached = reached.max(revision);
                let known = performances.entry(performance).or_default();
                for (seat, state) in seats {
                    if state == PublicSeatState::Free {
                        known.remove(&seat);
                    } else {
                        known.insert(seat, state);
                    }
                }
            }
            ChangeLine::SnapshotEnd { revision } => {
                reached = reached.max(revision);
                complete = true;
            }
            ChangeLine::Progress { revision, as_of } if complete => {
                return Ok(Snapshot { revision: reached.max(revision), as_of, performances });
            }
            ChangeLine::Progress { .. } => {}
        }
    }
    Err(LockError::NotApplied("the feed ended within its snapshot".into()))
}

/// Seats by tier, in the chart's order of tiers; seats the plan does not have do not count.
fn count<'s>(chart: &Chart, seats: impl Iterator<Item = &'s SeatId>) -> Vec<usize> {
    let mut counts = vec![0; chart.tiers.len()];
    for seat in seats {
        if let Some(index) = chart.index_of(seat) {
            counts[chart.seats[index].tier] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_vouched_for_since_too_long_is_stale() {
        let now = Timestamp::from_millis(10_000);
        assert!(!is_stale(Timestamp::from_millis(8_000), now, 2_000));
        assert!(is_stale(Timestamp::from_millis(7_999), now, 2_000));
    }
}
