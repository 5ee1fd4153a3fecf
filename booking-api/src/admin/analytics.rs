//! `GET …/analytics`: how a performance sells, hour by hour; and the same as a
//! table for a spreadsheet.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use booking_api_client::{AnalyticsHour, ContestedSeat, Demand, PerformanceAnalytics, SalesSum};
use seat_model::{Code, Currency, FieldError, PerformanceId, Problem, ShowId, Timestamp};
use serde::Deserialize;
use service_kit::{ApiPath, ApiProblem, ApiQuery};

use super::{no_such_show, table};
use crate::app::App;
use crate::auth::Organiser;
use crate::catalogue::{self, AnalyticsHours, Performance};
use crate::openapi::ProblemBody;
use crate::store::SalesHour;

/// What to cover.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeQuery {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// Which table, and what it covers.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableQuery {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    #[serde(default)]
    table: Table,
}

/// Which table.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Table {
    /// A line for each hour.
    #[default]
    Hours,
    /// A line for each contested seat.
    Seats,
}

/// How a performance sells: demand, sales, occupancy and revenue hour by hour,
/// and the seats people fought for. Sales are exact as of `counted_at`, a few
/// seconds ago; demand is gathered in memory and may miss some.
#[utoipa::path(
    get, path = "/v1/admin/shows/{showId}/performances/{performanceId}/analytics",
    tag = "organising", security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("performanceId" = String, Path, description = "The performance"),
        ("from" = Option<String>, Query, description = "From this time on, RFC 3339; 31 days before `to` where it is absent"),
        ("to" = Option<String>, Query, description = "Up to this time; now where it is absent. Whole hours are shown, at most 400 days"),
    ),
    responses(
        (status = 200, description = "What is known", body = PerformanceAnalytics),
        (status = 400, description = "`invalid_request`", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`: no such show, or no such performance of it", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub(crate) async fn analytics(
    State(app): State<App>,
    _organiser: Organiser,
    ApiPath((show, performance)): ApiPath<(ShowId, PerformanceId)>,
    ApiQuery(RangeQuery { from, to }): ApiQuery<RangeQuery>,
) -> Result<Json<PerformanceAnalytics>, ApiProblem> {
    Ok(Json(look(&app, show, performance, from, to).await?))
}

/// The same as CSV (RFC 4180, UTF-8, with a line of headings). A text that a
/// spreadsheet could take for a formula begins with an apostrophe.
#[utoipa::path(
    get, path = "/v1/admin/shows/{showId}/performances/{performanceId}/analytics.csv",
    tag = "organising", security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("performanceId" = String, Path, description = "The performance"),
        ("from" = Option<String>, Query, description = "From this time on, RFC 3339; 31 days before `to` where it is absent"),
        ("to" = Option<String>, Query, description = "Up to this time; now where it is absent. Whole hours are shown, at most 400 days"),
        ("table" = Option<String>, Query, description = "`hours` (where it is absent) or `seats`"),
    ),
    responses(
        (status = 200, description = "A table", body = String, content_type = "text/csv"),
        (status = 400, description = "`invalid_request`", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`: no such show, or no such performance of it", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub(crate) async fn analytics_csv(
    State(app): State<App>,
    _organiser: Organiser,
    ApiPath((show, performance)): ApiPath<(ShowId, PerformanceId)>,
    ApiQuery(TableQuery { from, to, table }): ApiQuery<TableQuery>,
) -> Result<Response, ApiProblem> {
    let known = look(&app, show, performance, from, to).await?;
    let (text, name) = match table {
        Table::Hours => (table::hours(&known), "hours"),
        Table::Seats => (table::seats(&known), "seats"),
    };
    let text = text.map_err(|error| ApiProblem::new(Code::Internal, error.to_string()))?;
    // Ids of performances are made here: nothing in them needs quoting.
    let file = format!("attachment; filename=\"{}-{name}.csv\"", known.performance_id);
    let headers =
        [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, file)];
    Ok((headers, text).into_response())
}

