//! Webhooks: the calls that make and look after them, and the messages that
//! are sent to them, for receivers written in Rust.

use seat_model::{
    BookingId, Currency, PerformanceId, SeatId, ShowId, TicketId, Timestamp, UserId, WebhookId,
};
use serde::{Deserialize, Serialize};

/// What a webhook may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum WebhookEvent {
    /// A booking was paid for and written.
    #[serde(rename = "booking.confirmed")]
    BookingConfirmed,
    /// Tickets of a booking were cancelled: all that were left, or some.
    #[serde(rename = "booking.cancelled")]
    BookingCancelled,
}

impl WebhookEvent {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::BookingConfirmed, Self::BookingCancelled];

    /// As written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BookingConfirmed => "booking.confirmed",
            Self::BookingCancelled => "booking.cancelled",
        }
    }

    /// The event of this name.
    #[must_use]
    pub fn from_wire(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

/// `POST /v1/admin/webhooks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WebhookCreate {
    /// Where to send: `https`, a public address, at most 2048 characters.
    pub url: String,
    /// `booking.confirmed`, `booking.cancelled`; all where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
}

/// A new webhook with its secret, which is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookCreated {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub webhook_id: WebhookId,
    /// Where it is.
    pub url: String,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// `whsec_` and base64: what its messages are signed with.
    pub secret: String,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
}

/// Whether a webhook is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// It is.
    Active,
    /// Its receiver answered 410 Gone: nothing is sent any more.
    Disabled,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub webhook_id: WebhookId,
    /// Where it is.
    pub url: String,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// Whether it is sent to.
    pub state: WebhookState,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
}

/// `GET /v1/admin/webhooks`: all of them, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhooks {
    /// All that are not deleted.
    pub webhooks: Vec<Webhook>,
}

/// `DELETE /v1/admin/webhooks/{webhookId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookDeleted {
    /// It is gone.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub webhook_id: WebhookId,
}

/// What is true of a message on its way to one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is sent, or will be.
    Waiting,
    /// It was given up; `redeliver` tries again.
    Dead,
}

impl DeliveryState {
    /// As written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Dead => "dead",
        }
    }
}

/// A message on its way to one webhook; an accepted one is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// Names it in `redeliver`.
    pub delivery_id: String,
    /// The header `webhook-id`: the same over all attempts.
    pub message_id: String,
    /// What it tells of.
    pub event: WebhookEvent,
    /// Of which booking.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub booking_id: BookingId,
    /// What is true of it.
    pub state: DeliveryState,
    /// Attempts that failed, since it was last sent again by hand.
    pub attempts: u32,
    /// When the booking changed.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub event_at: Timestamp,
    /// While it waits: when it is tried again at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub next_attempt_at: Option<Timestamp>,
    /// What the receiver last answered, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// Why the last attempt failed, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// `GET /v1/admin/webhooks/{webhookId}/deliveries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deliveries {
    /// One page: shard by shard, in each the oldest event first.
    pub deliveries: Vec<Delivery>,
    /// For `cursor`; absent (`null`) on the last page.
    pub next_cursor: Option<String>,
}

/// The body of every message, in the shape of Standard Webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookMessage {
    /// What happened.
    #[serde(rename = "type")]
    pub event: WebhookEvent,
    /// When it happened.
    pub timestamp: Timestamp,
    /// To what.
    pub data: BookingEvent,
}

/// A booking, as far as an event is about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingEvent {
    /// The booking.
    pub booking_id: BookingId,
    /// Its show.
    pub show_id: ShowId,
    /// Its performance.
    pub performance_id: PerformanceId,
    /// Whose it is; nothing else about the person.
    pub user_id: UserId,
    /// Minor units: the price of `tickets`, paid or given back.
    pub amount: u64,
    /// ISO 4217.
    pub currency: Currency,
    /// The tickets that came to be, or were cancelled, with this event.
    pub tickets: Vec<EventTicket>,
}

/// One ticket of an event. Its code, which opens the door, stays with the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTicket {
    /// Its id.
    pub ticket_id: TicketId,
    /// The seat.
    pub seat: SeatId,
    /// Its price category.
    pub tier: String,
    /// Minor units.
    pub price: u64,
}
