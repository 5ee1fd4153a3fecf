//! Unit costs: what one operation costs in each kind of process, and how large
//! things are. Gathers the rounds into medians with their spread; must not know
//! how anything was measured, nor what is made of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::median;
use crate::usage::Used;

/// The busiest member of etcd, which is its leader while anything is written.
pub(crate) const LEADER: &str = "etcd, its busiest member";

/// Something that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operation {
    /// A hold of one seat.
    Hold,
    /// A hold of one seat and its confirm, all the way to the emptied outbox.
    Booking,
    /// The cancel of such a booking, its refund included.
    Cancel,
    /// A hold that is refused because somebody else has the seat.
    Refusal,
    /// A seat map, compressed as browsers ask for it.
    Map,
    /// The same where nothing has changed: 304.
    Unchanged,
    /// The same while its seats are being taken.
    MapInSale,
    /// A show's page.
    Show,
    /// A page of the list of shows.
    List,
    /// A change that one open event stream delivers.
    Sighting,
}

impl Operation {
    /// As people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hold => "a hold",
            Self::Booking => "a hold and its confirm",
            Self::Cancel => "a cancel",
            Self::Refusal => "a hold that is refused",
            Self::Map => "a seat map",
            Self::Unchanged => "a seat map, 304",
            Self::MapInSale => "a seat map in a sale",
            Self::Show => "a show's page",
            Self::List => "a list of shows",
            Self::Sighting => "a change on a stream",
        }
    }
}

/// Something else that is measured, in the unit its name ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Measure {
    /// Of etcd's database, compacted.
    EtcdHeldBytes,
    /// The same for a sold seat.
    EtcdSoldBytes,
    /// The same for a performance of which no seat is taken.
    EtcdPerformanceBytes,
    /// A shard's tables and indexes for a booking of one seat.
    ShardDataBytes,
    /// Its binary log for the same.
    ShardBinlogBytes,
    /// lock-service, for each seat that is not free.
    LockTakenBytes,
    /// view-service, the same.
    ViewTakenBytes,
    /// view-service, for each open event stream.
    ViewStreamBytes,
    /// Redis, for each seat that is not free.
    RedisTakenBytes,
    /// Redis, for all that is taken of the house that was looked at.
    RedisHouseBytes,
    /// Seats of the house whose map was looked at; every other one is sold.
    HouseSeats,
    /// Its map, the answer's head included.
    MapPlainBytes,
    /// The same for clients that take gzip.
    MapGzipBytes,
    /// The same for browsers, which take brotli.
    MapBrotliBytes,
    /// The same in two bits a seat.
    MapBitsBytes,
    /// The answer that it has not changed.
    UnchangedBytes,
    /// A show's page for browsers.
    ShowBytes,
    /// A page of the list for browsers.
    ListBytes,
    /// What a stream sends for a change.
    EventBytes,
    /// Processor time of view-service to render and compress the map anew after
    /// a change, in microseconds.
    RenderUs,
    /// Transactions that went to etcd together while one show was sold.
    BatchTransactions,
    /// Holds of many shows in a second, everything on this machine.
    HoldsPerS,
    /// Holds with their confirms, the same.
    BookingsPerS,
    /// Cancels, the same.
    CancelsPerS,
    /// Holds of one show in a second, everything on this machine.
    OneShowHoldsPerS,
    /// Holds with their confirms, the same.
    OneShowBookingsPerS,
    /// Refusals, the same.
    OneShowRefusalsPerS,
}

