//! One attempt: signed, sent, answered or not. Follows no redirect, uses no
//! proxy, reads of an answer's body only as much as lets its connection live
//! on, and shows nobody what it says.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderName, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook as Signer,
};

use super::address::{Reach, Target};
use super::config::WebhooksConfig;

/// A connection that is unused for so long is closed.
const IDLE: Duration = Duration::from_secs(30);

/// How long an answer's body may take.
const DRAIN: Duration = Duration::from_millis(250);

/// Unused connections kept to one receiver.
const IDLE_AT_ONCE: usize = 4;

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answered {
    /// 2xx: the receiver has it.
    Accepted,
    /// 410: the receiver is gone for good.
    Gone,
    /// Anything else.
    Refused {
        /// What it answered.
        status: u16,
        /// `Retry-After` as it was written.
        retry_after: Option<String>,
    },
    /// No whole answer, and why in a few words.
    Nothing(String),
}

/// Sends; clones share connections.
#[derive(Clone)]
pub(super) struct Sender {
    plain: Client<HttpConnector<Guard>, Full<Bytes>>,
    public: Client<HttpsConnector<HttpConnector<Guard>>, Full<Bytes>>,
    private: Client<HttpsConnector<HttpConnector<Guard>>, Full<Bytes>>,
    timeout: Duration,
    answer_limit: usize,
}

impl Sender {
    pub(super) fn new(config: &WebhooksConfig) -> Result<Self, String> {
        let roots = native_roots();
        if roots.is_empty() {
            tracing::warn!("this machine trusts no certificates: no webhook can be reached by TLS");
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let secure = |reach| {
            let mut http = HttpConnector::new_with_resolver(Guard::new(reach));
            http.enforce_http(false);
            http.set_nodelay(true);
            let builder = HttpsConnectorBuilder::new().with_tls_config(tls.clone());
            let connector = builder.https_only().enable_http1().wrap_connector(http);
            client().build(connector)
        };
        let plain = HttpConnector::new_with_resolver(Guard::new(Reach::Loopback));
        Ok(Self {
            plain: client().build(plain),
            public: secure(Reach::Public),
            private: secure(Reach::Everywhere),
            timeout: config.send_timeout(),
            answer_limit: config.answer_limit_bytes,
        })
    }

    /// Sends a message once. Never takes longer than the configured time.
    pub(super) async fn send(
        &self,
        target: &Target,
        signer: &Signer,
        message: &str,
        body: String,
    ) -> Answered {
        match tokio::time::timeout(self.timeout, self.exchange(target, signer, message, body)).await
        {
            Ok(Ok(answered)) => answered,
            Ok(Err(why)) => Answered::Nothing(why),
            Err(_) => Answered::Nothing("no answer in time".to_owned()),
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        signer: &Signer,
        message: &str,
        body: String,
    ) -> Result<Answered, String> {
        // Receivers refuse old timestamps: it is that of the attempt.
        let timestamp = service_kit::clock::now().as_millis() / 1_000;
        let signature =
            signer.sign(message, timestamp, body.as_bytes()).map_err(|error| error.to_string())?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(target.url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("Seatlock-Webhooks/", env!("CARGO_PKG_VERSION")))
            .header(HeaderName::from_static(HEADER_WEBHOOK_ID), message)
            .header(HeaderName::from_static(HEADER_WEBHOOK_TIMESTAMP), timestamp)
            .header(HeaderName::from_static(HEADER_WEBHOOK_SIGNATURE), signature)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let answer = match target.reach {
            Reach::Loopback => self.plain.request(request).await,
            Reach::Public => self.public.request(request).await,
            Reach::Everywhere => self.private.request(request).await,
        };
        let answer = answer.map_err(|error| in_words(&error))?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        // The status is the answer; a body that does not end soon costs nothing
        // but its connection.
        let _ = tokio::time::timeout(DRAIN, drain(answer.into_body(), self.answer_limit)).await;
        Ok(match status {
            status if status.is_success() => Answered::Accepted,
            StatusCode::GONE => Answered::Gone,
            status => Answered::Refused { status: status.as_u16(), retry_after },
        })
    }
}

async fn drain(mut body: Incoming, limit: usize) {
    let mut seen = 0;
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > limit {
            return;
        }
    }
}

fn client() -> hyper_util::client::legacy::Builder {
    let mut client = Client::builder(TokioExecutor::new());
    client
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_AT_ONCE);
    client
}

/// The certificates this machine trusts: what its administrator adds counts.
fn native_roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of this machine was not read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// Why nobody was reached, down to the reason, and short enough to keep.
fn in_words(error: &hyper_util::client::legacy::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    let what = if error.is_connect() { "not reached" } else { "no answer" };
    format!("{what}: {reason}")
}

/// Looks names up, and lets through only addresses that may be connected to:
/// of what was checked exactly that is connected to.
#[derive(Clone)]
struct Guard {
    names: GaiResolver,
    reach: Reach,
}

impl Guard {
    fn new(reach: Reach) -> Self {
        Self { names: GaiResolver::new(), reach }
    }
}

impl tower::Service<Name> for Guard {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        tower::Service::<Name>::poll_ready(&mut self.names, context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, reach) = (tower::Service::call(&mut self.names, name), self.reach);
        Box::pin(async move {
            let allowed: Vec<SocketAddr> =
                found.await?.filter(|address| reach.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(std::io::Error::other("the host has no address that may be used"));
            }
            Ok(allowed.into_iter())
        })
    }
}
