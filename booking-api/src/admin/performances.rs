//! `…/performances`: an evening of a show at a place is put on, or taken off.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use booking_api_client::{PerformanceCreate, PerformanceCreated, PerformanceDeleted};
use jiff::tz::TimeZone;
use seat_model::{Chart, Code, Money, PerformanceId, ShowId, Timestamp};
use serde::Deserialize;
use service_kit::{ApiJson, ApiPath, ApiProblem, ApiQuery};

use super::no_such_show;
use crate::app::App;
use crate::auth::Organiser;
use crate::catalogue::{Deletable, NewPerformance, Scope};
use crate::checks::Faults;
use crate::idempotency::{Created, IdempotencyKey, KeyedCall, settle};
use crate::openapi::ProblemBody;

/// Below it a hold could run out before its answer arrives.
const LEAST_HOLD_TTL_S: u64 = 3;
const MOST_HOLD_TTL_S: u64 = 24 * 3600;
const MOST_HOLD_MAX_S: u64 = 7 * 24 * 3600;
const DEFAULT_HOLD_TTL_S: u64 = 600;
const DEFAULT_HOLD_MAX_S: u64 = 1800;
const DEFAULT_SEATS_PER_CUSTOMER: u32 = 10;
const MOST_SEATS_PER_CUSTOMER: u32 = 150_000;

