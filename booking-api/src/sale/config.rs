//! Bounds and times of selling: the table `[sale]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::store::{Backoff, CommitterConfig, ConnectionsConfig, QuestionsConfig};

/// Everything about selling that can be set. Times in milliseconds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SaleConfig {
    /// Connections to each shard.
    pub(crate) connections: ConnectionsConfig,
    /// The commit groups of each shard.
    pub(crate) committer: CommitterConfig,
    /// What is asked of each shard together.
    pub(crate) questions: QuestionsConfig,
    /// A request is answered within this, whatever is away; work that was sent
    /// goes on behind it.
    pub(crate) request_deadline_ms: u64,
    /// How long a look at the ledger may take where the answer does not need
    /// it: a hold must not wait for a shard that is away.
    pub(crate) glance_timeout_ms: u64,
    /// Requests with a key that run at once in this instance.
    #[schemars(range(min = 1))]
    pub(crate) max_in_flight: usize,
    /// How often the shard map is read again.
    pub(crate) shard_map_every_ms: u64,
    /// Seats seen `confirming` for so long are reconciled; longer than a commit
    /// may take.
    pub(crate) confirming_for_ms: u64,
    /// How often the reconciler looks.
    pub(crate) reconcile_every_ms: u64,
    /// Bookings it works on at once.
    #[schemars(range(min = 1))]
    pub(crate) reconcile_at_once: usize,
    /// How often an empty outbox is looked at.
    pub(crate) outbox_every_ms: u64,
    /// Outbox rows in one bite.
    #[schemars(range(min = 1))]
    pub(crate) outbox_batch: u32,
    /// How long claimed outbox rows are left to their instance.
    #[schemars(range(min = 1))]
    pub(crate) outbox_claim_ms: i64,
    /// How long the gateway may take to authorise; with `payment_ask_timeout_ms`
    /// below `request_deadline_ms`.
    pub(crate) payment_timeout_ms: u64,
    /// How long it may take to find out what became of an authorise that was
    /// not answered.
    pub(crate) payment_ask_timeout_ms: u64,
    /// How often old authorisations are looked at.
    pub(crate) sweep_every_ms: u64,
    /// How old an authorisation must be to be looked at; above
    /// `request_deadline_ms`.
    pub(crate) sweep_older_than_ms: u64,
    /// Old authorisations worked on at once.
    #[schemars(range(min = 1))]
    pub(crate) sweep_at_once: usize,
    /// A settlement that the gateway refused is tried again after this, then
    /// after twice as long, and so on.
    #[schemars(range(min = 1))]
    pub(crate) stuck_retry_first_ms: u64,
    /// The longest time between two such tries.
    pub(crate) stuck_retry_max_ms: u64,
}

impl Default for SaleConfig {
    fn default() -> Self {
        Self {
            connections: ConnectionsConfig::default(),
            committer: CommitterConfig::default(),
            questions: QuestionsConfig::default(),
            request_deadline_ms: 9_000,
            glance_timeout_ms: 300,
            max_in_flight: 20_000,
            shard_map_every_ms: 1_000,
            confirming_for_ms: 10_000,
            reconcile_every_ms: 1_000,
            reconcile_at_once: 16,
            outbox_every_ms: 200,
            outbox_batch: 200,
            outbox_claim_ms: 5_000,
            payment_timeout_ms: 4_000,
            payment_ask_timeout_ms: 1_500,
            sweep_every_ms: 60_000,
            sweep_older_than_ms: 600_000,
            sweep_at_once: 8,
            stuck_retry_first_ms: 60_000,
            stuck_retry_max_ms: 3_600_000,
        }
    }
}

impl SaleConfig {
    /// Relations between the values.
    ///
    /// # Errors
    /// A sentence that names the keys.
    pub(crate) fn check(&self) -> Result<(), String> {
        let payment_ms = self.payment_timeout_ms + self.payment_ask_timeout_ms;
        if payment_ms >= self.request_deadline_ms {
            return Err("sale.payment_timeout_ms and sale.payment_ask_timeout_ms together must \
                 be below sale.request_deadline_ms"
                .into());
        }
        if self.sweep_older_than_ms <= self.request_deadline_ms {
            return Err("sale.sweep_older_than_ms must be above sale.request_deadline_ms, or \
                 living purchases are swept"
                .into());
        }
        if self.stuck_retry_max_ms < self.stuck_retry_first_ms {
            return Err(
                "sale.stuck_retry_first_ms must not be above sale.stuck_retry_max_ms".into()
            );
        }
        let commit = self.committer.wait_max_ms
            + self.connections.acquire_timeout_ms
            + self.connections.statement_timeout_ms;
        if commit >= self.confirming_for_ms {
            return Err("sale.confirming_for_ms must be above the time of a commit \
                 (committer.wait_max_ms + connections.acquire_timeout_ms + \
                 connections.statement_timeout_ms), or living commits are tombstoned"
                .into());
        }
        Ok(())
    }

    pub(crate) fn request_deadline(&self) -> Duration {
        Duration::from_millis(self.request_deadline_ms)
    }

    pub(crate) fn glance_timeout(&self) -> Duration {
        Duration::from_millis(self.glance_timeout_ms)
    }

    pub(crate) fn confirming_for(&self) -> Duration {
        Duration::from_millis(self.confirming_for_ms)
    }

    pub(crate) fn payment_ask_timeout(&self) -> Duration {
        Duration::from_millis(self.payment_ask_timeout_ms)
    }

    pub(crate) fn sweep_older_than(&self) -> Duration {
        Duration::from_millis(self.sweep_older_than_ms)
    }

    pub(crate) fn stuck_backoff(&self) -> Backoff {
        Backoff {
            first: Duration::from_millis(self.stuck_retry_first_ms),
            longest: Duration::from_millis(self.stuck_retry_max_ms),
        }
    }

    pub(crate) fn payment_timeout(&self) -> Duration {
        Duration::from_millis(self.payment_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_together() {
        assert_eq!(SaleConfig::default().check(), Ok(()));
    }

    #[test]
    fn a_sweeper_faster_than_a_purchase_is_refused() {
        let config = SaleConfig { sweep_older_than_ms: 9_000, ..SaleConfig::default() };
        assert!(config.check().unwrap_err().contains("sweep_older_than_ms"));
    }

    #[test]
    fn a_reconciler_faster_than_a_commit_is_refused() {
        let config = SaleConfig { confirming_for_ms: 3_000, ..SaleConfig::default() };
        assert!(config.check().unwrap_err().contains("confirming_for_ms"));
    }
}
