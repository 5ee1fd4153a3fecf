//! A collector that is away costs a counted drop and one line of log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use hyper::Request;
use prometheus::Registry;
use service_kit::{Background, Red, Sampler, TelemetryConfig, export_spans, finish_router};
use tokio::net::TcpSocket;
use tower::ServiceExt;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Nothing takes longer.
const SOON: Duration = Duration::from_secs(20);

/// What this process logs.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a counter stands at, all its labels together.
fn counted(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name).expect("registered");
    family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum()
}

#[tokio::test]
async fn what_is_not_taken_is_counted_and_said_once() {
    let paper = Paper::default();
    let writer = paper.clone();
    tracing_subscriber::fmt().with_writer(move || writer.clone()).init();
    // Bound and not listened at: nobody answers there, and nobody else gets it.
    let nobody = TcpSocket::new_v4().expect("a socket");
    nobody.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = nobody.local_addr().expect("bound");
    let config = TelemetryConfig {
        otlp_endpoint: Some(format!("http://{address}")),
        otlp_every_ms: 10,
        ..TelemetryConfig::default()
    };
    let (registry, background) = (Registry::new(), Background::default());
    export_spans("a-service", "a-service-0", &config, &registry, &background).expect("the first");
    let router = Router::new().route("/", post(|| async { "done" }));
    let red = Red::new(&registry).expect("well-formed");
    let router = finish_router(router, red, Sampler::new(&config));
    let mut again = tokio::time::interval(Duration::from_millis(5));
    for count in 1..=3 {
        let request = Request::post("/").header("traceparent", CALLER);
        let request = request.body(Body::empty()).expect("well-formed");
        let answer = router.clone().oneshot(request).await.expect("answered");
        assert_eq!(answer.status(), 200);
        let dropped = async {
            while counted(&registry, "spans_dropped_total") < f64::from(count) {
                again.tick().await;
            }
        };
        tokio::time::timeout(SOON, dropped).await.expect("each is dropped by itself");
    }
    let log = String::from_utf8(paper.0.lock().expect("no writer panics").clone()).expect("text");
    assert_eq!(log.matches("the collector takes no spans").count(), 1, "{log}");
    assert!(counted(&registry, "spans_exported_total") < 1.0);
}
