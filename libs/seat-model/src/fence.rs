//! Numbers that only grow, and must not be mixed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bits of a fence that hold the etcd revision; the cell's epoch stands above them.
const REVISION_BITS: u32 = 40;

/// The largest etcd revision a fence can carry.
pub const MAX_REVISION: u64 = (1 << REVISION_BITS) - 1;

/// The largest cell epoch that keeps a fence below 2^53, JSON's exact integers.
pub const MAX_CELL_EPOCH: u64 = (1 << 13) - 1;

/// The etcd revision at which a booking's seats were last written, with the
/// cell's epoch in front: `epoch · 2^40 + revision`. Later fences are larger
/// (INV-3), also after the cell was rebuilt. Prints as `f42`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(u64);

impl Fence {
    /// Joins the cell's epoch and a revision; `None` if either is too large.
    #[must_use]
    pub const fn new(cell_epoch: u64, revision: u64) -> Option<Self> {
        if cell_epoch > MAX_CELL_EPOCH || revision > MAX_REVISION {
            return None;
        }
        Some(Self((cell_epoch << REVISION_BITS) | revision))
    }

    /// Wraps a fence that came over the wire or out of a row.
    #[must_use]
    pub const fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// The fence as one integer.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The epoch of the cell that wrote it.
    #[must_use]
    pub const fn cell_epoch(self) -> u64 {
        self.0 >> REVISION_BITS
    }

    /// The etcd revision alone, for compares.
    #[must_use]
    pub const fn revision(self) -> u64 {
        self.0 & MAX_REVISION
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f{}", self.0)
    }
}

/// How often a show was placed on a shard. Every ledger write requires the
/// epoch it was told (INV-13). Prints as `e3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardEpoch(u64);

impl ShardEpoch {
    /// The epoch of a show that was never moved.
    pub const FIRST: Self = Self(1);

    /// Wraps an epoch read from the map or a row.
    #[must_use]
    pub const fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// The epoch as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ShardEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_cell_epoch_beats_any_revision() {
        let old = Fence::new(1, MAX_REVISION).expect("in range");
        let new = Fence::new(2, 1).expect("in range");
        assert!(new > old);
        assert_eq!((new.cell_epoch(), new.revision()), (2, 1));
    }

    #[test]
    fn the_largest_fence_is_exact_in_json() {
        let top = Fence::new(MAX_CELL_EPOCH, MAX_REVISION).expect("in range");
        assert!(top.get() < 1 << 53);
        assert_eq!(Fence::new(MAX_CELL_EPOCH + 1, 0), None);
        assert_eq!(Fence::new(0, MAX_REVISION + 1), None);
    }
}
