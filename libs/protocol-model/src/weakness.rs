//! The weaker designs of docs/INVARIANTS.md, each as one change of the model.
//! The protocol itself has none of them.

use std::fmt;

macro_rules! weaknesses {
    ($($(#[doc = $doc:literal])+ $name:ident = $title:literal,)+) => {
        /// One way in which the protocol could be weaker.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Weakness { $($(#[doc = $doc])+ $name,)+ }

        impl Weakness {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As in docs/INVARIANTS.md.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

weaknesses! {
    /// No pinning; the sale is inserted, and nothing stands in its way.
    NoKeyAtAll = "check the lease, then insert; no unique key",
    /// No pinning; a sale is refused only where the seat has one.
    UniqueKeyOnly = "the unique key alone",
    /// No pinning and no unique key; a sale is refused only under a fence
    /// smaller than one that the ledger has seen for the seat.
    FenceColumnOnly = "a fence column alone",
    /// No tombstone: no row means that the seats may be freed.
    ReconcilerOnlyReads = "the reconciler only reads the shard",
    /// Begin-confirm leaves the seats on their lease.
    StillLeased = "confirming, but the lease stays",
    /// Abort deletes the seats, whoever has them.
    AbortWithoutCompare = "the reconciler deletes without comparing",
    /// The customer is told when the commit is sent.
    AcknowledgeFirst = "acknowledge, then commit",
    /// Whatever fence a CONFIRMED row has, the seats are marked sold.
    FinishAnyRow = "finish without comparing the row's fence",
    /// Finish asks whether the hold's record is there, and deletes it.
    FinishByRecord = "finish guarded by a record of the hold",
    /// Expire deletes `confirming` seats, too.
    ExpireConfirming = "expire also matches confirming",
    /// A tombstone goes in wherever it is sent.
    TombstoneWithoutPlacement = "a tombstone without the placement epoch",
    /// A commit goes in wherever it is sent.
    CommitWithoutPlacement = "a commit without the placement epoch",
    /// A frozen placement takes writes of its epoch.
    NoFrozenMark = "the epoch without the frozen mark",
    /// A cancel goes in wherever it is sent.
    CancelWithoutPlacement = "a cancel outside the placement row",
    /// A replayed hold hands out the fence of `confirming` seats, and
    /// begin-confirm takes it.
    ReplayHandsOutPinned = "a replayed hold hands out a confirming fence",
    /// Seats that are `confirming` for the booking are good enough to commit.
    NoNonce = "step back while another instance may commit",
    /// A pick writes seats and no marker.
    NoMarker = "a pick without a marker",
    /// Extend leaves the marker on its old lease.
    MarkerKeepsOldLease = "a marker that dies before the hold",
    /// A cancel refunds what it was asked to, changed or not.
    CancelRefundsAll = "a cancel marks tickets it did not change",
    /// A cancel frees only the seats that it changed, and compares only them.
    FreeComparesOwnSeats = "a cancel frees and compares only its own seats",
    /// The sweeper voids what no row knows, without a tombstone.
    SweeperOnlyReads = "the sweeper voids without a tombstone",
}

impl Weakness {
    /// No seat is pinned: the sale is inserted under the hold's own fence.
    #[must_use]
    pub const fn unpinned(self) -> bool {
        matches!(self, Self::NoKeyAtAll | Self::UniqueKeyOnly | Self::FenceColumnOnly)
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// A set of weaknesses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weaknesses(u32);

impl Weaknesses {
    /// The protocol as it is.
    pub const NONE: Self = Self(0);

    /// These.
    #[must_use]
    pub fn of(weaknesses: &[Weakness]) -> Self {
        Self(weaknesses.iter().fold(0, |set, weakness| set | 1 << (*weakness as u32)))
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, weakness: Weakness) -> bool {
        self.0 & (1 << (weakness as u32)) != 0
    }

    /// Whether seats are sold without being pinned.
    #[must_use]
    pub fn unpinned(self) -> bool {
        Weakness::ALL.iter().any(|weakness| weakness.unpinned() && self.has(*weakness))
    }
}
