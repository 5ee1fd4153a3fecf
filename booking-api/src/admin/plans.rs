//! `POST /v1/admin/plans`: a seating plan is checked and stored. Its id is
//! made from its content, so importing it again is harmless.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use booking_api_client::{PlanImported, TierSeats};
use seat_model::{Chart, Code, FieldError, Plan, PlanId, Problem, check_plan};
use service_kit::{ApiJson, ApiProblem};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::auth::Organiser;
use crate::catalogue::{NewPlan, Scope};
use crate::idempotency::{Created, IdempotencyKey, KeyedCall, settle};
use crate::openapi::ProblemBody;

/// The largest plan, in bytes.
const LIMIT_BYTES: usize = 8 << 20;

/// Bytes of the digest in an id: 160 bits, in hexadecimal still a short name.
const DIGEST_BYTES: usize = 20;

/// Faults listed in one answer; the text says how many there are in all.
const MAX_FAULTS: usize = 1000;

/// Imports a seating plan: the pretix format plus `x-seatlock`, up to 8 MiB.
#[utoipa::path(
    post, path = "/v1/admin/plans", tag = "organising", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters")),
    request_body(content = serde_json::Value, description = "A seating plan"),
    responses(
        (status = 201, description = "Its id; the same plan has the same id", body = PlanImported),
        (status = 400, description = "`invalid_plan`, naming every fault", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 413, description = "`payload_too_large`", body = ProblemBody),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
pub(crate) async fn import_plan(
    State(app): State<App>,
    organiser: Organiser,
    key: Option<IdempotencyKey>,
    plan: Result<ApiJson<Plan, LIMIT_BYTES>, ApiProblem>,
) -> Result<Response, ApiProblem> {
    let ApiJson(plan) = plan.map_err(as_plan_fault)?;
    // Off the request threads: a plan may have 150,000 seats.
    let (new, answer) = tokio::task::spawn_blocking(move || read_plan(&plan))
        .await
        .map_err(|error| ApiProblem::new(Code::Internal, error.to_string()))??;
    let scope = Scope::user(&organiser.user);
    let call =
        match KeyedCall::begin(&app, scope, key, "POST /v1/admin/plans", &new.plan_id).await? {
            Ok(call) => call,
            Err(replay) => return Ok(replay.into_response()),
        };
    let answer = Created(answer);
    let first = call.first(&answer);
    match settle(app.catalogue.add_plan(&new, first.as_ref()).await?)? {
        Ok(()) => Ok(answer.into_response()),
        Err(replay) => Ok(replay.into_response()),
    }
}

/// JSON of the wrong shape is a fault of the plan; a body that is no JSON, too
/// large or broken off is not.
fn as_plan_fault(refused: ApiProblem) -> ApiProblem {
    const SHAPE: [&str; 7] = [
        "missing field",
        "unknown field",
        "duplicate field",
        "unknown variant",
        "invalid type",
        "invalid value",
        "invalid length",
    ];
    let problem = refused.problem();
    let shape = problem.code == Code::InvalidRequest
        && problem.errors.iter().any(|e| SHAPE.iter().any(|start| e.message.starts_with(start)));
    if shape { invalid_plan(problem.errors.clone()) } else { refused }
}

fn invalid_plan(mut faults: Vec<FieldError>) -> ApiProblem {
    let count = faults.len();
    faults.truncate(MAX_FAULTS);
    let first = faults.first().map(|fault| format!("{}: {}", fault.field, fault.message));
    let detail = match (count, first) {
        (1, Some(first)) => first,
        (_, Some(first)) => format!("{count} faults; the first: {first}"),
        (_, None) => "the plan has faults".to_owned(),
    };
    Problem::new(Code::InvalidPlan, detail).with_errors(faults).into()
}

fn read_plan(plan: &Plan) -> Result<(NewPlan, PlanImported), ApiProblem> {
    check_plan(plan).map_err(invalid_plan)?;
    let bug = |error: String| ApiProblem::new(Code::Internal, error);
    let body = serde_json::to_string(plan).map_err(|error| bug(error.to_string()))?;
    let plan_id = plan_id(&body).map_err(|error| bug(error.to_string()))?;
    let chart = Chart::new(plan);
    let tiers: Vec<TierSeats> = chart
        .tiers
        .iter()
        .zip(chart.seats_per_tier())
        .map(|(tier, seats)| TierSeats { tier: tier.clone(), seats: seats as u64 })
        .collect();
    let seats = chart.seats.len() as u64;
    let created_at_ms = service_kit::clock::now().as_millis();
    let name: String = plan.name.trim().chars().take(255).collect();
    let answer = PlanImported { plan_id: plan_id.clone(), seats, tiers: tiers.clone() };
    Ok((NewPlan { plan_id, name, body, seats, tiers, created_at_ms }, answer))
}

/// The id of a plan in canonical form.
fn plan_id(body: &str) -> Result<PlanId, seat_model::IdError> {
    use std::fmt::Write;
    let digest = Sha256::digest(body.as_bytes());
    let mut id = String::from("pl-");
    for byte in digest.iter().take(DIGEST_BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    PlanId::new(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seats: &[(&str, &str)]) -> String {
        let seats: Vec<String> = seats
            .iter()
            .map(|(guid, category)| {
                format!(
                    r#"{{"seat_guid":"{guid}","seat_number":"1","position":{{"x":1,"y":1}},"category":"{category}"}}"#
                )
            })
            .collect();
        format!(
            r#"{{"name":"Hall","categories":[{{"name":"A"}},{{"name":"B"}}],"size":{{"width":10,"height":10}},
            "zones":[{{"position":{{"x":0,"y":0}},"rows":[{{"row_number":"1","seats":[{}]}}]}}]}}"#,
            seats.join(",")
        )
    }

    fn plan(seats: &[(&str, &str)]) -> Plan {
        serde_json::from_str(&text(seats)).unwrap()
    }

    #[test]
    fn the_same_plan_has_the_same_id_however_it_is_written() {
        let (one, answer) = read_plan(&plan(&[("A-1", "A"), ("A-2", "A")])).unwrap();
        let spaced = text(&[("A-1", "A"), ("A-2", "A")]).replace(':', " : ").replace("1}", "1.0}");
        let (again, _) = read_plan(&serde_json::from_str(&spaced).unwrap()).unwrap();
        assert_eq!(one.plan_id, again.plan_id);
        let (other, _) = read_plan(&plan(&[("A-1", "A"), ("A-3", "A")])).unwrap();
        assert_ne!(one.plan_id, other.plan_id);
        assert_eq!(answer.seats, 2);
        let tiers: Vec<_> = answer.tiers.iter().map(|t| (t.tier.as_str(), t.seats)).collect();
        assert_eq!(tiers, [("A", 2), ("B", 0)]);
    }

    #[test]
    fn what_is_stored_is_the_plan() {
        let plan = plan(&[("A-1", "A")]);
        let (new, _) = read_plan(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&new.body).unwrap(), plan);
    }

    #[test]
    fn every_fault_is_named() {
        let refused = read_plan(&plan(&[("A-1", "A"), ("A-1", "C")])).unwrap_err();
        let problem = refused.problem();
        assert_eq!((problem.code, problem.errors.len()), (Code::InvalidPlan, 2));
        assert!(problem.errors.iter().any(|fault| fault.message.contains("\"A-1\"")));
    }

    #[test]
    fn a_wrong_shape_is_a_fault_of_the_plan_and_broken_json_is_not() {
        let shape = as_plan_fault(ApiProblem::invalid("zones[0]", "missing field `rows`"));
        assert_eq!(shape.problem().code, Code::InvalidPlan);
        assert_eq!(shape.problem().errors[0].field, "zones[0]");
        let broken = as_plan_fault(ApiProblem::invalid("body", "expected value at line 1"));
        assert_eq!(broken.problem().code, Code::InvalidRequest);
        let large = as_plan_fault(ApiProblem::new(Code::PayloadTooLarge, "too large"));
        assert_eq!(large.problem().code, Code::PayloadTooLarge);
    }
}
