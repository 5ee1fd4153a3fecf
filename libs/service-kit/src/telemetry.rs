//! Which requests leave a trace: a line, and a span where they are exported, at
//! every service they touch when they are done. Refusals and failures are
//! logged whether they do or not. Must not know what is written or sent.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use hyper::{Method, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use trace_context::Traceparent;

/// Which requests leave a trace.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// The share of requests that do, 0 to 1, of those that came through the
    /// load balancer, may change something, and do not say so themselves.
    pub sample_ratio: f64,
    /// No more than so many a second, whoever asks for it: on the night of a
    /// sale nobody reads them all, and nobody should wait for them.
    pub traces_per_second: NonZeroU32,
    /// Where spans are sent, such as `http://127.0.0.1:4318`; absent: nowhere.
    pub otlp_endpoint: Option<String>,
    /// Spans that wait to be sent; more are dropped, and counted.
    #[schemars(range(min = 1))]
    pub otlp_queue_max: usize,
    /// Spans in one request.
    #[schemars(range(min = 1))]
    pub otlp_batch_max: usize,
    /// How long a span waits for others to go with, in milliseconds.
    #[schemars(range(min = 1))]
    pub otlp_every_ms: u64,
    /// How long the collector may take to answer, in milliseconds; what it did
    /// not take by then is dropped, and counted.
    #[schemars(range(min = 1))]
    pub otlp_timeout_ms: u64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            sample_ratio: 1.0,
            traces_per_second: const { NonZeroU32::new(50).expect("above zero") },
            otlp_endpoint: None,
            otlp_queue_max: 2_048,
            otlp_batch_max: 256,
            otlp_every_ms: 1_000,
            otlp_timeout_ms: 2_000,
        }
    }
}

impl TelemetryConfig {
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err("telemetry.sample_ratio must be from 0 to 1".to_owned());
        }
        if self.otlp_batch_max > self.otlp_queue_max {
            return Err("telemetry.otlp_batch_max must not exceed otlp_queue_max".to_owned());
        }
        let plain = |endpoint: &str| {
            let uri: Option<Uri> = endpoint.parse().ok();
            uri.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some())
        };
        if self.otlp_endpoint.as_deref().is_some_and(|endpoint| !plain(endpoint)) {
            return Err("telemetry.otlp_endpoint must be an http:// URL".to_owned());
        }
        Ok(())
    }
}

/// Decides for each request; clones share what is left of the second.
#[derive(Clone)]
pub struct Sampler {
    ratio: f64,
    places: Arc<DefaultDirectRateLimiter>,
}

impl Sampler {
    /// As configured.
    #[must_use]
    pub fn new(config: &TelemetryConfig) -> Self {
        let places = RateLimiter::direct(Quota::per_second(config.traces_per_second));
        Self { ratio: config.sample_ratio, places: Arc::new(places) }
    }

    /// Whether a request leaves a trace. Who sent a `traceparent` has decided.
    /// Else what only looks does not: it is counted. Nor does what has no id:
    /// it did not come through the load balancer, and what one service asks of
    /// another for many at once belongs to nobody.
    pub(crate) fn takes(&self, caller: Option<Traceparent>, has_id: bool, method: &Method) -> bool {
        let wanted = match caller {
            Some(caller) => caller.sampled,
            None => has_id && !method.is_safe() && self.draw(),
        };
        wanted && self.places.check().is_ok()
    }

    fn draw(&self) -> bool {
        self.ratio >= 1.0 || rand::random::<f64>() < self.ratio
    }
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler").field("ratio", &self.ratio).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(sample_ratio: f64, traces_per_second: u32) -> Sampler {
        let traces_per_second = NonZeroU32::new(traces_per_second).unwrap();
        Sampler::new(&TelemetryConfig {
            sample_ratio,
            traces_per_second,
            ..TelemetryConfig::default()
        })
    }

    fn caller(flags: &str) -> Option<Traceparent> {
        format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}").parse().ok()
    }

    #[test]
    fn a_caller_decides_for_itself() {
        let (all, none) = (sampler(1.0, 100), sampler(0.0, 100));
        assert!(none.takes(caller("01"), false, &Method::GET));
        assert!(!all.takes(caller("00"), true, &Method::POST));
    }

    #[test]
    fn else_what_changes_something_for_somebody_leaves_a_trace() {
        let all = sampler(1.0, 100);
        assert!(all.takes(None, true, &Method::POST));
        assert!(!all.takes(None, true, &Method::GET));
        assert!(!all.takes(None, false, &Method::POST));
        assert!(!sampler(0.0, 100).takes(None, true, &Method::POST));
    }

    #[test]
    fn a_crowd_leaves_no_more_than_its_share() {
        let few = sampler(1.0, 3);
        let left = (0..100).filter(|_| few.takes(caller("01"), true, &Method::POST)).count();
        // A slow machine may see a place given back meanwhile.
        assert!((3..10).contains(&left), "{left}");
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        let with = |sample_ratio| TelemetryConfig { sample_ratio, ..TelemetryConfig::default() };
        assert!(with(0.0).check().is_ok() && with(1.0).check().is_ok());
        assert!(with(-0.1).check().is_err() && with(1.1).check().is_err());
        assert!(with(f64::NAN).check().is_err());
    }

    #[test]
    fn spans_go_to_a_plain_address_in_bounded_bites() {
        let to = |endpoint: &str| TelemetryConfig {
            otlp_endpoint: Some(endpoint.to_owned()),
            ..TelemetryConfig::default()
        };
        assert!(to("http://127.0.0.1:4318").check().is_ok());
        for bad in ["https://127.0.0.1:4318", "127.0.0.1:4318", "/v1/traces", ""] {
            assert!(to(bad).check().is_err(), "{bad:?}");
        }
        let none = TelemetryConfig { otlp_queue_max: 0, ..TelemetryConfig::default() };
        assert!(none.check().is_err());
        let larger = TelemetryConfig { otlp_batch_max: 4_096, ..TelemetryConfig::default() };
        assert!(larger.check().is_err());
    }
}
