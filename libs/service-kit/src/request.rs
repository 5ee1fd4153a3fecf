//! What surrounds every request: its id, the problem body of whatever went
//! wrong, a panic turned into a 500, and the RED metrics.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use seat_model::Code;
use tower_http::catch_panic::CatchPanicLayer;

use crate::answer::ApiProblem;
use crate::red::Red;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the load balancer's, or a fresh one. In the request's
/// extensions, in the answer's `X-Request-Id`, in problem bodies and logs.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

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

async fn finish(red: &Red, mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    let started = Instant::now();
    let mut response = next.run(request).await;
    red.observe(&method, &route, response.status(), started.elapsed());
    if let Some(ApiProblem { .. }) = response.extensions().get::<ApiProblem>() {
        response = with_request_id(response, &id);
    }
    if response.status().as_u16() == 500 {
        tracing::error!(request_id = id, %method, route, "answered 500");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    response
}

fn request_id(request: &Request) -> String {
    request
        .headers()
        .get(&X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()))
        .map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

/// Writes the body again, now with the request's id.
fn with_request_id(mut response: Response, id: &str) -> Response {
    let Some(answer) = response.extensions_mut().remove::<ApiProblem>() else { return response };
    let mut problem = answer.problem().clone();
    id.clone_into(&mut problem.request_id);
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
