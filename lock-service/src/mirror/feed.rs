//! The recent changes, ready to be sent: what lets a feed come back where it
//! left off. Bounded; whoever was away for longer begins with a snapshot.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lock_service_client::wire::ChangeLine;

use super::state::Change;

/// The remembered changes.
#[derive(Debug)]
pub struct History {
    ring: Mutex<Ring>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Ring {
    /// How often history began anew: a feed of an earlier one cannot go on.
    generation: u64,
    /// Everything after this revision is remembered.
    floor: u64,
    changes: VecDeque<(u64, Bytes)>,
}

/// What there is for a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// These lines, and the revision they lead to; both empty and the same
    /// revision when there is nothing new.
    Lines(Vec<Bytes>, u64),
    /// Too long ago: a snapshot is needed.
    Gap,
}

/// A line of the feed.
#[must_use]
pub fn line(line: &ChangeLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

/// A change as a line of the feed.
#[must_use]
pub fn change_line(change: Change) -> Bytes {
    let Change { performance, revision, seats } = change;
    line(&ChangeLine::Seats { performance, revision, seats })
}

impl History {
    /// Remembers at most so many changes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { ring: Mutex::new(Ring::default()), capacity }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ring) -> T) -> T {
        work(&mut self.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets everything: history begins after this revision.
    pub fn restart(&self, revision: u64) {
        self.with(|ring| {
            let generation = ring.generation + 1;
            *ring = Ring { generation, floor: revision, changes: VecDeque::new() };
        });
    }

    /// Which history this is. Revisions of different ones must not be compared.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.with(|ring| ring.generation)
    }

    /// Adds changes, in the order of their revisions.
    pub fn push(&self, changes: Vec<Change>) {
        self.with(|ring| {
            for change in changes {
                ring.changes.push_back((change.revision, change_line(change)));
            }
            while ring.changes.len() > self.capacity {
                let Some((dropped, _)) = ring.changes.pop_front() else { break };
                // The rest of a revision is of no use without its beginning.
                while ring.changes.front().is_some_and(|(revision, _)| *revision == dropped) {
                    ring.changes.pop_front();
                }
                ring.floor = dropped;
            }
        });
    }

    /// How many changes are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.with(|ring| ring.changes.len())
    }

    /// The changes after a revision: about `at_most`, but never part of a revision.
    #[must_use]
    pub fn since(&self, revision: u64, at_most: usize) -> Since {
        self.with(|ring| {
            if revision < ring.floor {
                return Since::Gap;
            }
            let begin = ring.changes.partition_point(|(at, _)| *at <= revision);
            let mut reached = revision;
            let mut lines = Vec::new();
            for (at, line) in ring.changes.range(begin..) {
                if lines.len() >= at_most && *at != reached {
                    break;
                }
                reached = *at;
                lines.push(line.clone());
            }
            Since::Lines(lines, reached)
        })
    }

    /// Where a feed that has seen `from` goes on. It may have broken off
    /// between two lines of one revision, so such a revision is sent again whole.
    #[must_use]
    pub fn resume_at(&self, from: u64) -> u64 {
        self.with(|ring| {
            let begin = ring.changes.partition_point(|(at, _)| *at < from);
            let of_this = ring.changes.range(begin..).take_while(|(at, _)| *at == from).count();
            if of_this > 1 { from - 1 } else { from }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seat_model::PerformanceId;

    fn change(revision: u64, performance: &str) -> Change {
        Change {
            revision,
            performance: PerformanceId::new(performance).unwrap(),
            seats: std::collections::BTreeMap::new(),
        }
    }

    fn count(since: &Since) -> Option<(usize, u64)> {
        match since {
            Since::Lines(lines, reached) => Some((lines.len(), *reached)),
            Since::Gap => None,
        }
    }

    #[test]
    fn a_feed_comes_back_where_it_left_off() {
        let history = History::new(10);
        history.restart(4);
        history.push(vec![change(5, "a"), change(7, "a"), change(7, "b"), change(8, "a")]);
        assert_eq!(count(&history.since(3, 9)), None);
        assert_eq!(count(&history.since(4, 9)), Some((4, 8)));
        assert_eq!(count(&history.since(5, 1)), Some((2, 7)), "a revision is never cut");
        assert_eq!(count(&history.since(8, 9)), Some((0, 8)));
        assert_eq!(history.resume_at(7), 6, "it may have seen only one of the two");
        assert_eq!(history.resume_at(8), 8);
    }

    #[test]
    fn what_does_not_fit_is_a_gap() {
        let history = History::new(2);
        history.push(vec![change(1, "a"), change(1, "b"), change(2, "a"), change(3, "a")]);
        assert_eq!(count(&history.since(0, 9)), None);
        assert_eq!(count(&history.since(1, 9)), Some((2, 3)));
    }
}
