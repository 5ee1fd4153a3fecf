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