async fn look(
    app: &App,
    show: ShowId,
    id: PerformanceId,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<PerformanceAnalytics, ApiProblem> {
    let analytics = app.sale.analytics();
    let now = service_kit::clock::now();
    let hours = analytics.hours(from, to, now).map_err(|(field, why)| {
        ApiProblem::from(
            Problem::new(Code::InvalidRequest, format!("{field} {why}"))
                .with_errors(vec![FieldError::new(field, why)]),
        )
    })?;
    let performances = app.catalogue.performances_of(&show).await?;
    let mut found = among(performances.as_deref(), &id);
    if found.is_none() {
        let fresh = app.catalogue.fresh_performances_of(&show).await?;
        found = among(Some(&fresh.ok_or_else(|| no_such_show(&show))?), &id);
    }
    let performance = found.ok_or_else(|| {
        ApiProblem::new(Code::NotFound, format!("the show {show} has no performance {id}"))
    })?;
    let looked = analytics.look(&id, hours).await?;
    let reaches_now = hours.to > now.as_millis();
    let seats_held_now = if reaches_now { held_now(app, &show, &id).await } else { None };
    let (demand, sales) = (demand_of(&looked.hours), sales_of(&looked.hours));
    let open = if reaches_now { seats_held_now } else { Some(0) };
    let seats_abandoned =
        open.map(|open| demand.seats_held.saturating_sub(sales.tickets).saturating_sub(open));
    Ok(PerformanceAnalytics {
        currency: currency_of(&performance)?,
        seats_total: seats_with_a_price(&performance),
        show_id: show,
        performance_id: id,
        from: Timestamp::from_millis(hours.from),
        to: Timestamp::from_millis(hours.to),
        counted_at: looked.counted_at,
        demand,
        sales,
        seats_held_now,
        seats_abandoned,
        hours: by_hour(&looked.hours),
        contested: looked
            .contested
            .into_iter()
            .map(|(seat, conflicts)| ContestedSeat { seat, conflicts })
            .collect(),
    })
}

fn among(
    performances: Option<&[std::sync::Arc<Performance>]>,
    id: &PerformanceId,
) -> Option<std::sync::Arc<Performance>> {
    performances?.iter().find(|one| one.performance_id == *id).cloned()
}

/// Seats held or being confirmed; `None` where lock-service does not say. The
/// rest of the answer does not wait for it to come back.
async fn held_now(app: &App, show: &ShowId, performance: &PerformanceId) -> Option<u64> {
    match app.locks.counts(show, performance).await {
        Ok(counts) => Some(counts.held.values().sum()),
        Err(error) => {
            tracing::warn!(%error, "held seats could not be counted");
            None
        }
    }
}

fn currency_of(performance: &Performance) -> Result<Currency, ApiProblem> {
    let price = performance.prices.values().next();
    price.map(|price| price.currency.clone()).ok_or_else(|| {
        ApiProblem::new(Code::Internal, "a bug; the request id leads to its log line")
    })
}

fn seats_with_a_price(performance: &Performance) -> u64 {
    let chart = &performance.chart;
    let tiers = chart.tiers.iter().zip(chart.seats_per_tier());
    tiers
        .filter(|(tier, _)| performance.prices.contains_key(*tier))
        .map(|(_, seats)| seats as u64)
        .sum()
}

fn demand_of(hours: &AnalyticsHours) -> Demand {
    hours.demand.iter().fold(Demand::default(), |sum, (_, hour)| Demand {
        views: sum.views + hour.views,
        holds: sum.holds + hour.holds,
        seats_held: sum.seats_held + hour.seats_held,
        released: sum.released + hour.released,
        refused: sum.refused + hour.refused,
    })
}

fn sales_of(hours: &AnalyticsHours) -> SalesSum {
    hours.sales.iter().fold(SalesSum::default(), |sum, hour| SalesSum {
        bookings: sum.bookings + hour.bookings,
        tickets: sum.tickets + hour.tickets,
        revenue: sum.revenue + hour.revenue,
        cancels: sum.cancels + hour.cancels,
        cancelled_tickets: sum.cancelled_tickets + hour.cancelled_tickets,
        refunded: sum.refunded + hour.refunded,
    })
}

/// Both kinds of numbers, hour by hour, and what is sold by the end of each.
fn by_hour(known: &AnalyticsHours) -> Vec<AnalyticsHour> {
    let mut hours: BTreeMap<i64, (catalogue::Demand, SalesHour)> = BTreeMap::new();
    for (hour_ms, demand) in &known.demand {
        hours.entry(*hour_ms).or_default().0 = *demand;
    }
    for sales in &known.sales {
        hours.entry(sales.hour_ms).or_default().1 = *sales;
    }
    // A ticket is sold before it is cancelled, so neither goes below zero.
    let mut occupied = known.before.tickets.saturating_sub(known.before.cancelled_tickets);
    let mut revenue = known.before.revenue.saturating_sub(known.before.refunded);
    let mut shown = Vec::with_capacity(hours.len());
    for (hour_ms, (demand, sales)) in hours {
        occupied = (occupied + sales.tickets).saturating_sub(sales.cancelled_tickets);
        revenue = (revenue + sales.revenue).saturating_sub(sales.refunded);
        shown.push(AnalyticsHour {
            hour: Timestamp::from_millis(hour_ms),
            demand: Demand {
                views: demand.views,
                holds: demand.holds,
                seats_held: demand.seats_held,
                released: demand.released,
                refused: demand.refused,
            },
            sales: SalesSum {
                bookings: sales.bookings,
                tickets: sales.tickets,
                revenue: sales.revenue,
                cancels: sales.cancels,
                cancelled_tickets: sales.cancelled_tickets,
                refunded: sales.refunded,
            },
            occupied,
            revenue_so_far: revenue,
        });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sold(hour_ms: i64, tickets: u64, cancelled_tickets: u64) -> SalesHour {
        let (revenue, refunded) = (tickets * 100, cancelled_tickets * 100);
        let (bookings, cancels) = (u64::from(tickets > 0), u64::from(cancelled_tickets > 0));
        SalesHour { hour_ms, bookings, tickets, revenue, cancels, cancelled_tickets, refunded }
    }

    #[test]
    fn what_was_sold_before_is_occupied_from_the_first_hour() {
        let looked = catalogue::Demand { views: 9, ..catalogue::Demand::default() };
        let known = AnalyticsHours {
            before: sold(-1, 10, 3),
            sales: vec![sold(2, 4, 0), sold(5, 1, 6)],
            demand: vec![(2, looked), (3, looked)],
        };
        let hours = by_hour(&known);
        let occupied: Vec<(i64, u64, u64, u64)> = hours
            .iter()
            .map(|h| (h.hour.as_millis(), h.demand.views, h.occupied, h.revenue_so_far))
            .collect();
        assert_eq!(occupied, [(2, 9, 11, 1_100), (3, 9, 11, 1_100), (5, 0, 6, 600)]);
        let sum = sales_of(&known);
        assert_eq!((sum.tickets, sum.cancelled_tickets, sum.refunded), (5, 6, 600));
        assert_eq!(demand_of(&known).views, 18);
    }
}
