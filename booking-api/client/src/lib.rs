//! What booking-api says and is told on the wire, and a client that speaks it
//! as a customer or an organiser would.
//!
//! Must not know: how booking-api decides anything.

mod client;
mod wire;

pub use client::{Answer, BookingClient, CallError, Refusal};
pub use wire::{
    AnalyticsHour, Book, Booking, BookingEvent, BookingState, Bookings, Confirm, ContestedSeat,
    Deliveries, Delivery, DeliveryState, Demand, EventTicket, Item, Links, OrphanRule,
    PerformanceAnalytics, PerformanceCreate, PerformanceCreated, PerformanceDeleted,
    PerformanceSales, PlanImported, Sales, SalesSum, Session, SessionCreate, Settlement, Show,
    ShowCreate, StuckBooking, StuckBookings, Ticket, TicketState, TierSales, TierSeats, User,
    UserCreate, Webhook, WebhookCreate, WebhookCreated, WebhookDeleted, WebhookEvent,
    WebhookMessage, WebhookState, Webhooks,
};
