//! The ladder: neighbours first, then (if the customer accepts it) seats apart.

use crate::orphan::run_orphans;
use crate::prepared::Prepared;
use crate::split;
use crate::wanted::{Choice, MAX_QUANTITY, NoChoice, Step, Wanted};

/// Chooses the best available seats. `taken` tells of a seat, by its number in
/// plan order, whether it is not free; it is asked often and must be cheap.
///
/// Deterministic: the lowest [`Step`], then the smallest sum of distances to
/// the focal point, then plan order. Seats apart are chosen so that as few as
/// possible sit alone, before distance counts.
///
/// # Errors
/// [`NoChoice`] says why there is none.
pub fn pick(
    prepared: &Prepared,
    wanted: &Wanted,
    taken: impl Fn(usize) -> bool,
) -> Result<Choice, NoChoice> {
    let possible =
        (1..=MAX_QUANTITY).contains(&wanted.quantity) && wanted.accessible <= wanted.quantity;
    let tier = prepared.tier(wanted.tier).filter(|_| possible).ok_or(NoChoice::NeverPossible)?;
    if let Some(choice) = neighbours(prepared, wanted, &taken) {
        return Ok(choice);
    }
    // Only now is it worth counting: a run that was found is enough seats.
    let free = tier.all.iter().filter(|&&i| !taken(i));
    let (mut ordinary, mut accessible) = (0_u32, 0_u32);
    for &seat in free {
        *(if prepared.accessible(seat) { &mut accessible } else { &mut ordinary }) += 1;
    }
    if accessible < wanted.accessible || ordinary < wanted.quantity - wanted.accessible {
        return Err(NoChoice::SoldOut);
    }
    if !wanted.accept_split {
        return Err(NoChoice::NoAdjacentSeats);
    }
    split::apart(prepared, tier, wanted, &taken).ok_or(NoChoice::SoldOut)
}

/// Steps 1 and 2: the nearest free run that orphans nobody, else the nearest.
fn neighbours(
    prepared: &Prepared,
    wanted: &Wanted,
    taken: &impl Fn(usize) -> bool,
) -> Option<Choice> {
    let size = wanted.quantity as usize;
    let choice = |first: usize, step| Choice {
        seats: (first..first + size).collect(),
        step,
        next_to_each_other: true,
    };
    let mut second_best = None;
    for first in prepared.runs(wanted.tier, wanted.quantity, wanted.accessible) {
        let run = first..first + size;
        if run.clone().any(taken) {
            continue;
        }
        if !run_orphans(prepared.chart(), run, taken) {
            return Some(choice(first, Step::Adjacent));
        }
        second_best = second_best.or(Some(first));
    }
    second_best.map(|first| choice(first, Step::AdjacentWithOrphans))
}
