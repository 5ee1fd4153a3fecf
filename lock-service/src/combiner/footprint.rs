//! Which keys a transaction touches, and whether two transactions may travel
//! in one batch or be under way at the same time.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::transaction::{Op, Txn};

/// A key by its hash. Two keys of one hash only wait for each other without need.
type KeyHash = u64;

/// The keys of one transaction, over both branches.
#[derive(Debug, Clone)]
pub(super) struct Footprint {
    writes: Box<[KeyHash]>,
    reads: Box<[KeyHash]>,
}

impl Footprint {
    pub(super) fn of(txn: &Txn) -> Self {
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for op in txn.then.iter().chain(&txn.otherwise) {
            match op {
                Op::Put { key, .. } | Op::Delete { key } => writes.push(hash(key)),
                Op::Get { key } => reads.push(hash(key)),
            }
        }
        reads.extend(txn.compares.iter().map(|compare| hash(&compare.key)));
        for keys in [&mut writes, &mut reads] {
            keys.sort_unstable();
            keys.dedup();
        }
        reads.retain(|key| writes.binary_search(key).is_err());
        Self { writes: writes.into(), reads: reads.into() }
    }
}

/// How a key is used by some transactions.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    writers: u32,
    readers: u32,
}

/// The keys that some transactions touch.
#[derive(Debug, Default)]
pub(super) struct Uses {
    keys: HashMap<KeyHash, Use>,
}

impl Uses {
    /// Whether a transaction writes what these touch, or reads what they write.
    /// Compares of a batch all see the state before it, so such a transaction
    /// must not travel with them: it would decide on what is no longer so.
    pub(super) fn conflict(&self, footprint: &Footprint) -> bool {
        let written = |key| self.keys.get(key).is_some_and(|usage| usage.writers > 0);
        footprint.writes.iter().any(|key| self.keys.contains_key(key))
            || footprint.reads.iter().any(written)
    }

    pub(super) fn add(&mut self, footprint: &Footprint) {
        for key in &footprint.writes {
            self.keys.entry(*key).or_default().writers += 1;
        }
        for key in &footprint.reads {
            self.keys.entry(*key).or_default().readers += 1;
        }
    }

    /// Takes back what [`Self::add`] added.
    pub(super) fn remove(&mut self, footprint: &Footprint) {
        for key in &footprint.writes {
            self.change(*key, |usage| usage.writers = usage.writers.saturating_sub(1));
        }
        for key in &footprint.reads {
            self.change(*key, |usage| usage.readers = usage.readers.saturating_sub(1));
        }
    }

    fn change(&mut self, key: KeyHash, change: impl FnOnce(&mut Use)) {
        if let Some(usage) = self.keys.get_mut(&key) {
            change(usage);
            if usage.writers == 0 && usage.readers == 0 {
                self.keys.remove(&key);
            }
        }
    }
}

fn hash(key: &str) -> KeyHash {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::{Compare, NO_LEASE};

    fn txn(writes: &[&str], compares: &[&str]) -> Footprint {
        let put = |key: &&str| Op::Put { key: (*key).into(), value: Vec::new(), lease: NO_LEASE };
        let compare = |key: &&str| Compare { key: (*key).into(), mod_revision: 0 };
        Footprint::of(&Txn {
            compares: compares.iter().map(compare).collect(),
            then: writes.iter().map(put).collect(),
            otherwise: Vec::new(),
        })
    }

    #[test]
    fn readers_travel_together_and_writers_do_not() {
        let mut uses = Uses::default();
        let first = txn(&["A1"], &["A1", "shards"]);
        uses.add(&first);
        assert!(!uses.conflict(&txn(&["A2"], &["A2", "shards"])));
        assert!(uses.conflict(&txn(&["A2", "A1"], &[])), "both write A1");
        assert!(uses.conflict(&txn(&["A2"], &["A1"])), "it would not see A1 written");
        assert!(uses.conflict(&txn(&["shards"], &[])), "the first would not see it written");
        uses.remove(&first);
        assert!(!uses.conflict(&txn(&["shards", "A1"], &[])));
        assert!(uses.keys.is_empty());
    }
}
