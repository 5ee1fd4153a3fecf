//! The HTTP/2 connection to one instance: shared by everybody, opened on first
//! use and again when it broke. Straight on hyper: this is on the way of every
//! hold, and a client that follows redirects and pools connections for any
//! address costs as much for each request as all the rest.
//!
//! Must not know: what is asked, what an answer means.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

/// Between two pings while something is under way, and how long one may take.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// How often a request is handed to a connection that turns out to be closing.
const MAX_HANDOVERS: u32 = 3;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The instance never saw the request.
    NotSent(String),
    /// It may have.
    Unknown(String),
}

/// A way to one instance.
pub(crate) struct Connection {
    authority: Authority,
    connect_timeout: Duration,
    open: Mutex<Open>,
    /// One opens it, the others wait for that.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Open {
    sender: Option<SendRequest<Full<Bytes>>>,
    /// Which one it is, so that nobody gives up a newer one than he used.
    generation: u64,
}

impl Connection {
    /// To `http://HOST:PORT`; connects on first use.
    ///
    /// # Errors
    /// When the URL is not of that form.
    pub(crate) fn new(url: &str, connect_timeout: Duration) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let authority = match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) => authority.clone(),
            _ => return Err(format!("{url} is not http://HOST:PORT")),
        };
        let (open, opening) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { authority, connect_timeout, open, opening })
    }

    /// Sends a request, with JSON where it has a body; answers as soon as the
    /// head of the answer is there.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(crate) async fn send(
        &self,
        method: Method,
        path: PathAndQuery,
        body: Option<Bytes>,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let mut request = self.request(method, path, body)?;
        let mut why = String::new();
        for _ in 0..MAX_HANDOVERS {
            let (mut sender, generation) = self.sender().await.map_err(NoAnswer::NotSent)?;
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok(answer),
                Err(mut refused) => {
                    let unsent = refused.take_message();
                    why = refused.into_error().to_string();
                    // Handed back: it was not sent, and may go over a new one.
                    let Some(unsent) = unsent else { return Err(NoAnswer::Unknown(why)) };
                    request = unsent;
                    self.give_up(generation);
                }
            }
        }
        Err(NoAnswer::NotSent(why))
    }

    fn request(
        &self,
        method: Method,
        path: PathAndQuery,
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, NoAnswer> {
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|error| NoAnswer::NotSent(error.to_string()))?;
        let has_body = body.is_some();
        let mut request = Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        if has_body {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        Ok(request)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self) -> Option<(SendRequest<Full<Bytes>>, u64)> {
        let open = self.lock();
        let sender = open.sender.as_ref().filter(|sender| !sender.is_closed())?;
        Some((sender.clone(), open.generation))
    }

    fn give_up(&self, generation: u64) {
        let mut open = self.lock();
        if open.generation == generation {
            open.sender = None;
        }
    }

    async fn sender(&self) -> Result<(SendRequest<Full<Bytes>>, u64), String> {
        if let Some(usable) = self.usable() {
            return Ok(usable);
        }
        let _turn = self.opening.lock().await;
        if let Some(usable) = self.usable() {
            return Ok(usable);
        }
        let sender = tokio::time::timeout(self.connect_timeout, self.connect())
            .await
            .map_err(|_| "no connection in time".to_owned())??;
        let mut open = self.lock();
        open.generation += 1;
        open.sender = Some(sender.clone());
        Ok((sender, open.generation))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream =
            TcpStream::connect(self.authority.as_str()).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        // How it ends is told to every request that was on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}
