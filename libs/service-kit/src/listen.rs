//! Listening: HTTP/1 and HTTP/2 (h2c) on one port, with the limits a public
//! server needs, and a graceful end.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::lanes::Lanes;

/// Where and how a process listens.
#[derive(Debug, Clone, Copy)]
pub struct ListenConfig {
    /// The service's own port.
    pub listen: SocketAddr,
    /// The port of `/livez`, `/readyz` and `/metrics`.
    pub admin_listen: SocketAddr,
    /// Connections beyond this wait in the kernel's backlog.
    pub max_connections: usize,
    /// A request whose head takes longer is cut off.
    pub header_read_timeout: Duration,
    /// How long it answers on, no longer ready, once the process was told to
    /// stop: until whoever hands out requests has seen that. Zero: not at all.
    pub leave: Duration,
    /// How long running requests may take after that.
    pub drain: Duration,
    /// Threads that do nothing but answer, each with its share of the
    /// connections; 0: the process's own runtime answers.
    pub lanes: usize,
}

impl ListenConfig {
    /// The usual limits.
    #[must_use]
    pub const fn new(listen: SocketAddr, admin_listen: SocketAddr) -> Self {
        Self {
            listen,
            admin_listen,
            max_connections: 20_000,
            header_read_timeout: Duration::from_secs(5),
            leave: Duration::ZERO,
            drain: Duration::from_secs(10),
            lanes: 0,
        }
    }

    /// For a service behind a load balancer, which may need as long as this to
    /// see that it is not ready: a request that is put on a connection while
    /// that is being closed has no answer.
    #[must_use]
    pub const fn leaving_within(mut self, leave: Duration) -> Self {
        self.leave = leave;
        self
    }

    /// Answers on as many threads as there are processors: for a service whose
    /// answers are short and made in memory, so that handing a request from one
    /// thread to another would cost as much as answering it.
    #[must_use]
    pub fn in_lanes(mut self) -> Self {
        self.lanes = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self
    }
}

/// Streams a connection may have open at once over HTTP/2.
const MAX_STREAMS: u32 = 10_000;

/// Serves until `shutdown`, then lets running requests end within the drain
/// time. Answers whether all of them did.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: ListenConfig,
    lanes: &Lanes,
    shutdown: CancellationToken,
) -> bool {
    let places = Arc::new(Semaphore::new(config.max_connections));
    let graceful = GracefulShutdown::new();
    let server = builder(config);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = shutdown.cancelled() => break,
        };
        let Ok(place) = place else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors or a connection that died in the
                    // backlog: the listener itself is fine.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        // Answers are small and somebody waits for each of them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        let (server, router, watcher) = (server.clone(), router.clone(), graceful.watcher());
        let handed = lanes.hand_over(stream, move |stream| async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                router.clone().oneshot(request.map(body))
            });
            let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
            // A client that goes away is its own affair.
            let _ = watcher.watch(connection).await;
            drop(place);
        });
        if let Err(error) = handed {
            tracing::warn!(%error, "could not hand a connection over");
        }
    }
    drop(listener);
    tokio::time::timeout(config.drain, graceful.shutdown()).await.is_ok()
}

/// Most requests have none, and an empty one costs no allocation.
fn body(incoming: Incoming) -> Body {
    if incoming.is_end_stream() { Body::empty() } else { Body::new(incoming) }
}

fn builder(config: ListenConfig) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_read_timeout)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10));
    server
}
