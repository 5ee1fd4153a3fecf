//! HTTP: every call under `/v1/book` and `GET /v1/bookings`.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use booking_api_client::{Book, Booking, Bookings, Confirm};
use seat_model::{BookingId, Problem, ShowId, TicketId};
use serde::Deserialize;
use service_kit::{ApiJson, ApiPath, ApiProblem, ApiQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, Reply};
use super::error::SaleError;
use crate::app::App;
use crate::auth::Customer;
use crate::idempotency::IdempotencyKey;
use crate::openapi::ProblemBody;

/// The routes with their descriptions.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(book))
        .routes(routes!(look, cancel))
        .routes(routes!(extend))
        .routes(routes!(confirm))
        .routes(routes!(cancel_ticket))
        .routes(routes!(super::qr::qr))
        .routes(routes!(list))
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Booking(status, booking) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                let path = answer::path(&booking.show_id, booking.booking_id);
                let mut response = (status, axum::Json(*booking)).into_response();
                if matches!(status, StatusCode::CREATED | StatusCode::ACCEPTED)
                    && let Ok(path) = HeaderValue::from_str(&path)
                {
                    response.headers_mut().insert(LOCATION, path);
                }
                response
            }
            Self::Kept { status, body } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                if status.is_success() {
                    return (status, [(CONTENT_TYPE, "application/json")], body).into_response();
                }
                match serde_json::from_str::<Problem>(&body) {
                    Ok(problem) => ApiProblem::from(problem).into_response(),
                    Err(error) => {
                        ApiProblem::from(SaleError::Broken(error.to_string())).into_response()
                    }
                }
            }
        }
    }
}

fn text(key: Option<IdempotencyKey>) -> Option<String> {
    key.map(|key| key.0)
}

