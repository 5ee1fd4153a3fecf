//! What can be done to a platform, and undone: one small file each. A fault
//! knows its name, how it is drawn, made and healed, and nothing of what must
//! be true. Nothing here touches a process or an address that is not the
//! run's own cluster.

mod bank;
mod blackout;
pub(crate) mod clock;
mod compact;
mod cut;
mod due_at_once;
mod fail_point;
mod failing_flush;
mod flush;
mod full_disk;
mod kill;
mod kill_leader;
mod kill_two;
mod late;
mod leader;
mod lossy;
mod no_space;
mod old_snapshot;
mod one_way;
mod pause;
mod pause_leader;
mod resets;
mod ring;
mod rolling;
mod slow_disk;
mod small_packets;
mod thin_pipe;
mod tracer;
mod wire;

use rand::rngs::StdRng;

pub use fail_point::Order;

use crate::planted::Planted;
use crate::stage::Stage;
use fail_point::FailPoint;
use slow_disk::SlowDisk;

/// One way of doing harm.
trait Harm: Sized {
    /// One of its kind, as the dice fall; none where the stage has nothing for it.
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self>;

    /// In words, the same for the same harm.
    fn name(&self) -> String;

    /// Does it, and returns when it is there.
    async fn make(&mut self, stage: &Stage) -> Result<(), String>;

    /// Undoes it. Returns when it is gone; what was harmed may need longer.
    async fn heal(&mut self, stage: &Stage) -> Result<(), String>;

    /// What it takes that a machine may not have.
    fn missing() -> Option<String> {
        None
    }
}

/// What cluster a fault needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Any.
    Any,
    /// Services with fail points.
    FailPoints,
    /// Services whose clocks can be moved.
    Clocks,
    /// A host for every node.
    Hosts,
}

macro_rules! faults {
    ($($(#[doc = $what:literal])+ $kind:ident($harm:path) = $name:literal, $needs:ident;)+) => {
        /// The kinds of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[doc = $what])+ $kind,)+ }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// As in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// In a sentence.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$kind => concat!($($what),+),)+ }
            }

            /// What cluster it needs.
            #[must_use]
            pub const fn needs(self) -> Needs {
                match self { $(Self::$kind => Needs::$needs,)+ }
            }

            /// What it takes that this machine does not have.
            #[must_use]
            pub fn missing(self) -> Option<String> {
                match self { $(Self::$kind => <$harm as Harm>::missing(),)+ }
            }
        }

        /// A fault that was drawn.
        pub(crate) enum Fault { $($kind($harm),)+ }

        impl Fault {
            pub(crate) fn draw(kind: Kind, dice: &mut StdRng, stage: &Stage) -> Option<Self> {
                match kind { $(Kind::$kind => <$harm as Harm>::draw(dice, stage).map(Self::$kind),)+ }
            }

            pub(crate) fn name(&self) -> String {
                match self { $(Self::$kind(harm) => harm.name(),)+ }
            }

            pub(crate) async fn make(&mut self, stage: &Stage) -> Result<(), String> {
                match self { $(Self::$kind(harm) => harm.make(stage).await,)+ }
            }

            pub(crate) async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
                match self { $(Self::$kind(harm) => harm.heal(stage).await,)+ }
            }
        }
    };
}

faults! {
    /// one node is killed, and started again later
    Kill(kill::Kill) = "kill", Any;
    /// the member that leads etcd is killed
    KillLeader(kill_leader::KillLeader) = "kill etcd's leader", Any;
    /// two of etcd's members, or both instances of a service, are killed
    KillTwo(kill_two::KillTwo) = "kill two", Any;
    /// every process is killed at once
    Blackout(blackout::Blackout) = "kill everything", Any;
    /// one node stands still, for longer than a hold lives
    Pause(pause::Pause) = "pause", Any;
    /// the member that leads etcd stands still
    PauseLeader(pause_leader::PauseLeader) = "pause etcd's leader", Any;
    /// the instances of a service are restarted one after the other
    Rolling(rolling::Rolling) = "rolling restart", Any;
    /// Redis loses everything
    Flush(flush::Flush) = "flush redis", Any;
    /// etcd's history is compacted to its head, and its members defragmented
    Compact(compact::Compact) = "compact etcd", Any;
    /// the bank declines, delays, loses and repeats answers
    Bank(bank::Bank) = "bad bank", Any;
    /// a node's disk takes its time for every flush
    SlowDisk(slow_disk::SlowDisk) = "slow disk", Any;
    /// a node's disk fails every flush, and the node is started again later
    FailingFlush(failing_flush::FailingFlush) = "failing flush", Any;
    /// a node cannot write to its disk, and is started again later
    FullDisk(full_disk::FullDisk) = "full disk", Any;
    /// ten thousand seats are held by nobody who comes back, and etcd's leader is
    /// killed as they run out
    DueAtOnce(due_at_once::DueAtOnce) = "due at once", Any;
    /// the clock of a service is moved by a minute or an hour
    Clock(clock::Clock) = "clock", Clocks;
    /// etcd says that it has no space left
    NoSpace(no_space::NoSpace) = "no space", Any;
    /// Redis comes back with what it held some time ago
    OldSnapshot(old_snapshot::OldSnapshot) = "old snapshot", Any;
    /// a service dies, waits, or loses answers at a step of the protocol
    FailPoint(fail_point::FailPoint) = "fail point", FailPoints;
    /// some nodes hear nothing of some others, both ways
    Cut(cut::Cut) = "cut", Hosts;
    /// some nodes hear nothing of some others, which hear them
    OneWay(one_way::OneWay) = "one way", Hosts;
    /// two members of etcd hear only the third
    Ring(ring::Ring) = "ring", Hosts;
    /// a node loses some of the packets sent to it
    Lossy(lossy::Lossy) = "lossy", Hosts;
    /// what is sent to a node comes late, and not in order
    Late(late::Late) = "late", Hosts;
    /// a node's line carries little
    ThinPipe(thin_pipe::ThinPipe) = "thin pipe", Hosts;
    /// big packets never reach a node
    SmallPackets(small_packets::SmallPackets) = "big packets dropped", Hosts;
    /// connections of a node are reset now and then
    Resets(resets::Resets) = "resets", Hosts;
}

/// What shows a planted bug.
pub(crate) fn directed(planted: &Planted, stage: &Stage) -> Vec<(Kind, Fault)> {
    let mut faults = Vec::new();
    let told = FailPoint::ordered(planted, stage);
    faults.extend(told.map(|told| (Kind::FailPoint, Fault::FailPoint(told))));
    let slow = planted.slow.and_then(|(kind, delay_ms)| SlowDisk::first(kind, delay_ms, stage));
    faults.extend(slow.map(|slow| (Kind::SlowDisk, Fault::SlowDisk(slow))));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_sentence() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| !kind.what().is_empty()));
    }
}