/// Makes a performance, which can be booked at once, or from `on_sale_at` on.
#[utoipa::path(
    post, path = "/v1/admin/shows/{showId}/performances", tag = "organising",
    security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters"),
    ),
    request_body = PerformanceCreate,
    responses(
        (status = 201, description = "Its id", body = PerformanceCreated),
        (status = 400, description = "`invalid_request`, naming every field", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`: no such show", body = ProblemBody),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
pub(crate) async fn create_performance(
    State(app): State<App>,
    organiser: Organiser,
    ApiPath(show): ApiPath<ShowId>,
    key: Option<IdempotencyKey>,
    ApiJson(asked): ApiJson<PerformanceCreate>,
) -> Result<Response, ApiProblem> {
    let route = format!("POST /v1/admin/shows/{show}/performances");
    let scope = Scope::user(&organiser.user);
    let call = match KeyedCall::begin(&app, scope, key, &route, &asked).await? {
        Ok(call) => call,
        Err(replay) => return Ok(replay.into_response()),
    };
    if app.catalogue.show_name(&show).await?.is_none() {
        return Err(no_such_show(&show));
    }
    let plan = app.catalogue.plan(&asked.plan_id).await?;
    let mut faults = Faults::default();
    let new = check(show, asked, plan.as_ref().map(|plan| &*plan.chart), &mut faults)?;
    let most = app.config.catalogue.max_performances_per_show;
    if app.catalogue.count_performances(&new.show_id).await? >= most {
        faults.add("show_id", format!("has {most} performances, the most there may be"));
    }
    faults.none_or_refuse()?;
    let answer = Created(PerformanceCreated {
        performance_id: new.performance_id.clone(),
        show_id: new.show_id.clone(),
        starts_at: new.starts_at,
        date: new.local_date.clone(),
    });
    let first = call.first(&answer);
    match settle(app.catalogue.add_performance(&new, first.as_ref()).await?)? {
        Ok(()) => Ok(answer.into_response()),
        Err(replay) => Ok(replay.into_response()),
    }
}

/// What may be said with the call that deletes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteQuery {
    /// Cancel and refund what was sold.
    #[serde(default)]
    cancel_bookings: bool,
}

/// Takes a performance off. Deleting it again answers the same.
#[utoipa::path(
    delete, path = "/v1/admin/shows/{showId}/performances/{performanceId}", tag = "organising",
    security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("performanceId" = String, Path, description = "The performance"),
        ("cancel_bookings" = Option<bool>, Query, description = "Cancel and refund what was sold"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters"),
    ),
    responses(
        (status = 200, description = "It is gone", body = PerformanceDeleted),
        (status = 400, description = "`invalid_request`", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 409, description = "`seat_taken`: tickets are live, and `cancel_bookings` was not asked for", body = ProblemBody),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
pub(crate) async fn delete_performance(
    State(app): State<App>,
    organiser: Organiser,
    ApiPath((show, performance)): ApiPath<(ShowId, PerformanceId)>,
    key: Option<IdempotencyKey>,
    ApiQuery(query): ApiQuery<DeleteQuery>,
) -> Result<Response, ApiProblem> {
    let route = format!("DELETE /v1/admin/shows/{show}/performances/{performance}");
    let scope = Scope::user(&organiser.user);
    let call = match KeyedCall::begin(&app, scope, key, &route, &query.cancel_bookings).await? {
        Ok(call) => call,
        Err(replay) => return Ok(replay.into_response()),
    };
    let answer = PerformanceDeleted { performance_id: performance, show_id: show };
    let (show, performance) = (&answer.show_id, &answer.performance_id);
    match app.catalogue.deletable(show, performance).await? {
        Deletable::Unknown => {
            let detail = format!("the show {show} has no performance {performance}");
            return Err(ApiProblem::new(Code::NotFound, detail));
        }
        Deletable::Deleted => {}
        Deletable::There => {
            // Selling ends first: what the catalogue no longer shows can no
            // longer be sold, and never the other way round.
            app.sale.close_performance(show, performance, query.cancel_bookings).await?;
        }
    }
    // Once more where it was deleted before: for the key, which may be another.
    let first = call.first_of(StatusCode::OK, &answer);
    let deleted = app.catalogue.delete_performance(show, performance, first.as_ref()).await?;
    match settle(deleted)? {
        Ok(()) => Ok(axum::Json(answer).into_response()),
        Err(replay) => Ok(replay.into_response()),
    }
}

/// Checks every value; `chart` is that of the plan, where there is such a plan.
fn check(
    show_id: ShowId,
    asked: PerformanceCreate,
    chart: Option<&Chart>,
    faults: &mut Faults,
) -> Result<NewPerformance, ApiProblem> {
    let performance_id = PerformanceId::new(format!("pf-{}", uuid::Uuid::now_v7().simple()))
        .map_err(|error| ApiProblem::new(Code::Internal, error.to_string()))?;
    let location = faults.text("location", &asked.location, 120);
    let venue = faults.text("venue", &asked.venue, 200);
    let (time_zone, local_date) = match TimeZone::get(&asked.time_zone) {
        Ok(zone) => {
            let name = zone.iana_name().unwrap_or(&asked.time_zone).to_owned();
            (name, local_date(asked.starts_at, &zone, faults))
        }
        Err(_) => {
            faults.add("time_zone", "must be an IANA time zone such as Europe/Berlin");
            (asked.time_zone, String::new())
        }
    };
    match chart {
        Some(chart) => check_prices(&asked.prices, chart, faults),
        None => faults.add("plan_id", "there is no such plan"),
    }
    if asked.on_sale_at.is_some_and(|at| !(0..=LAST_MILLISECOND).contains(&at.as_millis())) {
        faults.add("on_sale_at", "must be between the years 1970 and 9998");
    }
    let hold_ttl_s = asked.hold_ttl_s.unwrap_or(DEFAULT_HOLD_TTL_S);
    faults.range("hold_ttl_s", hold_ttl_s, LEAST_HOLD_TTL_S, MOST_HOLD_TTL_S);
    let hold_max_s = asked.hold_max_s.unwrap_or(DEFAULT_HOLD_MAX_S.max(hold_ttl_s));
    if asked.hold_max_s.is_some() {
        faults.range("hold_max_s", hold_max_s, LEAST_HOLD_TTL_S, MOST_HOLD_MAX_S);
        if hold_max_s < hold_ttl_s {
            faults.add("hold_max_s", "must not be less than hold_ttl_s");
        }
    }
    let max_seats_per_customer = asked.max_seats_per_customer.unwrap_or(DEFAULT_SEATS_PER_CUSTOMER);
    let most = u64::from(MOST_SEATS_PER_CUSTOMER);
    faults.range("max_seats_per_customer", max_seats_per_customer.into(), 1, most);
    Ok(NewPerformance {
        performance_id,
        show_id,
        location,
        venue,
        time_zone,
        starts_at: asked.starts_at,
        local_date,
        plan_id: asked.plan_id,
        prices: asked.prices,
        on_sale_at: asked.on_sale_at,
        hold_ttl_ms: hold_ttl_s.saturating_mul(1000),
        hold_max_ms: hold_max_s.saturating_mul(1000),
        max_seats_per_customer,
        orphan_rule: asked.orphan_rule.unwrap_or_default(),
        created_at_ms: service_kit::clock::now().as_millis(),
    })
}

/// The end of the year 9998: dates keep four digits in every time zone.
const LAST_MILLISECOND: i64 = 253_370_764_799_999;

fn local_date(starts_at: Timestamp, zone: &TimeZone, faults: &mut Faults) -> String {
    if !(0..=LAST_MILLISECOND).contains(&starts_at.as_millis()) {
        faults.add("starts_at", "must be between the years 1970 and 9998");
    }
    zone.to_datetime(starts_at.to_jiff()).date().to_string()
}

fn check_prices(
    prices: &std::collections::BTreeMap<String, Money>,
    chart: &Chart,
    faults: &mut Faults,
) {
    let mut currency = None;
    for (tier, money) in prices {
        let field = format!("prices[{tier:?}]");
        if chart.tier_index(tier).is_none() {
            faults.add(&field, "the plan has no such category");
        }
        if money.price > Money::MAX_PRICE {
            faults.add(format!("{field}.price"), format!("must be at most {}", Money::MAX_PRICE));
        }
        if *currency.get_or_insert(&money.currency) != &money.currency {
            faults.add(format!("{field}.currency"), "must be the same for all prices");
        }
    }
    for (tier, seats) in chart.tiers.iter().zip(chart.seats_per_tier()) {
        if seats > 0 && !prices.contains_key(tier) {
            faults.add(format!("prices[{tier:?}]"), "is missing: the category has seats");
        }
    }
}

#[cfg(test)]
mod tests {
    use booking_api_client::OrphanRule;

    use super::*;

    fn chart() -> Chart {
        let plan = r#"{"name":"Hall","categories":[{"name":"A"},{"name":"empty"}],
            "size":{"width":10,"height":10},"zones":[{"position":{"x":0,"y":0},"rows":[
            {"row_number":"1","seats":[{"seat_guid":"A-1","seat_number":"1",
            "position":{"x":1,"y":1},"category":"A"}]}]}]}"#;
        Chart::new(&serde_json::from_str(plan).unwrap())
    }

    fn asked(changes: serde_json::Value) -> PerformanceCreate {
        let mut body = serde_json::json!({
            "location": " Berlin ", "venue": "Admiralspalast", "time_zone": "Europe/Berlin",
            "starts_at": "2026-12-31T23:30:00Z", "plan_id": "pl-1",
            "prices": {"A": {"price": 4500, "currency": "EUR"}},
        });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    fn faults(changes: serde_json::Value) -> Vec<String> {
        let mut faults = Faults::default();
        check(ShowId::new("hamlet").unwrap(), asked(changes), Some(&chart()), &mut faults).unwrap();
        faults.fields().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let mut faults = Faults::default();
        let show = ShowId::new("hamlet").unwrap();
        let new = check(show, asked(serde_json::json!({})), Some(&chart()), &mut faults).unwrap();
        assert_eq!(faults.fields(), Vec::<&str>::new());
        assert_eq!((new.hold_ttl_ms, new.hold_max_ms), (600_000, 1_800_000));
        assert_eq!((new.max_seats_per_customer, new.orphan_rule), (10, OrphanRule::Off));
        assert_eq!(new.location, "Berlin");
        // Half past midnight in Berlin: the date is the venue's, not UTC's.
        assert_eq!(new.local_date, "2027-01-01");
    }

    #[test]
    fn every_value_is_checked() {
        let cases = [
            (serde_json::json!({"location": ""}), "location"),
            (serde_json::json!({"venue": " "}), "venue"),
            (serde_json::json!({"time_zone": "Europe/Atlantis"}), "time_zone"),
            (serde_json::json!({"starts_at": "1969-01-01T00:00:00Z"}), "starts_at"),
            (serde_json::json!({"hold_ttl_s": 2}), "hold_ttl_s"),
            (serde_json::json!({"hold_ttl_s": 60, "hold_max_s": 59}), "hold_max_s"),
            (serde_json::json!({"max_seats_per_customer": 0}), "max_seats_per_customer"),
            (serde_json::json!({"prices": {}}), r#"prices["A"]"#),
            (
                serde_json::json!({"prices": {
                    "A": {"price": 1, "currency": "EUR"}, "Z": {"price": 1, "currency": "EUR"}
                }}),
                r#"prices["Z"]"#,
            ),
            (
                serde_json::json!({"prices": {
                    "A": {"price": 1, "currency": "EUR"}, "empty": {"price": 1, "currency": "USD"}
                }}),
                r#"prices["empty"].currency"#,
            ),
            (
                serde_json::json!({"prices": {"A": {"price": 1_000_000_000_001_u64, "currency": "EUR"}}}),
                r#"prices["A"].price"#,
            ),
        ];
        for (changes, field) in cases {
            assert_eq!(faults(changes.clone()), [field], "{changes}");
        }
    }

    #[test]
    fn a_category_without_seats_may_have_a_price_and_needs_none() {
        let both = serde_json::json!({"prices": {
            "A": {"price": 1, "currency": "EUR"}, "empty": {"price": 0, "currency": "EUR"}
        }});
        assert_eq!(faults(both), Vec::<String>::new());
        assert_eq!(faults(serde_json::json!({})), Vec::<String>::new());
    }

    #[test]
    fn a_hold_longer_than_the_usual_cap_raises_the_cap() {
        assert_eq!(faults(serde_json::json!({"hold_ttl_s": 3600})), Vec::<String>::new());
    }

    #[test]
    fn an_unknown_plan_is_a_fault_of_the_request() {
        let mut faults = Faults::default();
        let show = ShowId::new("hamlet").unwrap();
        check(show, asked(serde_json::json!({})), None, &mut faults).unwrap();
        assert_eq!(faults.fields(), ["plan_id"]);
    }
}
