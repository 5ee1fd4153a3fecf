//! Seats apart: the closest ones, first within a section, with as few people
//! sitting alone as can be. Reached only where no free run is long enough.
//!
//! Exact, not greedy: a walk over the free seats in plan order keeps, for every
//! count still to choose, the best way to choose them. It looks at the nearest
//! few seats first and widens only while a farther seat could still be better.

use crate::prepared::{Prepared, TierSeats};
use crate::wanted::{Choice, Step, Wanted};

/// How many of the nearest seats are looked at before any more.
const FIRST_REACH: usize = 16;

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

/// Free seats to choose from, nearest first, and what the choice would cost
/// at least if nobody sat alone.
struct Pool {
    seats: Vec<usize>,
    at_least: u64,
}

/// Steps 3 and 4. `None` only where there are too few seats.
pub(crate) fn apart(
    prepared: &Prepared,
    tier: &TierSeats,
    wanted: &Wanted,
    taken: &impl Fn(usize) -> bool,
) -> Option<Choice> {
    let chooser = Chooser::new(prepared, wanted);
    let choice =
        |found: Found, step| Choice { seats: found.seats, step, next_to_each_other: false };
    let mut pools: Vec<Pool> =
        tier.zones.iter().filter_map(|zone| chooser.pool(zone, taken)).collect();
    pools.sort_by_key(|pool| pool.at_least);
    let mut best: Option<Found> = None;
    for pool in pools {
        let floor = chooser.fewest_alone + pool.at_least;
        if best.as_ref().is_some_and(|best| best.cost < floor) {
            break;
        }
        best = match (best, chooser.best_of(&pool)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    if let Some(found) = best {
        return Some(choice(found, Step::OneSection));
    }
    let everywhere = chooser.pool(&tier.all, taken)?;
    chooser.best_of(&everywhere).map(|found| choice(found, Step::AcrossSections))
}

struct Chooser<'p> {
    prepared: &'p Prepared,
    quantity: usize,
    accessible: usize,
    /// The cost of those who sit alone in any split: two apart are both alone,
    /// of three one is; more can sit in pairs.
    fewest_alone: u64,
}

impl<'p> Chooser<'p> {
    fn new(prepared: &'p Prepared, wanted: &Wanted) -> Self {
        let fewest_alone = match wanted.quantity {
            1 | 3 => ALONE,
            2 => 2 * ALONE,
            _ => 0,
        };
        let (quantity, accessible) = (wanted.quantity as usize, wanted.accessible as usize);
        Self { prepared, quantity, accessible, fewest_alone }
    }

    /// The usable free seats of a list that is sorted nearest first; `None`
    /// where they are too few.
    fn pool(&self, nearest_first: &[usize], taken: &impl Fn(usize) -> bool) -> Option<Pool> {
        let mut left = [self.quantity - self.accessible, self.accessible];
        let use_kind = left.map(|wanted| wanted > 0);
        let mut at_least = 0;
        let mut seats = Vec::new();
        for &seat in nearest_first {
            let kind = usize::from(self.prepared.accessible(seat));
            if !use_kind[kind] || taken(seat) {
                continue;
            }
            if left[kind] > 0 {
                left[kind] -= 1;
                at_least += self.prepared.distance(seat);
            }
            seats.push(seat);
        }
        (left == [0, 0]).then_some(Pool { seats, at_least })
    }

    fn best_of(&self, pool: &Pool) -> Option<Found> {
        let mut reach = FIRST_REACH;
        loop {
            let Some(&outside) = pool.seats.get(reach) else {
                return self.best_among(pool.seats.clone());
            };
            let found = self.best_among(pool.seats[..reach].to_vec());
            // Whoever sits outside sits at least there, the others at best nearest.
            let others = &pool.seats[..self.quantity - 1];
            let beyond = self.prepared.distance(outside)
                + others.iter().map(|&i| self.prepared.distance(i)).sum::<u64>();
            match found {
                Some(found) if found.cost < self.fewest_alone + beyond => return Some(found),
                _ => reach *= 4,
            }
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
                for special in 0..=self.accessible.min(left) {
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
        let block = |seat: usize| self.prepared.chart().seats[seat].block;
        seats.get(i + 1).is_some_and(|&next| next == seats[i] + 1 && block(next) == block(seats[i]))
    }

    fn state(&self, left: usize, special: usize, last: Last) -> usize {
        (left * (self.accessible + 1) + special) * 3 + last as usize
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
