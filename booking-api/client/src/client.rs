//! A client of booking-api, through the load balancer or straight: one method
//! per call. It never sends anything twice by itself: whoever calls decides,
//! by what the error says.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Method, RequestBuilder};
use seat_model::{BookingId, PerformanceId, Problem, ShowId, TicketId, Timestamp, WebhookId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::{
    Book, Booking, Bookings, Confirm, Deliveries, Delivery, DeliveryState, PerformanceAnalytics,
    PerformanceCreate, PerformanceCreated, PerformanceDeleted, PlanImported, Sales, Session,
    SessionCreate, Show, ShowCreate, StuckBooking, StuckBookings, User, UserCreate, WebhookCreate,
    WebhookCreated, WebhookDeleted, Webhooks,
};

/// How long a call may take; larger than any deadline of the service, so that
/// its own answer arrives first.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An answer of the 2xx kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// Its HTTP status: 201 and 202 mean more than 200.
    pub status: u16,
    /// `Location`, where there is one.
    pub location: Option<String>,
    /// What it says.
    pub body: T,
}

/// A problem body, and when to come again.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What the service said.
    pub problem: Problem,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// Why there is no 2xx answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service (or the load balancer) answered with a problem; it says
    /// whether anything happened.
    #[error("{} {}: {}", .0.problem.status, .0.problem.code.as_str(), .0.problem.detail)]
    Refused(Box<Refusal>),
    /// Nobody was reached: nothing happened.
    #[error("not reached: {0}")]
    NotReached(String),
    /// It was sent and no whole answer came: it may have happened. Send it
    /// again under the same key.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// An answer outside the contract.
    #[error("status {status} without a body of the contract: {why}")]
    OutsideContract {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        why: String,
    },
}

impl CallError {
    /// The problem, where the service answered with one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(refusal) => Some(&refusal.problem),
            Self::NotReached(_) | Self::NoAnswer(_) | Self::OutsideContract { .. } => None,
        }
    }
}

/// A client; clones share connections. `key` is the `Idempotency-Key` of a call.
#[derive(Debug, Clone)]
pub struct BookingClient {
    http: reqwest::Client,
    /// Where the API is, without a trailing slash.
    pub base_url: String,
    /// The bearer token, where there is one.
    pub token: Option<String>,
}

