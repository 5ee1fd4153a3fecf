//! booking-api: hold, pay, confirm, cancel; users and sessions; what
//! organisers make. It writes the catalogue and the shards, and asks
//! lock-service for seats.
//!
//! A library only so that tests can drive the store against a real server;
//! the binary is [`run`].

mod admin;
mod api_error;
mod app;
mod auth;
mod catalogue;
mod checks;
mod config;
mod idempotency;
mod openapi;
mod routes;
mod sale;
mod sessions;
pub mod store;
mod users;

use std::process::ExitCode;

/// Runs the service to its end.
#[must_use]
pub fn run() -> ExitCode {
    service_kit::run::<config::Config, _, _, _>("BOOKING_API_", |config, process| async move {
        let app = app::App::start(config, process)?;
        Ok::<_, app::StartError>(routes::router(app))
    })
}
