//! Many bookings in one transaction: while one group is on its way, the next
//! one collects. No timers; a lone booking leaves at once.
//!
//! A group that is refused is redone one by one, so that one bad booking never
//! spoils the others; a group whose outcome is unknown is unknown for all.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use service_kit::{Background, as_part};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use super::connections::{Connections, on_shard};
use super::error::StoreError;
use super::group::{Group, NewBooking};
use super::shard::ShardMetrics;
use crate::fail_points;

/// Limits of a shard's committer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CommitterConfig {
    /// At most so many bookings in one transaction.
    #[schemars(range(min = 1))]
    pub group_max: usize,
    /// Transactions on their way at once.
    #[schemars(range(min = 1))]
    pub groups_in_flight: usize,
    /// Bookings waiting for their group; further ones are told that the shard is away.
    #[schemars(range(min = 1))]
    pub queue_max: usize,
    /// How long a booking waits to be sent, in milliseconds.
    pub wait_max_ms: u64,
}

impl Default for CommitterConfig {
    fn default() -> Self {
        Self { group_max: 64, groups_in_flight: 2, queue_max: 1_024, wait_max_ms: 2_000 }
    }
}

/// A lone booking that ends in a deadlock is sent again so often.
const DEADLOCK_RETRIES: usize = 3;

struct Job {
    booking: NewBooking,
    send_before: Instant,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

/// The way to a shard's commit groups; clones share it.
#[derive(Clone)]
pub(super) struct Committer {
    shard: String,
    queue: mpsc::Sender<Job>,
    wait_max: Duration,
}

impl Committer {
    pub(super) fn start(
        shard: &str,
        connections: &Connections,
        config: CommitterConfig,
        metrics: &ShardMetrics,
        background: &Background,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(config.queue_max.max(1));
        let worker = Worker {
            shard: shard.to_owned(),
            connections: connections.clone(),
            jobs: Arc::new(Mutex::new(jobs)),
            group_max: config.group_max.max(1),
            metrics: metrics.clone(),
        };
        for _ in 0..config.groups_in_flight.max(1) {
            let worker = worker.clone();
            background.finish(worker.run(background.shutdown()));
        }
        Self { shard: shard.to_owned(), queue, wait_max: Duration::from_millis(config.wait_max_ms) }
    }

    /// Writes one booking; answers when its transaction did.
    pub(super) async fn commit(&self, booking: NewBooking) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Job { booking, send_before: Instant::now() + self.wait_max, answer };
        self.queue.try_send(job).map_err(|_| StoreError::NotSent {
            shard: self.shard.clone(),
            why: "too many bookings wait for it".into(),
        })?;
        let ended = as_part("CALL commit_group", answered).await;
        ended.unwrap_or_else(|_| {
            Err(StoreError::Unknown {
                shard: self.shard.clone(),
                why: "the committer ended".into(),
            })
        })
    }
}

#[derive(Clone)]
struct Worker {
    shard: String,
    connections: Connections,
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    group_max: usize,
    metrics: ShardMetrics,
}

impl Worker {
    /// Works until every sender is gone, or until shutdown and nothing waits:
    /// what was accepted before is still written.
    async fn run(self, shutdown: tokio_util::sync::CancellationToken) {
        loop {
            let group = {
                let mut jobs = self.jobs.lock().await;
                let first = tokio::select! {
                    biased;
                    first = jobs.recv() => first,
                    () = drained(&shutdown) => None,
                };
                let Some(first) = first else { return };
                let mut group = vec![first];
                while group.len() < self.group_max {
                    let Ok(job) = jobs.try_recv() else { break };
                    group.push(job);
                }
                group
            };
            self.commit_group(group).await;
        }
    }

    async fn commit_group(&self, mut group: Vec<Job>) {
        let now = Instant::now();
        let (late, mut in_time): (Vec<_>, Vec<_>) =
            group.drain(..).partition(|job| job.send_before < now);
        for job in late {
            let why = "it was not reached in time".into();
            self.answer(job, Err(StoreError::NotSent { shard: self.shard.clone(), why }));
        }
        if in_time.is_empty() {
            return;
        }
        // Quota rows are written in the same order by every group, which makes
        // deadlocks rare; they are retried all the same.
        in_time.sort_by(|a, b| {
            (&a.booking.performance_id, &a.booking.user_id)
                .cmp(&(&b.booking.performance_id, &b.booking.user_id))
        });
        self.metrics.group_size(in_time.len());
        let alone = in_time.len() == 1;
        let sent = {
            let bookings: Vec<&NewBooking> = in_time.iter().map(|job| &job.booking).collect();
            self.send(&bookings).await
        };
        match sent {
            Err(StoreError::Refused(_) | StoreError::Deadlock { .. }) if !alone => {
                self.metrics.group_redone();
                fail_points::GROUP_REFUSED.reach().await;
                for job in in_time {
                    let ended = self.send_alone(&job.booking, None).await;
                    self.answer(job, ended);
                }
            }
            Err(deadlock @ StoreError::Deadlock { .. }) => {
                for job in in_time {
                    let ended = self.send_alone(&job.booking, Some(deadlock.clone())).await;
                    self.answer(job, ended);
                }
            }
            ended => {
                for job in in_time {
                    self.answer(job, ended.clone());
                }
            }
        }
    }

    async fn send_alone(
        &self,
        booking: &NewBooking,
        before: Option<StoreError>,
    ) -> Result<(), StoreError> {
        let mut ended = match before {
            Some(error) => Err(error),
            None => self.send(&[booking]).await,
        };
        for _ in 0..DEADLOCK_RETRIES {
            if !matches!(ended, Err(StoreError::Deadlock { .. })) {
                break;
            }
            ended = self.send(&[booking]).await;
        }
        ended
    }

    async fn send(&self, bookings: &[&NewBooking]) -> Result<(), StoreError> {
        let group = Group::new(bookings).map_err(|error| StoreError::NotSent {
            shard: self.shard.clone(),
            why: error.to_string(),
        })?;
        if fail_points::COMMIT_SENDING.is_lost().await {
            let why = "it was lost before it was sent".into();
            return Err(StoreError::NotSent { shard: self.shard.clone(), why });
        }
        let timer = self.metrics.commit_timer();
        let sent =
            on_shard!(self.connections, |connection| sqlx::query("CALL commit_group(?, ?, ?)")
                .bind(&group.terms)
                .bind(&group.bookings)
                .bind(&group.tickets)
                .execute(connection));
        timer.observe_duration();
        if fail_points::COMMIT_ANSWERED.is_lost().await {
            let why = "its answer was lost".into();
            return Err(StoreError::Unknown { shard: self.shard.clone(), why });
        }
        sent.map(drop)
    }

    fn answer(&self, job: Job, ended: Result<(), StoreError>) {
        self.metrics.committed(&self.shard, &ended);
        // Nobody may be waiting any more; the reconciler finishes such bookings.
        let _ = job.answer.send(ended);
    }
}

/// Shutdown, and a little later: requests under way may still hand in a booking.
async fn drained(shutdown: &tokio_util::sync::CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
}
