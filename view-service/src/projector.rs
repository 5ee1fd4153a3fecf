//! Follows the change feed into this instance's memory, and writes what it
//! hears to Redis. Every instance does both; the guards in Redis make that safe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use lock_service_client::wire::ChangeLine;
use lock_service_client::{LockClient, LockClientConfig, LockError};
use seat_model::{PerformanceId, Timestamp};
use service_kit::{Component, clock};
use tokio::sync::mpsc;

use crate::cache::{CacheAway, Change, Said, SeatPartition, SeatStore, Write};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::projection::{Projection, Refused, Step};

/// Changes written in one round trip.
const BATCH: usize = 256;

/// How often the writer looks whether Redis lost everything.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Why a feed was left.
#[derive(Debug, thiserror::Error)]
pub enum FeedLost {
    /// No instance, or the connection broke.
    #[error(transparent)]
    Away(#[from] LockError),
    /// The instance ended it.
    #[error("the instance ended the feed")]
    Ended,
    /// Nothing came for too long: the instance hangs, or etcd is away from it.
    #[error("the feed has been silent for {0} ms")]
    Silent(u128),
    /// It stands before what is known.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Reads one feed at a time into the projection.
pub struct Follower {
    /// One client per instance: after a failure it is the next one's turn.
    instances: Vec<LockClient>,
    turn: AtomicUsize,
    from_start: AtomicBool,
    silence: Duration,
    projection: Arc<Projection>,
    writes: mpsc::Sender<Step>,
    component: Component,
}

impl Follower {
    /// A follower that hands on what it hears to `writes`.
    ///
    /// # Errors
    /// When the HTTP clients cannot be built.
    pub fn new(
        config: &Config,
        projection: Arc<Projection>,
        writes: mpsc::Sender<Step>,
        component: Component,
    ) -> Result<Self, LockError> {
        let instances = config.lock_services.iter().map(|url| {
            LockClient::new(LockClientConfig {
                instances: vec![url.clone()],
                try_timeout: Duration::from_millis(config.locks_deadline_ms),
                away_for: config.away_for(),
            })
        });
        Ok(Self {
            instances: instances.collect::<Result<_, _>>()?,
            turn: AtomicUsize::new(0),
            from_start: AtomicBool::new(false),
            silence: Duration::from_millis(config.feed_silence_ms),
            projection,
            writes,
            component,
        })
    }

    /// Follows one feed until it is lost.
    ///
    /// # Errors
    /// Always, in the end: why the feed was left. Call it again.
    pub async fn follow(&self) -> Result<(), FeedLost> {
        let lost = self.follow_one().await;
        self.turn.fetch_add(1, Ordering::Relaxed);
        if let Err(lost) = &lost {
            self.component.down(lost.to_string());
            if matches!(lost, FeedLost::Refused(_)) {
                self.from_start.store(true, Ordering::Relaxed);
            }
        }
        lost
    }

    async fn follow_one(&self) -> Result<(), FeedLost> {
        let instance = &self.instances[self.turn.load(Ordering::Relaxed) % self.instances.len()];
        let again = self.from_start.swap(false, Ordering::Relaxed);
        let from = if again { 0 } else { self.projection.resume_from() };
        let mut feed = instance.changes(from).await?;
        loop {
            let line = tokio::time::timeout(self.silence, feed.next())
                .await
                .map_err(|_| FeedLost::Silent(self.silence.as_millis()))??
                .ok_or(FeedLost::Ended)?;
            self.hear(line)?;
        }
    }

    fn hear(&self, line: ChangeLine) -> Result<(), Refused> {
        let step = self.projection.apply(line)?;
        if matches!(step, Step::Reached { .. } | Step::Replaced { .. }) {
            self.component.up();
        }
        if step != Step::Quiet {
            // A full queue is no loss: the writer sees that it is full and
            // writes everything anew from memory.
            let _ = self.writes.try_send(step);
        }
        Ok(())
    }
}

/// Writes the projection to Redis.
pub struct Writer {
    parts: Vec<Part>,
}

impl Writer {
    /// A writer that has written nothing yet.
    #[must_use]
    pub fn new(
        store: &SeatStore,
        projection: Arc<Projection>,
        stale_after_ms: u64,
        metrics: Metrics,
    ) -> Self {
        let stale_after_ms = i64::try_from(stale_after_ms).unwrap_or(i64::MAX);
        let part = |partition: &SeatPartition| Part {
            store: partition.clone(),
            projection: Arc::clone(&projection),
            stale_after_ms,
            metrics: metrics.clone(),
            generation: None,
        };
        Self { parts: store.partitions().iter().map(part).collect() }
    }

    /// Writes what comes until the sender is gone.
    pub async fn run(mut self, mut steps: mpsc::Receiver<Step>) {
        let mut heard: Vec<Step> = Vec::with_capacity(BATCH);
        loop {
            // A queue that ran full has lost something.
            let overflowed = steps.capacity() == 0;
            let received =
                tokio::time::timeout(LOOK_AGAIN, steps.recv_many(&mut heard, BATCH)).await;
            if received == Ok(0) {
                return;
            }
            if overflowed {
                self.forget();
            }
            // While Redis is away this fails at once (breaker) and what was
            // heard is dropped: memory has it, and the generations are forgotten.
            let taken = join_all(self.parts.iter_mut().map(|part| part.take(&heard))).await;
            if let Some(away) = taken.into_iter().find_map(Result::err) {
                tracing::debug!(%away, "the projection was not written");
                // Of every part: a server that went may have taken with it what
                // it acknowledged, also for those who did not see the error.
                self.forget();
            }
            heard.clear();
        }
    }

    /// Makes every part be written anew.
    fn forget(&mut self) {
        for part in &mut self.parts {
            part.generation = None;
        }
    }
}

/// One partition's writer.
struct Part {
    store: SeatPartition,
    projection: Arc<Projection>,
    stale_after_ms: i64,
    metrics: Metrics,
    /// The generation this instance has written everything under.
    generation: Option<String>,
}

impl Part {
    async fn take(&mut self, heard: &[Step]) -> Result<(), CacheAway> {
        let mut writes = Vec::with_capacity(heard.len());
        for step in heard {
            match step {
                Step::Quiet => {}
                Step::Changed { performance, .. } if !self.store.has(performance) => {}
                Step::Changed { performance, revision, seats } => {
                    writes.push(Write::Change(Change {
                        performance: performance.clone(),
                        revision: *revision,
                        seats: seats.clone(),
                    }));
                }
                Step::Reached { revision, as_of } => {
                    writes.push(Write::Reached { revision: *revision, as_of: *as_of });
                }
                Step::Replaced { regressed } => {
                    // Changes before it are part of what replaced them.
                    writes.clear();
                    let had = self.generation.take();
                    if *regressed && let Some(had) = had {
                        self.begin_instead_of(&had).await?;
                    }
                }
            }
        }
        if self.generation.is_none() && !self.write_everything().await? {
            return Ok(());
        }
        self.write(&writes).await?;
        if writes.is_empty() {
            self.look().await?;
        }
        Ok(())
    }

    /// Notices that Redis lost everything even when nothing changes.
    async fn look(&mut self) -> Result<(), CacheAway> {
        if self.generation.is_some() && self.store.projected().await?.is_none() {
            self.generation = None;
        }
        Ok(())
    }

    async fn write(&mut self, writes: &[Write]) -> Result<(), CacheAway> {
        let Some(generation) = self.generation.clone() else { return Ok(()) };
        if writes.is_empty() {
            return Ok(());
        }
        // How far it is is said only after everything before it is in, the
        // performances that had to be written whole included.
        let mut last_reached = None;
        let changes: Vec<Write> = writes
            .iter()
            .filter(|write| match write {
                Write::Change(_) => true,
                Write::Reached { revision, as_of } => {
                    last_reached = Some((*revision, *as_of));
                    false
                }
            })
            .cloned()
            .collect();
        if !changes.is_empty() {
            let said = self.store.write(&generation, &changes).await?;
            for (write, said) in changes.iter().zip(said) {
                let Write::Change(change) = write else { continue };
                match said {
                    Said::Ok => {}
                    Said::Incomplete => {
                        self.write_whole(&generation, &change.performance).await?;
                    }
                    Said::OtherGeneration | Said::Regressed => self.generation = None,
                }
            }
        }
        if let Some((revision, as_of)) = last_reached
            && self.generation.is_some()
        {
            self.say_reached(&generation, revision, as_of).await?;
        }
        Ok(())
    }

    async fn say_reached(
        &mut self,
        generation: &str,
        revision: u64,
        as_of: Timestamp,
    ) -> Result<(), CacheAway> {
        let said = self.store.write(generation, &[Write::Reached { revision, as_of }]).await?;
        match said.first() {
            Some(Said::Ok) => {}
            Some(Said::Regressed) => {
                self.generation = None;
                self.begin_instead_of(generation).await?;
            }
            _ => self.generation = None,
        }
        Ok(())
    }

    async fn begin_instead_of(&self, old: &str) -> Result<(), CacheAway> {
        let fresh = fresh_generation();
        if self.store.begin(old, &fresh).await? == fresh {
            self.metrics.generations.inc();
            tracing::warn!("revisions went back: a new generation of the projection begins");
        }
        Ok(())
    }

    /// Writes the whole projection; `false` while it is not known to be the
    /// newest: then Redis may know better, or another cell's past would be written.
    async fn write_everything(&mut self) -> Result<bool, CacheAway> {
        let Some((_, as_of)) = self.projection.reached() else { return Ok(false) };
        if clock::now() > as_of.plus_millis(self.stale_after_ms) {
            return Ok(false);
        }
        // Changes after this are in the queue still: no more than this is claimed.
        let upto = self.projection.resume_from();
        let fresh = fresh_generation();
        let generation = self.store.begin("", &fresh).await?;
        if generation == fresh {
            self.metrics.generations.inc();
        }
        let mut performances = self.store.performances().await?;
        let mine = self.projection.performances().into_iter();
        performances.extend(mine.filter(|performance| self.store.has(performance)));
        performances.sort_unstable();
        performances.dedup();
        let count = performances.len();
        for performance in performances {
            if !self.write_whole(&generation, &performance).await? {
                return Ok(false);
            }
        }
        self.generation = Some(generation.clone());
        self.metrics.rewritten.inc();
        tracing::info!(performances = count, "the projection was written to Redis");
        self.say_reached(&generation, upto, as_of).await?;
        Ok(self.generation.is_some())
    }

    async fn write_whole(
        &mut self,
        generation: &str,
        performance: &PerformanceId,
    ) -> Result<bool, CacheAway> {
        let Some(whole) = self.projection.export(performance) else { return Ok(false) };
        if self.store.replace(generation, performance, &whole).await? == Said::Ok {
            return Ok(true);
        }
        self.generation = None;
        Ok(false)
    }
}

/// A name nobody else will choose.
fn fresh_generation() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
