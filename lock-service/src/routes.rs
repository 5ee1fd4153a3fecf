//! HTTP: requests in, verdicts or problems out. One function a route.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use lock_service_client::wire::{
    BookedSeats, OPERATIONS, PerformanceCounts, PutShardMap, VersionedShardMap,
};
use seat_model::{Code, PerformanceId, Plan, PlanId, Problem, check_plan};
use serde::Deserialize;
use service_kit::{ApiJson, ApiPath, ApiProblem, ApiQuery};
use tokio::sync::Semaphore;

use crate::changes;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::gathering::answer_all;

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
        .route(OPERATIONS, post(answer_all))
        .route("/v1/confirming", get(confirming))
        .route("/v1/performances/{performance}/counts", get(counts))
        .route("/v1/shard-map", get(shard_map).put(put_shard_map))
        .route("/v1/plans/{plan}", put(put_plan))
        .route("/v1/changes", get(changes::changes))
        .with_state(app)
}

impl App {
    /// Runs work to its end, even when the caller hangs up: half of it done
    /// would be worse than all of it.
    async fn run<T, F>(&self, work: impl FnOnce(Arc<Engine>) -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(too_many());
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

/// The bound on requests in flight is reached.
pub(crate) fn too_many() -> ApiProblem {
    ApiProblem::new(Code::Unavailable, "too many requests are in flight")
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
