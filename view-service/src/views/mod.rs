//! The looking calls, as `design/api.md` has them. Here, and only here, what
//! is put on meets which seats are taken.

mod answer;
mod encoding;
mod events;
mod page;
mod pages;
mod plan;
mod seat_maps;
mod seats;
mod shows;

pub(crate) use self::pages::Pages;
pub(crate) use self::plan::Plans;
pub(crate) use self::seat_maps::SeatMaps;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use seat_model::{Code, PerformanceId, ShowId};
use service_kit::ApiProblem;

use crate::app::App;
use crate::catalogue::{CatalogueAway, Performance, PlanRecord};

/// All routes of the service.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/shows", get(shows::list))
        .route("/v1/show/{show}", get(shows::show))
        .route("/v1/show/{show}/performances/{performance}/seats", get(seats::seats))
        .route("/v1/show/{show}/performances/{performance}/seats/events", get(events::events))
        .route("/v1/plans/{plan}", get(plan::plan))
        .with_state(app)
        .merge(page::router())
}

/// Nobody who could say is there: looking again in a moment may work.
fn away(away: &CatalogueAway) -> ApiProblem {
    tracing::debug!(%away, "no view");
    ApiProblem::new(Code::Unavailable, "the catalogue is away and this was not seen before")
}

fn seats_away() -> ApiProblem {
    ApiProblem::new(Code::Unavailable, "nobody who knows which seats are taken can be reached")
}

/// A performance of that show, with its plan.
async fn performance(
    app: &App,
    show: &ShowId,
    performance: &PerformanceId,
) -> Result<(Performance, Arc<PlanRecord>), ApiProblem> {
    let found = app.catalogue.performance(show, performance).await.map_err(|e| away(&e))?;
    let found = found.ok_or_else(|| {
        ApiProblem::new(Code::NotFound, format!("show {show} has no performance {performance}"))
    })?;
    let plan = app.catalogue.plan(&found.record.plan_id).await.map_err(|e| away(&e))?;
    // A performance without its plan: the replica has the one and not yet the other.
    let (plan, _) = plan.ok_or_else(|| {
        ApiProblem::new(Code::Unavailable, "the seating plan of this performance is not there yet")
    })?;
    Ok((found, plan))
}
