//! What selling counts, beside what the store counts of its transactions.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The metrics; clones share them.
#[derive(Clone)]
pub(crate) struct SaleMetrics {
    /// Confirms answered 202 because the outcome was not known in time.
    pub(crate) pending: IntCounter,
    /// Seconds that a hold had left when its confirm came.
    pub(crate) time_left: Histogram,
    /// Bookings that waited for an end, by what the reconciler did.
    pub(crate) reconciled: IntCounterVec,
    /// How long the oldest booking has been `confirming`, in seconds; 0: none is.
    pub(crate) oldest_confirming: IntGauge,
    /// Seats found sold to another booking at commit. Must stay 0 (INV-1).
    pub(crate) broken_invariants: IntCounter,
    /// Outbox rows done.
    pub(crate) relayed: IntCounterVec,
    /// Authorises, by what the gateway said.
    pub(crate) authorised: IntCounterVec,
    /// Captures, refunds and voids, by what became of them.
    pub(crate) settled: IntCounterVec,
    /// Old authorisations, by what the sweeper did.
    pub(crate) swept: IntCounterVec,
    /// Old authorisations that the last sweep left open.
    pub(crate) swept_left: IntGauge,
    /// etcd's revision of the shard map in use; 0: none is known.
    pub(crate) map_revision: IntGauge,
    /// The highest placement epoch in that map; 0: none is known.
    pub(crate) map_epoch: IntGauge,
}

impl SaleMetrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            pending: IntCounter::new(
                "booking_confirms_pending_total",
                "Confirms answered 202 because the outcome was not known in time.",
            )?,
            time_left: Histogram::with_opts(
                HistogramOpts::new(
                    "booking_confirm_time_left_seconds",
                    "Time that a hold had left when its confirm came.",
                )
                .buckets(vec![1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0]),
            )?,
            reconciled: IntCounterVec::new(
                Opts::new(
                    "booking_reconciled_total",
                    "Bookings left confirming, by what the reconciler did.",
                ),
                &["result"],
            )?,
            oldest_confirming: IntGauge::new(
                "booking_oldest_confirming_seconds",
                "How long the oldest booking has been confirming; 0 when none is.",
            )?,
            broken_invariants: IntCounter::new(
                "booking_broken_invariants_total",
                "Seats found sold to another booking at commit. Must stay 0.",
            )?,
            relayed: IntCounterVec::new(
                Opts::new("booking_outbox_relayed_total", "Outbox rows done, by kind."),
                &["kind"],
            )?,
            authorised: IntCounterVec::new(
                Opts::new(
                    "booking_authorisations_total",
                    "Payments to authorise, by what the gateway said.",
                ),
                &["result"],
            )?,
            settled: IntCounterVec::new(
                Opts::new(
                    "booking_settlements_total",
                    "Captures, refunds and voids sent to the gateway, by what became of them.",
                ),
                &["operation", "result"],
            )?,
            swept: IntCounterVec::new(
                Opts::new(
                    "booking_swept_total",
                    "Old authorisations looked at, by what the sweeper did.",
                ),
                &["result"],
            )?,
            swept_left: IntGauge::new(
                "booking_old_authorisations",
                "Old authorisations that the last sweep left open: living holds, or something away.",
            )?,
            map_revision: IntGauge::new(
                "booking_shard_map_revision",
                "etcd's revision of the shard map that this instance goes by; 0 while it has none.",
            )?,
            map_epoch: IntGauge::new(
                "booking_shard_map_epoch",
                "The highest placement epoch in the shard map that this instance goes by.",
            )?,
        };
        registry.register(Box::new(metrics.pending.clone()))?;
        registry.register(Box::new(metrics.time_left.clone()))?;
        registry.register(Box::new(metrics.reconciled.clone()))?;
        registry.register(Box::new(metrics.oldest_confirming.clone()))?;
        registry.register(Box::new(metrics.broken_invariants.clone()))?;
        registry.register(Box::new(metrics.relayed.clone()))?;
        registry.register(Box::new(metrics.authorised.clone()))?;
        registry.register(Box::new(metrics.settled.clone()))?;
        registry.register(Box::new(metrics.swept.clone()))?;
        registry.register(Box::new(metrics.swept_left.clone()))?;
        registry.register(Box::new(metrics.map_revision.clone()))?;
        registry.register(Box::new(metrics.map_epoch.clone()))?;
        Ok(metrics)
    }
}
