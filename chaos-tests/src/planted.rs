//! Bugs that the faulty services can be told to have, what brings each out,
//! and the promise whose judge must catch it: the thirteen known weak designs of
//! docs/CHAOS.md.

use local_cluster::NodeKind;

use crate::faults::Order;
use crate::workload::Habits;

/// A weaker design, on purpose.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// As the services know it.
    pub name: &'static str,
    /// What every instance is told at its fail points.
    pub orders: &'static [Order],
    /// What the first instance is told alone, and the second.
    pub apart: [&'static [Order]; 2],
    /// What must be wrong, too, for it to be seen: another guard would stop it.
    pub with: &'static [&'static str],
    /// A kind whose first node takes so many milliseconds longer for a flush.
    pub slow: Option<(NodeKind, u32)>,
    /// What customers do for it to be seen.
    pub habits: Habits,
    /// Whose judges look for it: one of them must find it.
    pub caught_by: &'static [&'static str],
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

/// Half of the payments take until the hold is nearly over.
const HALF_PAY_LATE: &str = "2*pause(3500)->2*off->2*pause(3500)->2*off->2*pause(3500)->2*off\
                             ->2*pause(3500)->2*off->2*pause(3500)->2*off->2*pause(3500)->2*off\
                             ->2*pause(3500)->2*off->2*pause(3500)->2*off->2*pause(3500)->2*off";

/// Pins go out when late holds are over: by then who paid at once has the
/// seat, and is about to pin it, too.
const LATE_PINS: &[Order] =
    &[(API, "authorised", HALF_PAY_LATE), (LOCKS, "pinning", "200*pause(1900)")];

/// A sale and its seats part: etcd and the ledger differ at the end, or what
/// customers were told has no order, because the seats went to others meanwhile.
const ORPHANED: &[&str] = &["INV-3", "INV-6"];

/// All of them.
pub const PLANTED: &[Planted] = &[
    // The customer is told; the commit never goes out.
    bug("acknowledge-before-commit", &[(API, "commit-sending", "30*lose")], &["INV-2"]),
    // The shard has written; the customer is told that nothing was.
    bug("not-applied-on-unknown", &[(API, "commit-answered", "30*lose")], &["INV-4"]),
    // A mirror that lags shows seats as free that are not.
    bug("hold-without-compare", &[(LOCKS, "mirror-applied", "20*pause(400)")], &["INV-3"]),
    // The pin goes out when the hold is over and the seat is somebody else's.
    bug("pin-without-compare", LATE_PINS, &["INV-3"]),
    // The commit goes out after the reconciler has found no row.
    bug("no-tombstone", &[(API, "commit-sending", SOME_WAIT)], ORPHANED),
    // The same, where the tombstone is on a shard that the commit never reaches.
    bug("tombstone-on-wrong-shard", &[(API, "commit-sending", SOME_WAIT)], ORPHANED),
    // The commit lands when the hold's lease has taken the seats back, and the
    // reconciler is too slow to say so before.
    bug(
        "leave-confirming-leased",
        &[(API, "found-confirming", "60*pause(8000)"), (API, "commit-sending", SOME_WAIT)],
        ORPHANED,
    ),
    // Who buys in one call by a mirror that lags, as somebody else did just now, is
    // stopped by the ledger alone.
    Planted {
        with: &["hold-without-compare"],
        habits: Habits::USUAL.keeping(2_000),
        ..bug("no-unique-key", &[(LOCKS, "mirror-applied", "60*pause(400)")], &["INV-1"])
    },
    // Groups give one ticket back, and then all of them.
    bug("cancel-without-guard", &[], &["INV-7"]),
    // The commit is in the shard's hands, and the tombstone waits behind it for
    // longer than anybody asks.
    Planted { slow: Some((NodeKind::Shard, 6_000)), ..bug("unanswered-is-absent", &[], ORPHANED) },
    // Who is not answered in a second asks another lock-service. The later of the
    // two deletes when the seats are somebody else's.
    Planted {
        habits: Habits::USUAL.keeping(2_000),
        ..bug(
            "reconciler-deletes-blindly",
            &[(API, "pinned", SOME_WAIT), (LOCKS, "aborting", "200*pause(1600)")],
            ORPHANED,
        )
    },
    // The second lock-service hears nothing of some sales that the first one tells
    // of before it dies: whoever goes to the second then is told of an older world.
    Planted {
        apart: [
            &[(LOCKS, "finished", "8*off->abort")],
            &[(LOCKS, "mirror-applied", "1*pause(6000)")],
        ],
        habits: Habits::USUAL.keeping(4_000).looking(8),
        ..bug("view-without-revision-guard", &[], &["INV-11"])
    },
    // Careful customers send a request again anyway.
    bug("new-booking-on-retry", &[], &["INV-8"]),
];

const fn bug(
    name: &'static str,
    orders: &'static [Order],
    caught_by: &'static [&'static str],
) -> Planted {
    Planted {
        name,
        orders,
        apart: [&[], &[]],
        with: &[],
        slow: None,
        habits: Habits::USUAL,
        caught_by,
    }
}

impl Planted {
    /// The bug of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PLANTED.iter().find(|planted| planted.name == name)
    }

    /// Everything that the services must be told.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        std::iter::once(&self.name).chain(self.with).map(|name| (*name).to_owned()).collect()
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
            let promises = planted.caught_by.iter();
            assert!(
                promises.clone().count() > 0 && promises.clone().all(|by| by.starts_with("INV-"))
            );
        }
    }
}
