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
use seat_model::{Code, PlanId};
use service_kit::{ApiPath, ApiProblem};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::{Interval, MissedTickBehavior};
use view_service_client::wire::{SOURCE_HEADER, Source};

use crate::app::App;
use crate::catalogue::PlanRecord;
use crate::metrics::View;
use crate::projection::{Message, Start, Subscription};
use crate::views::seat_maps::{Place, SeatAnswer};

/// A line that says nothing, to show that the stream lives.
const HEARTBEAT: &[u8] = b": here\n\n";

pub(super) async fn events(
    State(app): State<Arc<App>>,
    ApiPath(place): ApiPath<Place>,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let (found, plan) = super::performance(&app, &place.0, &place.1).await?;
    let permit = Arc::clone(&app.event_streams).try_acquire_owned().map_err(|_| {
        ApiProblem::new(Code::Unavailable, "this instance has as many event streams as it may")
    })?;
    // An id that is none of ours says nothing: begin with a snapshot.
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse().ok());
    let plan = (found.record.plan_id, plan);
    let watcher = Watcher::new(&app, place, plan, last, permit).await?;
    let watcher = watcher.ok_or_else(super::seats_away)?;
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
    place: Place,
    plan: (PlanId, Arc<PlanRecord>),
    /// What to say before anything new; bounded by the history. A snapshot is
    /// shared by all who begin with it.
    pending: VecDeque<Bytes>,
    receiver: broadcast::Receiver<Message>,
    /// Changes up to this state are in the snapshot that was sent.
    shown: u64,
    heartbeat: Interval,
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Watcher {
    /// `None` before the projection was first read.
    async fn new(
        app: &Arc<App>,
        place: Place,
        plan: (PlanId, Arc<PlanRecord>),
        last: Option<u64>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Option<Self>, ApiProblem> {
        let Some(subscription) = app.seating.projection().watch(&place.1, last) else {
            return Ok(None);
        };
        let mut heartbeat = tokio::time::interval(app.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let Subscription { start, version, receiver } = subscription;
        let mut watcher = Self {
            app: Arc::clone(app),
            place,
            plan,
            pending: VecDeque::new(),
            receiver,
            shown: 0,
            heartbeat,
            _permit: permit,
            _counted: Counted::new(&app.metrics.event_streams),
        };
        watcher.begin(start, version).await?;
        Ok(Some(watcher))
    }

    async fn begin(&mut self, start: Start, version: u64) -> Result<(), ApiProblem> {
        self.pending.clear();
        match start {
            Start::Snapshot => {
                let plan = (&self.plan.0, &*self.plan.1);
                let map = self.app.seat_maps.own(&self.app, &self.place, version, plan).await?;
                let map = map.ok_or_else(super::seats_away)?;
                self.shown = map.version();
                self.pending.extend(snapshot(&map));
            }
            Start::Resume(events) => {
                // The client sees at once that it was understood.
                self.pending.push_back(Bytes::from_static(HEARTBEAT));
                self.pending.extend(events.iter().map(|event| event.frame()));
            }
        }
        Ok(())
    }

    /// The next frame; `None` when the process stops.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Some(frame);
            }
            if self.pending.capacity() > 0 {
                self.pending = VecDeque::new();
            }
            tokio::select! {
                biased;
                () = self.app.shutdown.cancelled() => return None,
                message = self.receiver.recv() => match message {
                    Ok(Message::Change(event)) => {
                        if event.version > self.shown {
                            return Some(event.frame());
                        }
                    }
                    Ok(Message::Reset) | Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.begin_again().await?;
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                _ = self.heartbeat.tick() => return Some(Bytes::from_static(HEARTBEAT)),
            }
        }
    }

    /// Begins anew, with a snapshot; `None` where there is none any more, and
    /// the client had better ask again.
    async fn begin_again(&mut self) -> Option<()> {
        let Subscription { start, version, receiver } =
            self.app.seating.projection().watch(&self.place.1, None)?;
        self.receiver = receiver;
        self.begin(start, version).await.ok()
    }
}

/// A map as an event, around a body that everybody shares.
fn snapshot(map: &SeatAnswer) -> [Bytes; 3] {
    let head = format!("event: snapshot\nid: {}\ndata: ", map.revision());
    [Bytes::from(head), map.json.body().clone(), Bytes::from_static(b"\n\n")]
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
