//! One shard, and all of them: connections, migrations, health.
//!
//! Architecture invariant: shards share nothing here. One that is away, slow
//! or not migrated never keeps a request for another one waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramTimer, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec,
    Opts, Registry,
};
use seat_model::ShardId;
use service_kit::{Component, Process};
use sqlx::migrate::Migrate;

use super::bookings::BookingsAsked;
use super::committer::{Committer, CommitterConfig};
use super::connections::{ConnectionMetrics, Connections, ConnectionsConfig};
use super::error::{Refusal, StoreError};
use super::group::NewBooking;
use super::questions::QuestionsConfig;
use super::remembered::AnswersAsked;

/// How often a shard is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(1);

/// Migrating may wait for another instance that migrates.
const MIGRATE_WITHIN: Duration = Duration::from_secs(60);

/// What the store counts; clones share it.
#[derive(Clone)]
pub struct ShardMetrics {
    commits: IntCounterVec,
    refusals: IntCounterVec,
    connections: IntGaugeVec,
    statement_seconds: HistogramVec,
    group_sizes: Histogram,
    groups_redone: IntCounter,
    commit_seconds: Histogram,
    /// Work that waits, by shard.
    pub outbox_backlog: IntGaugeVec,
    /// Bookings whose settlement the gateway refuses, by shard.
    pub stuck: IntGaugeVec,
}

impl ShardMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has others of these names.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let commits = IntCounterVec::new(
            Opts::new("booking_commits_total", "Bookings sent to a shard, by what became of them."),
            &["shard", "result"],
        )?;
        let refusals = IntCounterVec::new(
            Opts::new(
                "booking_commit_refusals_total",
                "Bookings that a shard refused to commit, by the reason: stale_placement is an old epoch.",
            ),
            &["shard", "reason"],
        )?;
        let connections = IntGaugeVec::new(
            Opts::new("booking_shard_connections", "Connections in use or being made, by shard."),
            &["shard"],
        )?;
        let statement_seconds = HistogramVec::new(
            HistogramOpts::new(
                "booking_shard_statement_duration_seconds",
                "Time of one use of a connection to a shard, whatever became of it.",
            )
            .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0]),
            &["shard"],
        )?;
        let group_sizes = Histogram::with_opts(
            HistogramOpts::new("booking_commit_group_size", "Bookings in one commit transaction.")
                .buckets(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
        )?;
        let groups_redone = IntCounter::new(
            "booking_commit_groups_redone_total",
            "Commit groups that failed and were redone one by one.",
        )?;
        let commit_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "booking_commit_duration_seconds",
                "Time of one commit transaction.",
            )
            .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0]),
        )?;
        let outbox_backlog = IntGaugeVec::new(
            Opts::new("booking_outbox_backlog", "Outbox rows that are not done, by shard."),
            &["shard"],
        )?;
        let stuck = IntGaugeVec::new(
            Opts::new(
                "booking_stuck",
                "Bookings whose payment the gateway refuses to settle, by shard: somebody must look.",
            ),
            &["shard"],
        )?;
        registry.register(Box::new(stuck.clone()))?;
        registry.register(Box::new(commits.clone()))?;
        registry.register(Box::new(refusals.clone()))?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(statement_seconds.clone()))?;
        registry.register(Box::new(group_sizes.clone()))?;
        registry.register(Box::new(groups_redone.clone()))?;
        registry.register(Box::new(commit_seconds.clone()))?;
        registry.register(Box::new(outbox_backlog.clone()))?;
        Ok(Self {
            commits,
            refusals,
            connections,
            statement_seconds,
            group_sizes,
            groups_redone,
            commit_seconds,
            outbox_backlog,
            stuck,
        })
    }

    pub(super) fn group_size(&self, size: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a group has at most a few hundred")]
        self.group_sizes.observe(size as f64);
    }

    pub(super) fn group_redone(&self) {
        self.groups_redone.inc();
    }

    pub(super) fn commit_timer(&self) -> HistogramTimer {
        self.commit_seconds.start_timer()
    }

    pub(super) fn committed(&self, shard: &str, ended: &Result<(), StoreError>) {
        self.commits.with_label_values(&[shard, result_name(ended)]).inc();
        if let Err(StoreError::Refused(refusal)) = ended {
            self.refusals.with_label_values(&[shard, refusal.as_str()]).inc();
        }
    }

    /// What is counted of the connections to one shard. What has not happened
    /// there yet is 0 from now on: of a count that begins with 1 Prometheus sees no rise.
    pub(super) fn of_shard(&self, shard: &str) -> ConnectionMetrics {
        for result in RESULTS {
            self.commits.with_label_values(&[shard, result]);
        }
        for refusal in Refusal::ALL {
            self.refusals.with_label_values(&[shard, refusal.as_str()]);
        }
        ConnectionMetrics {
            in_use: self.connections.with_label_values(&[shard]),
            statement_seconds: self.statement_seconds.with_label_values(&[shard]),
        }
    }
}

/// What becomes of a commit.
const RESULTS: [&str; 5] = ["committed", "refused", "unknown", "not_sent", "deadlock"];

const fn result_name(ended: &Result<(), StoreError>) -> &'static str {
    match ended {
        Ok(()) => "committed",
        Err(StoreError::Refused(_)) => "refused",
        Err(StoreError::Unknown { .. }) => "unknown",
        Err(StoreError::NotSent { .. }) => "not_sent",
        Err(StoreError::Deadlock { .. }) => "deadlock",
    }
}

