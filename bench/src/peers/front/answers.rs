//! The front's answers: the same bookings and problems as booking-api's.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use booking_api_client::{Booking, BookingState, Item, Links};
use seat_model::{
    BookingId, Code, Currency, Fence, IdError, PerformanceId, Problem, SeatId, ShowId, Timestamp,
    UserId,
};

use crate::clock;
use crate::orders::PRICE;

/// How long a hold lives.
const TTL_MS: i64 = 600_000;

/// A booking on its way out.
pub(super) struct Answered(u16, Box<Booking>);

/// A problem on its way out.
pub(super) struct Refused(Box<Problem>);

/// What was bought.
pub(super) struct Place {
    pub(super) show: String,
    pub(super) performance: String,
    pub(super) seat: u32,
}

impl Refused {
    /// Nothing happened; it may be asked again at once.
    pub(super) fn busy() -> Self {
        Problem::new(Code::Unavailable, "others were faster; ask again").into()
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<IdError> for Refused {
    fn from(error: IdError) -> Self {
        Problem::new(Code::InvalidRequest, error.to_string()).into()
    }
}

/// A booking of one seat, as booking-api would show it.
pub(super) fn booking(
    status: u16,
    id: BookingId,
    customer: String,
    place: Place,
    tier: &str,
    state: BookingState,
) -> Result<Answered, Refused> {
    let seat = SeatId::new(format!("S-{}", place.seat))?;
    let this = format!("/v1/book/{}/{id}", place.show);
    let held = state == BookingState::Held;
    let expires_at = held.then(|| Timestamp::from_millis(clock::now_ms() + TTL_MS));
    let booking = Booking {
        booking_id: id,
        show_id: ShowId::new(place.show)?,
        performance_id: PerformanceId::new(place.performance)?,
        user_id: UserId::new(customer)?,
        state,
        items: vec![Item { seat: seat.clone(), tier: tier.to_owned(), price: PRICE }],
        seats: vec![seat],
        next_to_each_other: true,
        amount: PRICE,
        currency: Currency::new("EUR")?,
        expires_at,
        fence: Fence::from_u64(1),
        tickets: None,
        links: Links {
            confirm: held.then(|| format!("{this}/confirm")),
            extend: None,
            cancel: Some(this.clone()),
            this,
        },
    };
    Ok(Answered(status, Box::new(booking)))
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        answer(self.0, "application/json", serde_json::to_vec(&*self.1))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.0.status;
        answer(status, "application/problem+json", serde_json::to_vec(&*self.0))
    }
}

fn answer(status: u16, kind: &'static str, body: serde_json::Result<Vec<u8>>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    (status, kind, body.unwrap_or_default()).into_response()
}
