//! What surrounds every request: ids, problem bodies, panics, limits.

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use hyper::{Request, StatusCode};
use prometheus::Registry;
use seat_model::{Code, Outcome, Problem};
use service_kit::{ApiJson, ApiPath, Red, Sampler, TelemetryConfig, finish_router};
use tower::ServiceExt;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    seats: Vec<u32>,
}

async fn lose() -> &'static str {
    panic!("on purpose")
}

fn router() -> Router {
    let router = Router::new()
        .route("/panic", get(lose))
        .route(
            "/order",
            post(|ApiJson(order): ApiJson<Order>| async move { order.seats.len().to_string() }),
        )
        .route("/number/{n}", get(|ApiPath(n): ApiPath<u32>| async move { n.to_string() }));
    let sampler = Sampler::new(&TelemetryConfig::default());
    finish_router(router, Red::new(&Registry::new()).expect("well-formed"), sampler)
}

async fn problem(request: Request<Body>) -> (StatusCode, Problem) {
    let response = router().oneshot(request).await.expect("well-formed");
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().expect("well-formed").to_owned();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("well-formed");
    let problem: Problem = serde_json::from_slice(&bytes).expect("well-formed");
    assert_eq!(problem.request_id, id);
    (status, problem)
}

fn order(body: impl Into<Body>) -> Request<Body> {
    Request::post("/order")
        .header("content-type", "application/json")
        .body(body.into())
        .expect("well-formed")
}

#[tokio::test]
async fn a_panic_is_an_internal_problem_of_unknown_outcome() {
    let request = Request::get("/panic")
        .header("x-request-id", "r-1")
        .body(Body::empty())
        .expect("well-formed");
    let (status, problem) = problem(request).await;
    assert_eq!((status.as_u16(), problem.code), (500, Code::Internal));
    assert_eq!(problem.outcome, Outcome::Unknown);
    assert_eq!(problem.request_id, "r-1");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let (_, nowhere) =
        problem(Request::get("/nowhere").body(Body::empty()).expect("well-formed")).await;
    assert_eq!(nowhere.code, Code::NotFound);
    let (_, not_a_number) =
        problem(Request::get("/number/x").body(Body::empty()).expect("well-formed")).await;
    assert_eq!(not_a_number.code, Code::NotFound);
    let (_, method) =
        problem(Request::delete("/order").body(Body::empty()).expect("well-formed")).await;
    assert_eq!(method.code, Code::MethodNotAllowed);
}

#[tokio::test]
async fn a_body_is_json_of_the_right_size_and_shape() {
    let (_, garbled) = problem(order("{\"seats\":[1,")).await;
    assert_eq!(garbled.code, Code::InvalidRequest);
    let (_, typed) = problem(order("{\"seats\":[1,\"two\"]}")).await;
    assert_eq!(typed.errors[0].field, "seats[1]");
    let (_, unknown) = problem(order("{\"seats\":[],\"colour\":1}")).await;
    assert!(unknown.errors[0].message.contains("colour"));
    let (_, trailing) = problem(order("{\"seats\":[]}{}")).await;
    assert_eq!(trailing.code, Code::InvalidRequest);
    let (_, large) = problem(order(" ".repeat((64 << 10) + 1))).await;
    assert_eq!(large.code, Code::PayloadTooLarge);
    let text = Request::post("/order").body(Body::from("{\"seats\":[]}")).expect("well-formed");
    let (_, text) = problem(text).await;
    assert_eq!(text.code, Code::UnsupportedMediaType);
}
