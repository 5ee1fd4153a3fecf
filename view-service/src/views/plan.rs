//! `GET /v1/plans/{planId}`: a seating plan, which never changes. Compressed
//! once, by the first who asks.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use moka::future::Cache;
use seat_model::{Code, PlanId};
use service_kit::{ApiPath, ApiProblem, clock};
use view_service_client::wire::Source;

use crate::app::App;
use crate::metrics::View;
use crate::views::answer::{Asked, IMMUTABLE, JSON, Rendered, etag_of};
use crate::views::encoding::Effort;

/// Plans as they are sent.
pub(crate) struct Plans(Cache<PlanId, Arc<Rendered>>);

impl Plans {
    /// Keeps plans of about so many bytes.
    pub(crate) fn new(kept_bytes: u64) -> Self {
        let plans = Cache::builder()
            .max_capacity(kept_bytes)
            // The text is shared with the catalogue; its forms are not.
            .weigher(|_, plan: &Arc<Rendered>| u32::try_from(plan.body().len()).unwrap_or(u32::MAX))
            .build();
        Self(plans)
    }
}

pub(super) async fn plan(
    State(app): State<Arc<App>>,
    ApiPath(id): ApiPath<PlanId>,
    Asked(headers): Asked,
) -> Result<Response, ApiProblem> {
    let (rendered, source) = match app.plans.0.get(&id).await {
        Some(kept) => (kept, Source::Memory),
        None => {
            let found = app.catalogue.plan(&id).await.map_err(|e| super::away(&e))?;
            let (plan, source) = found
                .ok_or_else(|| ApiProblem::new(Code::NotFound, format!("there is no plan {id}")))?;
            // The id names the content.
            let etag = etag_of(&[b"plan", id.as_str().as_bytes()]);
            let render =
                async { Arc::new(Rendered::new(plan.body.clone(), JSON, etag, Effort::Thorough)) };
            (app.plans.0.get_with_by_ref(&id, render).await, source)
        }
    };
    app.metrics.answered(View::Plan, source);
    Ok(rendered.respond(&headers, source, clock::now(), IMMUTABLE).await)
}
