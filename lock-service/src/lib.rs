//! lock-service: who may have which seat, decided by transactions on etcd.
//!
//! A library only so that its own tests can see its parts; no other crate
//! depends on it. Others speak to it over HTTP (`lock-service-client`).
//!
//! From the outside in: `routes` (HTTP) → `engine` (use cases) → `operations`
//! (the protocol, pure) → `combiner` (one consensus round for many) → `etcd`
//! (the only part that speaks it). Beside them:
//! `mirror` (what etcd holds), `leases`, `crowd` (what is in flight), `picks`.

mod changes;
pub mod combiner;
pub mod config;
pub mod crowd;
pub mod engine;
pub mod etcd;
mod fail_points;
pub mod fault;
pub mod freshness;
mod gathering;
pub mod keys;
pub mod leases;
pub mod metrics;
pub mod mirror;
#[cfg(test)]
mod on_sale;
pub mod operations;
pub mod picks;
mod planted_bugs;
pub mod record;
pub mod routes;
pub mod space;
mod start;
pub mod transaction;

use std::process::ExitCode;

use service_kit::Faults;

pub use start::{StartError, start};

/// Runs the service to its end.
#[must_use]
pub fn run() -> ExitCode {
    let (fail_points, planted_bugs) = (&fail_points::FAIL_POINTS, &planted_bugs::PLANTED_BUGS);
    let faults = Faults { fail_points, planted_bugs };
    service_kit::run("LOCK_SERVICE_", faults, start)
}
