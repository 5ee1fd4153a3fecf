//! `GET …/tickets/{ticketId}/qr`: a ticket's code as a picture to be scanned at
//! the door. It asks for a bearer, as the code itself does, and no URL ever
//! holds the code.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use booking_api_client::TicketState;
use qrcode::render::svg;
use qrcode::types::QrError;
use qrcode::{EcLevel, QrCode};
use seat_model::{BookingId, Code, ShowId, TicketId};
use service_kit::{ApiPath, ApiProblem};

use super::answer::Reply;
use super::error::SaleError;
use crate::app::App;
use crate::auth::Customer;
use crate::openapi::ProblemBody;

/// Sides of the picture, at least; it is drawn in lines and scales.
const SIDE: u32 = 200;

/// A ticket's code as a picture, for the door.
#[utoipa::path(
    get, path = "/v1/book/{showId}/{bookingId}/tickets/{ticketId}/qr", tag = "booking",
    security(("bearer" = [])),
    params(
        ("showId" = String, Path, description = "The show"),
        ("bookingId" = String, Path, description = "The booking"),
        ("ticketId" = String, Path, description = "The ticket"),
    ),
    responses(
        (status = 200, description = "A QR code of the ticket's `code`", body = String, content_type = "image/svg+xml"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 404, description = "`not_found`: no such ticket, not yours, or cancelled", body = ProblemBody),
        (status = 410, description = "`hold_expired`: yours, but gone", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub(super) async fn qr(
    State(app): State<App>,
    customer: Customer,
    ApiPath((show, id, ticket)): ApiPath<(ShowId, BookingId, TicketId)>,
) -> Result<Response, ApiProblem> {
    let reply = app.sale.look(&show, &customer.user, id).await?;
    let found = match &reply {
        Reply::Booking(_, booking) => booking.tickets.iter().flatten().find(|one| {
            // A picture of a cancelled ticket would only be refused at the door.
            one.ticket_id == ticket && one.state == TicketState::Valid
        }),
        Reply::Kept { .. } => None,
    };
    let found = found.ok_or_else(|| {
        ApiProblem::new(Code::NotFound, "the booking has no such ticket that is valid")
    })?;
    let picture = draw(&found.code)
        .map_err(|error| SaleError::Broken(format!("a ticket's code has no picture: {error}")))?;
    let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "private, no-store")];
    Ok((headers, picture).into_response())
}

/// Readable with a quarter of it smudged, and dark on light whatever the
/// screen's theme: not every scanner reads it the other way round.
fn draw(code: &str) -> Result<String, QrError> {
    let code = QrCode::with_error_correction_level(code, EcLevel::Q)?;
    Ok(code
        .render()
        .min_dimensions(SIDE, SIDE)
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_becomes_a_picture_of_its_own() {
        let one = draw("SL-7Q2M-9F4K").unwrap();
        assert!(one.contains("<svg") && one.contains("#000"), "{one}");
        assert_ne!(one, draw("SL-7Q2M-9F4L").unwrap());
    }
}