impl Measure {
    /// As people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EtcdHeldBytes => "etcd, bytes a held seat",
            Self::EtcdSoldBytes => "etcd, bytes a sold seat",
            Self::EtcdPerformanceBytes => "etcd, bytes a performance with every seat free",
            Self::ShardDataBytes => "shard, bytes of tables and indexes a booking",
            Self::ShardBinlogBytes => "shard, bytes of binary log a booking",
            Self::LockTakenBytes => "lock-service, bytes a taken seat",
            Self::ViewTakenBytes => "view-service, bytes a taken seat",
            Self::ViewStreamBytes => "view-service, bytes an event stream",
            Self::RedisTakenBytes => "Redis, bytes a taken seat",
            Self::RedisHouseBytes => "Redis, bytes of the house, half of it sold",
            Self::HouseSeats => "seats of the house",
            Self::MapPlainBytes => "seat map, bytes sent as it is",
            Self::MapGzipBytes => "seat map, bytes sent with gzip",
            Self::MapBrotliBytes => "seat map, bytes sent to browsers",
            Self::MapBitsBytes => "seat map, bytes sent in two bits a seat",
            Self::UnchangedBytes => "seat map, bytes sent with 304",
            Self::ShowBytes => "show's page, bytes sent to browsers",
            Self::ListBytes => "list of shows, bytes sent to browsers",
            Self::EventBytes => "event stream, bytes sent a change",
            Self::RenderUs => "view-service, us to render and compress the map anew",
            Self::BatchTransactions => "transactions in a batch to etcd, one show on sale",
            Self::HoldsPerS => "holds/s here, many shows",
            Self::BookingsPerS => "holds with confirm/s here, many shows",
            Self::CancelsPerS => "cancels/s here, many shows",
            Self::OneShowHoldsPerS => "holds/s here, one show",
            Self::OneShowBookingsPerS => "holds with confirm/s here, one show",
            Self::OneShowRefusalsPerS => "refusals/s here, one show",
        }
    }
}

/// A median over the rounds, and the lowest and the highest of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The lowest.
    pub(crate) low: f64,
    /// The highest.
    pub(crate) high: f64,
}

impl Spread {
    fn of(rounds: &[f64]) -> Self {
        let low = rounds.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let high = rounds.iter().copied().reduce(f64::max).unwrap_or(0.0);
        Self { median: median(rounds), low, high }
    }
}

/// Figures by the kind of process.
pub(crate) type PerKind<F> = BTreeMap<String, F>;

/// All unit costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct UnitCosts {
    /// Processor time of a cluster that nobody asks for anything, in microseconds a second.
    pub(crate) idle_us_per_s: PerKind<f64>,
    /// Processor time of each operation, beyond what idling costs, in microseconds.
    pub(crate) cpu_us: BTreeMap<Operation, PerKind<Spread>>,
    /// Everything else.
    pub(crate) measures: BTreeMap<Measure, Spread>,
}

impl UnitCosts {
    /// Microseconds of an operation in a kind of process; 0 where it takes no part.
    pub(crate) fn cpu(&self, operation: Operation, kind: &str) -> f64 {
        let found = self.cpu_us.get(&operation).and_then(|kinds| kinds.get(kind));
        found.map_or(0.0, |spread| spread.median)
    }

    /// A measure; 0 where it was not taken.
    pub(crate) fn measure(&self, measure: Measure) -> f64 {
        self.measures.get(&measure).map_or(0.0, |spread| spread.median)
    }
}

/// What was found out, round by round.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Microseconds of a second.
    idle: PerKind<f64>,
    cpu_us: BTreeMap<Operation, PerKind<Vec<f64>>>,
    measures: BTreeMap<Measure, Vec<f64>>,
}

impl Gathered {
    /// With what an idle cluster used in a time.
    pub(crate) fn beside_idle(used: &[Used], time: Duration) -> Self {
        let seconds = time.as_secs_f64().max(f64::MIN_POSITIVE);
        let idle = by_kind(used).into_iter().map(|(kind, us)| (kind, us / seconds)).collect();
        Self { idle, ..Self::default() }
    }

    /// Notes a round: what was used in a time in which so many operations were done.
    pub(crate) fn note_cpu(
        &mut self,
        operation: Operation,
        used: &[Used],
        time: Duration,
        operations: f64,
    ) {
        let kinds = self.cpu_us.entry(operation).or_default();
        for (kind, us) in by_kind(used) {
            let idle = self.idle.get(&kind).copied().unwrap_or(0.0) * time.as_secs_f64();
            let each = (us - idle).max(0.0) / operations.max(1.0);
            kinds.entry(kind).or_default().push(each);
        }
    }

    /// Notes a measure of a round.
    pub(crate) fn note(&mut self, measure: Measure, value: f64) {
        self.measures.entry(measure).or_default().push(value);
    }

