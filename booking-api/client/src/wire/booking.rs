//! Holding, paying, confirming, cancelling.

use seat_model::{
    BookingId, Currency, Fence, PerformanceId, SeatId, ShowId, TicketId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

/// `POST /v1/book/{showId}`: take seats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Book {
    /// A price category of the plan; may be left out where `seats` names seats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// `YYYY-MM-DD` in the venue's time zone; may be left out with `performance_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Where; may be left out with `performance_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// 1–10, 1 where it is absent; with `seats` their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// How many of them must be accessible; 0 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessible_seats: Option<u32>,
    /// Whether seats apart from each other will do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_split: bool,
    /// One performance, where date and location do not say which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub performance_id: Option<PerformanceId>,
    /// Exactly these seats, at most 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub seats: Option<Vec<SeatId>>,
    /// Pay and confirm in the same call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
    /// How to pay; required with `confirm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_token: Option<String>,
}

/// `POST /v1/book/{showId}/{bookingId}/confirm`: pay for a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// How to pay. The sandbox knows `tok_ok`, `tok_declined`, `tok_slow`
    /// (3 s), `tok_unknown` (no answer, nothing authorised), `tok_lost`
    /// (authorised, the answer lost) and `tok_twice` (answered twice).
    pub payment_token: String,
}

/// What a booking is right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BookingState {
    /// The seats are the customer's until `expires_at`.
    Held,
    /// The commit was sent and its outcome is not known yet.
    Pending,
    /// Paid for and written to the ledger.
    Confirmed,
    /// Given back.
    Cancelled,
}

/// One seat of a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Item {
    /// The seat.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub seat: SeatId,
    /// Its price category.
    pub tier: String,
    /// Minor units of the booking's currency.
    pub price: u64,
}

/// What is true of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// Opens the door.
    Valid,
    /// Was given back.
    Cancelled,
}

/// One seat that was paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ticket {
    /// Names it in the cancel call.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ticket_id: TicketId,
    /// The seat.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub seat: SeatId,
    /// Its price category.
    pub tier: String,
    /// Minor units of the booking's currency.
    pub price: u64,
    /// Whether it is still good.
    pub state: TicketState,
    /// What is shown at the door.
    pub code: String,
}

/// Where to go from here; paths of this API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Links {
    /// This booking.
    #[serde(rename = "self")]
    pub this: String,
    /// Pay for it; while it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    /// Hold it longer; while it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extend: Option<String>,
    /// Give it back (`DELETE`); while there is something to give back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<String>,
}

/// A hold and whatever becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Booking {
    /// Its name for life.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub booking_id: BookingId,
    /// The show.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub show_id: ShowId,
    /// The performance.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub performance_id: PerformanceId,
    /// Whose it is.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub user_id: UserId,
    /// What it is right now.
    pub state: BookingState,
    /// What is left of it, seat by seat.
    pub items: Vec<Item>,
    /// The seats of `items`.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub seats: Vec<SeatId>,
    /// Whether they form one unbroken run of neighbours.
    pub next_to_each_other: bool,
    /// Minor units: the sum of `items`.
    pub amount: u64,
    /// ISO 4217.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub currency: Currency,
    /// While held: from then on it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<Timestamp>,
    /// Grows with every change of the seats; later owners have larger ones.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub fence: Fence,
    /// Every ticket with its state, cancelled ones too; once it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tickets: Option<Vec<Ticket>>,
    /// Where to go from here.
    pub links: Links,
}

/// `GET /v1/bookings`: mine, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bookings {
    /// One page.
    pub bookings: Vec<Booking>,
    /// For `cursor`; absent (`null`) on the last page.
    pub next_cursor: Option<String>,
}
