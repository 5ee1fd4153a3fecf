//! The free seats of a hall, many at once: which runs of a patch are free, and
//! which of those leave nobody a lone seat.

use crate::prepared::{Patch, Prepared};
use crate::seat_set::{SeatSet, WORD, ones};
use crate::wanted::Spread;

/// A hall with some seats taken.
#[derive(Clone, Copy)]
pub(crate) struct Free<'h> {
    pub(crate) prepared: &'h Prepared,
    pub(crate) taken: &'h SeatSet,
}

/// Runs of a patch, as its `starts`.
#[derive(Clone, Copy)]
struct FreeRuns {
    all: u64,
    /// Those that leave no lone seat beside them.
    tidy: u64,
}

/// What a walk over runs came to.
pub(crate) struct Walked {
    /// The first seat of the run that was chosen.
    pub(crate) chosen: Option<usize>,
    /// Whether any run was free, tidy or not, as far as was looked.
    pub(crate) any: bool,
}

impl Free<'_> {
    /// The free runs of a patch, whole rows at a time: bit `i + 2` of each
    /// number below is seat `first + i`.
    fn runs(&self, patch: &Patch, size: usize) -> FreeRuns {
        let mut free = !self.taken.window_around(patch.first);
        if patch.first < 2 {
            // There is nobody before the first seat, and nothing free.
            free &= u128::MAX << (2 - patch.first);
        }
        let all = patch.starts & low(unbroken(free, size) >> 2);
        if all == 0 {
            return FreeRuns { all, tidy: 0 };
        }
        let linked = self.prepared.linked.window_around(patch.first);
        let special = self.prepared.special.window_around(patch.first);
        // Free ordinary seats without a free neighbour before, or after, them.
        let closed_before = free & !special & !((linked & free) << 1);
        let closed_after = free & !special & !(linked & (free >> 1));
        let lone_before = (linked & closed_before) << 1;
        let lone_after = (linked >> (size - 1)) & (closed_after >> size);
        FreeRuns { all, tidy: all & !low((lone_before | lone_after) >> 2) }
    }

    /// Whether some free run leaves nobody a lone seat.
    pub(crate) fn any_tidy(&self, patches: &[Patch], size: usize) -> bool {
        patches.iter().any(|patch| self.runs(patch, size).tidy != 0)
    }

    /// The nearest free run, or with a spread one that is nearly as near.
    pub(crate) fn walk(
        &self,
        patches: &[Patch],
        size: usize,
        tidy_only: bool,
        spread: Spread,
    ) -> Walked {
        let spreading = spread.choices > 1;
        let tolerance = if spreading { self.prepared.tolerance(size) } else { 0 };
        let mut best: Option<(u64, usize)> = None;
        let mut any = false;
        // At most one a patch.
        let mut good: Vec<(u64, usize)> = Vec::new();
        for patch in patches {
            // On equal distance plan order decides: so only farther ones are of no use.
            if best.is_some_and(|(sum, _)| patch.floor > sum.saturating_add(tolerance)) {
                break;
            }
            let runs = self.runs(patch, size);
            any |= runs.all != 0;
            let bits = if tidy_only { runs.tidy } else { runs.all };
            let Some(found) = self.nearest(patch, bits, size) else { continue };
            best = Some(best.map_or(found, |best| best.min(found)));
            if spreading {
                good.push(found);
            }
        }
        let chosen = best.map(|(sum, first)| {
            good.retain(|(other, _)| *other <= sum.saturating_add(tolerance));
            self.one_of(good, spread).unwrap_or(first)
        });
        Walked { chosen, any }
    }

    /// The nearest of a patch's runs that are given as bits; on equal distance
    /// the first in plan order.
    fn nearest(&self, patch: &Patch, bits: u64, size: usize) -> Option<(u64, usize)> {
        let of = |bit: usize| (self.prepared.sum(patch.first + bit, size), patch.first + bit);
        let Some(valley) = patch.valley else { return ones(bits).map(of).min() };
        let before = bits & (u64::MAX >> (u64::BITS - 1 - valley));
        let after = bits & !before;
        let last = before.checked_ilog2().map(|bit| of(bit as usize));
        let next = (after != 0).then(|| of(after.trailing_zeros() as usize));
        last.into_iter().chain(next).min()
    }

    /// One of the nearest few, each in another row: the best of a row is what a
    /// single customer would get there, so that spreading leaves no odd gaps.
    fn one_of(&self, mut good: Vec<(u64, usize)>, spread: Spread) -> Option<usize> {
        let row = |first: usize| self.prepared.chart().seats[first].block;
        good.sort_unstable_by_key(|&(sum, first)| (row(first), sum, first));
        good.dedup_by_key(|(_, first)| row(*first));
        good.sort_unstable();
        good.truncate(spread.choices);
        let count = u64::try_from(good.len()).ok().filter(|count| *count > 0)?;
        let index = usize::try_from(spread.seed % count).ok()?;
        good.get(index).map(|(_, first)| *first)
    }
}

/// Where so many bits in a row are set, at the lowest of them.
fn unbroken(mut bits: u128, size: usize) -> u128 {
    let mut have = 1;
    while have < size {
        let more = have.min(size - have);
        bits &= bits >> more;
        have += more;
    }
    bits
}

/// The lower half.
const fn low(bits: u128) -> u64 {
    (bits & ((1 << WORD) - 1)) as u64
}
