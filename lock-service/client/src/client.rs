//! A client of several lock-service instances. A show always goes to the same
//! living instance, so that the crowd for it meets in one place; correctness
//! never depends on that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyDataStream, BodyExt as _};
use hyper::body::Incoming;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Response, StatusCode};
use seat_model::{BookingId, Code, PerformanceId, Plan, PlanId, Problem, ShowId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::{Connection, NoAnswer};
use crate::wire::{
    Acquire, AcquireToConfirm, Acquired, AtFence, BeginConfirm, BookedSeats, ChangeLine, FreeSeats,
    Freed, Moved, PerformanceCounts, PutShardMap, VersionedShardMap,
};

/// Where the instances are and how long to wait for one.
#[derive(Debug, Clone)]
pub struct LockClientConfig {
    /// Base URLs, in the same order everywhere.
    pub instances: Vec<String>,
    /// How long one instance may take to answer before the next is asked.
    pub try_timeout: Duration,
    /// How long an instance that did not answer is passed over.
    pub away_for: Duration,
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LockError {
    /// Nothing was changed: no instance was reached, or one said so.
    #[error("lock-service is away: {0}")]
    NotApplied(String),
    /// It was sent and no answer came: the same operation may be sent again.
    #[error("no answer from lock-service: {0}")]
    Unknown(String),
    /// The request itself is wrong: a bug of the caller.
    #[error("lock-service refused the request: {}", .0.detail)]
    Invalid(Box<Problem>),
}

struct Instance {
    url: String,
    connection: Connection,
    /// Milliseconds after `born` until which it is passed over.
    away_until_ms: AtomicU64,
}

/// A client; clones share connections and what is known of the instances.
#[derive(Clone)]
pub struct LockClient {
    instances: Arc<[Instance]>,
    born: Instant,
    config: Arc<LockClientConfig>,
}

impl LockClient {
    /// Prepares the client; connects on first use.
    ///
    /// # Errors
    /// When no instance is named, or one not as `http://HOST:PORT`.
    pub fn new(config: LockClientConfig) -> Result<Self, LockError> {
        if config.instances.is_empty() {
            return Err(LockError::NotApplied("no lock-service is configured".into()));
        }
        let connect_timeout = config.try_timeout.min(Duration::from_millis(500));
        let instance = |url: &String| {
            let connection =
                Connection::new(url, connect_timeout).map_err(LockError::NotApplied)?;
            let url = url.trim_end_matches('/').to_owned();
            Ok(Instance { url, connection, away_until_ms: AtomicU64::new(0) })
        };
        let instances = config.instances.iter().map(instance).collect::<Result<_, _>>()?;
        Ok(Self { instances, born: Instant::now(), config: Arc::new(config) })
    }

    /// Takes seats as a hold.
    ///
    /// # Errors
    /// See [`LockError`]; after `Unknown` the same request finds out.
    pub async fn acquire(&self, request: &Acquire) -> Result<Acquired, LockError> {
        self.post(request.show.as_str(), "/v1/acquire", request).await
    }

    /// Takes seats straight as `confirming`.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn acquire_to_confirm(
        &self,
        request: &AcquireToConfirm,
    ) -> Result<Acquired, LockError> {
        self.post(request.acquire.show.as_str(), "/v1/acquire-to-confirm", request).await
    }

    /// Moves a hold's deadline as late as now plus its TTL, never past the cap.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn extend(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        self.post(show.as_str(), "/v1/extend", at).await
    }

    /// Gives a hold back.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn release(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        self.post(show.as_str(), "/v1/release", at).await
    }

    /// Pins a hold's seats for one attempt to commit.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn begin_confirm(
        &self,
        show: &ShowId,
        begin: &BeginConfirm,
    ) -> Result<Moved, LockError> {
        self.post(show.as_str(), "/v1/begin-confirm", begin).await
    }

    /// Makes pinned seats a hold again: only by the owner of the nonce, and
    /// only when its commit definitely was not sent.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn step_back(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        self.post(show.as_str(), "/v1/step-back", at).await
    }

    /// Marks pinned seats sold; the ledger has the row under this fence.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn finish(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        self.post(show.as_str(), "/v1/finish", at).await
    }

    /// Frees pinned seats; the ledger has a tombstone.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn abort(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        self.post(show.as_str(), "/v1/abort", at).await
    }

    /// Frees the seats of cancelled tickets.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn free(&self, show: &ShowId, seats: &FreeSeats) -> Result<Freed, LockError> {
        self.post(show.as_str(), "/v1/free", seats).await
    }

    /// The seats of a booking, after the mirror has caught up with etcd.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn booking(
        &self,
        show: &ShowId,
        booking: BookingId,
    ) -> Result<Option<BookedSeats>, LockError> {
        self.get(show.as_str(), &format!("/v1/bookings/{booking}")).await
    }

    /// Bookings that an instance has watched in `confirming`, unchanged, for
    /// at least so long on its monotonic clock; at most 1,000.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn confirming(&self, for_at_least: Duration) -> Result<Vec<BookedSeats>, LockError> {
        self.get("", &format!("/v1/confirming?for_ms={}", for_at_least.as_millis())).await
    }

    /// Seats of a performance by tier.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn counts(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
    ) -> Result<PerformanceCounts, LockError> {
        self.get(show.as_str(), &format!("/v1/performances/{performance}/counts")).await
    }

    /// The shard map.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn shard_map(&self) -> Result<VersionedShardMap, LockError> {
        self.get("", "/v1/shard-map").await
    }

    /// Writes the shard map where it still is at the revision named; answers
    /// the map as it is afterwards, whoever wrote it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn put_shard_map(&self, put: &PutShardMap) -> Result<VersionedShardMap, LockError> {
        let route = PathAndQuery::from_static("/v1/shard-map");
        self.call("", Method::PUT, route, Some(encode(put)?)).await
    }

    /// Hands the plan over to the instance that serves the show.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn put_plan(&self, show: &ShowId, id: &PlanId, plan: &Plan) -> Result<(), LockError> {
        let route = path(format!("/v1/plans/{id}"))?;
        self.call(show.as_str(), Method::PUT, route, Some(encode(plan)?)).await
    }

    /// Follows the changes of all seats after this revision (0: from a
    /// snapshot), from any living instance. The feed ends when its instance does.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn changes(&self, from: u64) -> Result<ChangeFeed, LockError> {
        let mut last = LockError::NotApplied("every lock-service is away".into());
        for instance in self.by_preference("") {
            let path = path(format!("/v1/changes?from={from}"))?;
            let sent = instance.connection.send(Method::GET, path, None);
            match tokio::time::timeout(self.config.try_timeout, sent).await {
                Ok(Ok(answer)) if answer.status() == StatusCode::OK => {
                    return Ok(ChangeFeed::new(BodyDataStream::new(answer.into_body())));
                }
                Ok(Ok(answer)) => {
                    last = LockError::NotApplied(format!("answered {}", answer.status()))
                }
                Ok(Err(NoAnswer::NotSent(why) | NoAnswer::Unknown(why))) => {
                    self.pass_over(instance);
                    last = LockError::NotApplied(why);
                }
                Err(_) => {
                    self.pass_over(instance);
                    last = LockError::NotApplied("did not answer in time".into());
                }
            }
        }
        Err(last)
    }

    async fn post<A: DeserializeOwned>(
        &self,
        affinity: &str,
        route: &'static str,
        body: &(impl Serialize + Sync),
    ) -> Result<A, LockError> {
        let path = PathAndQuery::from_static(route);
        self.call(affinity, Method::POST, path, Some(encode(body)?)).await
    }

    async fn get<A: DeserializeOwned>(&self, affinity: &str, route: &str) -> Result<A, LockError> {
        self.call(affinity, Method::GET, path(route.to_owned())?, None).await
    }

    /// Asks the preferred instance, then the others. Every operation may be
    /// sent again with the same compares, so a lost answer is asked for at the
    /// next instance; what stays unanswered is `Unknown`.
    async fn call<A: DeserializeOwned>(
        &self,
        affinity: &str,
        method: Method,
        path: PathAndQuery,
        body: Option<Bytes>,
    ) -> Result<A, LockError> {
        let mut unknown: Option<String> = None;
        let mut away = String::from("every lock-service is away");
        for instance in self.by_preference(affinity) {
            match self.try_one(instance, method.clone(), path.clone(), body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(LockError::NotApplied(why)) => away = why,
                Err(LockError::Unknown(why)) => unknown = Some(why),
                Err(invalid @ LockError::Invalid(_)) => return Err(invalid),
            }
        }
        Err(unknown.map_or(LockError::NotApplied(away), LockError::Unknown))
    }

    async fn try_one<A: DeserializeOwned>(
        &self,
        instance: &Instance,
        method: Method,
        path: PathAndQuery,
        body: Option<Bytes>,
    ) -> Result<A, LockError> {
        let whole = async {
            let answer = instance.connection.send(method, path, body).await?;
            read(answer).await
        };
        let whole = tokio::time::timeout(self.config.try_timeout, whole).await;
        let late = || Err(NoAnswer::Unknown("did not answer in time".to_owned()));
        let (status, bytes) = whole.unwrap_or_else(|_| late()).map_err(|no_answer| {
            self.pass_over(instance);
            match no_answer {
                NoAnswer::NotSent(why) => LockError::NotApplied(why),
                NoAnswer::Unknown(why) => LockError::Unknown(why),
            }
        })?;
        if status.is_success() {
            let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            return serde_json::from_slice(text)
                .map_err(|error| LockError::Unknown(error.to_string()));
        }
        let problem: Problem = serde_json::from_slice(&bytes)
            .map_err(|_| LockError::Unknown(format!("answered {status} without a problem body")))?;
        match problem.code {
            Code::Unavailable | Code::RateLimited => Err(LockError::NotApplied(problem.detail)),
            Code::OutcomeUnknown | Code::Internal => Err(LockError::Unknown(problem.detail)),
            _ => Err(LockError::Invalid(Box::new(problem))),
        }
    }

    /// Instances by rendezvous hashing; those that did not answer lately come last.
    fn by_preference(&self, affinity: &str) -> Vec<&Instance> {
        let now = self.now_ms();
        let mut order: Vec<&Instance> = self.instances.iter().collect();
        order.sort_by_key(|instance| {
            let away = instance.away_until_ms.load(Ordering::Relaxed) > now;
            (away, std::cmp::Reverse(score(affinity, &instance.url)))
        });
        order
    }

    fn pass_over(&self, instance: &Instance) {
        let away_for = u64::try_from(self.config.away_for.as_millis()).unwrap_or(u64::MAX);
        instance.away_until_ms.store(self.now_ms().saturating_add(away_for), Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

async fn read(answer: Response<Incoming>) -> Result<(StatusCode, Bytes), NoAnswer> {
    let status = answer.status();
    match answer.into_body().collect().await {
        Ok(body) => Ok((status, body.to_bytes())),
        Err(error) => Err(NoAnswer::Unknown(error.to_string())),
    }
}

fn path(text: String) -> Result<PathAndQuery, LockError> {
    PathAndQuery::try_from(text).map_err(|error| LockError::NotApplied(error.to_string()))
}

fn encode(body: &impl Serialize) -> Result<Bytes, LockError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| LockError::NotApplied(error.to_string()))
}

