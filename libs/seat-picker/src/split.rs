//! Seats apart: the closest ones, first within a section, with as few people
//! sitting alone as can be. Reached only where no free run is long enough.
//!
//! A walk over free seats in plan order keeps, for every count still to choose,
//! the best way to choose them. It looks at the nearest few seats first and
//! widens while a farther seat could still be better, up to a bound: a pick
//! must not keep a crowd waiting.

use std::ops::Range;

use crate::free::Free;
use crate::prepared::{Prepared, TierSeats};
use crate::seat_set::{WORD, masks, ones};
use crate::wanted::{Choice, Step, Wanted};

/// How many of the nearest seats of a kind are looked at before any more.
const FIRST_REACH: usize = 16;

/// How many of a section's nearest seats of a kind are looked at in the end,
/// free seats with no free neighbour left out but for the nearest few. Within
/// it a choice is the best of all; where fewer people would sit alone only
/// beyond it, they sit alone near by.
const LAST_REACH: usize = 1024;

/// What one person sitting alone costs: more than any distance. Distances take
/// 52 bits at most, ten of them 56.
const ALONE: u64 = 1 << 56;

/// Stands for "cannot be".
const NEVER: u64 = u64::MAX;

/// A way to choose, comparable: the smaller is the better.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// People alone, then the sum of distances.
    cost: u64,
    /// In plan order.
    seats: Vec<usize>,
}

/// Free seats to choose from.
struct Pool {
    /// Ordinary and accessible ones, as distance and number, in no order.
    kinds: [Vec<(u64, usize)>; 2],
    /// The farthest seat of each kind, if everybody gets the nearest.
    farthest: [u64; 2],
    /// What that costs, with those who must sit alone: no choice costs less.
    at_least: u64,
}

/// Steps 3 and 4. `None` only where there are too few seats.
pub(crate) fn apart(free: Free<'_>, tier: &TierSeats, wanted: &Wanted) -> Option<Choice> {
    let chooser = Chooser::new(free.prepared, wanted);
    let choice =
        |found: Found, step| Choice { seats: found.seats, step, next_to_each_other: false };
    let mut best: Option<Found> = None;
    for (nearest, zone) in &tier.zones {
        let floor = chooser.apart() as u64 * ALONE + u64::from(wanted.quantity) * nearest;
        if best.as_ref().is_some_and(|best| best.cost < floor) {
            break;
        }
        let found = chooser.pool(free, tier, zone.clone());
        let found = found.and_then(|pool| chooser.best_of(pool));
        best = match (best, found) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    if let Some(found) = best {
        return Some(choice(found, Step::OneSection));
    }
    let everywhere = chooser.pool(free, tier, 0..free.taken.capacity())?;
    chooser.best_of(everywhere).map(|found| choice(found, Step::AcrossSections))
}

struct Chooser<'p> {
    prepared: &'p Prepared,
    quantity: usize,
    accessible: usize,
}

impl<'p> Chooser<'p> {
    const fn new(prepared: &'p Prepared, wanted: &Wanted) -> Self {
        let (quantity, accessible) = (wanted.quantity as usize, wanted.accessible as usize);
        Self { prepared, quantity, accessible }
    }

    /// How many ordinary and accessible seats it takes.
    const fn needs(&self) -> [usize; 2] {
        [self.quantity - self.accessible, self.accessible]
    }

