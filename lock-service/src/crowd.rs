//! What is in flight on this instance: which booking is being worked on, which
//! seats somebody is about to take, and how many of them for whom. Only
//! memory: it spares conflicts and catches what two requests at once could
//! slip past, and correctness never depends on it.
//!
//! Nothing here takes longer the larger the crowd is: everybody passes through
//! its one lock.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use seat_model::{BookingId, PerformanceId, SeatId, UserId};
use seat_picker::{Prepared, SeatSet};
use tokio::sync::Notify;

use crate::metrics::Metrics;

/// Everything in flight; clones share it.
#[derive(Clone)]
pub struct Crowd {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Mutex<InFlight>,
    /// Told whenever a booking is let go.
    turns: Notify,
    metrics: Metrics,
}

/// The contents, while nobody else can change them.
#[derive(Default)]
pub struct InFlight {
    bookings: HashSet<BookingId>,
    /// Performances with nobody in flight are not here.
    performances: HashMap<PerformanceId, Takings>,
}

/// Who is about to take which seats of a performance.
#[derive(Default)]
struct Takings {
    by_booking: HashMap<BookingId, Taking>,
    by_user: HashMap<UserId, Vec<BookingId>>,
    /// The seats as bits, once somebody picks.
    charted: Option<Charted>,
    /// Told when seats are let go.
    let_go: Arc<Notify>,
}

struct Taking {
    user: UserId,
    seats: Vec<SeatId>,
}

/// Seats in flight by their numbers in a plan.
struct Charted {
    prepared: Arc<Prepared>,
    seats: SeatSet,
    /// How many more takings want a seat than the first: named seats can be
    /// wanted by many at once.
    again: HashMap<usize, usize>,
}

/// The right to work on a booking; dropped, the next one has it.
#[must_use]
pub struct Turn {
    crowd: Crowd,
    booking: BookingId,
}

/// Seats that a request is about to take. Kept until the mirror shows what
/// became of them; dropped, they can be chosen again.
#[must_use]
pub struct Reserved {
    crowd: Crowd,
    performance: PerformanceId,
    booking: BookingId,
    seats: usize,
}

impl InFlight {
    /// How many requests are about to take seats of a performance.
    #[must_use]
    pub fn requests(&self, performance: &PerformanceId) -> usize {
        self.performances.get(performance).map_or(0, |takings| takings.by_booking.len())
    }

    /// The seats of a performance that somebody is about to take, by their
    /// numbers in this plan; `None` while nobody is.
    pub fn reserved(
        &mut self,
        performance: &PerformanceId,
        prepared: &Arc<Prepared>,
    ) -> Option<&SeatSet> {
        let Takings { by_booking, charted, .. } = self.performances.get_mut(performance)?;
        if charted.as_ref().is_some_and(|charted| !Arc::ptr_eq(&charted.prepared, prepared)) {
            *charted = None;
        }
        let charted = charted.get_or_insert_with(|| {
            let mut charted = Charted::new(prepared.clone());
            by_booking.values().for_each(|taking| charted.add(&taking.seats));
            charted
        });
        Some(&charted.seats)
    }

    /// How many seats others of a customer's requests are about to take;
    /// `counted` tells of those that the mirror shows as the customer's already.
    pub fn wanted_by(
        &self,
        performance: &PerformanceId,
        user: &UserId,
        but: BookingId,
        counted: impl Fn(&SeatId) -> bool,
    ) -> u32 {
        let Some(takings) = self.performances.get(performance) else { return 0 };
        let bookings = takings.by_user.get(user).into_iter().flatten();
        let seats = bookings
            .filter(|booking| **booking != but)
            .filter_map(|booking| takings.by_booking.get(booking))
            .flat_map(|taking| &taking.seats)
            .filter(|seat| !counted(seat))
            .count();
        u32::try_from(seats).unwrap_or(u32::MAX)
    }
}

impl Takings {
    fn add(&mut self, booking: BookingId, user: &UserId, seats: Vec<SeatId>) {
        if let Some(charted) = &mut self.charted {
            charted.add(&seats);
        }
        self.by_user.entry(user.clone()).or_default().push(booking);
        self.by_booking.insert(booking, Taking { user: user.clone(), seats });
    }