    /// The cost of an operation in the round that was noted last.
    pub(crate) fn latest_cpu(&self, operation: Operation, kind: &str) -> f64 {
        let rounds = self.cpu_us.get(&operation).and_then(|kinds| kinds.get(kind));
        rounds.and_then(|rounds| rounds.last()).copied().unwrap_or(0.0)
    }

    /// A measure of the round that was noted last; 0 before the first.
    pub(crate) fn latest(&self, measure: Measure) -> f64 {
        self.measures.get(&measure).and_then(|rounds| rounds.last()).copied().unwrap_or(0.0)
    }

    /// All of it.
    pub(crate) fn finish(self) -> UnitCosts {
        let spreads = |kinds: PerKind<Vec<f64>>| {
            kinds.into_iter().map(|(kind, rounds)| (kind, Spread::of(&rounds))).collect()
        };
        UnitCosts {
            idle_us_per_s: self.idle,
            cpu_us: self.cpu_us.into_iter().map(|(what, kinds)| (what, spreads(kinds))).collect(),
            measures: self.measures.into_iter().map(|(m, r)| (m, Spread::of(&r))).collect(),
        }
    }
}

/// Microseconds by the kind of process: nodes of a kind are added up, and the
/// busiest member of etcd stands once more for itself.
fn by_kind(used: &[Used]) -> PerKind<f64> {
    let mut kinds = PerKind::new();
    for one in used {
        let us = one.cpu_s * 1e6;
        let kind = kind_of(&one.process);
        *kinds.entry(kind.to_owned()).or_insert(0.0) += us;
        if kind == "etcd" {
            let busiest = kinds.entry(LEADER.to_owned()).or_insert(0.0);
            *busiest = us.max(*busiest);
        }
    }
    kinds
}

/// `etcd` of `etcd-2`: a node's name without its number.
fn kind_of(node: &str) -> &str {
    match node.rsplit_once('-') {
        Some((kind, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => kind,
        _ => node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(process: &str, cpu_s: f64) -> Used {
        Used { process: process.to_owned(), cpu_s, rss_mib: 1 }
    }

    #[test]
    fn nodes_of_a_kind_are_added_up_and_the_busiest_member_stands_for_itself() {
        let all = by_kind(&[
            used("etcd-0", 0.25),
            used("etcd-1", 0.5),
            used("payment-gateway", 1.0),
            used("load generator", 2.0),
        ]);
        let wanted = [
            ("etcd", 750_000.0),
            (LEADER, 500_000.0),
            ("load generator", 2e6),
            ("payment-gateway", 1e6),
        ];
        let wanted = wanted.map(|(kind, us)| (kind.to_owned(), us));
        assert_eq!(all, wanted.into_iter().collect());
    }

    #[test]
    fn what_idling_costs_is_no_operations_cost() {
        let time = Duration::from_secs(2);
        let mut gathered = Gathered::beside_idle(&[used("redis", 0.5)], time);
        for cpu_s in [1.5, 2.5, 9.5] {
            gathered.note_cpu(Operation::Map, &[used("redis", cpu_s)], time, 1_000_000.0);
        }
        gathered.note_cpu(Operation::Show, &[used("redis", 0.25)], time, 1.0);
        let costs = gathered.finish();
        let map = costs.cpu_us[&Operation::Map]["redis"];
        assert_eq!(map, Spread { median: 2.0, low: 1.0, high: 9.0 });
        assert!(costs.cpu(Operation::Show, "redis").abs() < f64::EPSILON, "never below nothing");
        assert!(costs.cpu(Operation::Map, "etcd").abs() < f64::EPSILON, "takes no part");
    }

    #[test]
    fn costs_survive_their_file() {
        let mut gathered = Gathered::beside_idle(&[used("etcd-0", 1.0)], Duration::from_secs(1));
        gathered.note_cpu(Operation::Hold, &[used("etcd-0", 3.0)], Duration::from_secs(1), 100.0);
        gathered.note(Measure::EtcdHeldBytes, 490.0);
        let costs = gathered.finish();
        let text = serde_json::to_string(&costs).unwrap();
        assert_eq!(serde_json::from_str::<UnitCosts>(&text).unwrap(), costs);
    }
}
