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
mod fail_points;
mod idempotency;
mod openapi;
mod planted_bugs;
mod routes;
mod sale;
mod sessions;
pub mod store;
mod users;

use std::process::ExitCode;

use service_kit::Faults;

/// Runs the service to its end.
#[must_use]
pub fn run() -> ExitCode {
    let (fail_points, planted_bugs) = (&fail_points::FAIL_POINTS, &planted_bugs::PLANTED_BUGS);
    let faults = Faults { fail_points, planted_bugs };
    service_kit::run("BOOKING_API_", faults, |config: config::Config, process| async move {
        let app = app::App::start(config, process)?;
        Ok::<_, app::StartError>(routes::router(app))
    })
}
