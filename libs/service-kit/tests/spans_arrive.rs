//! Spans of what is done arrive at a collector, under the ids that everybody
//! else was told.

use std::num::NonZeroU64;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use bytes::Bytes;
use hyper::{HeaderMap, Request};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prometheus::Registry;
use prost::Message;
use service_kit::{
    Background, Red, Sampler, TelemetryConfig, as_part, export_spans, finish_router,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tower::ServiceExt;
use trace_context::Traceparent;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Nothing takes longer.
const SOON: Duration = Duration::from_secs(20);

/// A collector: where it is, and what it was sent.
async fn collector() -> (String, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) {
    let (told, heard) = mpsc::unbounded_channel();
    let router = Router::new().route(
        "/v1/traces",
        post(move |headers: HeaderMap, body: Bytes| async move {
            told.send((headers, body)).expect("the test waits");
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), heard)
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    }
}

fn id(id: NonZeroU64) -> Vec<u8> {
    id.get().to_be_bytes().to_vec()
}

#[tokio::test]
async fn a_request_and_its_parts_arrive() {
    let (endpoint, mut heard) = collector().await;
    let config = TelemetryConfig {
        otlp_endpoint: Some(endpoint),
        otlp_every_ms: 10,
        ..TelemetryConfig::default()
    };
    let (registry, background) = (Registry::new(), Background::default());
    export_spans("a-service", "a-service-0", &config, &registry, &background).expect("the first");
    let router = Router::new()
        .route("/v1/things/{thing}", post(|| as_part("CALL a_thing", async { "done" })));
    let red = Red::new(&registry).expect("well-formed");
    let router = finish_router(router, red, Sampler::new(&config));
    let ask = |traceparent: &'static str| {
        let request = Request::post("/v1/things/7")
            .header("x-request-id", "r-1")
            .header("traceparent", traceparent)
            .body(Body::empty())
            .expect("well-formed");
        router.clone().oneshot(request)
    };
    let unwanted = "00-11111111111111111111111111111111-b7ad6b7169203331-00";
    ask(unwanted).await.expect("answered");
    ask(CALLER).await.expect("answered");

    let mut spans: Vec<Span> = Vec::new();
    while spans.len() < 2 {
        let (headers, body) = tokio::time::timeout(SOON, heard.recv())
            .await
            .expect("spans arrive in time")
            .expect("the collector runs");
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let sent = ExportTraceServiceRequest::decode(body).expect("OTLP");
        for of_service in sent.resource_spans {
            let resource = of_service.resource.expect("of whom").attributes;
            assert_eq!(text(&resource, "service.name"), "a-service");
            assert_eq!(text(&resource, "service.instance.id"), "a-service-0");
            spans.extend(of_service.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let named = |name: &str| spans.iter().find(|span| span.name == name).expect(name);
    let request = named("POST /v1/things/{thing}");
    let part = named("CALL a_thing");
    let caller: Traceparent = CALLER.parse().expect("well-formed");
    assert_eq!(spans.len(), 2, "what nobody wanted is not sent: {spans:?}");
    for span in [request, part] {
        assert_eq!(span.trace_id, caller.trace_id.get().to_be_bytes());
        assert_eq!(text(&span.attributes, "seatlock.request_id"), "r-1");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    }
    assert_eq!(request.parent_span_id, id(caller.span_id));
    assert_eq!(part.parent_span_id, request.span_id);
    assert_eq!(text(&request.attributes, "http.response.status_code"), "200");
}