impl BookingClient {
    /// Prepares a client; connects on first use.
    ///
    /// # Errors
    /// `NotReached` when the HTTP client cannot be built.
    pub fn new(base_url: &str, token: Option<String>) -> Result<Self, CallError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|error| CallError::NotReached(error.to_string()))?;
        Ok(Self { http, base_url: base_url.trim_end_matches('/').to_owned(), token })
    }

    /// The same client as somebody else.
    #[must_use]
    pub fn as_user(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// Holds seats, or takes and pays for them in one go.
    ///
    /// # Errors
    /// See [`CallError`]; so for all calls.
    pub async fn book(&self, show: &ShowId, book: &Book, key: &str) -> Called<Booking> {
        self.send(Method::POST, &format!("/v1/book/{show}"), Some(key), Some(book)).await
    }

    /// Reads a booking.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn booking(&self, show: &ShowId, booking: BookingId) -> Called<Booking> {
        self.get(&format!("/v1/book/{show}/{booking}")).await
    }

    /// Holds longer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn extend(
        &self,
        show: &ShowId,
        booking: BookingId,
        key: Option<&str>,
    ) -> Called<Booking> {
        let path = format!("/v1/book/{show}/{booking}/extend");
        self.send(Method::POST, &path, key, None::<&()>).await
    }

    /// Pays for a hold; status 202 says `pending`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn confirm(
        &self,
        show: &ShowId,
        booking: BookingId,
        confirm: &Confirm,
        key: &str,
    ) -> Called<Booking> {
        let path = format!("/v1/book/{show}/{booking}/confirm");
        self.send(Method::POST, &path, Some(key), Some(confirm)).await
    }

    /// Gives a hold or a booking back.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn cancel(
        &self,
        show: &ShowId,
        booking: BookingId,
        key: Option<&str>,
    ) -> Called<Booking> {
        let path = format!("/v1/book/{show}/{booking}");
        self.send(Method::DELETE, &path, key, None::<&()>).await
    }

    /// Gives one ticket back.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn cancel_ticket(
        &self,
        show: &ShowId,
        booking: BookingId,
        ticket: &TicketId,
        key: Option<&str>,
    ) -> Called<Booking> {
        let path = format!("/v1/book/{show}/{booking}/tickets/{ticket}");
        self.send(Method::DELETE, &path, key, None::<&()>).await
    }

    /// One page of what I bought.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn bookings(&self, limit: Option<u32>, cursor: Option<&str>) -> Called<Bookings> {
        let limit = limit.map(|limit| ("limit", limit.to_string()));
        let cursor = cursor.map(|cursor| ("cursor", cursor.to_owned()));
        let query: Vec<_> = limit.into_iter().chain(cursor).collect();
        self.get_page("/v1/bookings", query).await
    }

    /// Signs up.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_user(&self, user: &UserCreate, key: Option<&str>) -> Called<User> {
        self.send(Method::POST, "/v1/users", key, Some(user)).await
    }

    /// Logs in.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_session(&self, session: &SessionCreate) -> Called<Session> {
        self.send(Method::POST, "/v1/sessions", None, Some(session)).await
    }

    /// Imports a seating plan; `plan` is the JSON text as it came from the
    /// drawing program, up to 8 MiB.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn import_plan(&self, plan: Vec<u8>, key: Option<&str>) -> Called<PlanImported> {
        let mut request = self
            .http
            .post(self.url("/v1/admin/plans")?)
            .header(CONTENT_TYPE, "application/json")
            .body(plan);
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        receive(self.authorised(request)).await
    }

    /// Makes a show.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_show(&self, show: &ShowCreate, key: Option<&str>) -> Called<Show> {
        self.send(Method::POST, "/v1/admin/shows", key, Some(show)).await
    }

    /// Makes a performance of a show.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_performance(
        &self,
        show: &ShowId,
        performance: &PerformanceCreate,
        key: Option<&str>,
    ) -> Called<PerformanceCreated> {
        let path = format!("/v1/admin/shows/{show}/performances");
        self.send(Method::POST, &path, key, Some(performance)).await
    }

    /// Takes a performance off, with its bookings where asked to.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete_performance(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
        cancel_bookings: bool,
    ) -> Called<PerformanceDeleted> {
        let query = if cancel_bookings { "?cancel_bookings=true" } else { "" };
        let path = format!("/v1/admin/shows/{show}/performances/{performance}{query}");
        self.send(Method::DELETE, &path, None, None::<&()>).await
    }

    /// What was sold of a show.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn sales(&self, show: &ShowId) -> Called<Sales> {
        self.get(&format!("/v1/admin/shows/{show}/sales")).await
    }

    /// How a performance sells; the last 31 days where nothing is said.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn analytics(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Called<PerformanceAnalytics> {
        let from = from.map(|from| ("from", from.to_string()));
        let to = to.map(|to| ("to", to.to_string()));
        let path = format!("/v1/admin/shows/{show}/performances/{performance}/analytics");
        self.get_page(&path, from.into_iter().chain(to).collect()).await
    }

    /// Bookings of a show whose payment the gateway refuses to settle.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn stuck(&self, show: &ShowId) -> Called<StuckBookings> {
        self.get(&format!("/v1/admin/shows/{show}/stuck")).await
    }

    /// Has a stuck booking settled at once.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn retry_stuck(&self, show: &ShowId, booking: BookingId) -> Called<StuckBooking> {
        let path = format!("/v1/admin/shows/{show}/stuck/{booking}/retry");
        self.send(Method::POST, &path, None, None::<&()>).await
    }

    /// Asks to be told of bookings; the answer has the secret, this once.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_webhook(
        &self,
        webhook: &WebhookCreate,
        key: Option<&str>,
    ) -> Called<WebhookCreated> {
        self.send(Method::POST, "/v1/admin/webhooks", key, Some(webhook)).await
    }

    /// Who is told of bookings.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn webhooks(&self) -> Called<Webhooks> {
        self.get("/v1/admin/webhooks").await
    }

    /// Ends a webhook; what still waits for it is thrown away.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete_webhook(
        &self,
        webhook: &WebhookId,
        key: Option<&str>,
    ) -> Called<WebhookDeleted> {
        let path = format!("/v1/admin/webhooks/{webhook}");
        self.send(Method::DELETE, &path, key, None::<&()>).await
    }

    /// One page of what waits for a webhook, or was given up.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn deliveries(
        &self,
        webhook: &WebhookId,
        state: DeliveryState,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Called<Deliveries> {
        let state = ("state", state.as_str().to_owned());
        let limit = limit.map(|limit| ("limit", limit.to_string()));
        let cursor = cursor.map(|cursor| ("cursor", cursor.to_owned()));
        let query = std::iter::once(state).chain(limit).chain(cursor).collect();
        self.get_page(&format!("/v1/admin/webhooks/{webhook}/deliveries"), query).await
    }

    /// Sends a delivery again.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn redeliver(
        &self,
        webhook: &WebhookId,
        delivery: &str,
        key: Option<&str>,
    ) -> Called<Delivery> {
        let path = format!("/v1/admin/webhooks/{webhook}/deliveries/{delivery}/redeliver");
        self.send(Method::POST, &path, key, None::<&()>).await
    }

    async fn get_page<A: DeserializeOwned>(
        &self,
        path: &str,
        query: Vec<(&str, String)>,
    ) -> Called<A> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        receive(self.authorised(self.http.get(url))).await
    }

    async fn get<A: DeserializeOwned>(&self, path: &str) -> Called<A> {
        self.send(Method::GET, path, None, None::<&()>).await
    }

    async fn send<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Called<A> {
        let mut request = self.http.request(method, self.url(path)?);
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        receive(self.authorised(request)).await
    }

    fn url(&self, path: &str) -> Result<reqwest::Url, CallError> {
        reqwest::Url::parse(&format!("{}{path}", self.base_url))
            .map_err(|error| CallError::NotReached(format!("{}: {error}", self.base_url)))
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }
}

/// What every call answers.
type Called<T> = Result<Answer<T>, CallError>;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

async fn receive<A: DeserializeOwned>(request: RequestBuilder) -> Called<A> {
    let answer = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            CallError::NotReached(error.to_string())
        } else {
            CallError::NoAnswer(error.to_string())
        }
    })?;
    let status = answer.status();
    let headers = answer.headers().clone();
    let body = answer.bytes().await.map_err(|error| CallError::NoAnswer(error.to_string()))?;
    let outside = |error: serde_json::Error| CallError::OutsideContract {
        status: status.as_u16(),
        why: error.to_string(),
    };
    if status.is_success() {
        let body = serde_json::from_slice(&body).map_err(outside)?;
        return Ok(Answer { status: status.as_u16(), location: text(&headers, &LOCATION), body });
    }
    let problem: Problem = serde_json::from_slice(&body).map_err(outside)?;
    let retry_after = text(&headers, &RETRY_AFTER)
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs);
    Err(CallError::Refused(Box::new(Refusal { problem, retry_after })))
}

fn text(headers: &HeaderMap, name: &reqwest::header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
