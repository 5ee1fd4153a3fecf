//! A chart made ready for picking: distances, and every run of neighbours that
//! could be a choice, nearest first. Knows nothing of which seats are taken.
//!
//! Sorting once is what makes a pick fast: the best free run is the first one
//! in the list that is free, so a pick is a walk that mostly stops at once.

use std::sync::{Arc, OnceLock};

use seat_model::Chart;

use crate::wanted::MAX_QUANTITY;

/// How many parts of a plan unit are told apart. Whole numbers, so that two
/// seats placed alike on either side of the focal point are equally far, and
/// a sum does not depend on the order of adding.
const PARTS: f64 = 1e6;

/// Far beyond every plan, and small enough that sums of ten leave a byte free.
const FARTHEST: f64 = 4e15;

/// A chart prepared for [`crate::pick`]. Immutable but for what it works out
/// on first use (the runs of each tier and size); share it behind an `Arc`.
#[derive(Debug)]
pub struct Prepared {
    chart: Arc<Chart>,
    distance: Vec<u64>,
    tiers: Vec<TierSeats>,
}

/// The seats of one tier.
#[derive(Debug, Default)]
pub(crate) struct TierSeats {
    /// All of them, nearest first, then in plan order.
    pub(crate) all: Vec<usize>,
    /// The same, zone by zone; zones without a seat of the tier left out.
    pub(crate) zones: Vec<Vec<usize>>,
    /// Maximal stretches of neighbours: first seat and one past the last.
    stretches: Vec<(usize, usize)>,
    /// By size less one.
    runs: [OnceLock<Runs>; MAX_QUANTITY as usize],
}

/// Every run of one size, nearest first, then in plan order.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// First seats of runs without an accessible seat.
    ordinary: Vec<usize>,
    /// Runs with accessible seats: the first seat and how many there are.
    mixed: Vec<(usize, u32)>,
}

impl Prepared {
    /// Prepares a chart: sorts its seats by tier, zone and distance.
    #[must_use]
    pub fn new(chart: Arc<Chart>) -> Self {
        let distance: Vec<u64> =
            chart.seats.iter().map(|s| parts(s.place.distance(chart.focal_point))).collect();
        let mut tiers: Vec<TierSeats> = Vec::new();
        tiers.resize_with(chart.tiers.len(), TierSeats::default);
        let mut last_zone = vec![None; tiers.len()];
        for (i, seat) in chart.seats.iter().enumerate() {
            let Some(tier) = tiers.get_mut(seat.tier) else { continue };
            tier.all.push(i);
            // Plan order goes zone by zone, so a zone's seats come in one go.
            if last_zone[seat.tier] != Some(seat.zone) {
                last_zone[seat.tier] = Some(seat.zone);
                tier.zones.push(Vec::new());
            }
            if let Some(zone) = tier.zones.last_mut() {
                zone.push(i);
            }
            match tier.stretches.last_mut() {
                Some((_, end)) if *end == i && chart.seats[i - 1].block == seat.block => *end += 1,
                _ => tier.stretches.push((i, i + 1)),
            }
        }
        for tier in &mut tiers {
            tier.all.sort_by_key(|&i| (distance[i], i));
            for zone in &mut tier.zones {
                zone.sort_by_key(|&i| (distance[i], i));
            }
        }
        Self { chart, distance, tiers }
    }

    /// The chart it was made from.
    #[must_use]
    pub fn chart(&self) -> &Arc<Chart> {
        &self.chart
    }

    pub(crate) fn tier(&self, tier: usize) -> Option<&TierSeats> {
        self.tiers.get(tier)
    }

    /// A seat's distance to the focal point, in parts of a plan unit.
    pub(crate) fn distance(&self, seat: usize) -> u64 {
        self.distance[seat]
    }

    pub(crate) fn accessible(&self, seat: usize) -> bool {
        self.chart.seats[seat].marks.accessible
    }

    /// The first seats of all runs of `quantity` neighbours of a tier with
    /// exactly `accessible` accessible ones, best first. Empty for a tier or a
    /// quantity that cannot be.
    pub(crate) fn runs(
        &self,
        tier: usize,
        quantity: u32,
        accessible: u32,
    ) -> impl Iterator<Item = usize> + '_ {
        let runs = self.tier(tier).and_then(|tier| {
            let slot = tier.runs.get((quantity as usize).checked_sub(1)?)?;
            Some(slot.get_or_init(|| self.work_out_runs(tier, quantity as usize)))
        });
        let (ordinary, mixed) = match runs {
            Some(runs) if accessible == 0 => (runs.ordinary.as_slice(), [].as_slice()),
            Some(runs) => ([].as_slice(), runs.mixed.as_slice()),
            None => ([].as_slice(), [].as_slice()),
        };
        let exact = mixed.iter().filter(move |(_, count)| *count == accessible);
        ordinary.iter().copied().chain(exact.map(|(first, _)| *first))
    }

    fn work_out_runs(&self, tier: &TierSeats, size: usize) -> Runs {
        let mut ordinary: Vec<(u64, usize)> = Vec::new();
        let mut mixed: Vec<(u64, usize, u32)> = Vec::new();
        for &(begin, end) in &tier.stretches {
            for first in begin..=end.saturating_sub(size) {
                let run = first..first + size;
                if run.end > end {
                    break;
                }
                let sum = self.distance[run.clone()].iter().sum();
                match run.map(|i| u32::from(self.accessible(i))).sum() {
                    0 => ordinary.push((sum, first)),
                    count => mixed.push((sum, first, count)),
                }
            }
        }
        ordinary.sort_unstable();
        mixed.sort_unstable();
        Runs {
            ordinary: ordinary.into_iter().map(|(_, first)| first).collect(),
            mixed: mixed.into_iter().map(|(_, first, count)| (first, count)).collect(),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of whole numbers first")]
fn parts(distance: f64) -> u64 {
    (distance * PARTS).round().clamp(0.0, FARTHEST) as u64
}
