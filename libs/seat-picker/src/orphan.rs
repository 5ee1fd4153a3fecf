//! Lone free seats: what a choice leaves beside it that nobody will want.
//!
//! A free ordinary seat is lone when neither neighbour is free; of which tier
//! the neighbours are does not matter. A free accessible seat counts as a free
//! neighbour, and is itself never lone: such a place is meant to be taken singly.

use seat_model::Chart;

use crate::free::Free;
use crate::prepared::Prepared;
use crate::seat_set::SeatSet;

/// The lone free seats that taking `seats` would leave and that were not lone
/// before, in plan order. `seats` are numbers in plan order, in any order;
/// `taken` are those that are not free before.
#[must_use]
pub fn orphans(chart: &Chart, seats: &[usize], taken: &SeatSet) -> Vec<usize> {
    let taken_then = |i: usize| seats.contains(&i) || taken.contains(i);
    let mut lone: Vec<usize> = seats
        .iter()
        .flat_map(|&i| neighbours(chart, i))
        .flatten()
        .filter(|&i| is_lone(chart, i, &taken_then) && !is_lone(chart, i, &|i| taken.contains(i)))
        .collect();
    lone.sort_unstable();
    lone.dedup();
    lone
}

/// The orphan rule for hand-picked seats: the lone seats the choice would
/// leave, if it is to be refused for them. `None`: it leaves none, or no choice
/// of that size avoids one, where a choice of that size is as many free seats
/// next to each other, of a tier that is among the chosen ones, with as many
/// accessible seats.
#[must_use]
pub fn leaves_single(prepared: &Prepared, seats: &[usize], taken: &SeatSet) -> Option<Vec<usize>> {
    let chart = prepared.chart();
    let lone = orphans(chart, seats, taken);
    if lone.is_empty() {
        return None;
    }
    let accessible = seats.iter().filter(|&&i| prepared.accessible(i)).count();
    let mut tiers: Vec<usize> = seats.iter().map(|&i| chart.seats[i].tier).collect();
    tiers.sort_unstable();
    tiers.dedup();
    let free = Free { prepared, taken };
    let avoidable = tiers
        .into_iter()
        .any(|tier| free.any_tidy(prepared.runs(tier, seats.len(), accessible), seats.len()));
    avoidable.then_some(lone)
}

fn is_lone(chart: &Chart, seat: usize, taken: &impl Fn(usize) -> bool) -> bool {
    !chart.seats[seat].marks.accessible
        && !taken(seat)
        && neighbours(chart, seat).into_iter().flatten().all(taken)
}

/// The seats before and after this one in its block.
fn neighbours(chart: &Chart, seat: usize) -> [Option<usize>; 2] {
    let block = chart.seats[seat].block;
    let beside = |i: usize| chart.seats.get(i).is_some_and(|other| other.block == block);
    let before = seat.checked_sub(1).filter(|&i| beside(i));
    let after = Some(seat + 1).filter(|&i| beside(i));
    [before, after]
}
