//! Looking: shows, seat maps and their live changes, from whatever answers.
//!
//! Two things are known here, and both may be old: *which seats are taken*
//! (`seating`: Redis, this instance's own projection of the change feed, or
//! lock-service itself) and *what is put on* (`catalogue`: its replicas, its
//! primary, or what was read before). `views` joins them into answers.
//!
//! Must not know: how a seat is held or sold, and anything about customers.
//! Architecture invariant: no view waits for a part that is away for longer
//! than its deadline, and then not again before its breaker lets one try.

mod app;
mod breaker;
pub mod cache;
pub mod catalogue;
mod config;
mod metrics;
mod planted_bugs;
pub mod projection;
mod projector;
mod seating;
mod viewed;
mod views;

use std::process::ExitCode;

use service_kit::Faults;
use service_kit::fail_points::FailPoints;

pub use app::build;
pub use config::Config;
pub use metrics::Metrics;
pub use projector::{Follower, Writer};
pub use seating::{Seating, SeatingLimits, Taken};

/// Runs the service to its end.
#[must_use]
pub fn run() -> ExitCode {
    let faults =
        Faults { fail_points: FailPoints::NONE, planted_bugs: &planted_bugs::PLANTED_BUGS };
    service_kit::run("VIEW_SERVICE_", faults, build)
}
