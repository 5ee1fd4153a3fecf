//! Waiting for conditions, with a deadline and a word about what was missing.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Between two looks. Short enough not to matter, long enough not to be load.
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// Looks until the condition holds.
///
/// # Errors
/// The last reason why it did not, once the deadline has passed.
pub async fn wait_until<T, E, F, Fut>(within: Duration, mut look: F) -> Result<T, String>
where
    E: Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let until = Instant::now() + within;
    loop {
        let missing = match look().await {
            Ok(found) => return Ok(found),
            Err(missing) => missing.to_string(),
        };
        if Instant::now() >= until {
            return Err(format!("not within {within:?}: {missing}"));
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// [`wait_until`] for tests: panics with what was missing.
///
/// # Panics
/// When the deadline passes first.
pub async fn eventually<T, E, F, Fut>(within: Duration, look: F) -> T
where
    E: Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    match wait_until(within, look).await {
        Ok(found) => found,
        Err(missing) => panic!("{missing}"),
    }
}
