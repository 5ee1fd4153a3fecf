//! How many requests one customer may send: a token bucket for each key.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use schemars::JsonSchema;
use seat_model::Code;
use serde::Deserialize;

use crate::answer::ApiProblem;

/// Buckets that are full again are forgotten after so many checks, which
/// bounds memory by the keys of the last moments.
const CHECKS_BETWEEN_CLEANING: u64 = 10_000;

/// The limit of each key.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Requests a second in the long run.
    pub per_second: NonZeroU32,
    /// Requests at once after a pause.
    pub burst: NonZeroU32,
}

/// The buckets of all keys, or no limit at all. Clones share the buckets.
#[derive(Clone, Default)]
pub struct RateLimit {
    buckets: Option<Arc<DefaultKeyedRateLimiter<String>>>,
    checks: Arc<AtomicU64>,
}

impl RateLimit {
    /// Without a configuration nothing is limited.
    #[must_use]
    pub fn new(config: Option<RateLimitConfig>) -> Self {
        let buckets = config.map(|config| {
            let quota = Quota::per_second(config.per_second).allow_burst(config.burst);
            Arc::new(RateLimiter::keyed(quota))
        });
        Self { buckets, checks: Arc::default() }
    }

    /// Takes one token of the key's bucket.
    ///
    /// # Errors
    /// `rate_limited`, with the time after which a token is there again.
    pub fn check(&self, key: String) -> Result<(), ApiProblem> {
        let Some(buckets) = &self.buckets else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_BETWEEN_CLEANING
            == CHECKS_BETWEEN_CLEANING - 1
        {
            buckets.retain_recent();
        }
        buckets.check_key(&key).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            ApiProblem::new(Code::RateLimited, "you are sending too many requests")
                .retry_after(wait)
        })
    }
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit").field("limited", &self.buckets.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_limited_alone() {
        let two = NonZeroU32::new(2).expect("two");
        let limit = RateLimit::new(Some(RateLimitConfig { per_second: two, burst: two }));
        assert!(limit.check("a".into()).is_ok() && limit.check("a".into()).is_ok());
        let refused = limit.check("a".into()).expect_err("the third");
        assert_eq!(refused.problem().code, Code::RateLimited);
        assert!(limit.check("b".into()).is_ok());
        assert!(RateLimit::new(None).check("a".into()).is_ok());
    }
}
