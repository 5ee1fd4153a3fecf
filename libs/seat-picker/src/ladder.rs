//! The ladder: neighbours first, then (if the customer accepts it) seats apart.

use crate::free::Free;
use crate::prepared::Prepared;
use crate::seat_set::SeatSet;
use crate::split;
use crate::wanted::{Choice, MAX_QUANTITY, NoChoice, Spread, Step, Wanted};

/// Chooses the best available seats around those that are taken.
///
/// The same for the same input: the lowest [`Step`], then the smallest sum of
/// distances to the focal point, then plan order; unless `spread` lets its seed
/// decide among choices that are nearly as near. Seats apart are chosen so that
/// as few as possible sit alone, before distance counts.
///
/// # Errors
/// [`NoChoice`] says why there is none.
pub fn pick(
    prepared: &Prepared,
    wanted: &Wanted,
    taken: &SeatSet,
    spread: Spread,
) -> Result<Choice, NoChoice> {
    let possible = (1..=MAX_QUANTITY).contains(&wanted.quantity)
        && wanted.accessible <= wanted.quantity
        && taken.capacity() == prepared.chart().seats.len();
    let tier = prepared.tier(wanted.tier).filter(|_| possible).ok_or(NoChoice::NeverPossible)?;
    let free = Free { prepared, taken };
    if let Some(choice) = neighbours(free, wanted, spread) {
        return Ok(choice);
    }
    // Only now is it worth counting: a run that was found is enough seats.
    let [ordinary, accessible] = tier.kinds.each_ref().map(|kind| kind.count_without(taken));
    if accessible < wanted.accessible as usize
        || ordinary < (wanted.quantity - wanted.accessible) as usize
    {
        return Err(NoChoice::SoldOut);
    }
    if !wanted.accept_split {
        return Err(NoChoice::NoAdjacentSeats);
    }
    split::apart(free, tier, wanted).ok_or(NoChoice::SoldOut)
}

/// Steps 1 and 2: the nearest free run that orphans nobody, else the nearest.
fn neighbours(free: Free<'_>, wanted: &Wanted, spread: Spread) -> Option<Choice> {
    let size = wanted.quantity as usize;
    let runs = free.prepared.runs(wanted.tier, size, wanted.accessible as usize);
    let tidy = free.walk(runs, size, true, spread);
    let (first, step) = match tidy.chosen {
        Some(first) => (first, Step::Adjacent),
        None if tidy.any => {
            (free.walk(runs, size, false, spread).chosen?, Step::AdjacentWithOrphans)
        }
        None => return None,
    };
    Some(Choice { seats: (first..first + size).collect(), step, next_to_each_other: true })
}
