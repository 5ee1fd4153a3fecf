//! Is there one order? The search of Wing and Gong ("Testing and Verifying
//! Concurrent Objects", 1993) with the memory of Lowe ("Testing for
//! Linearizability", 2017), as Porcupine and Knossos do it: take any change
//! that may be next, step the machine, go back when stuck, and never look
//! twice at the same set of changes done and state reached.
//!
//! Written here because a seat's history is short and has changes that *may*
//! have happened (a lost answer, an expiry); it must not know what a seat is.

use std::collections::HashSet;
use std::hash::Hash;

/// A sequential machine.
pub(crate) trait Machine: Copy + Eq + Hash + Default {
    /// What can happen to it.
    type Change;

    /// The state after a change; none where it cannot happen now.
    fn after(self, change: &Self::Change) -> Option<Self>;
}

/// A change and when it may have happened.
#[derive(Debug, Clone)]
pub(crate) struct Timed<C> {
    /// Not before.
    pub(crate) from: u64,
    /// Not after; it surely happened by then where `surely`.
    pub(crate) until: u64,
    /// Whether it surely happened.
    pub(crate) surely: bool,
    /// What.
    pub(crate) change: C,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// An order that explains everything.
    Order,
    /// There is none: the longest explained part, by place in the list.
    NoOrder {
        /// The order as far as it goes.
        explained: Vec<usize>,
    },
    /// The search was given up.
    GivenUp,
}

/// States looked at, at most.
const LONGEST: usize = 300_000;

/// Looks for an order of the changes in which each is within its time.
pub(crate) fn search<M: Machine>(changes: &[Timed<M::Change>]) -> Found {
    let mut search = Search {
        changes,
        done: vec![false; changes.len()],
        left: changes.iter().filter(|change| change.surely).count(),
        path: Vec::new(),
        longest: Vec::new(),
        seen: HashSet::new(),
    };
    match search.from(M::default()) {
        Some(true) => Found::Order,
        Some(false) => Found::NoOrder { explained: search.longest },
        None => Found::GivenUp,
    }
}

struct Search<'c, M: Machine> {
    changes: &'c [Timed<M::Change>],
    done: Vec<bool>,
    /// Changes that surely happened and are not done.
    left: usize,
    path: Vec<usize>,
    longest: Vec<usize>,
    seen: HashSet<(Vec<u64>, M)>,
}

impl<M: Machine> Search<'_, M> {
    /// Whether the rest can be explained from here; none when given up.
    fn from(&mut self, state: M) -> Option<bool> {
        if self.left == 0 {
            return Some(true);
        }
        if self.path.len() > self.longest.len() {
            self.longest.clone_from(&self.path);
        }
        if !self.seen.insert((self.packed(), state)) {
            return Some(false);
        }
        if self.seen.len() > LONGEST {
            return None;
        }
        // Nothing may be put after a change that surely ended before it began.
        let wall = (0..self.changes.len())
            .filter(|at| self.changes[*at].surely && !self.done[*at])
            .map(|at| self.changes[at].until)
            .min()
            .unwrap_or(u64::MAX);
        for at in 0..self.changes.len() {
            let timed = &self.changes[at];
            if self.done[at] || timed.from > wall {
                continue;
            }
            let Some(next) = state.after(&timed.change) else { continue };
            if next == state && !timed.surely {
                continue;
            }
            self.done[at] = true;
            self.left -= usize::from(timed.surely);
            self.path.push(at);
            let explained = self.from(next);
            if explained != Some(false) {
                return explained;
            }
            self.path.pop();
            self.left += usize::from(timed.surely);
            self.done[at] = false;
        }
        Some(false)
    }

    fn packed(&self) -> Vec<u64> {
        self.done
            .chunks(64)
            .map(|bits| bits.iter().rev().fold(0, |word, bit| word << 1 | u64::from(*bit)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register that can be written, and read.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    struct Register(u32);

    enum Op {
        Write(u32),
        Read(u32),
    }

    impl Machine for Register {
        type Change = Op;

        fn after(self, change: &Op) -> Option<Self> {
            match change {
                Op::Write(value) => Some(Self(*value)),
                Op::Read(value) => (self.0 == *value).then_some(self),
            }
        }
    }

    fn timed(from: u64, until: u64, change: Op) -> Timed<Op> {
        Timed { from, until, surely: true, change }
    }

    fn maybe(from: u64, change: Op) -> Timed<Op> {
        Timed { from, until: u64::MAX, surely: false, change }
    }

    #[test]
    fn what_overlaps_may_be_in_any_order() {
        let changes =
            [timed(0, 10, Op::Write(1)), timed(2, 8, Op::Read(0)), timed(9, 12, Op::Read(1))];
        assert_eq!(search::<Register>(&changes), Found::Order);
    }

    #[test]
    fn what_ended_before_another_began_is_before_it() {
        let changes = [timed(0, 1, Op::Write(1)), timed(2, 3, Op::Read(0))];
        let found = search::<Register>(&changes);
        assert_eq!(found, Found::NoOrder { explained: vec![0] });
    }

    #[test]
    fn two_readers_may_not_disagree_about_the_order() {
        let changes = [
            timed(0, 100, Op::Write(1)),
            timed(0, 100, Op::Write(2)),
            timed(101, 102, Op::Read(1)),
            timed(103, 104, Op::Read(2)),
        ];
        assert!(matches!(search::<Register>(&changes), Found::NoOrder { .. }));
    }

    #[test]
    fn a_change_whose_answer_was_lost_may_have_happened_late_or_never() {
        let late = [maybe(0, Op::Write(1)), timed(1, 2, Op::Read(0)), timed(3, 4, Op::Read(1))];
        assert_eq!(search::<Register>(&late), Found::Order);
        let never = [maybe(0, Op::Write(1)), timed(1, 2, Op::Read(0))];
        assert_eq!(search::<Register>(&never), Found::Order);
        let not_yet = [maybe(5, Op::Write(1)), timed(1, 2, Op::Read(1))];
        assert!(matches!(search::<Register>(&not_yet), Found::NoOrder { .. }));
    }

    #[test]
    fn a_long_history_is_searched_in_little_time() {
        let changes: Vec<_> = (0..400)
            .flat_map(|round: u32| {
                let at = u64::from(round) * 10;
                [
                    timed(at, at + 15, Op::Write(round)),
                    timed(at + 3, at + 18, Op::Read(round)),
                    maybe(at, Op::Write(9_999)),
                ]
            })
            .collect();
        assert_eq!(search::<Register>(&changes), Found::Order);
    }
}
