//! When the orders of an open loop are meant to start: people come one by one,
//! independently of each other and of how fast anybody is served (a Poisson
//! process). The same seed gives the same arrivals.

use std::time::Duration;

use crate::orders::mix;

/// Arrival times, as offsets from the start; never ends, never goes back.
#[derive(Debug, Clone)]
pub(crate) struct Arrivals {
    mean_gap_s: f64,
    at_s: f64,
    state: u64,
}

impl Arrivals {
    /// So many a second on average.
    pub(crate) fn new(per_second: f64, seed: u64) -> Self {
        Self { mean_gap_s: per_second.max(0.001).recip(), at_s: 0.0, state: seed }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.state = self.state.wrapping_add(1);
        // 53 random bits in (0, 1]: the logarithm of zero is no gap.
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let uniform = ((mix(self.state) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        self.at_s -= uniform.ln() * self.mean_gap_s;
        Some(Duration::from_secs_f64(self.at_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_come_at_the_rate_and_in_order() {
        let arrivals: Vec<Duration> = Arrivals::new(1_000.0, 7).take(100_000).collect();
        assert!(arrivals.is_sorted());
        let last = arrivals[arrivals.len() - 1].as_secs_f64();
        assert!((last - 100.0).abs() < 2.0, "100,000 at 1,000/s took {last} s");
    }

    #[test]
    fn gaps_are_those_of_independent_people() {
        let arrivals: Vec<f64> =
            Arrivals::new(1.0, 3).take(50_000).map(|at| at.as_secs_f64()).collect();
        let longer = arrivals.windows(2).filter(|pair| pair[1] - pair[0] > 1.0).count();
        // 1/e of exponential gaps are longer than the mean.
        assert!((17_800..19_000).contains(&longer), "{longer}");
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals() {
        let take = |seed| Arrivals::new(10.0, seed).take(9).collect::<Vec<_>>();
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }
}
