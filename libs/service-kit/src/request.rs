//! What surrounds every request: its id, the problem body of whatever went
//! wrong, a panic turned into a 500, and the RED metrics.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use seat_model::Code;
use tower_http::catch_panic::CatchPanicLayer;

use crate::answer::ApiProblem;
use crate::red::Red;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives a service's routes their surroundings. Call it once, last.
pub fn finish_router(router: Router, red: Red) -> Router {
    router
        .fallback(|| async { ApiProblem::new(Code::NotFound, "no such path") })
        .method_not_allowed_fallback(|| async {
            ApiProblem::new(Code::MethodNotAllowed, "this path has other methods")
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let red = red.clone();
            async move { finish(&red, request, next).await }
        }))
}

async fn finish(red: &Red, request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let started = Instant::now();
    let mut response = next.run(request).await;
    red.observe(&method, route, response.status(), started.elapsed());
    if let Some(ApiProblem { .. }) = response.extensions().get::<ApiProblem>() {
        response = with_request_id(response, &id);
    }
    if response.status().as_u16() == 500 {
        let request_id = id.to_str().unwrap_or_default();
        tracing::error!(request_id, %method, route, "answered 500");
    }
    response.headers_mut().insert(X_REQUEST_ID.clone(), id);
    response
}

/// The load balancer's, or a fresh one. It is in the answer's `X-Request-Id`,
/// in problem bodies and in logs.
fn request_id(request: &Request) -> HeaderValue {
    let told = request.headers().get(&X_REQUEST_ID).filter(|id| {
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    told.cloned().unwrap_or_else(|| {
        let id = uuid::Uuid::now_v7().to_string();
        HeaderValue::from_maybe_shared(Bytes::from(id)).expect("hexadecimal digits and dashes")
    })
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
