//! Taken seats as bits in plan order, for performances that seats are picked
//! at: a pick looks at whole rows, and hashes no names. Follows every change of
//! the mirror; what is not here is worked out from the mirror's contents, so
//! that forgetting one costs time and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use seat_model::{PerformanceId, SeatId};
use seat_picker::{Prepared, SeatSet};

/// The performances with such bits; the one not looked at for longest is
/// forgotten first.
#[derive(Debug, Default)]
pub(super) struct Charts {
    by_performance: HashMap<PerformanceId, Charted>,
}

#[derive(Debug)]
struct Charted {
    prepared: Arc<Prepared>,
    taken: SeatSet,
    /// The mirror's revision when it was last looked at.
    used: AtomicU64,
}

impl Charts {
    /// The taken seats by this very plan.
    pub(super) fn taken(
        &self,
        performance: &PerformanceId,
        prepared: &Arc<Prepared>,
        revision: u64,
    ) -> Option<&SeatSet> {
        let charted = self.by_performance.get(performance)?;
        if !Arc::ptr_eq(&charted.prepared, prepared) {
            return None;
        }
        // Only says which to forget first: it need not be exact.
        charted.used.store(revision, Ordering::Relaxed);
        Some(&charted.taken)
    }

    /// From now on a performance has bits, by this plan; at most so many have.
    pub(super) fn put(
        &mut self,
        performance: &PerformanceId,
        prepared: &Arc<Prepared>,
        taken: SeatSet,
        revision: u64,
        at_most: usize,
    ) {
        let charted = Charted { prepared: prepared.clone(), taken, used: AtomicU64::new(revision) };
        self.by_performance.insert(performance.clone(), charted);
        while self.by_performance.len() > at_most {
            let others = self.by_performance.iter().filter(|(other, _)| *other != performance);
            let oldest = others.min_by_key(|(_, charted)| charted.used.load(Ordering::Relaxed));
            let Some(oldest) = oldest.map(|(oldest, _)| oldest.clone()) else { break };
            self.by_performance.remove(&oldest);
        }
    }

    /// A seat is taken now, or free. One that the plan does not have is nobody's choice.
    pub(super) fn note(&mut self, performance: &PerformanceId, seat: &SeatId, taken: bool) {
        let Some(charted) = self.by_performance.get_mut(performance) else { return };
        let Some(number) = charted.prepared.chart().index_of(seat) else { return };
        if taken {
            charted.taken.insert(number);
        } else {
            charted.taken.remove(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use seat_model::{BookingId, Chart, Plan, SeatState};

    use super::super::State;
    use crate::etcd::{Listing, WatchEvent};
    use crate::keys;
    use crate::record::tests::record;
    use crate::transaction::Kv;

    use super::*;

    /// The seats S0 to S8.
    fn row() -> Arc<Prepared> {
        let seats: Vec<_> = (0..9)
            .map(|n| {
                serde_json::json!({"seat_guid": format!("S{n}"), "seat_number": n.to_string(),
                    "position": {"x": n, "y": 0}, "category": "A"})
            })
            .collect();
        let plan = serde_json::json!({"name": "Row", "categories": [{"name": "A"}],
            "size": {"width": 9, "height": 9}, "zones": [{"position": {"x": 0, "y": 0},
            "rows": [{"row_number": "1", "seats": seats}]}]});
        let plan: Plan = serde_json::from_value(plan).unwrap();
        Arc::new(Prepared::new(Arc::new(Chart::new(&plan))))
    }

    fn performance(name: &str) -> PerformanceId {
        PerformanceId::new(name).unwrap()
    }

    fn put(seat: &str, revision: u64) -> WatchEvent {
        let key = keys::seat(&performance("p"), &SeatId::new(seat).unwrap());
        let value = record(BookingId::from_bytes([1; 16]), SeatState::Held).encode();
        let kv = Kv { key: key.clone(), value, mod_revision: revision, create_revision: revision };
        WatchEvent { key, revision, now: Some(kv) }
    }

    fn gone(seat: &str, revision: u64) -> WatchEvent {
        WatchEvent { now: None, ..put(seat, revision) }
    }

    #[test]
    fn bits_follow_every_change_and_listing() {
        let (plan, other_plan) = (row(), row());
        let mut state = State::new();
        // Charted in the middle of it, worked out each time, or charted by another plan.
        let agree = |state: &State, expected: &[usize]| {
            for prepared in [&plan, &other_plan] {
                let taken = state.taken(&performance("p"), prepared);
                let seats: Vec<usize> = (0..9).filter(|&i| taken.contains(i)).collect();
                assert_eq!(seats, expected);
            }
        };
        state.apply(vec![put("S1", 2), put("S2", 2), put("elsewhere", 2)], 2);
        assert!(!state.charted(&performance("p"), &plan));
        state.chart(&performance("p"), &plan, 4);
        assert!(state.charted(&performance("p"), &plan));
        assert!(!state.charted(&performance("p"), &other_plan));
        agree(&state, &[1, 2]);
        state.apply(vec![put("S4", 3), gone("S1", 3), put("S2", 3)], 3);
        agree(&state, &[2, 4]);
        let kvs = [put("S2", 3), put("S8", 5)].into_iter().filter_map(|event| event.now).collect();
        state.replace(&Listing { revision: 6, kvs });
        agree(&state, &[2, 8]);
        state.replace(&Listing { revision: 4, kvs: Vec::new() });
        agree(&state, &[]);
        state.chart(&performance("p"), &other_plan, 4);
        state.apply(vec![put("S0", 5)], 5);
        agree(&state, &[0]);
    }

    #[test]
    fn the_one_not_looked_at_for_longest_is_forgotten() {
        let plan = row();
        let mut charts = Charts::default();
        for (revision, name) in [(1, "a"), (2, "b")] {
            charts.put(&performance(name), &plan, plan.no_seats(), revision, 2);
        }
        assert!(charts.taken(&performance("a"), &plan, 3).is_some());
        charts.put(&performance("c"), &plan, plan.no_seats(), 3, 2);
        let kept = ["a", "b", "c"].map(|name| charts.taken(&performance(name), &plan, 4).is_some());
        assert_eq!(kept, [true, false, true]);
    }
}
