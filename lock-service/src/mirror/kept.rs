//! What is kept until the mirror shows a revision: reserved seats, a booking's
//! turn. One list for all, looked at when the mirror moves, instead of a
//! waiting task for each.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Things by the revision that lets them go. Not more of them than requests
/// were answered within their deadlines.
#[derive(Default)]
pub(super) struct Kept {
    by_revision: Mutex<BTreeMap<u64, Vec<Thing>>>,
}

struct Thing {
    until: Instant,
    _what: Box<dyn Any + Send>,
}

impl Kept {
    pub(super) fn keep(&self, revision: u64, until: Instant, what: Box<dyn Any + Send>) {
        self.with(|things| things.entry(revision).or_default().push(Thing { until, _what: what }));
    }

    /// Drops what a revision lets go.
    pub(super) fn let_go(&self, reached: u64) {
        // Dropped without the lock: what is kept may have locks of its own.
        drop(self.with(|things| {
            if things.first_key_value().is_none_or(|(first, _)| *first > reached) {
                return BTreeMap::new();
            }
            let later = things.split_off(&(reached + 1));
            std::mem::replace(things, later)
        }));
    }

    /// Drops what has been kept for too long: the mirror does not come along.
    pub(super) fn let_go_overdue(&self, now: Instant) {
        drop(self.with(|things| {
            let mut overdue = Vec::new();
            things.retain(|_, things| {
                overdue.extend(things.extract_if(.., |thing| thing.until <= now));
                !things.is_empty()
            });
            overdue
        }));
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<u64, Vec<Thing>>) -> T) -> T {
        work(&mut self.by_revision.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn things_go_with_their_revision_or_their_deadline() {
        let (kept, now) = (Kept::default(), Instant::now());
        let things: Vec<Arc<u64>> = (0..4).map(Arc::new).collect();
        let there = || things.iter().map(Arc::strong_count).collect::<Vec<_>>();
        let later = now + Duration::from_secs(1);
        for (thing, (revision, until)) in
            things.iter().zip([(5, later), (7, now), (7, later), (9, now)])
        {
            kept.keep(revision, until, Box::new(thing.clone()));
        }
        kept.let_go(4);
        assert_eq!(there(), [2, 2, 2, 2]);
        kept.let_go(6);
        assert_eq!(there(), [1, 2, 2, 2]);
        kept.let_go_overdue(now);
        assert_eq!(there(), [1, 1, 2, 1]);
        kept.let_go(7);
        assert_eq!(there(), [1, 1, 1, 1]);
    }
}
