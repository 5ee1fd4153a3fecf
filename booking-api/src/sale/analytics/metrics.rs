//! What counting how performances sell counts of itself.

use prometheus::{IntCounter, IntGaugeVec, Opts, Registry};

/// The metrics; clones share them.
#[derive(Clone)]
pub(super) struct AnalyticsMetrics {
    /// Performances whose sales are to be counted again, by shard.
    pub(super) changed: IntGaugeVec,
    /// Times that the sales of a performance were counted.
    pub(super) counted: IntCounter,
    /// Demand that nobody will see.
    pub(super) lost: IntCounter,
}

impl AnalyticsMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            changed: IntGaugeVec::new(
                Opts::new(
                    "booking_analytics_changed_performances",
                    "Performances whose sales are to be counted again, by shard; it grows while \
                     the catalogue is away, up to as many as are sold.",
                ),
                &["shard"],
            )?,
            counted: IntCounter::new(
                "booking_analytics_counted_total",
                "Times this instance counted the sales of a performance.",
            )?,
            lost: IntCounter::new(
                "booking_analytics_lost_total",
                "Noted demand that was not written: too much waited, or nobody knows whether it was.",
            )?,
        };
        registry.register(Box::new(metrics.changed.clone()))?;
        registry.register(Box::new(metrics.counted.clone()))?;
        registry.register(Box::new(metrics.lost.clone()))?;
        Ok(metrics)
    }
}
