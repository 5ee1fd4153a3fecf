//! The one place that reads the wall clock. Wall time decides fairness and
//! what people read, never safety: whoever must measure a span uses `Instant`.

use std::time::{SystemTime, UNIX_EPOCH};

use seat_model::Timestamp;

/// Now, in milliseconds.
#[must_use]
pub fn now() -> Timestamp {
    let since = exactly().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Now, as exactly as the system knows: for spans, which are laid side by side.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn exactly() -> SystemTime {
    SystemTime::now()
}
