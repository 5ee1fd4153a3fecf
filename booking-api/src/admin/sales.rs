//! `GET …/sales`: what was sold, is held and is left of a show. The ledger
//! says what was sold, the locks say what is held, the plan says how much
//! there is.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use booking_api_client::{PerformanceSales, Sales, TierSales};
use futures_util::{StreamExt, TryStreamExt, stream};
use lock_service_client::LockError;
use lock_service_client::wire::PerformanceCounts;
use seat_model::{Code, PerformanceId, ShowId};
use service_kit::{ApiPath, ApiProblem};

use super::no_such_show;
use crate::app::App;
use crate::auth::Organiser;
use crate::catalogue::Performance;
use crate::openapi::ProblemBody;
use crate::store::TierTotals;

/// Performances whose holds are counted at the same time.
const COUNT_AT_ONCE: usize = 8;

/// What was sold of a show, by performance and tier.
#[utoipa::path(
    get, path = "/v1/admin/shows/{showId}/sales", tag = "organising", security(("bearer" = [])),
    params(("showId" = String, Path, description = "The show")),
    responses(
        (status = 200, description = "By performance and tier", body = Sales),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`: no such show", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub(crate) async fn sales(
    State(app): State<App>,
    _organiser: Organiser,
    ApiPath(show): ApiPath<ShowId>,
) -> Result<Json<Sales>, ApiProblem> {
    let performances =
        app.catalogue.fresh_performances_of(&show).await?.ok_or_else(|| no_such_show(&show))?;
    let totals = app.sale.sales(&show).await?;
    let totals: BTreeMap<(&PerformanceId, &str), &TierTotals> =
        totals.iter().map(|total| ((&total.performance, total.tier.as_str()), total)).collect();
    let ids: Vec<PerformanceId> = performances.iter().map(|p| p.performance_id.clone()).collect();
    let counts: Vec<PerformanceCounts> = stream::iter(ids)
        .map(|id| {
            let (locks, show) = (app.locks.clone(), show.clone());
            async move { locks.counts(&show, &id).await }
        })
        .buffered(COUNT_AT_ONCE)
        .try_collect()
        .await
        .map_err(not_counted)?;
    let performances = performances
        .iter()
        .zip(&counts)
        .map(|(performance, counts)| of_performance(performance, counts, &totals))
        .collect();
    Ok(Json(Sales { show_id: show, performances }))
}

fn of_performance(
    performance: &Performance,
    counts: &PerformanceCounts,
    totals: &BTreeMap<(&PerformanceId, &str), &TierTotals>,
) -> PerformanceSales {
    let chart = &performance.chart;
    let tiers = chart
        .tiers
        .iter()
        .zip(chart.seats_per_tier())
        .filter(|(_, seats)| *seats > 0)
        // Every tier that has seats has a price.
        .filter_map(|(tier, seats)| Some((tier, seats as u64, performance.prices.get(tier)?)))
        .map(|(tier, seats_total, price)| {
            let total = totals.get(&(&performance.performance_id, tier.as_str()));
            let sold = total.map_or(0, |total| total.sold);
            let held = counts.held.get(tier).copied().unwrap_or(0);
            TierSales {
                tier: tier.clone(),
                seats_total,
                sold,
                held,
                // The two were not read in one instant: a sale may be in both.
                free: seats_total.saturating_sub(sold).saturating_sub(held),
                revenue: total.map_or(0, |total| total.revenue),
                cancelled: total.map_or(0, |total| total.cancelled),
                currency: price.currency.clone(),
            }
        })
        .collect();
    PerformanceSales {
        performance_id: performance.performance_id.clone(),
        location: performance.location.clone(),
        venue: performance.venue.clone(),
        starts_at: performance.starts_at,
        tiers,
    }
}

fn not_counted(error: LockError) -> ApiProblem {
    match error {
        LockError::NotApplied(why) | LockError::Unknown(why) => {
            tracing::warn!(why, "holds could not be counted");
            ApiProblem::new(Code::Unavailable, "lock-service is away; holds cannot be counted")
        }
        LockError::Invalid(problem) => {
            tracing::error!(detail = problem.detail, "lock-service refused to count holds");
            ApiProblem::new(Code::Internal, "a bug; the request id leads to its log line")
        }
    }
}