    /// The usable free seats of a range; `None` where they are too few.
    fn pool(&self, free: Free<'_>, tier: &TierSeats, range: Range<usize>) -> Option<Pool> {
        let needs = self.needs();
        let kinds = || tier.kinds.iter().zip(needs).filter(|(_, needed)| *needed > 0);
        let enough = kinds().all(|(kind, needed)| {
            let words = masks(range.clone());
            let counts = words.map(|(i, mask)| kind.word(i) & mask & !free.taken.word(i));
            counts.map(|word| word.count_ones() as usize).sum::<usize>() >= needed
        });
        if !enough {
            return None;
        }
        let usable = masks(range).flat_map(|(i, mask)| {
            let word = kinds().fold(0, |word, (kind, _)| word | kind.word(i));
            ones(word & mask & !free.taken.word(i)).map(move |bit| i * WORD + bit)
        });
        let mut together = Together::default();
        for seat in usable {
            together.add(self.prepared, seat);
        }
        together.close_row(self.prepared);
        let mut at_least = self.fewest_alone(&together) as u64 * ALONE;
        let mut farthest = [0; 2];
        let Together { mut kinds, singles, .. } = together;
        for (kind, mut single) in singles.into_iter().enumerate() {
            // Of seats that make nobody company only the nearest can be chosen.
            nearest_to_front(&mut single, self.quantity);
            single.truncate(self.quantity);
            let seats = &mut kinds[kind];
            seats.append(&mut single);
            nearest_to_front(seats, needs[kind]);
            for (distance, _) in seats.iter().take(needs[kind]) {
                at_least += distance;
                farthest[kind] = farthest[kind].max(*distance);
            }
        }
        Some(Pool { kinds, farthest, at_least })
    }

    /// How many sit alone in any hall: two apart are both alone, of three one is.
    const fn apart(&self) -> usize {
        match self.quantity {
            2 => 2,
            1 | 3 => 1,
            _ => 0,
        }
    }

    /// How many sit alone whatever is chosen here: more sit in pairs where
    /// there are pairs, and of an odd number three sit together where there
    /// are three.
    fn fewest_alone(&self, together: &Together) -> usize {
        let without_company = self.quantity.saturating_sub(together.count);
        let odd_one = usize::from(self.quantity % 2 == 1 && together.longest < 3);
        without_company.max(odd_one).max(self.apart())
    }

    fn best_of(&self, mut pool: Pool) -> Option<Found> {
        let mut reach = FIRST_REACH;
        loop {
            let mut seats = Vec::new();
            for kind in &mut pool.kinds {
                nearest_to_front(kind, reach);
                seats.extend(kind.iter().take(reach).map(|(_, seat)| *seat));
            }
            let found = self.best_among(seats)?;
            // Whoever sits farther than this costs more, even if all others sit nearest.
            let spare = found.cost - pool.at_least;
            for (kind, farthest) in pool.kinds.iter_mut().zip(pool.farthest) {
                kind.retain(|(distance, _)| *distance <= farthest + spare);
            }
            if reach >= LAST_REACH || pool.kinds.iter().all(|kind| kind.len() <= reach) {
                return Some(found);
            }
            reach *= 4;
        }
    }

    /// The best choice among these seats.
    fn best_among(&self, mut seats: Vec<usize>) -> Option<Found> {
        seats.sort_unstable();
        let states = (self.quantity + 1) * (self.accessible + 1) * 3;
        let mut after = vec![NEVER; states];
        after[self.state(0, 0, Last::Not)] = 0;
        let mut here = vec![NEVER; states];
        let mut take = vec![false; states * seats.len()];
        for (i, &seat) in seats.iter().enumerate().rev() {
            let linked = self.linked(&seats, i);
            let take = &mut take[i * states..][..states];
            for left in 0..=self.quantity {
                // Of neither kind are ever more left to choose than were wanted.
                for special in left.saturating_sub(self.needs()[0])..=self.accessible.min(left) {
                    for last in [Last::Not, Last::Alone, Last::Accompanied] {
                        let state = self.state(left, special, last);
                        let skipped = after[self.state(left, special, Last::Not)];
                        let skipped = skipped.saturating_add(last.cost());
                        let taken = self.taking(&after, seat, linked, (left, special, last));
                        // On equal cost the earlier seat is taken: plan order decides.
                        take[state] = taken != NEVER && taken <= skipped;
                        here[state] = taken.min(skipped);
                    }
                }
            }
            std::mem::swap(&mut here, &mut after);
        }
        let cost = after[self.state(self.quantity, self.accessible, Last::Not)];
        (cost != NEVER).then(|| Found { cost, seats: self.follow(&seats, &take, states) })
    }

