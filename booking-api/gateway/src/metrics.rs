//! What the gateway counts.

use payment_gateway_client::wire::{Operation, Verdict};
use prometheus::{Histogram, HistogramOpts, HistogramTimer, IntCounterVec, Opts, Registry};

/// The metrics; clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    operations: IntCounterVec,
    group_sizes: Histogram,
    commit_seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let operations = IntCounterVec::new(
            Opts::new("gateway_operations_total", "Operations, by what became of them."),
            &["operation", "result"],
        )?;
        let group_sizes = Histogram::with_opts(
            HistogramOpts::new("gateway_group_size", "Changes in one durable transaction.")
                .buckets(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]),
        )?;
        let commit_seconds = Histogram::with_opts(
            HistogramOpts::new("gateway_commit_duration_seconds", "Time of one such transaction.")
                .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0]),
        )?;
        registry.register(Box::new(operations.clone()))?;
        registry.register(Box::new(group_sizes.clone()))?;
        registry.register(Box::new(commit_seconds.clone()))?;
        Ok(Self { operations, group_sizes, commit_seconds })
    }

    pub(crate) fn done(&self, operation: &Operation, verdict: Option<Verdict>) {
        let result = match verdict {
            Some(Verdict::Now(state)) => state.name(),
            Some(Verdict::Refused(_)) => "refused",
            None => "no_verdict",
        };
        self.operations.with_label_values(&[operation.name(), result]).inc();
    }

    pub(crate) fn group_size(&self, size: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a group has at most a few thousand")]
        self.group_sizes.observe(size as f64);
    }

    pub(crate) fn commit_timer(&self) -> HistogramTimer {
        self.commit_seconds.start_timer()
    }
}
