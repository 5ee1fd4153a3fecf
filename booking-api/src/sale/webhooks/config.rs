//! Bounds and times of webhooks: the table `[webhooks]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// Everything about webhooks that can be set. Times in milliseconds unless the
/// name says otherwise.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebhooksConfig {
    /// Webhooks there may be; each is a stream of its own on every instance.
    #[schemars(range(min = 1))]
    pub(crate) max_webhooks: u32,
    /// Plain `http` to loopback addresses, for clusters on one machine.
    pub(crate) http_to_loopback: bool,
    /// Receivers at private addresses; otherwise a webhook could be made to
    /// reach what only the platform's own network should (SSRF).
    pub(crate) private_addresses: bool,
    /// How often the webhooks are read again.
    pub(crate) refresh_every_ms: u64,
    /// Above `refresh_every_ms`. What was read longer ago decides nothing: an event written then waits
    /// until somebody knows the webhooks again.
    pub(crate) trust_ms: u64,
    /// How often an instance looks for due deliveries.
    pub(crate) poll_every_ms: u64,
    /// Messages on their way to one webhook at once, from one instance.
    #[schemars(range(min = 1))]
    pub(crate) at_once: u32,
    /// How long one attempt may take, connecting included.
    pub(crate) send_timeout_ms: u64,
    /// How long a claimed delivery is left to its instance; at least twice
    /// `send_timeout_ms`.
    #[schemars(range(min = 1))]
    pub(crate) claim_ms: i64,
    /// An answer's body is read this far, so that its connection can be used
    /// again, and thrown away.
    pub(crate) answer_limit_bytes: usize,
    /// The pause after the first attempt that failed; doubles.
    #[schemars(range(min = 1))]
    pub(crate) retry_first_ms: u64,
    /// The longest pause.
    pub(crate) retry_longest_ms: u64,
    /// The longest pause a receiver may ask for with `Retry-After`.
    pub(crate) retry_after_longest_ms: u64,
    /// Attempts before a delivery is given up.
    #[schemars(range(min = 1))]
    pub(crate) attempts_max: u16,
    /// How long a delivery is tried, however many attempts are left.
    #[schemars(range(min = 1))]
    pub(crate) give_up_after_ms: i64,
    /// Deliveries that may wait for one webhook on one shard; the oldest
    /// beyond them are given up.
    #[schemars(range(min = 1))]
    pub(crate) max_waiting: i64,
    /// Dead deliveries kept of one webhook on one shard.
    #[schemars(range(min = 1))]
    pub(crate) max_dead: i64,
    /// How long dead deliveries are kept.
    #[schemars(range(min = 1))]
    pub(crate) keep_dead_ms: i64,
}

/// An hour.
const HOUR_MS: u64 = 3_600_000;

/// A day.
const DAY_MS: i64 = 24 * 3_600_000;

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            max_webhooks: 64,
            http_to_loopback: false,
            private_addresses: false,
            refresh_every_ms: 1_000,
            trust_ms: 2_000,
            poll_every_ms: 200,
            at_once: 8,
            send_timeout_ms: 5_000,
            claim_ms: 15_000,
            answer_limit_bytes: 16 << 10,
            retry_first_ms: 2_000,
            retry_longest_ms: 4 * HOUR_MS,
            retry_after_longest_ms: 24 * HOUR_MS,
            attempts_max: 32,
            give_up_after_ms: 3 * DAY_MS,
            max_waiting: 100_000,
            max_dead: 10_000,
            keep_dead_ms: 14 * DAY_MS,
        }
    }
}

impl WebhooksConfig {
    /// Relations between the values.
    ///
    /// # Errors
    /// A sentence that names the keys.
    pub(crate) fn check(&self) -> Result<(), String> {
        if i64::try_from(self.send_timeout_ms).is_ok_and(|send| self.claim_ms < 2 * send) {
            return Err("webhooks.claim_ms must be at least twice webhooks.send_timeout_ms, or \
                 what is being sent is sent by others, too"
                .into());
        }
        if self.refresh_every_ms >= self.trust_ms {
            return Err("webhooks.trust_ms must be above webhooks.refresh_every_ms".into());
        }
        if self.retry_longest_ms < self.retry_first_ms {
            return Err(
                "webhooks.retry_first_ms must not be above webhooks.retry_longest_ms".into()
            );
        }
        Ok(())
    }

    pub(super) fn refresh_every(&self) -> Duration {
        Duration::from_millis(self.refresh_every_ms.max(10))
    }

    pub(super) fn trust(&self) -> Duration {
        Duration::from_millis(self.trust_ms)
    }

    pub(super) fn poll_every(&self) -> Duration {
        Duration::from_millis(self.poll_every_ms.max(10))
    }

    pub(super) fn send_timeout(&self) -> Duration {
        Duration::from_millis(self.send_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_together() {
        assert_eq!(WebhooksConfig::default().check(), Ok(()));
    }

    #[test]
    fn a_claim_shorter_than_an_attempt_is_refused() {
        let config = WebhooksConfig { claim_ms: 6_000, ..WebhooksConfig::default() };
        assert!(config.check().unwrap_err().contains("claim_ms"));
    }

    #[test]
    fn webhooks_forgotten_between_two_looks_are_refused() {
        let config = WebhooksConfig { trust_ms: 1_000, ..WebhooksConfig::default() };
        assert!(config.check().unwrap_err().contains("trust_ms"));
    }
}
