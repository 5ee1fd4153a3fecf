//! Spans on their way to a collector, by OTLP over HTTP. Nothing waits for it:
//! what finds no place in the queue, and what the collector does not take in
//! time, is dropped and counted. Must not know what a span is about.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use trace_context::Trace;

use crate::background::Background;
use crate::clock;
use crate::telemetry::TelemetryConfig;

/// Like the log's writer there is one of it in a process, which whoever is
/// done with something finds without being given it.
static QUEUE: OnceLock<Queue> = OnceLock::new();

struct Queue {
    spans: mpsc::Sender<SpanData>,
    scope: InstrumentationScope,
    full: IntCounter,
}

/// Why no spans can be exported.
#[derive(Debug, thiserror::Error)]
pub enum SpansError {
    /// Two metrics of one name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The HTTP client could not be built.
    #[error("the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The exporter could not.
    #[error("the exporter: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// They are exported already.
    #[error("this process exports its spans already")]
    Twice,
}

/// Exports the spans of this process from now on, where a collector is
/// configured; what waits at shutdown is still sent. `service` is what
/// instances have in common, such as `booking-api`.
///
/// # Errors
/// See [`SpansError`].
pub fn export_spans(
    service: &str,
    instance: &str,
    config: &TelemetryConfig,
    registry: &Registry,
    background: &Background,
) -> Result<(), SpansError> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(()) };
    let sent = IntCounter::new("spans_exported_total", "Spans that the collector took.")?;
    let dropped = IntCounterVec::new(
        Opts::new(
            "spans_dropped_total",
            "Spans nobody will see: the queue was full, or the collector did not take them.",
        ),
        &["why"],
    )?;
    registry.register(Box::new(sent.clone()))?;
    registry.register(Box::new(dropped.clone()))?;
    let timeout = Duration::from_millis(config.otlp_timeout_ms);
    let client = reqwest::Client::builder().no_proxy().timeout(timeout).build()?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(timeout)
        // Others wait in the queue meanwhile: one attempt, then the next bite.
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    let resource = Resource::builder_empty()
        .with_service_name(service.to_owned())
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .build();
    exporter.set_resource(&resource);
    let (spans, waiting) = mpsc::channel(config.otlp_queue_max);
    let queue = Queue {
        spans,
        scope: InstrumentationScope::builder("seatlock").build(),
        full: dropped.with_label_values(&["queue_full"]),
    };
    QUEUE.set(queue).map_err(|_| SpansError::Twice)?;
    let collector = Collector {
        exporter,
        batch_max: config.otlp_batch_max,
        every: Duration::from_millis(config.otlp_every_ms),
        timeout,
        sent,
        not_taken: dropped.with_label_values(&["not_taken"]),
        away: false,
    };
    drop(background.finish(collector.run(waiting, background.shutdown())));
    Ok(())
}

/// A part of a trace that is done, just now, after `took`. `describe` is asked
/// only where spans are exported.
pub(crate) fn keep(
    trace: &Trace,
    kind: SpanKind,
    took: Duration,
    describe: impl FnOnce(&mut SpanData),
) {
    let Some(queue) = QUEUE.get() else { return };
    let own = trace.traceparent();
    let end_time = clock::exactly();
    let parent = trace.caller().map_or(SpanId::INVALID, |caller| span_id(caller.get()));
    let mut span = SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(own.trace_id.get().to_be_bytes()),
            span_id(own.span_id.get()),
            TraceFlags::SAMPLED,
            false,
            trace.state().and_then(|state| state.parse().ok()).unwrap_or(TraceState::NONE),
        ),
        parent_span_id: parent,
        parent_span_is_remote: kind == SpanKind::Server && parent != SpanId::INVALID,
        span_kind: kind,
        name: trace.doing().to_owned().into(),
        start_time: end_time.checked_sub(took).unwrap_or(end_time),
        end_time,
        attributes: vec![KeyValue::new("seatlock.request_id", trace.request_id().to_owned())],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: queue.scope.clone(),
    };
    describe(&mut span);
    if queue.spans.try_send(span).is_err() {
        queue.full.inc();
    }
}

fn span_id(id: u64) -> SpanId {
    SpanId::from_bytes(id.to_be_bytes())
}

/// The collector as this process sees it: spans are sent there, those that wait
/// together.
struct Collector {
    exporter: SpanExporter,
    batch_max: usize,
    every: Duration,
    timeout: Duration,
    sent: IntCounter,
    not_taken: IntCounter,
    /// The last bite was not taken, which has been said.
    away: bool,
}

impl Collector {
    /// Until shutdown, and then until nothing waits.
    async fn run(mut self, mut waiting: mpsc::Receiver<SpanData>, shutdown: CancellationToken) {
        let mut bite = Vec::new();
        loop {
            let come = tokio::select! {
                biased;
                come = waiting.recv_many(&mut bite, self.batch_max) => come,
                () = shutdown.cancelled() => 0,
            };
            if come == 0 {
                return;
            }
            let others = async {
                while bite.len() < self.batch_max
                    && let Some(span) = waiting.recv().await
                {
                    bite.push(span);
                }
            };
            tokio::select! {
                _ = tokio::time::timeout(self.every, others) => {}
                () = shutdown.cancelled() => {}
            }
            self.take(std::mem::take(&mut bite)).await;
        }
    }

    /// One attempt. That the collector is away is said once, not once a second.
    async fn take(&mut self, bite: Vec<SpanData>) {
        let count = u64::try_from(bite.len()).unwrap_or(u64::MAX);
        let why = match tokio::time::timeout(self.timeout, self.exporter.export(bite)).await {
            Ok(Ok(())) => {
                self.sent.inc_by(count);
                if std::mem::take(&mut self.away) {
                    tracing::info!("the collector takes spans again");
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        self.not_taken.inc_by(count);
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(why, "the collector takes no spans: they are dropped until it does");
        }
    }
}
