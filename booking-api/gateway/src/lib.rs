//! The sandbox payment gateway: somebody else's company, as far as the rest of
//! Seatlock is concerned. It authorises, captures, voids and refunds, keeps a
//! durable ledger of its own, and misbehaves when it is told to, so that the
//! money side can be tested against a gateway that is away, slow, or loses
//! answers (INV-10).
//!
//! Must not know: seats, shows, shards, what a booking is but for its id.

mod config;
mod desk;
mod gathering;
mod ledger;
mod metrics;
mod misbehaviour;
mod routes;
mod rules;

use std::sync::Arc;

use axum::Router;
use service_kit::Process;
use tokio::sync::Semaphore;

pub use config::Config;
pub use ledger::{Change, Ledger, LedgerError};

use desk::Desk;
use metrics::Metrics;
use misbehaviour::Misbehaviour;

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its ledger cannot be opened.
    #[error("the ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// A metric could not be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Opens the ledger and puts the service together.
///
/// # Errors
/// See [`StartError`].
pub async fn start(config: Config, process: Process) -> Result<Router, StartError> {
    let path = config.ledger.clone();
    let opened = tokio::task::spawn_blocking(move || Ledger::open(&path)).await;
    let ledger = Arc::new(opened.map_err(|error| LedgerError::Storage(error.to_string()))??);
    let metrics = Metrics::new(&process.registry)?;
    let desk = Desk::start(ledger.clone(), config.bounds, &metrics, &process.background);
    Ok(routes::router(routes::App {
        ledger,
        desk,
        misbehaviour: Arc::new(Misbehaviour::new(config.faults)),
        places: Arc::new(Semaphore::new(config.bounds.max_in_flight)),
        background: process.background,
        metrics,
    }))
}
