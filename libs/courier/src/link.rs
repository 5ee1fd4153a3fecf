//! The connections to one instance: HTTP/2 without TLS, made on first use and
//! again when they break. Every hold goes through here, so nothing is done for
//! a request that the one before it has done already.
//!
//! Must not know: what is asked or answered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use trace_context::Trace;

/// One connection is one task on either side: two keep two cores busy.
const CONNECTIONS: usize = 2;

/// A silent connection is asked whether it lives after this, and given up
/// after as much again.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, Clone)]
pub enum LinkError {
    /// It was certainly not sent.
    NotSent(String),
    /// It may have been.
    Broken(String),
}

type Body = Full<Bytes>;

/// All connections to one instance.
pub struct Link {
    authority: Authority,
    host: HeaderValue,
    connect_timeout: Duration,
    connections: [Connection; CONNECTIONS],
    next: AtomicUsize,
}

#[derive(Default)]
struct Connection {
    sender: Mutex<Option<SendRequest<Body>>>,
    /// One connects, the others wait for it.
    connecting: tokio::sync::Mutex<()>,
}

impl Link {
    /// To an instance by its URL, such as `http://127.0.0.1:8200`.
    ///
    /// # Errors
    /// When it is not an `http://` URL.
    pub fn new(url: &str, connect_timeout: Duration) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let authority = match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) => authority.clone(),
            _ => return Err(format!("{url}: not an http:// URL")),
        };
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
        let connections = std::array::from_fn(|_| Connection::default());
        Ok(Self { authority, host, connect_timeout, connections, next: AtomicUsize::new(0) })
    }

    /// Sends a request and reads its whole answer.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<(StatusCode, Bytes), LinkError> {
        let answer = self.send(method, path, json).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| LinkError::Broken(error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    /// Sends a request; the answer's body is read by whoever asked.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<Response<Incoming>, LinkError> {
        let mut request = self.request(method, path, json)?;
        let at = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let connection = &self.connections[at];
        // A connection that broke while idle gives the request back unsent:
        // the second sending has a fresh one.
        for _ in 0..2 {
            let mut sender = self.sender(connection).await.map_err(LinkError::NotSent)?;
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok(answer),
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(LinkError::Broken(refused.into_error().to_string())),
                },
            }
        }
        Err(LinkError::NotSent("the connection broke twice".into()))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<Request<Body>, LinkError> {
        let malformed = |error: &dyn std::fmt::Display| LinkError::NotSent(error.to_string());
        let path: PathAndQuery = path.parse().map_err(|error| malformed(&error))?;
        let mut parts = hyper::http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        let uri = Uri::from_parts(parts).map_err(|error| malformed(&error))?;
        let mut request = Request::new(Body::new(json.clone().unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(HOST, self.host.clone());
        if json.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        if let Some(trace) = Trace::current() {
            trace.write_headers(request.headers_mut());
        }
        Ok(request)
    }

    async fn sender(&self, connection: &Connection) -> Result<SendRequest<Body>, String> {
        if let Some(sender) = connection.open() {
            return Ok(sender);
        }
        let _connecting = connection.connecting.lock().await;
        if let Some(sender) = connection.open() {
            return Ok(sender);
        }
        let connected = tokio::time::timeout(self.connect_timeout, self.connect()).await;
        let sender = connected.map_err(|_| "could not connect in time".to_owned())??;
        *connection.lock() = Some(sender.clone());
        Ok(sender)
    }

    async fn connect(&self) -> Result<SendRequest<Body>, String> {
        let host = self.authority.host().trim_matches(['[', ']']);
        let port = self.authority.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        // Its end is seen by whoever sends on it next.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

impl Connection {
    fn open(&self) -> Option<SendRequest<Body>> {
        self.lock().as_ref().filter(|sender| !sender.is_closed()).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<SendRequest<Body>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use trace_context::Traceparent;

    use super::*;

    #[test]
    fn a_request_says_whom_it_is_for() {
        let link = Link::new("http://127.0.0.1:1", KEEP_ALIVE).unwrap();
        let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok();
        let trace = Trace::new(caller, true, HeaderValue::from_static("r-1"), "confirm");
        let told = trace.clone().enter(|| link.request(Method::GET, "/", None)).unwrap();
        assert_eq!(Traceparent::of(told.headers()), Some(trace.traceparent()));
        assert_eq!(told.headers()["x-request-id"], "r-1");
        let nobody = link.request(Method::GET, "/", None).unwrap();
        assert_eq!(Traceparent::of(nobody.headers()), None);
    }
}
