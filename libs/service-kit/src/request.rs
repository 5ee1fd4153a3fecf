//! What surrounds every request: its id and its part of a trace, the problem
//! body of whatever went wrong, a panic turned into a 500, and the RED metrics.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status};
use seat_model::Code;
use tower_http::catch_panic::CatchPanicLayer;
use trace_context::{Trace, Traceparent};

use crate::answer::ApiProblem;
use crate::red::Red;
use crate::spans;
use crate::telemetry::Sampler;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// In answers whose trace is kept: the load balancer logs these, too.
static X_TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// Gives a service's routes their surroundings. Call it once, last.
pub fn finish_router(router: Router, red: Red, sampler: Sampler) -> Router {
    router
        .fallback(|| async { ApiProblem::new(Code::NotFound, "no such path") })
        .method_not_allowed_fallback(|| async {
            ApiProblem::new(Code::MethodNotAllowed, "this path has other methods")
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let (red, sampler) = (red.clone(), sampler.clone());
            async move { finish(&red, &sampler, request, next).await }
        }))
}

async fn finish(red: &Red, sampler: &Sampler, request: Request, next: Next) -> Response {
    let told = told_id(&request);
    let caller = Traceparent::of(request.headers());
    let sampled = sampler.takes(caller, told.is_some(), request.method());
    let id = told.unwrap_or_else(fresh_id);
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let trace = Trace::new(caller, sampled, id.clone(), route).with_state_of(request.headers());
    let started = Instant::now();
    let mut response = trace.clone().scope(next.run(request)).await;
    let took = started.elapsed();
    red.observe(&method, route, response.status(), took);
    if let Some(ApiProblem { .. }) = response.extensions().get::<ApiProblem>() {
        response = with_request_id(response, &id);
    } else if response.status().as_u16() == 500 {
        // Whoever makes an `internal` problem has said why; nobody made this one.
        trace.clone().enter(|| tracing::error!(%method, "answered 500 without a problem body"));
    }
    if sampled {
        let status = response.status().as_u16();
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        trace.clone().enter(|| tracing::info!(%method, status, took_us, "answered"));
        spans::keep(&trace, SpanKind::Server, took, |span| {
            span.name = format!("{method} {route}").into();
            span.attributes.extend([
                KeyValue::new("http.request.method", method.to_string()),
                KeyValue::new("http.route", route.to_owned()),
                KeyValue::new("http.response.status_code", i64::from(status)),
            ]);
            if status >= 500 {
                span.status = Status::error("");
            }
        });
    }
    if sampled && let Ok(id) = HeaderValue::try_from(trace.trace_id()) {
        response.headers_mut().insert(X_TRACE_ID.clone(), id);
    }
    response.headers_mut().insert(X_REQUEST_ID.clone(), id);
    response
}

/// The load balancer's. It, or a fresh one, is in the answer's `X-Request-Id`,
/// in problem bodies and in logs.
fn told_id(request: &Request) -> Option<HeaderValue> {
    let told = request.headers().get(&X_REQUEST_ID).filter(|id| {
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    told.cloned()
}

fn fresh_id() -> HeaderValue {
    let id = uuid::Uuid::now_v7().to_string();
    HeaderValue::from_maybe_shared(Bytes::from(id)).expect("hexadecimal digits and dashes")
}

/// Writes the body again, now with the request's id.
fn with_request_id(mut response: Response, id: &HeaderValue) -> Response {
    let Some(answer) = response.extensions_mut().remove::<ApiProblem>() else { return response };
    let mut problem = answer.problem().clone();
    problem.request_id = String::from_utf8_lossy(id.as_bytes()).into_owned();
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = body.into();
    response
}

fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(what, "a handler panicked");
    ApiProblem::new(Code::Internal, "a bug; the request id leads to its log line").into_response()
}
