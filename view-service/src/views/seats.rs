//! `GET …/seats`: every seat of a performance that is not free.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use seat_model::{Code, PerformanceId, PlanId, ShowId};
use service_kit::{ApiPath, ApiProblem};
use view_service_client::wire::SeatMap;

use crate::app::App;
use crate::catalogue::PlanRecord;
use crate::metrics::View;
use crate::seating::Taken;
use crate::views::answer::{Answer, REVALIDATE, etag_of};

pub(super) async fn seats(
    State(app): State<Arc<App>>,
    ApiPath((show, performance)): ApiPath<(ShowId, PerformanceId)>,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let (found, plan) = super::performance(&app, &show, &performance).await?;
    let taken = app.seating.taken(&performance).await.ok_or_else(super::seats_away)?;
    let (source, as_of) = (taken.source, taken.as_of);
    app.metrics.answered(View::Seats, source);
    let map = seat_map(taken, &found.record.plan_id, &plan);
    let seats = serde_json::to_vec(&map.seats).map_err(bug)?;
    let answer = Answer {
        // How far and how old the projection is differs between instances;
        // which seats are taken does not.
        etag: etag_of(&[b"seats", map.plan_id.as_str().as_bytes(), &seats]),
        body: Bytes::from(serde_json::to_vec(&map).map_err(bug)?),
        source,
        as_of,
        cache_control: REVALIDATE,
    };
    Ok(answer.respond(&headers))
}

/// Joins what is taken with the plan. Seats the plan does not have are not shown.
pub(super) fn seat_map(taken: Taken, plan_id: &PlanId, plan: &PlanRecord) -> SeatMap {
    let mut seats = taken.seats;
    seats.retain(|seat, _| plan.chart.index_of(seat).is_some());
    let total = plan.seats_total();
    SeatMap {
        revision: taken.revision,
        as_of: taken.as_of,
        stale: taken.stale,
        plan_id: plan_id.clone(),
        seats_total: total as u64,
        seats_available: total.saturating_sub(seats.len()) as u64,
        seats,
    }
}

pub(super) fn bug(error: serde_json::Error) -> ApiProblem {
    tracing::error!(%error, "an answer could not be written");
    ApiProblem::new(Code::Internal, "an answer could not be written")
}
