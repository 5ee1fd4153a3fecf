//! HTTP: requests in, verdicts or problems out. One function a route.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use lock_service_client::wire::{
    Acquire, AcquireToConfirm, Acquired, AtFence, BeginConfirm, BookedSeats, FreeSeats, Freed,
    Moved, PerformanceCounts, PutShardMap, VersionedShardMap,
};
use seat_model::{BookingId, Code, PerformanceId, Plan, PlanId, Problem, check_plan};
use serde::Deserialize;
use service_kit::{ApiJson, ApiPath, ApiProblem, ApiQuery};
use tokio::sync::Semaphore;

use crate::changes;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::operations::Asked;

/// The largest seating plan, in bytes.
const PLAN_LIMIT_BYTES: usize = 8 << 20;

/// What every route needs.
#[derive(Clone)]
pub struct App {
    /// The use cases.
    pub engine: Arc<Engine>,
    /// Requests that may still be begun.
    pub places: Arc<Semaphore>,
    /// Change feeds that may still be opened.
    pub feeds: Arc<Semaphore>,
}

type Answer<T> = Result<Json<T>, ApiProblem>;

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/v1/acquire", post(acquire))
        .route("/v1/acquire-to-confirm", post(acquire_to_confirm))
        .route("/v1/extend", post(extend))
        .route("/v1/release", post(release))
        .route("/v1/begin-confirm", post(begin_confirm))
        .route("/v1/step-back", post(step_back))
        .route("/v1/finish", post(finish))
        .route("/v1/abort", post(abort))
        .route("/v1/free", post(free))
        .route("/v1/bookings/{booking}", get(booking))
        .route("/v1/confirming", get(confirming))
        .route("/v1/performances/{performance}/counts", get(counts))
        .route("/v1/shard-map", get(shard_map).put(put_shard_map))
        .route("/v1/plans/{plan}", put(put_plan))
        .route("/v1/changes", get(changes::changes))
        .with_state(app)
}

impl App {
    /// Runs an operation to its end, even when the caller hangs up: a torn
    /// acquire would leave its seats reserved by nobody.
    async fn run<T, F>(&self, work: impl FnOnce(Arc<Engine>) -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(ApiProblem::new(Code::Unavailable, "too many requests are in flight"));
        };
        let in_flight = self.engine.metrics.in_flight.clone();
        let work = work(self.engine.clone());
        let done = self.engine.background.finish(async move {
            in_flight.inc();
            let answer = work.await;
            in_flight.dec();
            drop(place);
            answer
        });
        match done.await {
            Ok(answer) => answer.map(Json).map_err(ApiProblem::from),
            Err(broken) => Err(Fault::Internal(broken.to_string()).into()),
        }
    }
}

async fn acquire(State(app): State<App>, ApiJson(body): ApiJson<Acquire>) -> Answer<Acquired> {
    app.run(|engine| async move { engine.acquire(body, None).await }).await
}

async fn acquire_to_confirm(
    State(app): State<App>,
    ApiJson(body): ApiJson<AcquireToConfirm>,
) -> Answer<Acquired> {
    let AcquireToConfirm { acquire, shards_revision } = body;
    app.run(|engine| async move { engine.acquire(acquire, Some(shards_revision)).await }).await
}

async fn extend(State(app): State<App>, ApiJson(at): ApiJson<AtFence>) -> Answer<Moved> {
    app.run(|engine| async move { engine.extend(at).await }).await
}

async fn begin_confirm(
    State(app): State<App>,
    ApiJson(begin): ApiJson<BeginConfirm>,
) -> Answer<Moved> {
    app.run(|engine| async move { engine.begin_confirm(begin).await }).await
}

async fn release(State(app): State<App>, ApiJson(at): ApiJson<AtFence>) -> Answer<Moved> {
    app.run(|engine| async move { engine.end(Asked::Release, at).await }).await
}

async fn step_back(State(app): State<App>, ApiJson(at): ApiJson<AtFence>) -> Answer<Moved> {
    app.run(|engine| async move { engine.end(Asked::StepBack, at).await }).await
}

async fn finish(State(app): State<App>, ApiJson(at): ApiJson<AtFence>) -> Answer<Moved> {
    app.run(|engine| async move { engine.end(Asked::Finish, at).await }).await
}

async fn abort(State(app): State<App>, ApiJson(at): ApiJson<AtFence>) -> Answer<Moved> {
    app.run(|engine| async move { engine.end(Asked::Abort, at).await }).await
}

async fn free(State(app): State<App>, ApiJson(body): ApiJson<FreeSeats>) -> Answer<Freed> {
    app.run(|engine| async move { engine.free(body).await }).await
}

async fn booking(
    State(app): State<App>,
    ApiPath(booking): ApiPath<BookingId>,
) -> Answer<Option<BookedSeats>> {
    app.run(|engine| async move { engine.booking(booking).await }).await
}

#[derive(Deserialize)]
struct For {
    for_ms: u64,
}

async fn confirming(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<For>,
) -> Answer<Vec<BookedSeats>> {
    let for_at_least = Duration::from_millis(query.for_ms);
    Ok(Json(app.engine.confirming(for_at_least)?))
}

async fn counts(
    State(app): State<App>,
    ApiPath(performance): ApiPath<PerformanceId>,
) -> Answer<PerformanceCounts> {
    Ok(Json(app.engine.counts(&performance)?))
}

async fn shard_map(State(app): State<App>) -> Answer<VersionedShardMap> {
    app.run(|engine| async move { engine.shard_map().await }).await
}

async fn put_shard_map(
    State(app): State<App>,
    ApiJson(body): ApiJson<PutShardMap>,
) -> Answer<VersionedShardMap> {
    app.run(|engine| async move { engine.put_shard_map(body).await }).await
}

/// Plans are immutable: one that is known already is not read again.
async fn put_plan(
    State(app): State<App>,
    ApiPath(id): ApiPath<PlanId>,
    ApiJson(plan): ApiJson<Plan, PLAN_LIMIT_BYTES>,
) -> Answer<()> {
    if app.engine.plans.get(&id).is_some() {
        return Ok(Json(()));
    }
    let engine = app.engine.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let faults = check_plan(&plan);
        if faults.is_ok() {
            engine.plans.put(id, &plan);
        }
        faults
    });
    match checked.await {
        Ok(Ok(())) => Ok(Json(())),
        Ok(Err(faults)) => {
            let detail = format!("the plan has {} faults", faults.len());
            Err(Problem::new(Code::InvalidPlan, detail).into())
        }
        Err(broken) => Err(Fault::Internal(broken.to_string()).into()),
    }
}
