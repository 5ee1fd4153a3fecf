//! `GET …/seats/events`: a performance's seats as they change. Served from
//! this instance's own projection; what waits for a slow reader is bounded, and
//! one that falls behind gets a new snapshot.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use prometheus::IntGauge;
use seat_model::{Code, PerformanceId, PlanId, ShowId};
use service_kit::{ApiPath, ApiProblem};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::{Interval, MissedTickBehavior};
use view_service_client::wire::{SOURCE_HEADER, Source};

use crate::app::App;
use crate::catalogue::PlanRecord;
use crate::metrics::View;
use crate::projection::{Known, Message, Start, Subscription};
use crate::views::seats::seat_map;

/// A line that says nothing, to show that the stream lives.
const HEARTBEAT: &[u8] = b": here\n\n";

pub(super) async fn events(
    State(app): State<Arc<App>>,
    ApiPath((show, performance)): ApiPath<(ShowId, PerformanceId)>,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let (found, plan) = super::performance(&app, &show, &performance).await?;
    let place = Arc::clone(&app.event_streams).try_acquire_owned().map_err(|_| {
        ApiProblem::new(Code::Unavailable, "this instance has as many event streams as it may")
    })?;
    // An id that is none of ours says nothing: begin with a snapshot.
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse().ok());
    let watcher = Watcher::new(&app, performance, found.record.plan_id, plan, last, place)
        .ok_or_else(super::seats_away)?;
    app.metrics.answered(View::Events, Source::Memory);
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // Proxies that buffer would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
        (HeaderName::from_static(SOURCE_HEADER), Source::Memory.as_str()),
    ];
    let stream = futures_util::stream::unfold(watcher, |mut watcher| async move {
        watcher.next().await.map(|frame| (Ok::<Bytes, Infallible>(frame), watcher))
    });
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// One client that watches.
struct Watcher {
    app: Arc<App>,
    performance: PerformanceId,
    plan_id: PlanId,
    plan: Arc<PlanRecord>,
    /// What to say before anything new; bounded by the history and one snapshot.
    pending: VecDeque<Bytes>,
    receiver: broadcast::Receiver<Message>,
    heartbeat: Interval,
    _place: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Watcher {
    fn new(
        app: &Arc<App>,
        performance: PerformanceId,
        plan_id: PlanId,
        plan: Arc<PlanRecord>,
        last: Option<u64>,
        place: OwnedSemaphorePermit,
    ) -> Option<Self> {
        let Subscription { start, receiver } =
            app.seating.projection().watch(&performance, last)?;
        let mut heartbeat = tokio::time::interval(app.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let mut watcher = Self {
            app: Arc::clone(app),
            performance,
            plan_id,
            plan,
            pending: VecDeque::new(),
            receiver,
            heartbeat,
            _place: place,
            _counted: Counted::new(&app.metrics.event_streams),
        };
        watcher.begin(start);
        Some(watcher)
    }

    fn begin(&mut self, start: Start) {
        match start {
            Start::Snapshot(known) => {
                let frame = self.snapshot(known);
                self.pending.push_back(frame);
            }
            Start::Resume(events) => {
                // The client sees at once that it was understood.
                self.pending.push_back(Bytes::from_static(HEARTBEAT));
                self.pending.extend(events.iter().map(|event| event.frame()));
            }
        }
    }

    fn snapshot(&self, known: Known) -> Bytes {
        let id = known.revision;
        let map = seat_map(self.app.seating.as_known(known), &self.plan_id, &self.plan);
        let data = serde_json::to_string(&map).unwrap_or_default();
        Bytes::from(format!("event: snapshot\nid: {id}\ndata: {data}\n\n"))
    }

    /// The next frame; `None` when the process stops.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Some(frame);
            }
            tokio::select! {
                biased;
                () = self.app.shutdown.cancelled() => return None,
                message = self.receiver.recv() => match message {
                    Ok(Message::Change(event)) => return Some(event.frame()),
                    Ok(Message::Reset) | Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.begin_again()?;
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                _ = self.heartbeat.tick() => return Some(Bytes::from_static(HEARTBEAT)),
            }
        }
    }

    fn begin_again(&mut self) -> Option<()> {
        let Subscription { start, receiver } =
            self.app.seating.projection().watch(&self.performance, None)?;
        self.receiver = receiver;
        self.begin(start);
        Some(())
    }
}

/// Counts an open stream for as long as it is open.
struct Counted(IntGauge);

impl Counted {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
