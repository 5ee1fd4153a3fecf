//! What is in flight on this instance: which booking is being worked on, which
//! seats somebody is about to take, and how many of them for whom. Only
//! memory: it spares conflicts and catches what two requests at once could
//! slip past, and correctness never depends on it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use seat_model::{BookingId, PerformanceId, SeatId, UserId};
use tokio::sync::Notify;

use crate::metrics::Metrics;

/// Everything in flight; clones share it.
#[derive(Clone)]
pub struct Crowd {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Mutex<InFlight>,
    /// Told whenever seats or a booking are let go.
    changed: Notify,
    metrics: Metrics,
}

/// The contents, while nobody else can change them.
#[derive(Default)]
pub struct InFlight {
    bookings: HashSet<BookingId>,
    performances: HashMap<PerformanceId, Vec<Taking>>,
}

struct Taking {
    booking: BookingId,
    user: UserId,
    seats: Vec<SeatId>,
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
    /// The seats of a performance that somebody is about to take.
    pub fn reserved<'s>(&'s self, performance: &PerformanceId) -> HashSet<&'s SeatId> {
        let takings = self.performances.get(performance).into_iter().flatten();
        takings.flat_map(|taking| &taking.seats).collect()
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
        let takings = self.performances.get(performance).into_iter().flatten();
        let seats = takings
            .filter(|taking| taking.user == *user && taking.booking != but)
            .flat_map(|taking| &taking.seats)
            .filter(|seat| !counted(seat))
            .count();
        u32::try_from(seats).unwrap_or(u32::MAX)
    }
}

impl Crowd {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        let (inner, changed) = (Mutex::new(InFlight::default()), Notify::new());
        Self { shared: Arc::new(Shared { inner, changed, metrics }) }
    }

    fn lock(&self) -> MutexGuard<'_, InFlight> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn to work on a booking; `None` when the deadline came
    /// first. One request at a time: a resend finds what the first one did.
    pub async fn turn(&self, booking: BookingId, until: Instant) -> Option<Turn> {
        let waited = tokio::time::timeout_at(until.into(), async {
            loop {
                let changed = self.shared.changed.notified();
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
    /// choose the same. `choose` sees what is in flight.
    ///
    /// # Errors
    /// Whatever `choose` says.
    pub fn reserve<T, E>(
        &self,
        performance: &PerformanceId,
        booking: BookingId,
        user: &UserId,
        choose: impl FnOnce(&InFlight) -> Result<(Vec<SeatId>, T), E>,
    ) -> Result<(Reserved, T), E> {
        let mut inner = self.lock();
        let (seats, chosen) = choose(&inner)?;
        let count = seats.len();
        let taking = Taking { booking, user: user.clone(), seats };
        inner.performances.entry(performance.clone()).or_default().push(taking);
        drop(inner);
        self.shared.metrics.reserved.add(i64::try_from(count).unwrap_or(0));
        let performance = performance.clone();
        Ok((Reserved { crowd: self.clone(), performance, booking, seats: count }, chosen))
    }

    /// Waits until something is let go, or the deadline. `before` is looked at
    /// once waiting has begun, so that nothing is missed: `true` ends it at once.
    pub async fn let_go(&self, until: Instant, before: impl FnOnce(&InFlight) -> bool) {
        let changed = self.shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if before(&self.lock()) {
            return;
        }
        // Too late is as good as told: whoever waits looks again either way.
        let _ = tokio::time::timeout_at(until.into(), changed).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.crowd.lock().bookings.remove(&self.booking);
        self.crowd.shared.changed.notify_waiters();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut inner = self.crowd.lock();
        if let Some(takings) = inner.performances.get_mut(&self.performance) {
            // A booking has its turn alone, so at most one of its takings is here.
            takings.retain(|taking| taking.booking != self.booking);
            if takings.is_empty() {
                inner.performances.remove(&self.performance);
            }
        }
        drop(inner);
        self.crowd.shared.metrics.reserved.sub(i64::try_from(self.seats).unwrap_or(0));
        self.crowd.shared.changed.notify_waiters();
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
        let _second = take(2, "A2");
        let seen = crowd.lock();
        assert_eq!(seen.reserved(&performance).len(), 2);
        assert_eq!(seen.wanted_by(&performance, &ann, booking(1), |_| false), 1);
        assert_eq!(seen.wanted_by(&performance, &ann, booking(1), |_| true), 0);
        drop(seen);
        drop(first);
        assert_eq!(crowd.lock().reserved(&performance), HashSet::from([&seat("A2")]));
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
