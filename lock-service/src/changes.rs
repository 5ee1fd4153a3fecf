//! `GET /v1/changes?from=`: the change feed as lines of JSON. The history in
//! the mirror is the queue: a feed is a place in it, and one that falls out of
//! it, or does not take what it is sent, is cut off and comes back.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use lock_service_client::wire::ChangeLine;
use seat_model::Code;
use serde::Deserialize;
use service_kit::{ApiProblem, ApiQuery};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::config::ms;
use crate::metrics::Metrics;
use crate::mirror::{Mirror, Since, change_line, line};
use crate::routes::App;

/// Lines sent in one chunk.
const CHUNK: usize = 256;

/// How long the mirror may take to reach the revision a client has seen.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks for news that nobody told of.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
pub(crate) struct From {
    #[serde(default)]
    from: u64,
}

pub(crate) async fn changes(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<From>,
) -> Result<Response, ApiProblem> {
    let engine = &app.engine;
    if engine.mirror.confirmed().is_none() {
        return Err(ApiProblem::new(Code::Unavailable, "etcd has not been read yet"));
    }
    let Ok(place) = app.feeds.clone().try_acquire_owned() else {
        return Err(ApiProblem::new(Code::Unavailable, "too many feeds are open"));
    };
    let (send, lines) = mpsc::channel(engine.bounds.feed_queue);
    let feed = Feed {
        mirror: engine.mirror.clone(),
        metrics: engine.metrics.clone(),
        send,
        stall: ms(engine.timing.feed_stall_ms),
        generation: engine.mirror.history().generation(),
        sent: query.from,
        progress: None,
        _place: place,
    };
    let shutdown = engine.background.shutdown();
    drop(engine.background.finish(async move {
        feed.metrics.feed_clients.inc();
        let clients = feed.metrics.feed_clients.clone();
        let ended = feed.metrics.feeds_ended.clone();
        tokio::select! {
            () = feed.run() => {}
            () = shutdown.cancelled() => {}
        }
        clients.dec();
        ended.inc();
    }));
    let body = Body::from_stream(ReceiverStream::new(lines).map(Ok::<_, std::convert::Infallible>));
    Ok(([("content-type", "application/x-ndjson")], body).into_response())
}

struct Feed {
    mirror: Mirror,
    metrics: Metrics,
    send: mpsc::Sender<Bytes>,
    stall: Duration,
    /// The history that `sent` is a place in.
    generation: u64,
    /// Everything up to this revision was sent.
    sent: u64,
    /// The confirmation that was last passed on.
    progress: Option<Instant>,
    _place: OwnedSemaphorePermit,
}

/// The client takes nothing any more, or has lost too much.
struct CutOff;

impl Feed {
    async fn run(mut self) {
        // Either way the connection ends, and the client comes back.
        let _ = self.follow().await;
    }

    async fn follow(&mut self) -> Result<(), CutOff> {
        let mut revisions = self.mirror.revisions();
        let mut confirmations = self.mirror.confirmations();
        let history = self.mirror.history();
        // An instance that is a moment behind the client's last one comes along.
        let patience = Instant::now() + PATIENCE;
        self.mirror.reach(self.sent, patience).await;
        let unknown = self.sent == 0 || self.sent > self.mirror.revision();
        if !unknown {
            self.sent = history.resume_at(self.sent);
        }
        if unknown || history.since(self.sent, 1) == Since::Gap {
            self.snapshot().await?;
        }
        loop {
            revisions.mark_unchanged();
            confirmations.mark_unchanged();
            // Read before the changes are: all that it vouches for is among them.
            let confirmed = self.mirror.confirmed();
            self.catch_up().await?;
            if let Some(confirmed) = confirmed
                && self.progress.is_none_or(|last| confirmed.at > last)
                && self.mirror.revision() >= confirmed.revision
            {
                self.progress = Some(confirmed.at);
                let (revision, as_of) = (confirmed.revision, confirmed.as_of);
                self.put(line(&ChangeLine::Progress { revision, as_of })).await?;
                self.sent = self.sent.max(revision);
            }
            tokio::select! {
                _ = revisions.changed() => {}
                _ = confirmations.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = self.send.closed() => return Err(CutOff),
            }
        }
    }

    /// Sends what is new.
    async fn catch_up(&mut self) -> Result<(), CutOff> {
        let history = self.mirror.history();
        loop {
            if history.generation() != self.generation {
                return Err(CutOff);
            }
            match history.since(self.sent, CHUNK) {
                Since::Gap => return Err(CutOff),
                Since::Lines(lines, _) if lines.is_empty() => return Ok(()),
                Since::Lines(lines, reached) => {
                    self.put(lines.concat().into()).await?;
                    self.sent = reached;
                }
            }
        }
    }

    async fn snapshot(&mut self) -> Result<(), CutOff> {
        let (revision, seats) = self.mirror.read(|state| (state.revision(), state.public()));
        self.put(line(&ChangeLine::Snapshot { revision })).await?;
        for change in seats {
            self.put(change_line(change)).await?;
        }
        self.put(line(&ChangeLine::SnapshotEnd { revision })).await?;
        self.sent = revision;
        Ok(())
    }

    async fn put(&self, chunk: Bytes) -> Result<(), CutOff> {
        self.send.send_timeout(chunk, self.stall).await.map_err(|_| CutOff)
    }
}