/// Takes seats: named ones or the best available, as a hold or paid at once.
#[utoipa::path(
    post, path = "/v1/book/{showId}", tag = "booking", security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("Idempotency-Key" = String, Header, description = "1–255 visible characters"),
    ),
    request_body = Book,
    responses(
        (status = 201, description = "Held; or confirmed, with `confirm`", body = Booking),
        (status = 202, description = "`pending`: paid for, the outcome is not known yet", body = Booking),
        (status = 400, description = "`invalid_request`, `idempotency_key_missing`", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 402, description = "`payment_declined`: the hold stays, see `booking_id`", body = ProblemBody),
        (status = 404, description = "`not_found`: no such show, or nothing on that date and location", body = ProblemBody),
        (status = 409, description = "`seat_taken`, `sold_out`, `no_adjacent_seats`, `leaves_single_seat`, `ambiguous_performance`, `not_on_sale`, `limit_per_customer`, `request_in_flight`", body = ProblemBody),
        (status = 410, description = "`hold_expired`: the booking under this key was aborted", body = ProblemBody),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
async fn book(
    State(app): State<App>,
    customer: Customer,
    ApiPath(show): ApiPath<ShowId>,
    IdempotencyKey(key): IdempotencyKey,
    ApiJson(asked): ApiJson<Book>,
) -> Result<Reply, ApiProblem> {
    Ok(app.sale.book(show, customer.user, key, asked).await?)
}

/// One of my bookings.
#[utoipa::path(
    get, path = "/v1/book/{showId}/{bookingId}", tag = "booking", security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("bookingId" = String, Path, description = "The booking"),
    ),
    responses(
        (status = 200, description = "As it is now", body = Booking),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 404, description = "`not_found`: never was, or not yours", body = ProblemBody),
        (status = 410, description = "`hold_expired`: yours, but gone", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
async fn look(
    State(app): State<App>,
    customer: Customer,
    ApiPath((show, id)): ApiPath<(ShowId, BookingId)>,
) -> Result<Reply, ApiProblem> {
    Ok(app.sale.look(&show, &customer.user, id).await?)
}

/// Cancels a hold or a booking. Again: the same answer.
#[utoipa::path(
    delete, path = "/v1/book/{showId}/{bookingId}", tag = "booking", security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("bookingId" = String, Path, description = "The booking"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters"),
    ),
    responses(
        (status = 200, description = "`cancelled`", body = Booking),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 409, description = "`confirm_in_progress`", body = ProblemBody),
        (status = 410, description = "`hold_expired`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
async fn cancel(
    State(app): State<App>,
    customer: Customer,
    ApiPath((show, id)): ApiPath<(ShowId, BookingId)>,
    key: Option<IdempotencyKey>,
) -> Result<Reply, ApiProblem> {
    Ok(app.sale.cancel(show, customer.user, id, text(key)).await?)
}

/// Holds longer, up to the cap.
#[utoipa::path(
    post, path = "/v1/book/{showId}/{bookingId}/extend", tag = "booking",
    security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("bookingId" = String, Path, description = "The booking"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters"),
    ),
    responses(
        (status = 200, description = "With a later `expires_at`", body = Booking),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 409, description = "`confirm_in_progress`", body = ProblemBody),
        (status = 410, description = "`hold_expired`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
async fn extend(
    State(app): State<App>,
    customer: Customer,
    ApiPath((show, id)): ApiPath<(ShowId, BookingId)>,
    key: Option<IdempotencyKey>,
) -> Result<Reply, ApiProblem> {
    Ok(app.sale.extend(show, customer.user, id, text(key)).await?)
}

/// Pays for a hold.
#[utoipa::path(
    post, path = "/v1/book/{showId}/{bookingId}/confirm", tag = "booking",
    security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("bookingId" = String, Path, description = "The booking"),
        ("Idempotency-Key" = String, Header, description = "1–255 visible characters"),
    ),
    request_body = Confirm,
    responses(
        (status = 200, description = "`confirmed`, with its tickets", body = Booking),
        (status = 202, description = "`pending`: ask again at `Location`", body = Booking),
        (status = 400, description = "`invalid_request`, `idempotency_key_missing`", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 402, description = "`payment_declined`: the hold stays", body = ProblemBody),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 409, description = "`limit_per_customer`, `request_in_flight`", body = ProblemBody),
        (status = 410, description = "`hold_expired`", body = ProblemBody),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody),
        (status = 503, description = "`unavailable`: the hold stays", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`: nothing was captured", body = ProblemBody),
    )
)]
async fn confirm(
    State(app): State<App>,
    customer: Customer,
    ApiPath((show, id)): ApiPath<(ShowId, BookingId)>,
    IdempotencyKey(key): IdempotencyKey,
    ApiJson(asked): ApiJson<Confirm>,
) -> Result<Reply, ApiProblem> {
    Ok(app.sale.confirm(show, customer.user, id, key, asked).await?)
}

/// Cancels one ticket. Again: the same answer.
#[utoipa::path(
    delete, path = "/v1/book/{showId}/{bookingId}/tickets/{ticketId}", tag = "booking",
    security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("bookingId" = String, Path, description = "The booking"),
        ("ticketId" = String, Path, description = "The ticket"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters"),
    ),
    responses(
        (status = 200, description = "What is left of the booking", body = Booking),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 409, description = "`confirm_in_progress`", body = ProblemBody),
        (status = 410, description = "`hold_expired`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
async fn cancel_ticket(
    State(app): State<App>,
    customer: Customer,
    ApiPath((show, id, ticket)): ApiPath<(ShowId, BookingId, TicketId)>,
    key: Option<IdempotencyKey>,
) -> Result<Reply, ApiProblem> {
    Ok(app.sale.cancel_ticket(show, customer.user, id, ticket, text(key)).await?)
}

/// Which page of my bookings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// My bookings that were confirmed, later cancelled ones too, newest first.
#[utoipa::path(
    get, path = "/v1/bookings", tag = "booking", security(("bearer" = [])),
    params(
        ("limit" = Option<u32>, Query, description = "1–100, 20 where it is absent"),
        ("cursor" = Option<String>, Query, description = "From `next_cursor`"),
    ),
    responses(
        (status = 200, description = "One page", body = Bookings),
        (status = 400, description = "`invalid_request`", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 503, description = "`unavailable`: a shard is away", body = ProblemBody),
    )
)]
async fn list(
    State(app): State<App>,
    customer: Customer,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<axum::Json<Bookings>, ApiProblem> {
    let page = app.sale.list(&customer.user, query.limit, query.cursor.as_deref()).await?;
    Ok(axum::Json(page))
}
