//! Named runs: which faults, how many at once, on which programs.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::faults::{Kind, Needs};
use crate::verdict::AtLeast;

/// A named run.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// The faults that are drawn from.
    pub kinds: &'static [Kind],
    /// How many at the same time, at most.
    pub at_once: usize,
    /// How long a fault lasts, milliseconds, from and up to.
    pub lasts_ms: (u64, u64),
    /// How long faults are made unless it is said.
    pub time: Duration,
}

/// What every scenario knows, in the order of `--list`.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "calm",
        what: "nobody is harmed: what a run must look like without faults",
        kinds: &[],
        at_once: 0,
        lasts_ms: (0, 0),
        time: Duration::from_secs(20),
    },
    Scenario {
        name: "crashes",
        what: "processes die: one, two of a kind, the leader, one after the other",
        kinds: &[Kind::Kill, Kind::KillLeader, Kind::KillTwo, Kind::Rolling],
        at_once: 1,
        lasts_ms: (2_000, 6_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "pauses",
        what: "processes stand still for longer than a hold lives",
        kinds: &[Kind::Pause, Kind::PauseLeader],
        at_once: 1,
        lasts_ms: (4_500, 8_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "stores",
        what: "Redis is emptied or old, etcd compacted or full, disks are slow or fail",
        kinds: &[
            Kind::Flush,
            Kind::OldSnapshot,
            Kind::Compact,
            Kind::NoSpace,
            Kind::SlowDisk,
            Kind::FailingFlush,
            Kind::FullDisk,
        ],
        at_once: 1,
        lasts_ms: (2_000, 5_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "clocks",
        what: "clocks of services jump, forwards and backwards, and processes die",
        kinds: &[Kind::Clock, Kind::Kill],
        at_once: 2,
        lasts_ms: (3_000, 8_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "crowd",
        what: "ten thousand held seats run out while etcd changes its leader",
        kinds: &[Kind::DueAtOnce],
        at_once: 1,
        lasts_ms: (2_000, 4_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "steps",
        what: "services die, wait and lose answers at steps of the protocol",
        kinds: &[Kind::FailPoint],
        at_once: 2,
        lasts_ms: (3_000, 6_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "blackout",
        what: "everything dies at once, and comes back",
        kinds: &[Kind::Blackout],
        at_once: 1,
        lasts_ms: (500, 3_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "bank",
        what: "the bank declines, delays, loses and repeats, and processes die",
        kinds: &[Kind::Bank, Kind::Kill],
        at_once: 2,
        lasts_ms: (3_000, 6_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "mixed",
        what: "two of anything at the same time",
        kinds: &[
            Kind::Kill,
            Kind::KillLeader,
            Kind::KillTwo,
            Kind::Pause,
            Kind::PauseLeader,
            Kind::Rolling,
            Kind::Flush,
            Kind::Compact,
            Kind::Bank,
            Kind::SlowDisk,
            Kind::FailPoint,
        ],
        at_once: 2,
        lasts_ms: (2_000, 8_000),
        time: Duration::from_secs(90),
    },
    Scenario {
        name: "network",
        what: "every node on a host of its own: lines are cut, lossy, thin, and reset",
        kinds: &[
            Kind::Cut,
            Kind::OneWay,
            Kind::Ring,
            Kind::Lossy,
            Kind::ThinPipe,
            Kind::SmallPackets,
            Kind::Resets,
        ],
        at_once: 1,
        lasts_ms: (3_000, 8_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "late",
        what: "hosts: what is sent comes late and not in order, and the leader dies",
        kinds: &[Kind::Late, Kind::KillLeader],
        at_once: 2,
        lasts_ms: (3_000, 8_000),
        time: Duration::from_secs(60),
    },
    Scenario {
        name: "storm",
        what: "hosts: two of anything at the same time, lines included",
        kinds: &[
            Kind::Cut,
            Kind::OneWay,
            Kind::Lossy,
            Kind::Resets,
            Kind::Kill,
            Kind::KillLeader,
            Kind::Pause,
            Kind::FailPoint,
            Kind::Flush,
        ],
        at_once: 2,
        lasts_ms: (3_000, 8_000),
        time: Duration::from_secs(90),
    },
];

/// What planted bugs are shown under: their own orders, nothing drawn.
pub const PLANTED: Scenario = Scenario {
    name: "planted",
    what: "a bug on purpose, and what brings it out",
    kinds: &[],
    at_once: 0,
    lasts_ms: (crate::planted::LASTS_MS, crate::planted::LASTS_MS),
    time: Duration::from_secs(crate::planted::TIME_S),
};

impl Scenario {
    /// The scenario of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().chain([&PLANTED]).find(|scenario| scenario.name == name)
    }

    /// Whether it needs services with fail points.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.kinds.iter().any(|kind| kind.needs() == Needs::FailPoints)
    }

    /// Whether it needs services whose clocks can be moved.
    #[must_use]
    pub fn has_clocks(&self) -> bool {
        self.kinds.iter().any(|kind| kind.needs() == Needs::Clocks)
    }

    /// Whether it needs a host for every node.
    #[must_use]
    pub fn has_hosts(&self) -> bool {
        self.kinds.iter().any(|kind| kind.needs() == Needs::Hosts)
    }

    /// What this machine has not that one of its faults needs.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let missing = self.kinds.iter().filter_map(|kind| kind.missing());
        missing.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Below this a run of so many seconds proves nothing.
    #[must_use]
    pub fn at_least(&self, time: Duration) -> AtLeast {
        let seconds = usize::try_from(time.as_secs()).unwrap_or(usize::MAX);
        AtLeast {
            holds: seconds.saturating_mul(2),
            sales: seconds,
            faults: usize::from(!self.kinds.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_found_by_its_own_name() {
        for scenario in SCENARIOS {
            assert_eq!(Scenario::named(scenario.name).map(|s| s.what), Some(scenario.what));
        }
        assert!(Scenario::named("doomsday").is_none());
    }

    #[test]
    fn every_kind_of_fault_is_in_some_scenario() {
        for kind in Kind::ALL {
            assert!(SCENARIOS.iter().any(|scenario| scenario.kinds.contains(kind)), "{kind:?}");
        }
    }
}
