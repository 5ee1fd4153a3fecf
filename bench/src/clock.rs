//! The one place that reads the wall clock: a hold's deadline is a wall time.
//! Spans are measured with `Instant`.

use std::time::UNIX_EPOCH;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
