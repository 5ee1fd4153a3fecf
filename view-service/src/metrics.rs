//! What is counted. Labels come from closed lists: never a show, a seat or a person.

use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use view_service_client::wire::Source;

/// The metrics; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// By view and source, so that counting an answer looks nothing up.
    answers: Arc<[[IntCounter; Source::ALL.len()]; View::ALL.len()]>,
    catalogue_queries: IntCounterVec,
    breakers_open: IntGaugeVec,
    passed_over: IntCounterVec,
    pub(crate) redis_errors: IntCounter,
    pub(crate) rewritten: IntCounter,
    pub(crate) generations: IntCounter,
    pub(crate) event_streams: IntGauge,
    pub(crate) revision: IntGauge,
    pub(crate) lag_revisions: IntGauge,
    pub(crate) lag_ms: IntGauge,
    pub(crate) views_lost: IntCounter,
}

/// What a view may be answered from, besides memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layer {
    Redis,
    Replica,
    Primary,
    Locks,
}

impl Layer {
    const ALL: [Self; 4] = [Self::Redis, Self::Replica, Self::Primary, Self::Locks];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Replica => "replica",
            Self::Primary => "primary",
            Self::Locks => "locks",
        }
    }
}

/// What a breaker counts.
#[derive(Debug, Clone)]
pub(crate) struct BreakerMetrics {
    pub(crate) open: IntGauge,
    pub(crate) passed_over: IntCounter,
}

/// Which view was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View {
    Shows,
    Show,
    Seats,
    Events,
    Plan,
}

impl View {
    /// All views, in their order.
    const ALL: [Self; 5] = [Self::Shows, Self::Show, Self::Seats, Self::Events, Self::Plan];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Shows => "shows",
            Self::Show => "show",
            Self::Seats => "seats",
            Self::Events => "events",
            Self::Plan => "plan",
        }
    }
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has others of these names.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let answers = IntCounterVec::new(
            Opts::new("view_answers_total", "Views answered, by view and where they came from."),
            &["view", "source"],
        )?;
        registry.register(Box::new(answers.clone()))?;
        let answered = |view: View, source: Source| {
            answers.with_label_values(&[view.as_str(), source.as_str()])
        };
        let metrics = Self {
            answers: Arc::new(View::ALL.map(|view| Source::ALL.map(|one| answered(view, one)))),
            catalogue_queries: IntCounterVec::new(
                Opts::new(
                    "view_catalogue_queries_total",
                    "Questions of views to the catalogue's databases, by which was asked and how it \
                     went; without the question whether it is there.",
                ),
                &["source", "outcome"],
            )?,
            breakers_open: IntGaugeVec::new(
                Opts::new(
                    "view_breakers_open",
                    "Connections of a layer that are passed over now because they did not answer.",
                ),
                &["layer"],
            )?,
            passed_over: IntCounterVec::new(
                Opts::new(
                    "view_passed_over_total",
                    "Times a layer was not asked because it had not answered a moment before.",
                ),
                &["layer"],
            )?,
            redis_errors: IntCounter::new(
                "view_redis_errors_total",
                "Calls of Redis that failed or took too long.",
            )?,
            rewritten: IntCounter::new(
                "view_projection_rewrites_total",
                "Times this instance wrote a partition of the projection whole to Redis: one, or as \
                 many as a Cluster has, after every loss of Redis.",
            )?,
            generations: IntCounter::new(
                "view_projection_generations_total",
                "Generations of the projection this instance began in Redis.",
            )?,
            event_streams: IntGauge::new("view_event_streams", "Event streams open now.")?,
            revision: IntGauge::new(
                "view_projection_revision",
                "The revision this instance's projection has reached.",
            )?,
            lag_revisions: IntGauge::new(
                "view_projection_lag_revisions",
                "Revisions by which the projection in Redis is behind this instance's.",
            )?,
            lag_ms: IntGauge::new(
                "view_projection_lag_milliseconds",
                "Time since the projection was last known to be the newest.",
            )?,
            views_lost: IntCounter::new(
                "view_counted_views_lost_total",
                "Views that organisers are not told of: too many performances at once, or nobody \
                 knows whether they were added up.",
            )?,
        };
        registry.register(Box::new(metrics.catalogue_queries.clone()))?;
        registry.register(Box::new(metrics.breakers_open.clone()))?;
        registry.register(Box::new(metrics.passed_over.clone()))?;
        registry.register(Box::new(metrics.redis_errors.clone()))?;
        registry.register(Box::new(metrics.rewritten.clone()))?;
        registry.register(Box::new(metrics.generations.clone()))?;
        registry.register(Box::new(metrics.event_streams.clone()))?;
        registry.register(Box::new(metrics.revision.clone()))?;
        registry.register(Box::new(metrics.lag_revisions.clone()))?;
        registry.register(Box::new(metrics.lag_ms.clone()))?;
        registry.register(Box::new(metrics.views_lost.clone()))?;
        // A layer that never failed is told as such, and not left out.
        for layer in Layer::ALL {
            metrics.breaker(layer);
        }
        Ok(metrics)
    }

    pub(crate) fn breaker(&self, layer: Layer) -> BreakerMetrics {
        let label = &[layer.as_str()];
        BreakerMetrics {
            open: self.breakers_open.with_label_values(label),
            passed_over: self.passed_over.with_label_values(label),
        }
    }

    pub(crate) fn answered(&self, view: View, source: Source) {
        self.answers[view as usize][source as usize].inc();
    }

    pub(crate) fn asked_catalogue(&self, source: Source, answered: bool) {
        let outcome = if answered { "answered" } else { "away" };
        self.catalogue_queries.with_label_values(&[source.as_str(), outcome]).inc();
    }
}
