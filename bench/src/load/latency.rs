//! Latencies: recorded cheaply, read as quantiles. Three significant digits, up
//! to two minutes; what takes longer counts as two minutes.

use std::time::Duration;

use hdrhistogram::Histogram;

const LONGEST: Duration = Duration::from_secs(120);

/// A distribution of latencies.
#[derive(Debug, Clone)]
pub(crate) struct Latency(Histogram<u32>);

impl Latency {
    /// Nothing recorded yet.
    pub(crate) fn new() -> Self {
        let longest = micros(LONGEST);
        Self(Histogram::new_with_bounds(1, longest, 3).expect("1 < two minutes, 3 <= 5 digits"))
    }

    /// Records one.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(micros(latency));
    }

    /// How many were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this part of all does not exceed, in milliseconds.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "two minutes of microseconds are exact")]
        let micros = self.0.value_at_quantile(part) as f64;
        micros / 1000.0
    }
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}

/// The median; the lower one of two in the middle is averaged with the upper.
/// Zero of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_thousandth() {
        let mut latency = Latency::new();
        for micros in 1..=100_000 {
            latency.record(Duration::from_micros(micros));
        }
        assert_eq!(latency.count(), 100_000);
        for (part, wanted_ms) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = latency.quantile_ms(part);
            assert!((found - wanted_ms).abs() <= wanted_ms / 1000.0, "{part}: {found}");
        }
    }

    #[test]
    fn what_takes_too_long_still_counts() {
        let mut latency = Latency::new();
        latency.record(Duration::from_secs(3600));
        assert!(latency.quantile_ms(1.0) >= 119_000.0);
    }

    #[test]
    fn a_median_is_not_moved_by_one_bad_round() {
        assert!((median(&[9.0, 1.0, 900.0]) - 9.0).abs() < f64::EPSILON);
        assert!((median(&[1.0, 3.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }
}
