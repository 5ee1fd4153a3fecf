//! Figures of a run: counts by request and outcome, a second-by-second line,
//! and the longest times in which nobody got a hold. Pure.

use std::collections::BTreeMap;

use booking_api_client::BookingState;
use seat_model::{PerformanceId, ShardId};
use serde::Serialize;

use crate::history::{Action, History, Operation, Outcome};

/// How requests ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Done.
    pub ok: u64,
    /// Not done.
    pub refused: u64,
    /// Nobody was told.
    pub unknown: u64,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Ok(_) => self.ok += 1,
            Outcome::Refused { .. } => self.refused += 1,
            Outcome::Unknown => self.unknown += 1,
        }
    }

    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.ok + self.refused + self.unknown
    }
}

/// One second of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Second {
    /// Requests that ended in it.
    pub counts: Counts,
    /// The median answer, milliseconds.
    pub p50_ms: f64,
    /// The slowest answer but one in a hundred, milliseconds.
    pub p99_ms: f64,
}

/// The longest time without a successful hold while a fault was there, and
/// until the first one after it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gap {
    /// The fault.
    pub fault: u32,
    /// On any shard, milliseconds.
    pub anywhere_ms: u64,
    /// By shard, milliseconds.
    pub by_shard_ms: BTreeMap<ShardId, u64>,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// By request.
    pub by_action: BTreeMap<&'static str, Counts>,
    /// All requests.
    pub total: Counts,
    /// Refusals by code.
    pub refusals: BTreeMap<String, u64>,
    /// Bookings whose sale was told.
    pub sold: u64,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// Without a hold, fault by fault.
    pub gaps: Vec<Gap>,
    /// Shares of requests whose outcome nobody was told.
    pub unknown_share: f64,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Figures {
    /// From a history.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let mut by_action: BTreeMap<&'static str, Counts> = BTreeMap::new();
        let mut total = Counts::default();
        let mut refusals: BTreeMap<String, u64> = BTreeMap::new();
        let mut sold = std::collections::BTreeSet::new();
        for operation in &history.operations {
            by_action.entry(operation.action.name()).or_default().add(&operation.outcome);
            total.add(&operation.outcome);
            if let Outcome::Refused { code, .. } = &operation.outcome {
                *refusals.entry(code.clone()).or_default() += 1;
            }
            if let Some(told) = operation.told_booking()
                && told.state == BookingState::Confirmed
            {
                sold.insert(told.booking);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a share of far fewer than 2^52")]
        let unknown_share = total.unknown as f64 / total.all().max(1) as f64;
        Self {
            by_action,
            total,
            refusals,
            sold: u64::try_from(sold.len()).unwrap_or(u64::MAX),
            seconds: seconds(history),
            gaps: gaps(history),
            unknown_share,
        }
    }

    /// The longest time without a hold anywhere while this kind of fault was there.
    #[must_use]
    pub fn longest_gap_ms(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.anywhere_ms).max().unwrap_or(0)
    }
}

fn seconds(history: &History) -> Vec<Second> {
    let count = usize::try_from(history.end_ns / SECOND_NS + 1).unwrap_or(0);
    let mut seconds = vec![Second::default(); count];
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); count];
    for operation in &history.operations {
        let end = operation.end_ns.unwrap_or(history.end_ns);
        let at = usize::try_from(end / SECOND_NS).unwrap_or(0).min(count.saturating_sub(1));
        seconds[at].counts.add(&operation.outcome);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a request")]
        took[at].push(end.saturating_sub(operation.start_ns) as f64 / 1e6);
    }
    for (second, mut took) in seconds.iter_mut().zip(took) {
        took.sort_by(f64::total_cmp);
        second.p50_ms = quantile(&took, 50);
        second.p99_ms = quantile(&took, 99);
    }
    seconds
}

fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0.0)
}

fn gaps(history: &History) -> Vec<Gap> {
    let mut homes: BTreeMap<&PerformanceId, &ShardId> = BTreeMap::new();
    for operation in &history.operations {
        if let Action::Book { show, performance, .. } = &operation.action
            && let Some(shard) = history.began.homes.get(show)
        {
            homes.insert(performance, shard);
        }
    }
    let mut anywhere = Vec::new();
    let mut by_shard: BTreeMap<&ShardId, Vec<u64>> = BTreeMap::new();
    for operation in history.operations.iter().filter(|operation| is_hold(operation)) {
        let Some(end) = operation.end_ns else { continue };
        anywhere.push(end);
        let performance = operation.told_booking().map(|told| &told.performance);
        if let Some(shard) = performance.and_then(|performance| homes.get(performance)) {
            by_shard.entry(shard).or_default().push(end);
        }
    }
    anywhere.sort_unstable();
    by_shard.values_mut().for_each(|ends| ends.sort_unstable());
    history
        .faults
        .iter()
        .map(|fault| {
            let from = fault.begins_ns;
            let until = fault.healed_ns.unwrap_or(history.end_ns);
            let shards = by_shard.iter();
            Gap {
                fault: fault.number,
                anywhere_ms: longest(&anywhere, from, until),
                by_shard_ms: shards
                    .map(|(shard, ends)| ((*shard).clone(), longest(ends, from, until)))
                    .collect(),
            }
        })
        .collect()
}

fn is_hold(operation: &Operation) -> bool {
    matches!(operation.action, Action::Book { .. }) && operation.told_booking().is_some()
}

/// The longest time between two moments of which some part is within the span.
fn longest(moments: &[u64], from: u64, until: u64) -> u64 {
    let first = moments.partition_point(|moment| *moment <= from);
    let before = if first == 0 { from } else { from.max(moments[first - 1]) };
    let mut last = before;
    let mut longest = 0;
    for moment in &moments[first..] {
        longest = longest.max(moment - last);
        last = *moment;
        if *moment > until {
            return longest / 1_000_000;
        }
    }
    longest.max(until.saturating_sub(last)) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_without_reaches_to_the_first_moment_after_the_span() {
        let ms = |moments: &[u64]| moments.iter().map(|ms| ms * 1_000_000).collect::<Vec<_>>();
        let within = |moments: &[u64], from: u64, until: u64| {
            longest(&ms(moments), from * 1_000_000, until * 1_000_000)
        };
        assert_eq!(within(&[5, 10, 40, 45], 8, 30), 30);
        assert_eq!(within(&[5, 10, 40, 45], 8, 42), 30);
        assert_eq!(within(&[5], 8, 30), 22);
        assert_eq!(within(&[], 8, 30), 22);
        assert_eq!(within(&[20, 90], 8, 30), 70);
    }

    #[test]
    fn a_quantile_is_a_value_that_was_seen() {
        assert!((quantile(&[1.0, 2.0, 3.0], 50) - 2.0).abs() < f64::EPSILON);
        assert!((quantile(&[1.0, 2.0, 3.0], 99) - 3.0).abs() < f64::EPSILON);
        assert!(quantile(&[], 50).abs() < f64::EPSILON);
    }
}