/// FNV-1a over both names, then mixed (`splitmix64`): the highest score is preferred.
fn score(affinity: &str, url: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in affinity.bytes().chain([0]).chain(url.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 30;
    hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^= hash >> 27;
    hash = hash.wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The longest line a feed may carry before it is given up as broken.
const MAX_LINE_BYTES: usize = 16 << 20;

/// The lines of a change feed.
pub struct ChangeFeed {
    stream: std::pin::Pin<Box<dyn Stream<Item = hyper::Result<Bytes>> + Send>>,
    buffer: Vec<u8>,
    /// Where the next line begins in `buffer`.
    start: usize,
}

impl ChangeFeed {
    fn new(stream: impl Stream<Item = hyper::Result<Bytes>> + Send + 'static) -> Self {
        Self { stream: Box::pin(stream), buffer: Vec::new(), start: 0 }
    }

    /// The next line; `Ok(None)` when the instance ended the feed.
    ///
    /// # Errors
    /// `Unknown` when the connection broke or a line makes no sense: open a new feed.
    pub async fn next(&mut self) -> Result<Option<ChangeLine>, LockError> {
        let mut searched = self.start;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let line = &self.buffer[self.start..searched + at];
                let read = serde_json::from_slice(line);
                self.start = searched + at + 1;
                return read.map(Some).map_err(|error| LockError::Unknown(error.to_string()));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            searched = self.buffer.len();
            if searched > MAX_LINE_BYTES {
                return Err(LockError::Unknown("a line of the feed is too long".into()));
            }
            match self.stream.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(LockError::Unknown(error.to_string())),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_show_prefers_one_instance_and_shows_spread() {
        let config = LockClientConfig {
            instances: vec!["http://a:1".into(), "http://b:1".into()],
            try_timeout: Duration::from_secs(1),
            away_for: Duration::from_secs(1),
        };
        let client = LockClient::new(config).expect("a client");
        let first = |show: &str| client.by_preference(show)[0].url.clone();
        let on_a = (0..1000).filter(|i| first(&format!("show-{i}")) == "http://a:1").count();
        assert!((400..600).contains(&on_a), "{on_a} of 1000 shows prefer one of two instances");
        let preferred = first("hamlet");
        client.pass_over(client.by_preference("hamlet")[0]);
        assert_ne!(first("hamlet"), preferred);
    }

    #[tokio::test]
    async fn lines_are_cut_wherever_the_packets_end() {
        let text =
            "{\"line\":\"snapshot\",\"revision\":1}\n{\"line\":\"snapshot_end\",\"revision\":1}\n";
        let packets: Vec<_> =
            text.as_bytes().chunks(7).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        let mut feed = ChangeFeed::new(futures_util::stream::iter(packets));
        assert_eq!(feed.next().await, Ok(Some(ChangeLine::Snapshot { revision: 1 })));
        assert_eq!(feed.next().await, Ok(Some(ChangeLine::SnapshotEnd { revision: 1 })));
        assert_eq!(feed.next().await, Ok(None));
    }
}