    fn remove(&mut self, booking: BookingId) {
        let Some(taking) = self.by_booking.remove(&booking) else { return };
        if let Some(charted) = &mut self.charted {
            charted.remove(&taking.seats);
        }
        if let Some(bookings) = self.by_user.get_mut(&taking.user) {
            bookings.retain(|other| *other != booking);
            if bookings.is_empty() {
                self.by_user.remove(&taking.user);
            }
        }
    }
}

impl Charted {
    fn new(prepared: Arc<Prepared>) -> Self {
        let seats = prepared.no_seats();
        Self { prepared, seats, again: HashMap::new() }
    }

    fn add(&mut self, seats: &[SeatId]) {
        for number in seats.iter().filter_map(|seat| self.prepared.chart().index_of(seat)) {
            if !self.seats.insert(number) {
                *self.again.entry(number).or_default() += 1;
            }
        }
    }

    fn remove(&mut self, seats: &[SeatId]) {
        for number in seats.iter().filter_map(|seat| self.prepared.chart().index_of(seat)) {
            match self.again.get_mut(&number) {
                Some(1) => {
                    self.again.remove(&number);
                }
                Some(more) => *more -= 1,
                None => {
                    self.seats.remove(number);
                }
            }
        }
    }
}

impl Crowd {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        let (inner, turns) = (Mutex::new(InFlight::default()), Notify::new());
        Self { shared: Arc::new(Shared { inner, turns, metrics }) }
    }

    fn lock(&self) -> MutexGuard<'_, InFlight> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn to work on a booking; `None` when the deadline came
    /// first. One request at a time: a resend finds what the first one did.
    pub async fn turn(&self, booking: BookingId, until: Instant) -> Option<Turn> {
        let waited = tokio::time::timeout_at(until.into(), async {
            loop {
                let changed = self.shared.turns.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.lock().bookings.insert(booking) {
                    return;
                }
                changed.await;
            }
        });
        waited.await.ok().map(|()| Turn { crowd: self.clone(), booking })
    }

    /// Chooses seats and reserves them in one step, so that nobody else can
    /// choose the same. `choose` sees what is in flight, and must be quick:
    /// everybody waits for it.
    ///
    /// # Errors
    /// Whatever `choose` says.
    pub fn reserve<T, E>(
        &self,
        performance: &PerformanceId,
        booking: BookingId,
        user: &UserId,
        choose: impl FnOnce(&mut InFlight) -> Result<(Vec<SeatId>, T), E>,
    ) -> Result<(Reserved, T), E> {
        let mut inner = self.lock();
        let (seats, chosen) = choose(&mut inner)?;
        let count = seats.len();
        inner.performances.entry(performance.clone()).or_default().add(booking, user, seats);
        drop(inner);
        self.shared.metrics.reserved.add(i64::try_from(count).unwrap_or(0));
        let performance = performance.clone();
        Ok((Reserved { crowd: self.clone(), performance, booking, seats: count }, chosen))
    }

    /// Waits until seats of a performance are let go, or the deadline; not at
    /// all while nobody is about to take any. Of many who wait one is told of
    /// each letting go, and all of the last: whoever is not told looks again
    /// when the deadline comes.
    pub async fn let_go(&self, performance: &PerformanceId, until: Instant) {
        let notify = |inner: &InFlight| {
            inner.performances.get(performance).map(|takings| takings.let_go.clone())
        };
        let Some(told) = notify(&self.lock()) else { return };
        let notified = told.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        // Nothing is missed: waiting has begun, and if they were the last and
        // went before that, they are not here any more.
        if !notify(&self.lock()).is_some_and(|now| Arc::ptr_eq(&now, &told)) {
            return;
        }
        // Too late is as good as told: whoever waits looks again either way.
        let _ = tokio::time::timeout_at(until.into(), notified).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.crowd.lock().bookings.remove(&self.booking);
        self.crowd.shared.turns.notify_waiters();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut inner = self.crowd.lock();
        if let Some(takings) = inner.performances.get_mut(&self.performance) {
            // A booking has its turn alone, so at most one of its takings is here.
            takings.remove(self.booking);
            let told = takings.let_go.clone();
            if takings.by_booking.is_empty() {
                inner.performances.remove(&self.performance);
                drop(inner);
                told.notify_waiters();
            } else {
                drop(inner);
                told.notify_one();
            }
        }
        self.crowd.shared.metrics.reserved.sub(i64::try_from(self.seats).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;

    fn crowd() -> Crowd {
        Crowd::new(Metrics::new(&prometheus::Registry::new()).unwrap())
    }

    fn booking(n: u8) -> BookingId {
        BookingId::from_bytes([n; 16])
    }

    fn seat(name: &str) -> SeatId {
        SeatId::new(name).unwrap()
    }

    /// The seats A1 to A4.
    fn row() -> Arc<Prepared> {
        let seats: Vec<_> = (1..=4)
            .map(|n| {
                serde_json::json!({"seat_guid": format!("A{n}"), "seat_number": n.to_string(),
                    "position": {"x": n, "y": 0}, "category": "Stalls"})
            })
            .collect();
        let plan = serde_json::json!({"name": "Hall", "categories": [{"name": "Stalls"}],
            "size": {"width": 9, "height": 9}, "zones": [{"position": {"x": 0, "y": 0},
            "rows": [{"row_number": "A", "seats": seats}]}]});
        let plan: seat_model::Plan = serde_json::from_value(plan).unwrap();
        Arc::new(Prepared::new(Arc::new(seat_model::Chart::new(&plan))))
    }

    #[test]
    fn what_is_reserved_is_seen_until_it_is_let_go() {
        let crowd = crowd();
        let performance = PerformanceId::new("p").unwrap();
        let ann = UserId::new("ann").unwrap();
        let take = |n, name: &str| {
            let chosen = Ok::<_, Infallible>((vec![seat(name)], ()));
            crowd.reserve(&performance, booking(n), &ann, |_| chosen).unwrap().0
        };
        let first = take(1, "A1");
        let second = take(2, "A2");
        let prepared = row();
        let reserved = || {
            let mut seen = crowd.lock();
            let seats = seen.reserved(&performance, &prepared);
            seats.map(|seats| (0..4).filter(|&i| seats.contains(i)).collect::<Vec<_>>())
        };
        let seen = crowd.lock();
        assert_eq!((seen.requests(&performance), seen.performances.len()), (2, 1));
        assert_eq!(seen.wanted_by(&performance, &ann, booking(1), |_| false), 1);
        assert_eq!(seen.wanted_by(&performance, &ann, booking(1), |_| true), 0);
        drop(seen);
        assert_eq!(reserved(), Some(vec![0, 1]), "also of those who came before anybody picked");
        let third = take(3, "A1");
        let fourth = take(4, "A4");
        drop(first);
        assert_eq!(reserved(), Some(vec![0, 1, 3]), "two wanted the first seat, one still does");
        drop(third);
        assert_eq!(reserved(), Some(vec![1, 3]));
        drop((second, fourth));
        assert_eq!(reserved(), None);
        assert!(crowd.lock().performances.is_empty(), "nothing is left of a crowd");
    }

    #[tokio::test]
    async fn whoever_waits_for_a_crowd_is_told() {
        let crowd = crowd();
        let performance = PerformanceId::new("p").unwrap();
        let far = || Instant::now() + Duration::from_secs(60);
        crowd.let_go(&performance, far()).await;
        let take = |n| {
            let chosen = Ok::<_, Infallible>((vec![seat("A1")], ()));
            let ann = UserId::new("ann").unwrap();
            crowd.reserve(&performance, booking(n), &ann, |_| chosen).unwrap().0
        };
        let (first, second) = (take(1), take(2));
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (crowd, performance) = (crowd.clone(), performance.clone());
            waiting.spawn(async move { crowd.let_go(&performance, far()).await });
        }
        drop(first);
        waiting.join_next().await.unwrap().unwrap();
        drop(second);
        while let Some(told) = waiting.join_next().await {
            told.unwrap();
        }
    }

    #[tokio::test]
    async fn a_booking_is_worked_on_by_one_at_a_time() {
        let crowd = crowd();
        let soon = || Instant::now() + Duration::from_millis(20);
        let turn = crowd.turn(booking(1), soon()).await.unwrap();
        assert!(crowd.turn(booking(1), soon()).await.is_none());
        assert!(crowd.turn(booking(2), soon()).await.is_some());
        let waiting = tokio::spawn({
            let crowd = crowd.clone();
            async move { crowd.turn(booking(1), Instant::now() + Duration::from_secs(9)).await }
        });
        drop(turn);
        assert!(waiting.await.unwrap().is_some());
    }
}
