//! `GET /v1/plans/{planId}`: a seating plan, which never changes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use seat_model::{Code, PlanId};
use service_kit::{ApiPath, ApiProblem, clock};

use crate::app::App;
use crate::metrics::View;
use crate::views::answer::{Answer, IMMUTABLE, etag_of};

pub(super) async fn plan(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<PlanId>,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let found = app.catalogue.plan(&id).await.map_err(|e| super::away(&e))?;
    let (plan, source) =
        found.ok_or_else(|| ApiProblem::new(Code::NotFound, format!("there is no plan {id}")))?;
    app.metrics.answered(View::Plan, source);
    let answer = Answer {
        body: plan.body.clone(),
        // The id names the content.
        etag: etag_of(&[b"plan", id.as_str().as_bytes()]),
        source,
        as_of: clock::now(),
        cache_control: IMMUTABLE,
    };
    Ok(answer.respond(&headers))
}
