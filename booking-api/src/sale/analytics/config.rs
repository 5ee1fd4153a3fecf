//! Bounds and times of counting how performances sell: the table `[analytics]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// Everything about analytics that can be set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AnalyticsConfig {
    /// Connections to the catalogue at once, beside those of selling.
    #[schemars(range(min = 1))]
    pub(crate) max_connections: u32,
    /// How long one query, or one change with its commit, may take: longer
    /// than a statement on a shard, which is waited for in the middle of one.
    #[schemars(range(min = 1))]
    pub(crate) query_timeout_ms: u64,
    /// How often changed sales are looked for; and the sales of a performance
    /// are not counted again sooner, by whichever instance.
    #[schemars(range(min = 10))]
    pub(crate) count_every_ms: u64,
    /// Performances counted in one go on one shard.
    #[schemars(range(min = 1))]
    pub(crate) count_batch: u32,
    /// How often gathered demand is written.
    #[schemars(range(min = 10))]
    pub(crate) write_every_ms: u64,
    /// Performances (in an hour) whose demand may wait to be written; that of
    /// others is lost.
    #[schemars(range(min = 1))]
    pub(crate) max_gathered: usize,
    /// Seats whose conflicts may wait to be written.
    #[schemars(range(min = 1))]
    pub(crate) max_gathered_seats: usize,
    /// How long a performance is remembered after it began, in days.
    #[schemars(range(min = 1))]
    pub(crate) keep_days: u32,
    /// The longest time one answer may cover, in days.
    #[schemars(range(min = 1))]
    pub(crate) max_range_days: u32,
    /// Seats of one answer: those most often wanted in vain.
    #[schemars(range(min = 1))]
    pub(crate) max_seats: u32,
}

impl Default for AnalyticsConfig {
    fn default() -> Self {
        Self {
            max_connections: 4,
            query_timeout_ms: 4_500,
            count_every_ms: 5_000,
            count_batch: 50,
            write_every_ms: 5_000,
            max_gathered: 10_000,
            max_gathered_seats: 50_000,
            keep_days: 400,
            max_range_days: 400,
            max_seats: 1_000,
        }
    }
}

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * super::HOUR_MS;

impl AnalyticsConfig {
    pub(super) fn count_every(&self) -> Duration {
        Duration::from_millis(self.count_every_ms)
    }

    pub(super) fn write_every(&self) -> Duration {
        Duration::from_millis(self.write_every_ms)
    }

    pub(super) fn keep_ms(&self) -> i64 {
        i64::from(self.keep_days) * DAY_MS
    }

    pub(super) fn max_range_ms(&self) -> i64 {
        i64::from(self.max_range_days) * DAY_MS
    }
}
