//! How others speak to the payment gateway: its wire types and a client.
//!
//! Must not know: bookings but for their ids, seats, any other service.

mod client;
pub mod wire;

pub use client::{GatewayClient, GatewayError};
