//! What sending to webhooks counts.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// The metrics; clones share them.
#[derive(Clone)]
pub(super) struct WebhookMetrics {
    /// Attempts, by how they ended.
    pub(super) attempts: IntCounterVec,
    /// Time of one attempt.
    pub(super) seconds: Histogram,
    /// Messages on their way from this instance.
    pub(super) in_flight: IntGauge,
    /// Deliveries on the shards, by state.
    pub(super) deliveries: IntGaugeVec,
    /// How long the most overdue delivery has been due, by shard.
    pub(super) overdue: IntGaugeVec,
    /// Events written before their receivers were known.
    pub(super) unaddressed: IntGaugeVec,
}

impl WebhookMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            attempts: IntCounterVec::new(
                Opts::new(
                    "booking_webhook_attempts_total",
                    "Attempts to deliver to webhooks, by what became of the delivery.",
                ),
                &["result"],
            )?,
            seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "booking_webhook_attempt_duration_seconds",
                    "Time of one attempt to deliver to a webhook.",
                )
                .buckets(vec![0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
            )?,
            in_flight: IntGauge::new(
                "booking_webhook_in_flight",
                "Messages on their way to webhooks from this instance.",
            )?,
            deliveries: IntGaugeVec::new(
                Opts::new(
                    "booking_webhook_deliveries",
                    "Deliveries that wait, or were given up, by shard.",
                ),
                &["shard", "state"],
            )?,
            overdue: IntGaugeVec::new(
                Opts::new(
                    "booking_webhook_overdue_seconds",
                    "How long the most overdue delivery has been due, by shard; it grows while a \
                     receiver is too slow for what it is sent.",
                ),
                &["shard"],
            )?,
            unaddressed: IntGaugeVec::new(
                Opts::new(
                    "booking_webhook_unaddressed",
                    "Events that wait until the catalogue says who is told of them, by shard.",
                ),
                &["shard"],
            )?,
        };
        registry.register(Box::new(metrics.attempts.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.deliveries.clone()))?;
        registry.register(Box::new(metrics.overdue.clone()))?;
        registry.register(Box::new(metrics.unaddressed.clone()))?;
        Ok(metrics)
    }
}
