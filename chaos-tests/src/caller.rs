//! A caller that speaks the public contract as written JSON, records every
//! answer, and checks the shape of every problem body it gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use seat_model::{Code, Problem};
use serde_json::Value;

use crate::coverage::Coverage;

/// Nobody waits longer than this for an answer: a request that hangs is a failure.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);

static KEYS: AtomicU64 = AtomicU64::new(1);

/// One customer, organiser or passer-by, at one origin.
#[derive(Debug, Clone)]
pub struct Caller {
    http: reqwest::Client,
    base_url: String,
    token: Option<String>,
    coverage: Arc<Coverage>,
}

impl Caller {
    /// A caller without a token.
    ///
    /// # Panics
    /// When the HTTP client cannot be built.
    #[must_use]
    pub fn new(base_url: impl Into<String>, coverage: Arc<Coverage>) -> Self {
        Self { http: connections(), base_url: base_url.into(), token: None, coverage }
    }

    /// The same caller with connections of its own.
    ///
    /// # Panics
    /// When the HTTP client cannot be built.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self { http: connections(), ..self.clone() }
    }

    /// The same caller with a bearer token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same caller at another origin, such as one instance behind the load balancer.
    #[must_use]
    pub fn at(&self, base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), ..self.clone() }
    }

    /// Begins a GET.
    #[must_use]
    pub fn get(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::GET, path)
    }

    /// Begins a POST.
    #[must_use]
    pub fn post(&self, path: impl Into<String>, body: Value) -> Call<'_> {
        let mut call = self.call(Method::POST, path);
        call.body = Some(body.to_string().into_bytes());
        call.headers.push(("content-type", "application/json".to_owned()));
        call
    }

    /// Begins a POST with a fresh idempotency key.
    #[must_use]
    pub fn post_once(&self, path: impl Into<String>, body: Value) -> Call<'_> {
        self.post(path, body).key(&fresh_key())
    }

    /// Begins a DELETE.
    #[must_use]
    pub fn delete(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    /// Begins a request with any method.
    #[must_use]
    pub fn call(&self, method: Method, path: impl Into<String>) -> Call<'_> {
        Call { caller: self, method, path: path.into(), headers: Vec::new(), body: None }
    }

    /// The underlying client, for streams.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The origin.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What the run has seen.
    #[must_use]
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }
}

fn connections() -> reqwest::Client {
    let client = reqwest::Client::builder().timeout(LONGEST_ANSWER).no_proxy();
    client.build().expect("an HTTP client without TLS")
}

/// An idempotency key that no other call of this process uses.
#[must_use]
fn fresh_key() -> String {
    format!("key-{}-{}", std::process::id(), KEYS.fetch_add(1, Ordering::Relaxed))
}

/// A request being put together.
#[derive(Debug)]
pub struct Call<'c> {
    caller: &'c Caller,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Call<'_> {
    /// Under this idempotency key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With these bytes for a body.
    #[must_use]
    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it.
    ///
    /// # Errors
    /// When no HTTP answer came: a refused or broken connection, or the deadline.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{}", self.caller.base_url, self.path);
        let what = format!("{} {}", self.method, self.path);
        let mut request = self.caller.http.request(self.method.clone(), url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.caller.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let headers = response.headers().clone();
        let text = response.bytes().await?.to_vec();
        let answer = Answer { what, status, headers, text };
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            self.caller.coverage.saw_success(self.method.as_str(), &self.path);
        } else {
            self.caller.coverage.saw_code(answer.checked_problem().code);
        }
        Ok(answer)
    }

    /// Sends it; an answer must come.
    ///
    /// # Panics
    /// When none does.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        match self.try_send().await {
            Ok(answer) => answer,
            Err(error) => panic!("{what}: no answer: {error:?}"),
        }
    }

    /// Sends it; the answer must have this status.
    ///
    /// # Panics
    /// When it has another, with the body.
    pub async fn expect(self, status: u16) -> Answer {
        let answer = self.send().await;
        assert_eq!(answer.status.as_u16(), status, "{}: {}", answer.what, answer.text());
        answer
    }

    /// Sends it; the answer must be this problem.
    ///
    /// # Panics
    /// When it is something else.
    pub async fn refused(self, code: Code) -> Problem {
        let answer = self.send().await;
        assert!(
            !answer.status.is_success(),
            "{} was expected to end in {}, but: {} {}",
            answer.what,
            code.as_str(),
            answer.status,
            answer.text()
        );
        let problem = answer.checked_problem();
        assert_eq!(problem.code.as_str(), code.as_str(), "{}: {}", answer.what, answer.text());
        problem
    }
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and path.
    pub what: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: Vec<u8>,
}

impl Answer {
    /// The body as text, for messages.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.what, self.text()))
    }

    /// A header as text, empty when absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The problem in the body, every member checked against its code: what
    /// the contract promises of *every* error, from whichever part it came.
    ///
    /// # Panics
    /// When the answer is not a proper problem.
    #[must_use]
    pub fn checked_problem(&self) -> Problem {
        let context = || format!("{}: {} {}", self.what, self.status, self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", context());
        let problem: Problem = serde_json::from_slice(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {}", context()));
        assert_eq!(problem.status, self.status.as_u16(), "{}", context());
        assert_eq!(problem.status, problem.code.status(), "{}", context());
        assert_eq!(problem.outcome, problem.code.outcome(), "{}", context());
        assert_eq!(problem.retry, problem.code.retry(), "{}", context());
        assert!(!problem.detail.is_empty() && !problem.title.is_empty(), "{}", context());
        let again =
            matches!(problem.code, Code::Unavailable | Code::RateLimited | Code::RequestInFlight);
        assert!(!again || !self.header("retry-after").is_empty(), "no Retry-After: {}", context());
        problem
    }
}
