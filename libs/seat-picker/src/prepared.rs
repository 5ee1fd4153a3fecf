//! A chart made ready for picking: distances, and every run of neighbours that
//! could be a choice, row by row, nearest first. Knows nothing of which seats
//! are taken.
//!
//! Sorting once is what makes a pick fast: rows are looked at in the order of
//! the best they could offer, and the first that offers it ends the search.

use std::ops::Range;
use std::sync::Arc;

use seat_model::Chart;

use crate::seat_set::{SeatSet, WORD, ones};
use crate::wanted::MAX_QUANTITY;

/// How many parts of a plan unit are told apart. Whole numbers, so that two
/// seats placed alike on either side of the focal point are equally far, and
/// a sum does not depend on the order of adding.
const PARTS: f64 = 1e6;

/// Far beyond every plan, and small enough that sums of ten leave a byte free.
const FARTHEST: f64 = 4e15;

/// A chart prepared for [`crate::pick`]. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct Prepared {
    chart: Arc<Chart>,
    distance: Vec<u64>,
    /// The distances of all seats before this one, added up; wraps around, as
    /// only differences count.
    before: Vec<u64>,
    /// Seats whose neighbour the next one is.
    pub(crate) linked: SeatSet,
    /// Accessible seats.
    pub(crate) special: SeatSet,
    /// The usual distance between neighbours, in parts.
    spacing: u64,
    tiers: Vec<TierSeats>,
}

/// The seats of one tier.
#[derive(Debug)]
pub(crate) struct TierSeats {
    /// Ordinary ones and accessible ones.
    pub(crate) kinds: [SeatSet; 2],
    /// The zones it has seats in, the nearest first: how near its nearest seat
    /// is, and all the zone's seats, of whatever tier.
    pub(crate) zones: Vec<(u64, Range<usize>)>,
    /// By size less one, then by how many of them are accessible.
    runs: Vec<Vec<Vec<Patch>>>,
}

/// Runs of one size that begin within 64 seats of one row: a bit each.
#[derive(Debug)]
pub(crate) struct Patch {
    /// The sum of distances of its nearest run, in parts.
    pub(crate) floor: u64,
    /// Bit `i`: there is a run that begins at seat `first + i`.
    pub(crate) starts: u64,
    /// The seat of the lowest bit.
    pub(crate) first: usize,
    /// The bit of the nearest run, where distances strictly fall up to it and
    /// never fall after it: then the nearest free run is beside it.
    pub(crate) valley: Option<u32>,
}

impl Prepared {
    /// Prepares a chart: milliseconds for a large one.
    #[must_use]
    pub fn new(chart: Arc<Chart>) -> Self {
        let seats = chart.seats.len();
        let distance: Vec<u64> =
            chart.seats.iter().map(|s| parts(s.place.distance(chart.focal_point))).collect();
        let mut before = vec![0_u64];
        let (mut linked, mut special) = (SeatSet::new(seats), SeatSet::new(seats));
        let mut zones: Vec<Range<usize>> = Vec::new();
        let mut kinds = vec![[SeatSet::new(seats), SeatSet::new(seats)]; chart.tiers.len()];
        let mut gaps: Vec<u64> = Vec::new();
        for (i, seat) in chart.seats.iter().enumerate() {
            before.push(before[i].wrapping_add(distance[i]));
            if seat.marks.accessible {
                special.insert(i);
            }
            if let Some(kinds) = kinds.get_mut(seat.tier) {
                kinds[usize::from(seat.marks.accessible)].insert(i);
            }
            let last = i.checked_sub(1).map(|i| &chart.seats[i]);
            if let Some(last) = last.filter(|last| last.block == seat.block) {
                linked.insert(i - 1);
                gaps.push(parts(last.place.distance(seat.place)));
            }
            // Plan order goes zone by zone, so a zone's seats come in one go.
            match zones.last_mut() {
                Some(zone) if last.is_some_and(|last| last.zone == seat.zone) => zone.end = i + 1,
                _ => zones.push(i..i + 1),
            }
        }
        gaps.sort_unstable();
        let spacing = gaps.get(gaps.len() / 2).copied().unwrap_or(0);
        let mut prepared =
            Self { chart, distance, before, linked, special, spacing, tiers: Vec::new() };
        for kinds in kinds {
            let runs = prepared.work_out_runs(&kinds);
            let of_tier = |i: &usize| kinds.iter().any(|kind| kind.contains(*i));
            let nearest = |zone: &Range<usize>| {
                zone.clone().filter(of_tier).map(|i| prepared.distance[i]).min()
            };
            let zones = zones.iter().filter_map(|zone| Some((nearest(zone)?, zone.clone())));
            let mut zones: Vec<(u64, Range<usize>)> = zones.collect();
            zones.sort_unstable_by_key(|(nearest, zone)| (*nearest, zone.start));
            prepared.tiers.push(TierSeats { kinds, zones, runs });
        }
        prepared
    }

