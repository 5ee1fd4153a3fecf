//! Demand, as this instance's own answers show it: noted in memory during
//! requests, added up in the catalogue every few seconds.
//!
//! What is lost is lost: by a crash, by a commit nobody answered, by too much
//! at once. Never added twice: rather too little than too much.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lock_service_client::wire::Acquired;
use prometheus::IntCounter;
use seat_model::{PerformanceId, SeatId, Timestamp};

use super::{Analytics, AnalyticsConfig, HOUR_MS};
use crate::catalogue::{CatalogueError, ConflictRow, Demand, DemandRow, WRITE_AT_ONCE};

/// What was noted and is not written.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gathered {
    /// By performance and beginning of the hour.
    hours: BTreeMap<(PerformanceId, i64), Demand>,
    /// By performance and seat.
    conflicts: BTreeMap<(PerformanceId, SeatId), u64>,
}

/// Takes notes during requests; asks nobody and waits for nothing.
pub(in crate::sale) struct Noted {
    gathered: Mutex<Gathered>,
    max_hours: usize,
    max_seats: usize,
    lost: IntCounter,
}

impl Noted {
    pub(super) fn new(config: &AnalyticsConfig, lost: IntCounter) -> Self {
        Self {
            gathered: Mutex::default(),
            max_hours: config.max_gathered,
            max_seats: config.max_gathered_seats,
            lost,
        }
    }

    /// What lock-service said to somebody who wanted seats.
    pub(in crate::sale) fn wanted(
        &self,
        performance: &PerformanceId,
        verdict: &Acquired,
        at: Timestamp,
    ) {
        match verdict {
            Acquired::Taken { seats } => {
                let seats_held = seats.seats.len() as u64;
                self.add(performance, at, Demand { holds: 1, seats_held, ..Demand::default() });
            }
            Acquired::SeatTaken { conflicts } => {
                self.add(performance, at, Demand { refused: 1, ..Demand::default() });
                self.add_conflicts(performance, conflicts.iter().map(|conflict| &conflict.seat));
            }
            Acquired::SoldOut | Acquired::NoAdjacentSeats => {
                self.add(performance, at, Demand { refused: 1, ..Demand::default() });
            }
            // Their own doing, or nothing new.
            Acquired::Replay { .. }
            | Acquired::BodyMismatch
            | Acquired::LeavesSingleSeat { .. }
            | Acquired::LimitPerCustomer { .. }
            | Acquired::PlanUnknown
            | Acquired::MapMoved => {}
        }
    }

    /// A customer gave a hold back.
    pub(in crate::sale) fn released(&self, performance: &PerformanceId, at: Timestamp) {
        self.add(performance, at, Demand { released: 1, ..Demand::default() });
    }

    fn add(&self, performance: &PerformanceId, at: Timestamp, more: Demand) {
        let hour_ms = at.as_millis().div_euclid(HOUR_MS) * HOUR_MS;
        let mut gathered = self.gathered();
        let key = (performance.clone(), hour_ms);
        let room = gathered.hours.len() < self.max_hours;
        if let Some(demand) = gathered.hours.get_mut(&key) {
            add_to(demand, more);
        } else if room {
            gathered.hours.insert(key, more);
        } else {
            self.lost.inc();
        }
    }

    fn add_conflicts<'a>(
        &self,
        performance: &PerformanceId,
        seats: impl Iterator<Item = &'a SeatId>,
    ) {
        let mut gathered = self.gathered();
        for seat in seats {
            let key = (performance.clone(), seat.clone());
            let room = gathered.conflicts.len() < self.max_seats;
            if let Some(conflicts) = gathered.conflicts.get_mut(&key) {
                *conflicts += 1;
            } else if room {
                gathered.conflicts.insert(key, 1);
            } else {
                self.lost.inc();
            }
        }
    }

    fn take(&self) -> Gathered {
        std::mem::take(&mut *self.gathered())
    }

    /// Nothing of these was written: they wait with what came since.
    fn put_back(&self, hours: &[DemandRow], conflicts: &[ConflictRow]) {
        for row in hours {
            self.add(&row.performance, Timestamp::from_millis(row.hour_ms), row.demand);
        }
        let mut gathered = self.gathered();
        for row in conflicts {
            let key = (row.performance.clone(), row.seat.clone());
            if gathered.conflicts.len() < self.max_seats || gathered.conflicts.contains_key(&key) {
                *gathered.conflicts.entry(key).or_default() += row.conflicts;
            } else {
                self.lost.inc();
            }
        }
    }

    fn gathered(&self) -> std::sync::MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add_to(demand: &mut Demand, more: Demand) {
    demand.views += more.views;
    demand.holds += more.holds;
    demand.seats_held += more.seats_held;
    demand.released += more.released;
    demand.refused += more.refused;
}

impl Analytics {
    /// Ends with the process, after it has written what was left.
    pub(super) async fn write_demand_to_the_end(self) {
        let shutdown = self.background.shutdown();
        let mut told = None;
        loop {
            let ending = tokio::select! {
                () = tokio::time::sleep(self.config.write_every()) => false,
                () = shutdown.cancelled() => true,
            };
            let failed = self.write_demand().await.err().map(|error| error.to_string());
            if let Some(error) = &failed
                && told != failed
            {
                tracing::warn!(error, "demand is not written");
            }
            told = failed;
            if ending {
                return;
            }
        }
    }

