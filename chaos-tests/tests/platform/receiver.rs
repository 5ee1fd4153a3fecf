//! An organiser's receiver of webhooks: a real HTTP server of the test's own,
//! that answers as the test wants it and keeps everything it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chaos_tests::eventually;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::world::{Show, World};

/// What one message is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Answer(u16),
    /// With `Retry-After` in seconds.
    Later(u16, u32),
    /// Never.
    Hang,
}

/// One message as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) verdict: Verdict,
    pub(crate) at: Instant,
}

impl Received {
    pub(crate) fn id(&self) -> &str {
        self.headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a message is JSON")
    }

    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }
}

/// Chooses the answer: the message, and how often it has come, this time included.
type Rule = Box<dyn Fn(&Value, usize) -> Verdict + Send + Sync>;

struct State {
    rule: Mutex<Rule>,
    received: Mutex<Vec<Received>>,
}

/// The server and what it was sent; its end closes every connection.
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    serving: Option<JoinHandle<()>>,
}

impl Receiver {
    /// A receiver that accepts everything.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            rule: Mutex::new(Box::new(|_, _| Verdict::Accept)),
            received: Mutex::default(),
        });
        let serving = Some(tokio::spawn(serve(listener, Arc::clone(&state))));
        Self { address, state, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// From now on this is answered.
    pub(crate) fn answers(&self, rule: impl Fn(&Value, usize) -> Verdict + Send + Sync + 'static) {
        *self.state.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// From now on this is answered about a show; of any other, which another
    /// test sells, everything is accepted: what is refused comes again, and
    /// this test's own would have to wait behind all of it.
    pub(crate) fn answers_about(
        &self,
        show: &Show,
        rule: impl Fn(&Value, usize) -> Verdict + Send + Sync + 'static,
    ) {
        let id = show.show_id.clone();
        self.answers(move |message, times| {
            let about = message["data"]["show_id"] == id.as_str();
            if about { rule(message, times) } else { Verdict::Accept }
        });
    }

    /// Nobody listens any more; connections are broken.
    pub(crate) async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Listens again at the same address.
    pub(crate) async fn restart(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.serving = Some(tokio::spawn(serve(listener, Arc::clone(&self.state))));
    }

    /// Everything it was sent about a show, as it came.
    pub(crate) fn of(&self, show: &Show) -> Vec<Received> {
        let all = self.state.received.lock().unwrap_or_else(PoisonError::into_inner);
        let about = |one: &&Received| one.json()["data"]["show_id"] == show.show_id.as_str();
        all.iter().filter(about).cloned().collect()
    }

    /// Whether it has accepted nothing of a show so far.
    pub(crate) fn accepted_none(&self, show: &Show) -> bool {
        self.of(show).iter().all(|one| one.verdict != Verdict::Accept)
    }

    /// What it accepted of a show, as soon as it is so many.
    pub(crate) async fn accepted(
        &self,
        show: &Show,
        many: usize,
        within: Duration,
    ) -> Vec<Received> {
        eventually(within, || async {
            let all = self.of(show);
            let accepted: Vec<Received> =
                all.iter().filter(|one| one.verdict == Verdict::Accept).cloned().collect();
            if accepted.len() >= many {
                return Ok(accepted);
            }
            Err(format!("{} of {many} accepted, {} seen", accepted.len(), all.len()))
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    // Dropped with this task, and then every connection is.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| take(request, Arc::clone(&state)));
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(Response::new(Full::default()));
    };
    let body = body.to_bytes().to_vec();
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let verdict = {
        let mut received = state.received.lock().unwrap_or_else(PoisonError::into_inner);
        let id = parts.headers.get("webhook-id");
        let before = received.iter().filter(|one| one.headers.get("webhook-id") == id).count();
        let rule = state.rule.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = rule(&json, before + 1);
        let at = Instant::now();
        received.push(Received { headers: parts.headers, body, verdict, at });
        verdict
    };
    let (status, later) = match verdict {
        Verdict::Accept => (204, None),
        Verdict::Answer(status) => (status, None),
        Verdict::Later(status, seconds) => (status, Some(seconds)),
        Verdict::Hang => return std::future::pending().await,
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    if let Some(seconds) = later {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    Ok(response)
}

/// A webhook of a test.
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Hook {
    pub(crate) fn path(&self) -> String {
        format!("/v1/admin/webhooks/{}", self.id)
    }

    /// Checks a message as a receiver would.
    pub(crate) fn verifies(&self, message: &Received) {
        let webhook = standardwebhooks::Webhook::new(&self.secret).expect("a secret");
        webhook.verify(&message.body, &message.headers).expect("a good signature");
    }
}

impl World {
    /// Registers a receiver, and waits until the contract says it is told.
    pub(crate) async fn hook(&self, receiver: &Receiver, events: Option<&[&str]>) -> Hook {
        let mut body = json!({"url": receiver.url()});
        if let Some(events) = events {
            body["events"] = json!(events);
        }
        let made = self.organiser.post_once("/v1/admin/webhooks", body).expect(201).await.json();
        let promised = Instant::now() + Duration::from_secs(2);
        eventually(Duration::from_secs(5), || async {
            if Instant::now() >= promised { Ok(()) } else { Err("it is too early") }
        })
        .await;
        let text = |key: &str| made[key].as_str().expect("a text").to_owned();
        Hook { id: text("webhook_id"), secret: text("secret") }
    }

    /// Ends it, so that it is not told of other tests.
    pub(crate) async fn unhook(&self, hook: &Hook) {
        self.organiser.delete(hook.path()).expect(200).await;
    }
}
