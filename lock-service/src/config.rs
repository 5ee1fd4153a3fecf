//! What a lock-service is told at its start. Unknown keys are errors; every
//! bound and every span of time has a name, a unit and a default.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use service_kit::{ListenConfig, ServiceConfig, TelemetryConfig};

use crate::leases::SAME_LENGTH;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The process's own name, such as `lock-service-0`.
    pub name: String,
    /// Where requests are answered.
    pub listen: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are answered.
    pub admin_listen: SocketAddr,
    /// The members of the cell's etcd cluster, as URLs.
    #[schemars(length(min = 1))]
    pub etcd_endpoints: Vec<String>,
    /// How much of everything there may be.
    #[serde(default)]
    pub bounds: Bounds,
    /// How long everything may take.
    #[serde(default)]
    pub timing: Timing,
    /// Which requests leave a trace.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// Maxima of queues, caches and counts.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Requests worked on at once; more are answered 503.
    #[schemars(range(min = 1))]
    pub max_in_flight: usize,
    /// Transactions that wait for their batch; more are answered 503.
    #[schemars(range(min = 1))]
    pub max_waiting: usize,
    /// Batches under way at once.
    #[schemars(range(min = 1))]
    pub max_batches: usize,
    /// Transactions in one batch: a level of etcd's nested transactions has room
    /// for 128 operations.
    #[schemars(range(min = 1, max = 2048))]
    pub max_batch: usize,
    /// Bytes of one batch, about; etcd takes 1.5 MiB.
    #[schemars(range(min = 65_536, max = 1_400_000))]
    pub max_batch_bytes: usize,
    /// Keys on one lease; a hold of ten seats and its marker share one.
    #[schemars(range(min = 11))]
    pub max_keys_per_lease: u32,
    /// Leases remembered for sharing; the oldest is forgotten beyond it.
    #[schemars(range(min = 1))]
    pub max_open_leases: usize,
    /// Lease grants in flight; whoever needs one more waits for one of these.
    #[schemars(range(min = 1))]
    pub max_lease_grants: usize,
    /// Lengths of holds that leases are granted ahead for; beyond it, those of
    /// the length not used for longest are granted when they are needed.
    #[schemars(range(min = 1))]
    pub max_lease_lanes: usize,
    /// Acquires of unknown outcome that are still being sent; beyond it no new
    /// one is begun, because its outcome could not be found out either.
    #[schemars(range(min = 1))]
    pub max_unresolved: usize,
    /// Changes remembered for feeds that come back.
    #[schemars(range(min = 1))]
    pub change_history: usize,
    /// Feeds open at once.
    #[schemars(range(min = 1))]
    pub max_feed_clients: usize,
    /// Chunks a feed's client may lag behind on its connection.
    #[schemars(range(min = 1))]
    pub feed_queue: usize,
    /// Seating plans remembered; the one not used for longest is forgotten.
    #[schemars(range(min = 1))]
    pub max_plans: usize,
    /// Performances whose taken seats are kept ready for picking; the one not
    /// picked from for longest is forgotten. 3 KiB each for 20,000 seats.
    #[schemars(range(min = 1))]
    pub max_charts: usize,
    /// How often an operation is sent while its outcome is unknown.
    #[schemars(range(min = 1))]
    pub max_sends: u32,
    /// How many choices are tried for one pick before giving up.
    #[schemars(range(min = 1))]
    pub max_pick_tries: u32,
    /// The space each etcd member may use, in bytes: its `--quota-backend-bytes`.
    #[schemars(range(min = 1_048_576))]
    pub space_quota_bytes: u64,
    /// From so many percent of it on no new seats are taken or confirmed.
    #[schemars(range(min = 1, max = 99))]
    pub max_space_percent: u8,
    /// Overdue holds that are being deleted at the same time.
    #[schemars(range(min = 1))]
    pub max_expiring: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_in_flight: 16_384,
            max_waiting: 16_384,
            max_batches: 1,
            max_batch: 1024,
            max_batch_bytes: 1 << 20,
            max_keys_per_lease: 2000,
            max_open_leases: 4096,
            max_unresolved: 16_384,
            max_lease_grants: 16,
            max_lease_lanes: 32,
            change_history: 100_000,
            max_feed_clients: 256,
            feed_queue: 64,
            max_plans: 256,
            max_charts: 4096,
            max_sends: 6,
            max_pick_tries: 8,
            space_quota_bytes: 2 << 30,
            max_space_percent: 80,
            max_expiring: 512,
        }
    }
}