    /// What it costs to take this seat and go on as well as can be.
    fn taking(
        &self,
        after: &[u64],
        seat: usize,
        linked: bool,
        (left, special, last): (usize, usize, Last),
    ) -> u64 {
        let needs = usize::from(self.prepared.accessible(seat));
        let (Some(left), Some(special)) = (left.checked_sub(1), special.checked_sub(needs)) else {
            return NEVER;
        };
        let now = last.then_taken();
        let rest = if linked {
            after[self.state(left, special, now)]
        } else {
            after[self.state(left, special, Last::Not)].saturating_add(now.cost())
        };
        rest.saturating_add(self.prepared.distance(seat))
    }

    /// Walks the decisions from the front.
    fn follow(&self, seats: &[usize], take: &[bool], states: usize) -> Vec<usize> {
        let (mut left, mut special, mut last) = (self.quantity, self.accessible, Last::Not);
        let mut chosen = Vec::with_capacity(self.quantity);
        for (i, &seat) in seats.iter().enumerate() {
            let taken = take[i * states + self.state(left, special, last)];
            last = if taken { last.then_taken() } else { Last::Not };
            if taken {
                chosen.push(seat);
                left -= 1;
                special -= usize::from(self.prepared.accessible(seat));
            }
            if !self.linked(seats, i) {
                last = Last::Not;
            }
        }
        chosen
    }

    /// Whether the next seat of the list is the neighbour of this one.
    fn linked(&self, seats: &[usize], i: usize) -> bool {
        let next = seats.get(i + 1);
        next.is_some_and(|&next| next == seats[i] + 1 && self.prepared.linked.contains(seats[i]))
    }

    fn state(&self, left: usize, special: usize, last: Last) -> usize {
        (left * (self.accessible + 1) + special) * 3 + last as usize
    }
}

/// Usable seats in plan order, told apart by whether they have a usable
/// neighbour, and ordinary ones from accessible ones.
#[derive(Default)]
struct Together {
    /// Those that have.
    kinds: [Vec<(u64, usize)>; 2],
    /// How many those are.
    count: usize,
    /// Those that have none.
    singles: [Vec<(u64, usize)>; 2],
    /// How many sit in the longest row of neighbours.
    longest: usize,
    /// The row that may go on.
    row: Range<usize>,
}

impl Together {
    fn add(&mut self, prepared: &Prepared, seat: usize) {
        if self.row.is_empty() || self.row.end != seat || !prepared.linked.contains(seat - 1) {
            self.close_row(prepared);
            self.row = seat..seat;
        }
        self.row.end = seat + 1;
    }

    /// The row goes no farther; a row of one is none.
    fn close_row(&mut self, prepared: &Prepared) {
        let row = std::mem::take(&mut self.row);
        let length = row.len();
        let kinds = if length == 1 { &mut self.singles } else { &mut self.kinds };
        for seat in row {
            kinds[usize::from(prepared.accessible(seat))].push((prepared.distance(seat), seat));
        }
        if length > 1 {
            self.count += length;
            self.longest = self.longest.max(length);
        }
    }
}

/// Brings the nearest so many to the front.
fn nearest_to_front(seats: &mut [(u64, usize)], count: usize) {
    if count < seats.len() {
        seats.select_nth_unstable(count);
    }
}

/// What is known of the neighbour before the seat that is looked at.
#[derive(Debug, Clone, Copy)]
enum Last {
    /// Not taken, or not a neighbour.
    Not = 0,
    /// Taken, and nobody sits on its other side.
    Alone = 1,
    /// Taken, with somebody on its other side.
    Accompanied = 2,
}

impl Last {
    /// What it costs if nobody sits down beside it now.
    fn cost(self) -> u64 {
        if matches!(self, Self::Alone) { ALONE } else { 0 }
    }

    /// What the next seat finds when this one is taken.
    fn then_taken(self) -> Self {
        match self {
            Self::Not => Self::Alone,
            Self::Alone | Self::Accompanied => Self::Accompanied,
        }
    }
}
