//! HTTP: requests in, verdicts, payments or problems out.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use payment_gateway_client::wire::{Faults, OPERATIONS, Payment, Payments, Reference};
use seat_model::Code;
use serde::Deserialize;
use service_kit::{ApiJson, ApiPath, ApiProblem, ApiQuery, Background, clock};
use tokio::sync::Semaphore;

use crate::desk::Desk;
use crate::gathering::answer_all;
use crate::ledger::{Ledger, LedgerError};
use crate::metrics::Metrics;
use crate::misbehaviour::Misbehaviour;

/// What every route needs.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) desk: Desk,
    pub(crate) misbehaviour: Arc<Misbehaviour>,
    /// Operations that may still be begun.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) background: Background,
    pub(crate) metrics: Metrics,
}

type Answer<T> = Result<Json<T>, ApiProblem>;

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route(OPERATIONS, post(answer_all))
        .route("/v1/payments", get(payments))
        .route("/v1/payments/{reference}", get(payment))
        .route("/v1/open", get(open))
        .route("/v1/faults", get(faults).put(set_faults))
        .with_state(app)
}

impl App {
    /// Reads without keeping the runtime waiting for the disk.
    async fn read<T: Send + 'static>(
        self,
        look: impl FnOnce(&Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Answer<T> {
        let looked = tokio::task::spawn_blocking(move || look(&self.ledger)).await;
        let error = match looked {
            Ok(Ok(found)) => return Ok(Json(found)),
            Ok(Err(error)) => error.to_string(),
            Err(panicked) => panicked.to_string(),
        };
        tracing::error!(error, "the ledger was not read");
        Err(ApiProblem::new(Code::Unavailable, "the ledger cannot be read"))
    }
}

async fn payment(
    State(app): State<App>,
    ApiPath(reference): ApiPath<Reference>,
) -> Answer<Option<Payment>> {
    app.read(move |ledger| ledger.payment(&reference)).await
}

#[derive(Deserialize)]
struct Page {
    after: Option<Reference>,
    limit: usize,
}

async fn payments(State(app): State<App>, ApiQuery(page): ApiQuery<Page>) -> Answer<Payments> {
    app.read(move |ledger| ledger.payments(page.after.as_ref(), page.limit)).await
}

#[derive(Deserialize)]
struct Since {
    for_ms: i64,
    #[serde(default)]
    skip: usize,
    limit: usize,
}

async fn open(State(app): State<App>, ApiQuery(since): ApiQuery<Since>) -> Answer<Vec<Payment>> {
    let before_ms = clock::now().as_millis().saturating_sub(since.for_ms);
    app.read(move |ledger| ledger.open_since(before_ms, since.skip, since.limit)).await
}

async fn faults(State(app): State<App>) -> Json<Faults> {
    Json(app.misbehaviour.faults())
}

async fn set_faults(State(app): State<App>, ApiJson(faults): ApiJson<Faults>) -> Answer<Faults> {
    tracing::warn!(?faults, "told to misbehave");
    app.misbehaviour.set(faults);
    Ok(Json(faults))
}
