//! The configuration: where the ledger is, bounds, faults for tests.

use std::net::SocketAddr;
use std::path::PathBuf;

use payment_gateway_client::wire::Faults;
use schemars::JsonSchema;
use serde::Deserialize;
use service_kit::{ListenConfig, ServiceConfig, TelemetryConfig};

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The process's own name.
    pub name: String,
    /// The port of its merchant.
    pub listen: SocketAddr,
    /// `/livez`, `/readyz`, `/metrics`.
    pub admin_listen: SocketAddr,
    /// The file of the ledger; made, with its folder, where it is missing.
    pub ledger: PathBuf,
    /// How much of everything.
    #[serde(default)]
    pub bounds: Bounds,
    /// How it misbehaves from the start, for tests.
    #[serde(default)]
    pub faults: Faults,
    /// Which requests leave a trace.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// How much of everything.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Operations worked on at once; further ones are told to come again.
    #[schemars(range(min = 1))]
    pub max_in_flight: usize,
    /// Operations waiting to be written.
    #[schemars(range(min = 1))]
    pub queue_max: usize,
    /// Operations in one durable transaction.
    #[schemars(range(min = 1))]
    pub group_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_in_flight: 20_000, queue_max: 20_000, group_max: 1_024 }
    }
}

impl ServiceConfig for Config {
    fn name(&self) -> &str {
        &self.name
    }

    fn listen(&self) -> ListenConfig {
        ListenConfig::new(self.listen, self.admin_listen)
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}
