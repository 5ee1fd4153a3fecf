//! Holds that were acknowledged against the seats that are in etcd (INV-3, INV-8).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Check;
use crate::load::{History, Proof};
use crate::orders::Orders;
use crate::truth::Found;

/// How long after a deadline its shared lease may end: lock-service's bound
/// (1.2 s), a second of etcd's granularity, and half a second for two clocks
/// read at different moments.
const LATEST_END_MS: i64 = 2_700;

/// The same on the early side: only for the clocks.
const EARLIEST_END_MS: i64 = -500;

/// What the store held at the end of a round.
pub(crate) struct Store {
    /// Every seat.
    pub(crate) seats: Vec<Found>,
    /// When leases end, earliest and latest; one that is gone is missing.
    pub(crate) lease_ends: BTreeMap<i64, (i64, i64)>,
    /// How much later than usual a lease may end, in milliseconds: a new leader
    /// of etcd begins all of them anew.
    pub(crate) leases_renewed_ms: i64,
}

/// Checks one round of single-seat holds, each on a seat of its own.
pub(crate) fn check_holds(
    system: &str,
    orders: &Orders,
    history: &History,
    store: &Store,
) -> Vec<Check> {
    let mut foreign = Vec::new();
    let mut by_order: HashMap<u64, &Found> = HashMap::with_capacity(store.seats.len());
    for found in &store.seats {
        match orders.number(&found.performance, &found.seat) {
            Some(n) => drop(by_order.insert(n, found)),
            None => {
                foreign.push(format!("{}/{} was never asked for", found.performance, found.seat))
            }
        }
    }
    let acknowledged: HashSet<u64> = history.taken.iter().map(|(n, _)| *n).collect();
    let unknown: HashSet<u64> = history.unknown.iter().copied().collect();

    let mut lost = Vec::new();
    let mut misplaced = Vec::new();
    for (n, proof) in &history.taken {
        let Some(found) = by_order.get(n) else {
            lost.push(format!("order {n} was acknowledged and is not there"));
            continue;
        };
        if found.booking != orders.booking(*n).to_string() {
            lost.push(format!("order {n} was acknowledged and {} is there", found.booking));
        }
        misplaced.extend(wrong_place(*n, *proof, found, store));
    }
    let twice = history.taken.len() - acknowledged.len();
    let twice: Vec<String> =
        (0..twice).map(|_| "a seat was acknowledged twice".to_owned()).collect();
    foreign.extend(
        by_order
            .keys()
            .filter(|n| !acknowledged.contains(n) && !unknown.contains(n))
            .map(|n| format!("order {n} is there and was not acknowledged")),
    );
    let rewritten: Vec<String> = store
        .seats
        .iter()
        .filter(|found| found.version != 1)
        .map(|found| format!("{} was written {} times", found.seat, found.version))
        .collect();
    // Every order had a seat of its own: nobody can have been there first.
    let refused: Vec<String> =
        history.refused.iter().map(|n| format!("order {n} was refused")).collect();

    let name = |what: &str| format!("{system}: {what}");
    let taken = history.taken.len();
    vec![
        Check::none(name("an acknowledged hold is in etcd under its booking"), taken, &lost),
        Check::none(name("on the lease and at the revision it should be"), taken, &misplaced),
        Check::none(name("no seat is acknowledged twice"), taken, &twice),
        Check::none(name("a free seat is not refused"), taken, &refused),
        Check::none(name("nothing else is in etcd"), store.seats.len(), &foreign),
        Check::none(name("each seat was written once"), store.seats.len(), &rewritten),
    ]
}

