//! The configuration: what the launcher must say, and everything else with a
//! default. Unknown keys are errors.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use seat_model::ShardId;
use serde::Deserialize;
use service_kit::{ListenConfig, RateLimitConfig, ServiceConfig, TelemetryConfig};

use crate::sale::{AnalyticsConfig, SaleConfig, WebhooksConfig};

/// Shorter secrets can be guessed.
const MIN_SECRET_BYTES: usize = 32;

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The process's own name, such as `booking-api-0`.
    pub(crate) name: String,
    /// The public port.
    pub(crate) listen: SocketAddr,
    /// `/livez`, `/readyz`, `/metrics`.
    pub(crate) admin_listen: SocketAddr,
    /// Base URLs of lock-service, in the same order everywhere.
    #[schemars(length(min = 1))]
    pub(crate) lock_services: Vec<String>,
    /// `mysql://user:password@host:port/database` of the catalogue's primary.
    pub(crate) catalogue_url: String,
    /// The shards; none twice.
    #[schemars(length(min = 1))]
    pub(crate) shards: Vec<ShardConfig>,
    /// Base URL of the payment gateway.
    pub(crate) payment_gateway_url: String,
    /// Signs tokens; at least 32 bytes, the same on every instance.
    pub(crate) jwt_secret: Secret,
    /// Makes booking ids and fingerprints; at least 32 bytes, the same on
    /// every instance, for ever.
    pub(crate) booking_secret: Secret,
    /// How long it answers on, no longer ready, when told to stop: longer than
    /// the load balancer takes to see that.
    #[serde(default = "leave_ms")]
    pub(crate) leave_ms: u64,
    /// Bounds of the catalogue.
    #[serde(default)]
    pub(crate) catalogue: CatalogueConfig,
    /// Bounds of lock-service calls.
    #[serde(default)]
    pub(crate) locks: LocksConfig,
    /// Bounds of logging in.
    #[serde(default)]
    pub(crate) accounts: AccountsConfig,
    /// Bounds of selling.
    #[serde(default)]
    pub(crate) sale: SaleConfig,
    /// Bounds of telling organisers of bookings.
    #[serde(default)]
    pub(crate) webhooks: WebhooksConfig,
    /// Bounds of counting how performances sell.
    #[serde(default)]
    pub(crate) analytics: AnalyticsConfig,
    /// How much one customer, or one address without a token, may ask for; no
    /// limit where it is absent.
    #[serde(default)]
    pub(crate) rate_limit: Option<RateLimitConfig>,
    /// Which requests leave a trace.
    #[serde(default)]
    pub(crate) telemetry: TelemetryConfig,
}

const fn leave_ms() -> u64 {
    1_500
}

/// One shard.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardConfig {
    /// Its name in the shard map.
    #[schemars(with = "String")]
    pub(crate) id: ShardId,
    /// `mysql://user:password@host:port/database` of its primary.
    pub(crate) url: String,
}

/// A text that is never printed.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The bytes themselves.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Bounds of the catalogue.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CatalogueConfig {
    /// Connections at once.
    #[schemars(range(min = 1))]
    pub(crate) max_connections: u32,
    /// How long to wait for a connection.
    pub(crate) acquire_timeout_ms: u64,
    /// How long one query, or one change with its commit, may take.
    pub(crate) query_timeout_ms: u64,
    /// What is known of a show is used for so long without asking again.
    pub(crate) fresh_for_ms: u64,
    /// How long a request for a known show waits for news of it.
    pub(crate) refresh_patience_ms: u64,
    /// After an unanswered question, nobody asks about that show for so long.
    pub(crate) quiet_after_failure_ms: u64,
    /// Shows kept in memory.
    pub(crate) max_known_shows: u64,
    /// Plans kept in memory, besides those of known shows.
    pub(crate) max_known_plans: u64,
    /// Performances of one show that are not deleted.
    pub(crate) max_performances_per_show: u64,
    /// How often the server is asked whether it is there.
    pub(crate) probe_every_ms: u64,
}

impl Default for CatalogueConfig {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout_ms: 1_000,
            query_timeout_ms: 2_000,
            fresh_for_ms: 1_000,
            refresh_patience_ms: 300,
            quiet_after_failure_ms: 2_000,
            max_known_shows: 10_000,
            max_known_plans: 256,
            max_performances_per_show: 500,
            probe_every_ms: 1_000,
        }
    }
}

impl CatalogueConfig {
    /// How long to wait for a connection.
    pub(crate) const fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    /// How long one query, or one change with its commit, may take.
    pub(crate) const fn query_timeout(&self) -> Duration {
        Duration::from_millis(self.query_timeout_ms)
    }
}

/// Bounds of lock-service calls.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LocksConfig {
    /// How long one instance may take before the next is asked.
    pub(crate) try_timeout_ms: u64,
    /// How long one that did not answer is passed over.
    pub(crate) away_for_ms: u64,
}

impl Default for LocksConfig {
    fn default() -> Self {
        Self { try_timeout_ms: 2_000, away_for_ms: 2_000 }
    }
}

/// Bounds of signing up and logging in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccountsConfig {
    /// How long a token is good.
    #[schemars(range(min = 1))]
    pub(crate) session_ttl_s: u64,
    /// Passwords hashed at once: each takes a core and 19 MiB for some
    /// hundredths of a second.
    #[schemars(range(min = 1))]
    pub(crate) max_hashing: usize,
    /// How long a request waits for its turn to hash; then 503.
    pub(crate) hashing_wait_ms: u64,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self { session_ttl_s: 12 * 3600, max_hashing: 2, hashing_wait_ms: 3_000 }
    }
}

impl ServiceConfig for Config {
    fn name(&self) -> &str {
        &self.name
    }

    fn listen(&self) -> ListenConfig {
        ListenConfig::new(self.listen, self.admin_listen)
            .leaving_within(Duration::from_millis(self.leave_ms))
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn check(&self) -> Result<(), String> {
        let mut ids: Vec<_> = self.shards.iter().map(|shard| &shard.id).collect();
        ids.sort();
        ids.dedup();
        if ids.len() != self.shards.len() {
            return Err("shards must name none twice".to_owned());
        }
        let secrets = [("jwt_secret", &self.jwt_secret), ("booking_secret", &self.booking_secret)];
        for (key, secret) in secrets {
            if secret.as_bytes().len() < MIN_SECRET_BYTES {
                return Err(format!("{key} must have at least {MIN_SECRET_BYTES} bytes"));
            }
        }
        Ok(())
    }
}
