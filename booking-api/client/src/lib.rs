//! What booking-api says and is told on the wire, and a client that speaks it
//! as a customer or an organiser would.
//!
//! Must not know: how booking-api decides anything.

mod client;
mod wire;

pub use client::{Answer, BookingClient, CallError, Refusal};
pub use wire::{
    Book, Booking, BookingEvent, BookingState, Bookings, Confirm, Deliveries, Delivery,
    DeliveryState, EventTicket, Item, Links, OrphanRule, PerformanceCreate, PerformanceCreated,
    PerformanceDeleted, PerformanceSales, PlanImported, Sales, Session, SessionCreate, Settlement,
    Show, ShowCreate, StuckBooking, StuckBookings, Ticket, TicketState, TierSales, TierSeats, User,
    UserCreate, Webhook, WebhookCreate, WebhookCreated, WebhookDeleted, WebhookEvent,
    WebhookMessage, WebhookState, Webhooks,
};