fn wrong_place(n: u64, proof: Proof, found: &Found, store: &Store) -> Option<String> {
    if proof.revision.is_some_and(|revision| revision != found.revision) {
        return Some(format!("order {n} is at revision {}", found.revision));
    }
    if proof.lease.is_some_and(|lease| lease != found.lease) {
        return Some(format!("order {n} is on lease {:x}", found.lease));
    }
    let deadline = found.deadline_ms?;
    let Some((earliest, latest)) = store.lease_ends.get(&found.lease) else {
        return Some(format!("order {n} is on lease {:x}, which is not there", found.lease));
    };
    let latest_end_ms = LATEST_END_MS.saturating_add(store.leases_renewed_ms);
    let fits = latest - deadline >= EARLIEST_END_MS && earliest - deadline <= latest_end_ms;
    (!fits)
        .then(|| format!("order {n}: its lease ends {} ms after its deadline", latest - deadline))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Outcome;

    fn found(orders: &Orders, n: u64) -> Found {
        let (performance, seat) = orders.place(n);
        Found {
            performance: performance.to_string(),
            seat,
            booking: orders.booking(n).to_string(),
            state: None,
            deadline_ms: Some(60_000),
            lease: 7,
            revision: 100,
            version: 1,
        }
    }

    /// Orders 0 to 4: three acknowledged, one unknown that is there, one that is not.
    fn good() -> (Orders, History, Store) {
        let orders = Orders::new("run", 2).unwrap();
        let mut history = History::default();
        let proof = Proof { lease: None, revision: Some(100) };
        for n in 0..3 {
            history.note(n, Outcome::Taken(proof));
        }
        history.note(3, Outcome::Unknown);
        history.note(4, Outcome::Unknown);
        let seats = (0..4).map(|n| found(&orders, n)).collect();
        let lease_ends = BTreeMap::from([(7, (60_200, 61_300))]);
        (orders, history, Store { seats, lease_ends, leases_renewed_ms: 0 })
    }

    fn broken(orders: &Orders, history: &History, store: &Store) -> Vec<String> {
        let checks = check_holds("x", orders, history, store);
        checks.into_iter().filter(|check| !check.ok).map(|check| check.name).collect()
    }

    #[test]
    fn a_good_history_passes_and_unknown_ones_may_be_there_or_not() {
        let (orders, history, store) = good();
        assert_eq!(broken(&orders, &history, &store), [""; 0]);
    }

    #[test]
    fn a_lost_hold_is_seen() {
        let (orders, history, mut store) = good();
        store.seats.remove(1);
        let lost = "x: an acknowledged hold is in etcd under its booking";
        assert_eq!(broken(&orders, &history, &store), [lost]);
    }

    #[test]
    fn a_seat_under_another_booking_is_seen() {
        let (orders, history, mut store) = good();
        store.seats[1].booking = orders.booking(9).to_string();
        let lost = "x: an acknowledged hold is in etcd under its booking";
        assert_eq!(broken(&orders, &history, &store), [lost]);
    }

    #[test]
    fn a_seat_acknowledged_twice_is_seen() {
        let (orders, mut history, store) = good();
        history.taken.push(history.taken[0]);
        assert_eq!(broken(&orders, &history, &store), ["x: no seat is acknowledged twice"]);
    }

    #[test]
    fn what_nobody_was_told_of_is_seen() {
        let (orders, history, mut store) = good();
        store.seats.push(found(&orders, 77));
        assert_eq!(broken(&orders, &history, &store), ["x: nothing else is in etcd"]);
    }

    #[test]
    fn a_refusal_of_a_free_seat_is_seen() {
        let (orders, mut history, store) = good();
        history.note(9, Outcome::Refused);
        assert_eq!(broken(&orders, &history, &store), ["x: a free seat is not refused"]);
    }

    #[test]
    fn a_wrong_lease_or_revision_is_seen() {
        let misplaced = "x: on the lease and at the revision it should be";
        let (orders, history, mut store) = good();
        store.seats[0].revision = 99;
        assert_eq!(broken(&orders, &history, &store), [misplaced]);
        for ends in [Some((50_000, 51_000)), Some((64_000, 65_000)), None] {
            let (orders, history, mut store) = good();
            store.lease_ends = ends.map(|ends| (7, ends)).into_iter().collect();
            assert_eq!(broken(&orders, &history, &store), [misplaced], "{ends:?}");
        }
    }

    #[test]
    fn a_new_leader_may_make_leases_longer_and_never_shorter() {
        let (orders, history, mut store) = good();
        store.leases_renewed_ms = 60_000;
        store.lease_ends = BTreeMap::from([(7, (110_000, 111_000))]);
        assert_eq!(broken(&orders, &history, &store), [""; 0]);
        store.lease_ends = BTreeMap::from([(7, (58_000, 59_000))]);
        assert_eq!(broken(&orders, &history, &store).len(), 1);
    }

    #[test]
    fn a_seat_written_over_is_seen() {
        let (orders, history, mut store) = good();
        store.seats[2].version = 2;
        assert_eq!(broken(&orders, &history, &store), ["x: each seat was written once"]);
    }
}
