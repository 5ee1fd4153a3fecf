//! What booking-api says and is told on the wire, and a client that speaks it
//! as a customer or an organiser would.
//!
//! Must not know: how booking-api decides anything.

mod client;
mod crash_points;
mod wire;

pub use client::{Answer, BookingClient, CallError, Refusal};
pub use crash_points::CRASH_POINTS;
pub use wire::{
    Book, Booking, BookingState, Bookings, Confirm, Item, Links, OrphanRule, PerformanceCreate,
    PerformanceCreated, PerformanceDeleted, PerformanceSales, PlanImported, Sales, Session,
    SessionCreate, Settlement, Show, ShowCreate, StuckBooking, StuckBookings, Ticket, TicketState,
    TierSales, TierSeats, User, UserCreate,
};
