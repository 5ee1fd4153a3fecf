//! Bugs that the faulty services can be told to have, what brings each out,
//! and the promise whose judge must catch it. What is not here cannot be
//! planted yet (docs/CHAOS.md says which of the known weak designs that are).

use local_cluster::NodeKind;

use crate::faults::Order;

/// A weaker design, on purpose.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// As the services know it.
    pub name: &'static str,
    /// What every instance is told at its fail points.
    pub orders: &'static [Order],
    /// A kind whose first node stands still meanwhile.
    pub paused: Option<NodeKind>,
    /// Whose judge must find it, at least.
    pub caught_by: &'static str,
}

/// The seed that planted bugs are shown under.
pub const SEED: u64 = 1;

/// How long, seconds: three or four times the fault below.
pub const TIME_S: u64 = 30;

/// How long each fault lasts, milliseconds: longer than a hold lives and a
/// reconciler waits, together.
pub const LASTS_MS: u64 = 9_000;

const API: NodeKind = NodeKind::BookingApi;
const LOCKS: NodeKind = NodeKind::LockService;

/// One in five waits for longer than the reconciler does.
const SOME_WAIT: &str = "1*pause(5500)->4*off->1*pause(5500)->4*off->1*pause(5500)->4*off\
                         ->1*pause(5500)->4*off->1*pause(5500)->4*off->1*pause(5500)";

/// One in eight, for longer than a hold lives.
const FEW_WAIT: &str = "1*pause(6500)->7*off->1*pause(6500)->7*off->1*pause(6500)->7*off\
                        ->1*pause(6500)->7*off->1*pause(6500)->7*off->1*pause(6500)->7*off\
                        ->1*pause(6500)->7*off->1*pause(6500)->7*off->1*pause(6500)";

/// All of them.
pub const PLANTED: &[Planted] = &[
    // The customer is told; the commit never goes out.
    bug("acknowledge-before-commit", &[(API, "commit-sending", "30*lose")], "INV-2"),
    // The shard has written; the customer is told that nothing was.
    bug("not-applied-on-unknown", &[(API, "commit-answered", "30*lose")], "INV-4"),
    // A mirror that lags shows seats as free that are not.
    bug("hold-without-compare", &[(LOCKS, "mirror-applied", "20*pause(400)")], "INV-3"),
    // The pin goes out when the hold is over and the seat is somebody else's.
    bug("pin-without-compare", &[(LOCKS, "batch-sending", FEW_WAIT)], "INV-3"),
    // The commit goes out after the reconciler has found no row.
    bug("no-tombstone", &[(API, "commit-sending", SOME_WAIT)], "INV-6"),
    // The commit is in the shard's hands, which does not answer the tombstone.
    Planted { paused: Some(NodeKind::Shard), ..bug("unanswered-is-absent", &[], "INV-6") },
    // The second of two reconcilers deletes when the seats are another's.
    bug(
        "reconciler-deletes-blindly",
        &[(API, "pinned", SOME_WAIT), (LOCKS, "batch-sending", FEW_WAIT)],
        "INV-6",
    ),
    // Careful customers send a request again anyway.
    bug("new-booking-on-retry", &[], "INV-8"),
];

const fn bug(name: &'static str, orders: &'static [Order], caught_by: &'static str) -> Planted {
    Planted { name, orders, paused: None, caught_by }
}

impl Planted {
    /// The bug of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PLANTED.iter().find(|planted| planted.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own_and_a_promise() {
        for planted in PLANTED {
            let found = Planted::named(planted.name).map(|found| found.caught_by);
            assert_eq!(found, Some(planted.caught_by));
            assert!(planted.caught_by.starts_with("INV-"), "{planted:?}");
        }
    }
}