    /// The chart it was made from.
    #[must_use]
    pub fn chart(&self) -> &Arc<Chart> {
        &self.chart
    }

    /// A set for seats of this plan, with none in it.
    #[must_use]
    pub fn no_seats(&self) -> SeatSet {
        SeatSet::new(self.chart.seats.len())
    }

    pub(crate) fn tier(&self, tier: usize) -> Option<&TierSeats> {
        self.tiers.get(tier)
    }

    /// A seat's distance to the focal point, in parts of a plan unit.
    pub(crate) fn distance(&self, seat: usize) -> u64 {
        self.distance[seat]
    }

    /// The sum of the distances of a run.
    pub(crate) fn sum(&self, first: usize, size: usize) -> u64 {
        self.before[first + size].wrapping_sub(self.before[first])
    }

    /// How much farther a choice of this size may be than the best and still
    /// pass for as good: see [`crate::Spread`].
    pub(crate) fn tolerance(&self, size: usize) -> u64 {
        (0..size).fold(0, |sum: u64, _| sum.saturating_add(self.spacing))
    }

    pub(crate) fn accessible(&self, seat: usize) -> bool {
        self.special.contains(seat)
    }

    /// All runs of `size` neighbours of a tier with exactly `accessible`
    /// accessible ones, those patches first that could offer the nearest.
    /// Empty for a tier or a size that cannot be.
    pub(crate) fn runs(&self, tier: usize, size: usize, accessible: usize) -> &[Patch] {
        let of_size = size.checked_sub(1).and_then(|i| self.tier(tier)?.runs.get(i));
        of_size.and_then(|by_kind| by_kind.get(accessible)).map_or(&[], Vec::as_slice)
    }

    fn work_out_runs(&self, kinds: &[SeatSet; 2]) -> Vec<Vec<Vec<Patch>>> {
        let mut runs: Vec<Vec<Vec<Patch>>> = Vec::new();
        runs.resize_with(MAX_QUANTITY as usize, Vec::new);
        for stretch in self.stretches(kinds) {
            for (size, by_kind) in (1..).zip(&mut runs) {
                for first in stretch.start..(stretch.end + 1).saturating_sub(size) {
                    let special = (first..first + size).filter(|&i| self.accessible(i)).count();
                    if by_kind.len() <= special {
                        by_kind.resize_with(special + 1, Vec::new);
                    }
                    let bit = (first - stretch.start) % WORD;
                    let sum = self.sum(first, size);
                    let patches = &mut by_kind[special];
                    match patches.last_mut() {
                        Some(patch) if patch.first == first - bit => {
                            patch.starts |= 1 << bit;
                            patch.floor = patch.floor.min(sum);
                        }
                        _ => patches.push(Patch {
                            floor: sum,
                            starts: 1 << bit,
                            first: first - bit,
                            valley: None,
                        }),
                    }
                }
            }
        }
        for (size, by_kind) in (1..).zip(&mut runs) {
            for patches in by_kind {
                for patch in &mut *patches {
                    patch.valley = self.valley(patch, size);
                }
                patches.sort_unstable_by_key(|patch| (patch.floor, patch.first));
            }
        }
        runs
    }

    /// Maximal stretches of neighbours of one tier.
    fn stretches(&self, kinds: &[SeatSet; 2]) -> Vec<Range<usize>> {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for seat in 0..self.chart.seats.len() {
            if !kinds.iter().any(|kind| kind.contains(seat)) {
                continue;
            }
            match stretches.last_mut() {
                Some(last) if last.end == seat && self.linked.contains(seat - 1) => last.end += 1,
                _ => stretches.push(seat..seat + 1),
            }
        }
        stretches
    }

    fn valley(&self, patch: &Patch, size: usize) -> Option<u32> {
        let sums: Vec<(u64, usize)> =
            ones(patch.starts).map(|bit| (self.sum(patch.first + bit, size), bit)).collect();
        let nearest = *sums.iter().min()?;
        let falls = |pair: &[(u64, usize)]| pair[0].0 > pair[1].0;
        let proper = sums.windows(2).all(|pair| falls(pair) == (pair[1].1 <= nearest.1));
        u32::try_from(nearest.1).ok().filter(|_| proper)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of whole numbers first")]
fn parts(distance: f64) -> u64 {
    (distance * PARTS).round().clamp(0.0, FARTHEST) as u64
}