/// One shard; clones share it.
#[derive(Clone)]
pub struct Shard {
    id: ShardId,
    pub(super) connections: Connections,
    committer: Committer,
    pub(super) bookings: BookingsAsked,
    pub(super) answers: AnswersAsked,
    migrated: Arc<AtomicBool>,
}

impl Shard {
    /// Prepares a shard and starts what migrates and watches it. Connects later.
    ///
    /// # Errors
    /// When its address makes no sense.
    pub fn start(
        id: ShardId,
        url: &str,
        connections: ConnectionsConfig,
        committer: CommitterConfig,
        questions: QuestionsConfig,
        metrics: &ShardMetrics,
        process: &Process,
    ) -> Result<Self, String> {
        let counted = metrics.of_shard(id.as_str());
        let connections = Connections::new(id.as_str(), url, connections, counted)?;
        let committer =
            Committer::start(id.as_str(), &connections, committer, metrics, &process.background);
        let component = process.readiness.optional(id.as_str());
        let bookings = super::bookings::ask_together(id.as_str(), &connections, questions);
        let answers = super::remembered::ask_together(id.as_str(), &connections, questions);
        let migrated = Arc::default();
        let shard = Self { id, connections, committer, bookings, answers, migrated };
        process.background.supervise("shard-watch", {
            let shard = shard.clone();
            move || shard.clone().watch(component.clone())
        });
        Ok(shard)
    }

    /// Its name in the shard map.
    #[must_use]
    pub fn id(&self) -> &ShardId {
        &self.id
    }

    /// How long one statement may take here.
    #[must_use]
    pub fn statement_timeout(&self) -> Duration {
        self.connections.config().statement_timeout()
    }

    /// Writes a booking, together with others that are on their way (INV-2:
    /// when this answers `Ok`, the sale is durable).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn commit(&self, booking: NewBooking) -> Result<(), StoreError> {
        self.require_migrated()?;
        self.committer.commit(booking).await
    }

    /// Migrates if nobody has yet; waits for another instance that does.
    ///
    /// # Errors
    /// Why it did not work; it may be tried again.
    pub async fn migrate(&self) -> Result<(), String> {
        let mut lease = self.connections.lease().await.map_err(|error| error.to_string())?;
        let work = async {
            let connection = lease.connection()?;
            // Not the migrator's own lock: it waits with a timeout of -1, which
            // MariaDB does not wait for at all.
            let locked: Option<i64> =
                sqlx::query_scalar("SELECT GET_LOCK(CONCAT('seatlock-', DATABASE()), ?)")
                    .bind(MIGRATE_WITHIN.as_secs())
                    .fetch_one(&mut *connection)
                    .await?;
            if locked != Some(1) {
                return Err(sqlx::Error::PoolTimedOut.into());
            }
            // A process that died midway leaves a mark that would stop everybody
            // for good. Our migrations can be repeated, so the mark goes.
            connection.ensure_migrations_table("_sqlx_migrations").await?;
            sqlx::query("DELETE FROM _sqlx_migrations WHERE success = FALSE")
                .execute(&mut *connection)
                .await?;
            let mut migrator = sqlx::migrate!("migrations/shard");
            migrator.set_locking(false);
            migrator.run_direct(None, &mut *connection, false).await?;
            super::weakened::weaken(connection).await?;
            Ok::<_, sqlx::migrate::MigrateError>(())
        };
        // Not settled: the connection is closed after it, and its lock with it.
        match tokio::time::timeout(MIGRATE_WITHIN, work).await {
            Ok(Ok(())) => {
                self.migrated.store(true, Ordering::Release);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("migrating took too long".into()),
        }
    }

    pub(super) fn require_migrated(&self) -> Result<(), StoreError> {
        if self.migrated.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(StoreError::NotSent {
            shard: self.id.to_string(),
            why: "it is not migrated yet".into(),
        })
    }

    async fn watch(self, component: Component) -> Result<(), String> {
        if let Err(error) = self.migrate().await {
            component.down(error.clone());
            return Err(error);
        }
        loop {
            match self.ping().await {
                Ok(()) => component.up(),
                Err(error) => component.down(error.to_string()),
            }
            tokio::time::sleep(PING_EVERY).await;
        }
    }
}

/// All shards this instance knows, by name.
#[derive(Clone, Default)]
pub struct Shards {
    shards: Arc<BTreeMap<ShardId, Shard>>,
}

impl Shards {
    /// These shards.
    #[must_use]
    pub fn new(shards: impl IntoIterator<Item = Shard>) -> Self {
        let shards = shards.into_iter().map(|shard| (shard.id.clone(), shard)).collect();
        Self { shards: Arc::new(shards) }
    }

    /// The shard of this name.
    ///
    /// # Errors
    /// `NotSent` where this instance was not told of it.
    pub fn get(&self, id: &ShardId) -> Result<&Shard, StoreError> {
        self.shards.get(id).ok_or_else(|| StoreError::NotSent {
            shard: id.to_string(),
            why: "this instance was not told where it is".into(),
        })
    }

    /// Every shard.
    pub fn iter(&self) -> impl Iterator<Item = &Shard> {
        self.shards.values()
    }

    /// Their names.
    #[must_use]
    pub fn ids(&self) -> Vec<ShardId> {
        self.shards.keys().cloned().collect()
    }
}