/// Spans of time, in milliseconds.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// One call to one etcd member.
    pub etcd_call_ms: u64,
    /// Connecting to an etcd member.
    pub etcd_connect_ms: u64,
    /// A whole operation, resends and catching up included.
    pub operation_ms: u64,
    /// How long an acquire of unknown outcome is resent behind the answer.
    pub truth_ms: u64,
    /// Between two confirmations that the mirror is current.
    #[schemars(range(min = 1, max = 500))]
    pub pulse_ms: u64,
    /// Without such a confirmation for so long, the service is not ready.
    pub stale_after_ms: u64,
    /// Between two looks for overdue holds.
    #[schemars(range(min = 1))]
    pub expire_every_ms: u64,
    /// After its deadline a hold is left to its lease for so long (INV-5).
    pub expire_grace_ms: u64,
    /// A lease ends at least so long after the deadlines on it when it is granted.
    pub lease_lead_ms: u64,
    /// A lease is not used for a hold whose deadline is longer than this before its end.
    pub lease_lag_ms: u64,
    /// A hopeless request is refused from a mirror that is known to have been
    /// current so long ago or less; 0: etcd is always asked.
    #[schemars(range(max = 1000))]
    pub fresh_ms: u64,
    /// Between two looks at the space of etcd's members.
    #[schemars(range(min = 1))]
    pub space_every_ms: u64,
    /// How long before it will be needed a lease is granted, while holds of its
    /// length keep coming.
    #[schemars(range(min = 40, max = 1000))]
    pub lease_ahead_ms: u64,
    /// Holds of a length have stopped coming when there was none for so long.
    pub lease_idle_ms: u64,
    /// What is left of a hold, at least, after a confirm that was not sent.
    pub step_back_ms: u64,
    /// A feed's client that takes nothing for so long is cut off.
    pub feed_stall_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            etcd_call_ms: 1000,
            etcd_connect_ms: 500,
            operation_ms: 2000,
            truth_ms: 15_000,
            pulse_ms: 300,
            stale_after_ms: 2000,
            expire_every_ms: 200,
            expire_grace_ms: 2000,
            lease_lead_ms: 150,
            lease_lag_ms: 1200,
            fresh_ms: 250,
            space_every_ms: 1000,
            lease_ahead_ms: 400,
            lease_idle_ms: 10_000,
            step_back_ms: 15_000,
            feed_stall_ms: 5000,
        }
    }
}

/// Milliseconds as a span.
#[must_use]
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
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
        let timing = &self.timing;
        if timing.etcd_call_ms > timing.operation_ms {
            return Err("timing.etcd_call_ms must not exceed timing.operation_ms".into());
        }
        if ms(timing.lease_lag_ms) < ms(timing.lease_lead_ms + 1000) + SAME_LENGTH {
            return Err(format!(
                "timing.lease_lag_ms must exceed timing.lease_lead_ms by a second, etcd's \
                 granularity, and {SAME_LENGTH:?}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"name = "lock-service-0"
        listen = "127.0.0.1:1"
        admin_listen = "127.0.0.1:2"
        etcd_endpoints = ["http://127.0.0.1:3"]"#;

    fn read(more: &str) -> Result<Config, String> {
        let config: Config =
            toml::from_str(&format!("{MINIMAL}\n{more}")).map_err(|error| error.to_string())?;
        config.check().map(|()| config)
    }

    #[test]
    fn four_keys_are_enough() {
        assert_eq!(read("").unwrap().bounds.max_keys_per_lease, 2000);
    }

    #[test]
    fn unknown_keys_and_impossible_relations_are_refused() {
        assert!(read("[bounds]\nmax_inflight = 3").unwrap_err().contains("max_inflight"));
        assert!(read("[timing]\netcd_call_ms = 9000").unwrap_err().contains("etcd_call_ms"));
    }
}
