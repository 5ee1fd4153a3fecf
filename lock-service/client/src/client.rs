//! A client of several lock-service instances. A show always goes to the same
//! living instance, so that the crowd for it meets in one place; correctness
//! never depends on that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use courier::{Courier, Link, LinkError, Route};
use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use seat_model::{BookingId, Code, PerformanceId, Plan, PlanId, Problem, ShowId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::feed::ChangeFeed;
use crate::wire::{
    Acquire, AcquireToConfirm, Acquired, Answer, AtFence, BeginConfirm, BookedSeats, FreeSeats,
    Freed, MAX_OPERATION_BYTES, MAX_OPERATIONS, Moved, OPERATIONS, Operation, PerformanceCounts,
    PutShardMap, VersionedShardMap,
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

/// No instance is waited for longer than this to be connected.
const LONGEST_CONNECT: Duration = Duration::from_millis(500);

const ROUTE: Route = Route {
    path: OPERATIONS,
    max_operations: MAX_OPERATIONS,
    max_operation_bytes: MAX_OPERATION_BYTES,
    max_waiting: 16_384,
    max_under_way: 64,
};

struct Instance {
    url: String,
    link: Arc<Link>,
    courier: Courier<Answer>,
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
    /// When no instance is named or one is not an `http://` URL.
    pub fn new(config: LockClientConfig) -> Result<Self, LockError> {
        if config.instances.is_empty() {
            return Err(LockError::NotApplied("no lock-service is configured".into()));
        }
        let connect = config.try_timeout.min(LONGEST_CONNECT);
        let instance = |url: &String| {
            let url = url.trim_end_matches('/').to_owned();
            let link = Link::new(&url, connect).map_err(LockError::NotApplied)?;
            let link = Arc::new(link);
            let courier = Courier::new(link.clone(), ROUTE, config.try_timeout);
            Ok(Instance { url, link, courier, away_until_ms: AtomicU64::new(0) })
        };
        let instances = config.instances.iter().map(instance).collect::<Result<_, LockError>>()?;
        Ok(Self { instances, born: Instant::now(), config: Arc::new(config) })
    }

    /// Takes seats as a hold.
    ///
    /// # Errors
    /// See [`LockError`]; after `Unknown` the same request finds out.
    pub async fn acquire(&self, request: &Acquire) -> Result<Acquired, LockError> {
        acquired(self.operate(&request.show, Operation::Acquire(request.clone())).await?)
    }

    /// Takes seats straight as `confirming`.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn acquire_to_confirm(
        &self,
        request: &AcquireToConfirm,
    ) -> Result<Acquired, LockError> {
        let operation = Operation::AcquireToConfirm(request.clone());
        acquired(self.operate(&request.acquire.show, operation).await?)
    }

    /// Moves a hold's deadline as late as now plus its TTL, never past the cap.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn extend(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        moved(self.operate(show, Operation::Extend(at.clone())).await?)
    }

    /// Gives a hold back.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn release(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        moved(self.operate(show, Operation::Release(at.clone())).await?)
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
        moved(self.operate(show, Operation::BeginConfirm(begin.clone())).await?)
    }

    /// Makes pinned seats a hold again: only by the owner of the nonce, and
    /// only when its commit definitely was not sent.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn step_back(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        moved(self.operate(show, Operation::StepBack(at.clone())).await?)
    }

    /// Marks pinned seats sold; the ledger has the row under this fence.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn finish(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        moved(self.operate(show, Operation::Finish(at.clone())).await?)
    }

    /// Frees pinned seats; the ledger has a tombstone.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn abort(&self, show: &ShowId, at: &AtFence) -> Result<Moved, LockError> {
        moved(self.operate(show, Operation::Abort(at.clone())).await?)
    }

    /// Frees the seats of cancelled tickets.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn free(&self, show: &ShowId, seats: &FreeSeats) -> Result<Freed, LockError> {
        match self.operate(show, Operation::Free(seats.clone())).await? {
            Answer::Freed(freed) => Ok(freed),
            other => Err(misfit(&other)),
        }
    }

    /// Whether etcd answers and has room for a confirm: asked before a payment
    /// is authorised for one.
    ///
    /// # Errors
    /// `NotApplied` where there is no room; see [`LockError`].
    pub async fn room(&self, show: &ShowId) -> Result<(), LockError> {
        match self.operate(show, Operation::Room).await? {
            Answer::Room => Ok(()),
            other => Err(misfit(&other)),
        }
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
        match self.operate(show, Operation::Booking(booking)).await? {
            Answer::Booking(seats) => Ok(seats),
            other => Err(misfit(&other)),
        }
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
        self.call("", Method::PUT, "/v1/shard-map", Some(encode(put)?)).await
    }

    /// Hands the plan over to the instance that serves the show.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn put_plan(&self, show: &ShowId, id: &PlanId, plan: &Plan) -> Result<(), LockError> {
        self.call(show.as_str(), Method::PUT, &format!("/v1/plans/{id}"), Some(encode(plan)?)).await
    }

    /// Follows the changes of all seats after this revision (0: from a
    /// snapshot), from any living instance. The feed ends when its instance does.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn changes(&self, from: u64) -> Result<ChangeFeed, LockError> {
        let mut last = LockError::NotApplied("every lock-service is away".into());
        let path = format!("/v1/changes?from={from}");
        for instance in self.by_preference("") {
            let request = instance.link.send(Method::GET, &path, None);
            last = match tokio::time::timeout(self.config.try_timeout, request).await {
                Ok(Ok(answer)) if answer.status() == StatusCode::OK => {
                    return Ok(ChangeFeed::new(answer.into_body().into_data_stream()));
                }
                Ok(Ok(answer)) => LockError::NotApplied(format!("answered {}", answer.status())),
                Ok(Err(LinkError::NotSent(why) | LinkError::Broken(why))) => {
                    self.pass_over(instance);
                    LockError::NotApplied(why)
                }
                Err(_) => {
                    self.pass_over(instance);
                    LockError::NotApplied("did not answer in time".into())
                }
            };
        }
        Err(last)
    }

    /// Sends an operation along with others that are on their way: to the
    /// preferred instance, then to the others.
    async fn operate(&self, show: &ShowId, operation: Operation) -> Result<Answer, LockError> {
        let line = serde_json::to_vec(&operation)
            .map_err(|error| LockError::NotApplied(error.to_string()))?;
        let mut tried = Tried::default();
        for instance in self.by_preference(show.as_str()) {
            tried.without_verdict(match instance.courier.carry(line.clone()).await {
                Ok(Answer::Problem(problem)) => no_verdict(problem),
                Ok(answer) => return Ok(answer),
                Err(error) => self.lost(instance, error),
            })?;
        }
        Err(tried.in_vain())
    }

    async fn get<A: DeserializeOwned>(&self, affinity: &str, path: &str) -> Result<A, LockError> {
        self.call(affinity, Method::GET, path, None).await
    }

    async fn call<A: DeserializeOwned>(
        &self,
        affinity: &str,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<A, LockError> {
        let mut tried = Tried::default();
        for instance in self.by_preference(affinity) {
            match self.try_one(instance, method.clone(), path, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => tried.without_verdict(error)?,
            }
        }
        Err(tried.in_vain())
    }

    async fn try_one<A: DeserializeOwned>(
        &self,
        instance: &Instance,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<A, LockError> {
        let asked = instance.link.ask(method, path, body);
        let late = || Err(LinkError::Broken("did not answer in time".into()));
        let answered = tokio::time::timeout(self.config.try_timeout, asked).await;
        let (status, bytes) =
            answered.unwrap_or_else(|_| late()).map_err(|error| self.lost(instance, error))?;
        if status.is_success() {
            let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            return serde_json::from_slice(text)
                .map_err(|error| LockError::Unknown(error.to_string()));
        }
        let problem: Problem = serde_json::from_slice(&bytes)
            .map_err(|_| LockError::Unknown(format!("answered {status} without a problem body")))?;
        Err(no_verdict(problem))
    }

    /// No answer came from this instance: others are asked for a while.
    fn lost(&self, instance: &Instance, error: LinkError) -> LockError {
        self.pass_over(instance);
        match error {
            LinkError::NotSent(why) => LockError::NotApplied(why),
            LinkError::Broken(why) => LockError::Unknown(why),
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

/// What came of the instances that were asked so far. Every operation may be
/// sent again with the same compares, so a lost answer is asked for at the next
/// instance; what stays unanswered is `Unknown`.
#[derive(Default)]
struct Tried {
    unknown: Option<String>,
    away: Option<String>,
}

impl Tried {
    /// One instance had no verdict; an error that no other can mend ends it.
    fn without_verdict(&mut self, error: LockError) -> Result<(), LockError> {
        match error {
            LockError::NotApplied(why) => self.away = Some(why),
            LockError::Unknown(why) => self.unknown = Some(why),
            LockError::Invalid(_) => return Err(error),
        }
        Ok(())
    }

    fn in_vain(self) -> LockError {
        let away = || self.away.unwrap_or_else(|| "every lock-service is away".into());
        self.unknown.map_or_else(|| LockError::NotApplied(away()), LockError::Unknown)
    }
}

fn acquired(answer: Answer) -> Result<Acquired, LockError> {
    match answer {
        Answer::Acquired(acquired) => Ok(acquired),
        other => Err(misfit(&other)),
    }
}

fn moved(answer: Answer) -> Result<Moved, LockError> {
    match answer {
        Answer::Moved(moved) => Ok(moved),
        other => Err(misfit(&other)),
    }
}

/// An answer to another kind of question: who knows what was done.
fn misfit(answer: &Answer) -> LockError {
    LockError::Unknown(format!("an answer of another kind: {answer:?}"))
}

fn no_verdict(problem: Problem) -> LockError {
    match problem.code {
        Code::Unavailable | Code::RateLimited => LockError::NotApplied(problem.detail),
        Code::OutcomeUnknown | Code::Internal => LockError::Unknown(problem.detail),
        _ => LockError::Invalid(Box::new(problem)),
    }
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
}
