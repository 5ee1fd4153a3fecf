//! `GET …/stuck` and `POST …/stuck/{bookingId}/retry`: bookings whose payment
//! the gateway refuses to settle.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use booking_api_client::{Settlement, StuckBooking, StuckBookings};
use seat_model::{BookingId, ShowId};
use service_kit::{ApiPath, ApiProblem};

use super::no_such_show;
use crate::app::App;
use crate::auth::Organiser;
use crate::openapi::ProblemBody;
use crate::store::Stuck;

/// Bookings of a show whose payment cannot be settled: the capture, refund or
/// void that is due is definitely refused by the payment gateway. Each is
/// tried again, less and less often. The tickets are not affected.
#[utoipa::path(
    get, path = "/v1/admin/shows/{showId}/stuck", tag = "organising", security(("bearer" = [])),
    params(("showId" = String, Path, description = "The show")),
    responses(
        (status = 200, description = "The longest stuck first", body = StuckBookings),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`: no such show", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub(crate) async fn stuck(
    State(app): State<App>,
    _organiser: Organiser,
    ApiPath(show): ApiPath<ShowId>,
) -> Result<Json<StuckBookings>, ApiProblem> {
    known(&app, &show).await?;
    let stuck = app.sale.stuck(&show).await?.into_iter().map(shown).collect();
    Ok(Json(StuckBookings { stuck }))
}

/// Has the payment of a stuck booking settled at once, instead of at its next
/// try. Asking again changes nothing.
#[utoipa::path(
    post, path = "/v1/admin/shows/{showId}/stuck/{bookingId}/retry", tag = "organising",
    security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("bookingId" = String, Path, description = "The booking"),
    ),
    responses(
        (status = 202, description = "It is tried now; this is how it stood", body = StuckBooking),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`: no such booking of the show is stuck", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
pub(crate) async fn retry_stuck(
    State(app): State<App>,
    _organiser: Organiser,
    ApiPath((show, booking)): ApiPath<(ShowId, BookingId)>,
) -> Result<(StatusCode, Json<StuckBooking>), ApiProblem> {
    known(&app, &show).await?;
    let stuck = app.sale.retry_stuck(&show, booking).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(stuck))))
}

async fn known(app: &App, show: &ShowId) -> Result<(), ApiProblem> {
    let performances = app.catalogue.performances_of(show).await?;
    performances.map(drop).ok_or_else(|| no_such_show(show))
}

fn shown(stuck: Stuck) -> StuckBooking {
    StuckBooking {
        booking_id: stuck.booking,
        settlement: match stuck.kind.as_str() {
            "cancelled" => Settlement::Refund,
            "aborted" => Settlement::Void,
            _ => Settlement::Capture,
        },
        reason: stuck.reason,
        attempts: stuck.attempts,
        since: stuck.since,
        retry_at: stuck.retry_at,
    }
}
