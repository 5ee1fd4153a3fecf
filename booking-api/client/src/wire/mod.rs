//! The wire types of `design/api.md`. Requests refuse unknown fields; answers
//! may gain members, so readers of answers ignore what they do not know.

mod account;
mod analytics;
mod booking;
mod organise;
mod webhook;

pub use account::{Session, SessionCreate, User, UserCreate};
pub use analytics::{AnalyticsHour, ContestedSeat, Demand, PerformanceAnalytics, SalesSum};
pub use booking::{
    Book, Booking, BookingState, Bookings, Confirm, Item, Links, Ticket, TicketState,
};
pub use organise::{
    OrphanRule, PerformanceCreate, PerformanceCreated, PerformanceDeleted, PerformanceSales,
    PlanImported, Sales, Settlement, Show, ShowCreate, StuckBooking, StuckBookings, TierSales,
    TierSeats,
};
pub use webhook::{
    BookingEvent, Deliveries, Delivery, DeliveryState, EventTicket, Webhook, WebhookCreate,
    WebhookCreated, WebhookDeleted, WebhookEvent, WebhookMessage, WebhookState, Webhooks,
};
