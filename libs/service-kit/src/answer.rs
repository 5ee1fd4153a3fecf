//! Turns a [`Problem`] into an answer: status, `application/problem+json`,
//! `Retry-After` where the client should come again.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, StatusCode};
use seat_model::{Code, FieldError, Problem};

/// A problem on its way to the client.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiProblem {
    problem: Box<Problem>,
    retry_after: Option<Duration>,
}

impl ApiProblem {
    /// A problem of this kind. Codes that ask the client to come again carry
    /// `Retry-After: 1` unless [`Self::retry_after`] says otherwise.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// An `invalid_request` that names one field.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Problem::new(Code::InvalidRequest, format!("{field}: {message}"))
            .with_errors(vec![FieldError::new(field, message)])
            .into()
    }

    /// When to come again; whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The problem itself.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for ApiProblem {
    fn from(problem: Problem) -> Self {
        let again =
            matches!(problem.code, Code::Unavailable | Code::RateLimited | Code::RequestInFlight);
        Self { problem: Box::new(problem), retry_after: again.then_some(Duration::from_secs(1)) }
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.retry_after {
            let seconds = after.as_millis().div_ceil(1000).clamp(1, 3600);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                headers.insert(RETRY_AFTER, value);
            }
        }
        // The body is written by `request::finish`, which knows the request's id;
        // written here as well so that an answer is whole without it.
        let body = serde_json::to_vec(&*self.problem).unwrap_or_default();
        let mut response = (status, headers, body).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