    async fn write_demand(&self) -> Result<(), CatalogueError> {
        let gathered = self.demand.take();
        let hours: Vec<DemandRow> = gathered
            .hours
            .into_iter()
            .map(|((performance, hour_ms), demand)| DemandRow { performance, hour_ms, demand })
            .collect();
        let conflicts: Vec<ConflictRow> = gathered
            .conflicts
            .into_iter()
            .map(|((performance, seat), conflicts)| ConflictRow { performance, seat, conflicts })
            .collect();
        let mut hours_left = hours.chunks(WRITE_AT_ONCE);
        let mut seats_left = conflicts.chunks(WRITE_AT_ONCE);
        let mut written = Ok(());
        for some in hours_left.by_ref() {
            written = self.catalogue.add_demand(some).await;
            if let Err(error) = &written {
                self.keep(error, some, &[]);
                break;
            }
        }
        if written.is_ok() {
            for some in seats_left.by_ref() {
                written = self.catalogue.add_conflicts(some).await;
                if let Err(error) = &written {
                    self.keep(error, &[], some);
                    break;
                }
            }
        }
        hours_left.for_each(|some| self.demand.put_back(some, &[]));
        seats_left.for_each(|some| self.demand.put_back(&[], some));
        written
    }

    /// Keeps what was surely not added; the rest may have been.
    fn keep(&self, error: &CatalogueError, hours: &[DemandRow], conflicts: &[ConflictRow]) {
        match error {
            CatalogueError::Unavailable(_) => self.demand.put_back(hours, conflicts),
            CatalogueError::OutcomeUnknown(_) | CatalogueError::Broken(_) => {
                self.metrics.lost.inc_by((hours.len() + conflicts.len()) as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use seat_model::{Conflict, PublicSeatState};

    use super::*;

    fn noted(max: usize) -> Noted {
        let config = AnalyticsConfig {
            max_gathered: max,
            max_gathered_seats: max,
            ..AnalyticsConfig::default()
        };
        Noted::new(&config, IntCounter::new("lost", "lost").unwrap())
    }

    fn performance(id: &str) -> PerformanceId {
        PerformanceId::new(id).unwrap()
    }

    fn taken(seats: &[&str]) -> Acquired {
        let conflict = |seat: &&str| Conflict {
            seat: SeatId::new(*seat).unwrap(),
            state: PublicSeatState::Held,
        };
        Acquired::SeatTaken { conflicts: seats.iter().map(conflict).collect() }
    }

    #[test]
    fn what_others_have_is_refused_once_and_contested_by_seat() {
        let noted = noted(10);
        let at = Timestamp::from_millis(3 * HOUR_MS + 5);
        noted.wanted(&performance("p1"), &taken(&["A-1", "A-2"]), at);
        noted.wanted(&performance("p1"), &taken(&["A-2"]), at);
        noted.wanted(&performance("p1"), &Acquired::SoldOut, at);
        noted.wanted(&performance("p1"), &Acquired::LimitPerCustomer { has: 3 }, at);
        let gathered = noted.take();
        let hour = gathered.hours[&(performance("p1"), 3 * HOUR_MS)];
        assert_eq!(hour, Demand { refused: 3, ..Demand::default() });
        let of = |seat: &str| gathered.conflicts[&(performance("p1"), SeatId::new(seat).unwrap())];
        assert_eq!((of("A-1"), of("A-2")), (1, 2));
        assert_eq!(noted.take(), Gathered::default(), "taken once");
    }

    #[test]
    fn an_hour_ends_where_the_next_begins() {
        let noted = noted(10);
        for millis in [HOUR_MS - 1, HOUR_MS, 2 * HOUR_MS - 1] {
            noted.released(&performance("p1"), Timestamp::from_millis(millis));
        }
        let gathered = noted.take();
        let released: Vec<(i64, u64)> =
            gathered.hours.iter().map(|((_, hour), demand)| (*hour, demand.released)).collect();
        assert_eq!(released, [(0, 1), (HOUR_MS, 2)]);
    }

    #[test]
    fn what_was_not_written_waits_with_what_came_since() {
        let noted = noted(10);
        let at = Timestamp::from_millis(7);
        let row = |demand| DemandRow { performance: performance("p1"), hour_ms: 0, demand };
        let seat = SeatId::new("A-1").unwrap();
        let conflict =
            ConflictRow { performance: performance("p1"), seat: seat.clone(), conflicts: 4 };
        noted.released(&performance("p1"), at);
        noted.wanted(&performance("p1"), &taken(&["A-1"]), at);
        let before = Demand { holds: 2, seats_held: 5, released: 1, refused: 3, views: 0 };
        noted.put_back(&[row(before)], &[conflict]);
        let gathered = noted.take();
        let wanted = Demand { released: 2, refused: 4, ..before };
        assert_eq!(gathered.hours[&(performance("p1"), 0)], wanted);
        assert_eq!(gathered.conflicts[&(performance("p1"), seat)], 5);
    }

    #[test]
    fn what_is_gathered_has_a_bound_and_what_is_beyond_it_is_told() {
        let noted = noted(2);
        let at = Timestamp::from_millis(7);
        for id in ["p1", "p2", "p3", "p1"] {
            noted.wanted(&performance(id), &taken(&["A-1"]), at);
        }
        let gathered = noted.take();
        assert_eq!((gathered.hours.len(), gathered.conflicts.len()), (2, 2));
        assert_eq!(gathered.hours[&(performance("p1"), 0)].refused, 2, "known ones still count");
        assert_eq!(noted.lost.get(), 2, "one hour and one seat");
    }
}
