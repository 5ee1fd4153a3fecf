//! `POST /v1/admin/shows`: a title. Its placement on a shard is written
//! first, so that whatever is in the catalogue can be sold.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use booking_api_client::{Show, ShowCreate};
use seat_model::{Code, ShowId};
use service_kit::{ApiJson, ApiProblem};

use crate::app::App;
use crate::auth::Organiser;
use crate::catalogue::{NewShow, Scope, ShowWritten};
use crate::checks::Faults;
use crate::idempotency::{Created, IdempotencyKey, KeyedCall, settle};
use crate::openapi::ProblemBody;

/// Makes a show. The same id with the same name again changes nothing and
/// answers the same; with another name it is refused.
#[utoipa::path(
    post, path = "/v1/admin/shows", tag = "organising", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters")),
    request_body = ShowCreate,
    responses(
        (status = 201, description = "The show", body = Show),
        (status = 400, description = "`invalid_request`: also where the id belongs to a show of another name", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
pub(crate) async fn create_show(
    State(app): State<App>,
    organiser: Organiser,
    key: Option<IdempotencyKey>,
    ApiJson(asked): ApiJson<ShowCreate>,
) -> Result<Response, ApiProblem> {
    let mut faults = Faults::default();
    let name = faults.text("name", &asked.name, 200);
    faults.none_or_refuse()?;
    let scope = Scope::user(&organiser.user);
    let call = match KeyedCall::begin(&app, scope, key, "POST /v1/admin/shows", &asked).await? {
        Ok(call) => call,
        Err(replay) => return Ok(replay.into_response()),
    };
    let show_id = match asked.show_id {
        Some(id) => id,
        None => ShowId::new(format!("sh-{}", uuid::Uuid::now_v7().simple()))
            .map_err(|error| ApiProblem::new(Code::Internal, error.to_string()))?,
    };
    let taken =
        || ApiProblem::invalid("show_id", "belongs to a show of another name; shows do not change");
    // Asked first, so that a refusal leaves nothing behind on a shard.
    if app.catalogue.show_name(&show_id).await?.is_some_and(|there| there != name) {
        return Err(taken());
    }
    // A placement without a show is harmless; a show without one cannot be sold.
    app.sale.place_show(&show_id).await?;
    let created_at_ms = service_kit::clock::now().as_millis();
    let new = NewShow { show_id: show_id.clone(), name: name.clone(), created_at_ms };
    let answer = Created(Show { show_id, name });
    let first = call.first(&answer);
    match settle(app.catalogue.add_show(&new, first.as_ref()).await?)? {
        Ok(ShowWritten::There) => Ok(answer.into_response()),
        Ok(ShowWritten::Taken) => Err(taken()),
        Err(replay) => Ok(replay.into_response()),
    }
}
