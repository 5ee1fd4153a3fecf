//! A client of one origin: the load balancer, or a single instance.

use std::time::Duration;

use reqwest::header::{ACCEPT, AGE, ETAG, HeaderMap, IF_NONE_MATCH};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use seat_model::{PerformanceId, Plan, PlanId, Problem, ShowId};
use serde::de::DeserializeOwned;

use crate::bits::{MEDIA_TYPE, SeatBits};
use crate::events::SeatEvents;
use crate::wire::{SOURCE_HEADER, SeatMap, Show, ShowList, ShowQuery, Source};

/// An answer and what its headers say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Viewed<T> {
    /// The body; `None` where the service answered 304.
    pub answer: Option<T>,
    /// Where the view came from.
    pub source: Option<Source>,
    /// Its weak validator.
    pub etag: Option<String>,
    /// Its age in seconds.
    pub age_s: Option<u64>,
    /// `Cache-Control`, as sent.
    pub cache_control: Option<String>,
}

impl<T> Viewed<T> {
    /// The body, where there must be one.
    ///
    /// # Errors
    /// When the service answered 304.
    pub fn into_answer(self) -> Result<T, Unviewed> {
        self.answer.ok_or_else(|| Unviewed::Garbled("304 to an unconditional request".into()))
    }
}

/// Why there is no view.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unviewed {
    /// The service said why.
    #[error("{}: {}", .0.code.as_str(), .0.detail)]
    Problem(Box<Problem>),
    /// No answer came: looking changes nothing, so look again.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// An answer that makes no sense.
    #[error("not an answer of view-service: {0}")]
    Garbled(String),
}

/// A client; clones share connections.
#[derive(Debug, Clone)]
pub struct ViewClient {
    http: reqwest::Client,
    base: Url,
    timeout: Duration,
}

impl ViewClient {
    /// Prepares a client; connects on first use.
    ///
    /// # Errors
    /// When the base URL cannot be one, or the HTTP client cannot be built.
    pub fn new(base: &str, timeout: Duration) -> Result<Self, Unviewed> {
        let base = Url::parse(base).map_err(|error| Unviewed::NoAnswer(error.to_string()))?;
        if base.cannot_be_a_base() {
            return Err(Unviewed::NoAnswer(format!("{base} cannot be a base URL")));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(timeout)
            .no_proxy()
            .build()
            .map_err(|error| Unviewed::NoAnswer(error.to_string()))?;
        Ok(Self { http, base, timeout })
    }

    /// The origin that is asked.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }

    /// A page of shows.
    ///
    /// # Errors
    /// See [`Unviewed`].
    pub async fn shows(&self, query: &ShowQuery) -> Result<Viewed<ShowList>, Unviewed> {
        let pairs = [
            ("date", &query.date),
            ("loc", &query.loc),
            ("q", &query.q),
            ("limit", &query.limit),
            ("cursor", &query.cursor),
        ];
        self.get(self.url(&["v1", "shows"], &pairs), None).await
    }

    /// A show with its performances on a date and at a location, both optional.
    ///
    /// # Errors
    /// See [`Unviewed`].
    pub async fn show(
        &self,
        show: &ShowId,
        date: Option<&str>,
        loc: Option<&str>,
    ) -> Result<Viewed<Show>, Unviewed> {
        let pairs = [("date", &date.map(str::to_owned)), ("loc", &loc.map(str::to_owned))];
        self.get(self.url(&["v1", "show", show.as_str()], &pairs), None).await
    }

    /// The seats of a performance that are not free; with the validator of a
    /// view one has, no body where nothing changed.
    ///
    /// # Errors
    /// See [`Unviewed`].
    pub async fn seats(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
        unless: Option<&str>,
    ) -> Result<Viewed<SeatMap>, Unviewed> {
        self.get(self.seats_url(show, performance, &["seats"]), unless).await
    }

    /// The same in two bits a seat, in the plan's order.
    ///
    /// # Errors
    /// See [`Unviewed`].
    pub async fn seat_bits(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
        unless: Option<&str>,
    ) -> Result<Viewed<SeatBits>, Unviewed> {
        let url = self.seats_url(show, performance, &["seats"]);
        let request = self.http.get(url).header(ACCEPT, MEDIA_TYPE);
        self.ask(request, unless, |body| SeatBits::decode(body).map_err(|bad| bad.to_string()))
            .await
    }

    /// A seating plan.
    ///
    /// # Errors
    /// See [`Unviewed`].
    pub async fn plan(&self, plan: &PlanId) -> Result<Viewed<Plan>, Unviewed> {
        self.get(self.url(&["v1", "plans", plan.as_str()], &[]), None).await
    }

    /// The live changes of a performance's seats, from a snapshot, or after
    /// the event named.
    ///
    /// # Errors
    /// See [`Unviewed`].
    pub async fn events(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
        last_event_id: Option<u64>,
    ) -> Result<SeatEvents, Unviewed> {
        let url = self.seats_url(show, performance, &["seats", "events"]);
        let mut request = self.http.get(url).header(ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        // Only the head has a deadline: the stream itself never ends.
        let sent = tokio::time::timeout(self.timeout, request.send()).await;
        let answer = sent
            .map_err(|_| Unviewed::NoAnswer("not in time".into()))?
            .map_err(|error| Unviewed::NoAnswer(error.to_string()))?;
        if answer.status() != StatusCode::OK {
            return Err(problem(answer).await);
        }
        Ok(SeatEvents::new(answer.bytes_stream()))
    }

    fn seats_url(&self, show: &ShowId, performance: &PerformanceId, end: &[&str]) -> Url {
        let mut path = vec!["v1", "show", show.as_str(), "performances", performance.as_str()];
        path.extend_from_slice(end);
        self.url(&path, &[])
    }

    fn url(&self, path: &[&str], query: &[(&str, &Option<String>)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        for (name, value) in query {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    async fn get<T: DeserializeOwned>(
        &self,
        url: Url,
        unless: Option<&str>,
    ) -> Result<Viewed<T>, Unviewed> {
        let read = |body: &[u8]| serde_json::from_slice(body).map_err(|error| error.to_string());
        self.ask(self.http.get(url), unless, read).await
    }

    async fn ask<T>(
        &self,
        request: RequestBuilder,
        unless: Option<&str>,
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<Viewed<T>, Unviewed> {
        let mut request = request.timeout(self.timeout);
        if let Some(etag) = unless {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let answer = request.send().await.map_err(|error| Unviewed::NoAnswer(error.to_string()))?;
        let status = answer.status();
        if !status.is_success() && status != StatusCode::NOT_MODIFIED {
            return Err(problem(answer).await);
        }
        let headers = answer.headers().clone();
        let body = if status == StatusCode::NOT_MODIFIED {
            None
        } else {
            let bytes =
                answer.bytes().await.map_err(|error| Unviewed::NoAnswer(error.to_string()))?;
            Some(read(&bytes).map_err(Unviewed::Garbled)?)
        };
        let text = |name: &str| header(&headers, name);
        Ok(Viewed {
            answer: body,
            source: text(SOURCE_HEADER).as_deref().and_then(Source::from_wire),
            etag: text(ETAG.as_str()),
            age_s: text(AGE.as_str()).and_then(|age| age.parse().ok()),
            cache_control: text("cache-control"),
        })
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

async fn problem(answer: Response) -> Unviewed {
    let status = answer.status();
    match answer.bytes().await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_or_else(
            |_| Unviewed::Garbled(format!("{status} without a problem body")),
            |problem| Unviewed::Problem(Box::new(problem)),
        ),
        Err(error) => Unviewed::NoAnswer(error.to_string()),
    }
}
