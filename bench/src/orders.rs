//! What is asked for, by number: the n-th order of a run is always for the same
//! seat under the same booking id, so that a resend is a resend and the checks
//! know what must be in etcd without remembering it.

use lock_service_client::wire::{Acquire, Choice, PricedSeat};
use seat_model::{BookingId, IdError, PerformanceId, PlanId, SeatId, ShowId, UserId};

use crate::clock;

/// A tier, as every plan of a benchmark has it.
pub(crate) const TIER: &str = "Stalls";

/// What a seat of it costs.
pub(crate) const PRICE: u64 = 4_200;

/// How long a hold lives: none ends while it is measured.
const TTL_MS: u64 = 600_000;

/// The orders of one run.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    show: ShowId,
    performances: Vec<PerformanceId>,
    salt: u64,
    ends: Ends,
    wants: Wants,
}

/// When holds run out.
#[derive(Debug, Clone, Copy)]
enum Ends {
    /// So many milliseconds after they were taken.
    After(u64),
    /// All within the second that begins then, in milliseconds since the epoch.
    InTheSecond(i64),
}

/// What an order is for.
#[derive(Debug, Clone)]
enum Wants {
    /// A seat that no other order is for.
    ItsOwn,
    /// The seat everybody wants.
    TheOne,
    /// So many seats of a plan's tier, whichever are best.
    Pick(PlanId, u32),
}

impl Orders {
    /// Orders spread over some performances of a show. The name is unique to
    /// the run: 1–40 of `a-z 0-9 - _`.
    ///
    /// # Errors
    /// When the name is none.
    pub(crate) fn new(name: &str, performances: u32) -> Result<Self, IdError> {
        let performance = |n| PerformanceId::new(format!("{name}-p{n}"));
        let performances = (0..performances.max(1)).map(performance).collect::<Result<_, _>>()?;
        let salt = name.bytes().fold(0x5ea7_10c4, |salt, byte| mix(salt ^ u64::from(byte)));
        let (ends, wants) = (Ends::After(TTL_MS), Wants::ItsOwn);
        Ok(Self { show: ShowId::new(name)?, performances, salt, ends, wants })
    }

    /// The same for holds that live so long.
    pub(crate) fn living(self, ttl_ms: u64) -> Self {
        Self { ends: Ends::After(ttl_ms), ..self }
    }

    /// The same for holds that all run out within the second that begins then,
    /// in milliseconds since the epoch.
    pub(crate) fn due_in_the_second(self, from_ms: i64) -> Self {
        Self { ends: Ends::InTheSecond(from_ms), ..self }
    }

    /// The same, everybody for one and the same seat.
    pub(crate) fn for_one_seat(self) -> Self {
        Self { wants: Wants::TheOne, ..self }
    }

    /// The same, for so many of the best seats of a plan.
    pub(crate) fn picking(self, plan: PlanId, quantity: u32) -> Self {
        Self { wants: Wants::Pick(plan, quantity), ..self }
    }

    /// The show.
    pub(crate) const fn show(&self) -> &ShowId {
        &self.show
    }

    /// The performance and the seat of an order for a named one; a pick's is
    /// only its performance's.
    pub(crate) fn place(&self, n: u64) -> (&PerformanceId, String) {
        let n = if matches!(self.wants, Wants::TheOne) { 0 } else { n };
        let count = self.performances.len() as u64;
        let index = usize::try_from(n % count).unwrap_or(0);
        (&self.performances[index], format!("S-{}", n / count))
    }

    /// The order that a performance's seat belongs to; `None` for a seat that
    /// nobody ordered.
    pub(crate) fn number(&self, performance: &str, seat: &str) -> Option<u64> {
        let index = self.performances.iter().position(|p| p.as_str() == performance)?;
        let row: u64 = seat.strip_prefix("S-")?.parse().ok()?;
        row.checked_mul(self.performances.len() as u64)?.checked_add(index as u64)
    }

    /// The booking id of an order.
    pub(crate) fn booking(&self, n: u64) -> BookingId {
        let (high, low) = (mix(self.salt ^ mix(n)), mix(self.salt.wrapping_add(mix(!n))));
        BookingId::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
    }

    /// What lock-service is asked for.
    ///
    /// # Errors
    /// Never for an order's own names.
    pub(crate) fn acquire(&self, n: u64) -> Result<Acquire, IdError> {
        let (performance, seat) = self.place(n);
        let (tier, price) = (TIER.to_owned(), PRICE);
        let (plan, choice) = match &self.wants {
            Wants::ItsOwn | Wants::TheOne => {
                let seats = vec![PricedSeat { seat: SeatId::new(seat)?, tier, price }];
                (PlanId::new("none")?, Choice::Seats { seats, refuse_orphans: false })
            }
            Wants::Pick(plan, quantity) => {
                let quantity = *quantity;
                // Apart is better than not at all: no seat may be left over.
                let accept_split = true;
                (plan.clone(), Choice::Pick { tier, price, quantity, accessible: 0, accept_split })
            }
        };
        let ttl_ms = match self.ends {
            Ends::After(ttl_ms) => ttl_ms,
            Ends::InTheSecond(from) => {
                let due = from + i64::try_from(mix(n) % 1000).unwrap_or(0);
                u64::try_from(due - clock::now_ms()).unwrap_or(0)
            }
        };
        Ok(Acquire {
            performance: performance.clone(),
            show: self.show.clone(),
            plan,
            booking: self.booking(n),
            user: UserId::new(format!("u{n}"))?,
            body_hash: "bench".to_owned(),
            choice,
            ttl_ms,
            max_ms: ttl_ms.saturating_mul(3),
            max_seats_per_customer: 10,
            pin: None,
        })
    }
}

/// Spreads a number over all 64 bits (`splitmix64`).
pub(crate) const fn mix(value: u64) -> u64 {
    let mut hash = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_order_is_found_again_by_its_seat_and_no_two_are_alike() {
        let orders = Orders::new("run", 3).unwrap();
        let mut places = HashSet::new();
        let mut bookings = HashSet::new();
        for n in 0..1_000 {
            let (performance, seat) = orders.place(n);
            assert_eq!(orders.number(performance.as_str(), &seat), Some(n));
            assert!(places.insert((performance.clone(), seat)));
            assert!(bookings.insert(orders.booking(n)));
        }
        let other = Orders::new("run2", 3).unwrap();
        assert!(!bookings.contains(&other.booking(1)));
        assert_eq!(orders.number("run-p9", "S-1"), None);
        assert_eq!(orders.number("run-p1", "X"), None);
    }

    #[test]
    fn everybody_may_want_the_same_seat_and_stays_a_booking_of_its_own() {
        let orders = Orders::new("run", 1).unwrap().for_one_seat();
        assert_eq!(orders.place(5), orders.place(900));
        assert_ne!(orders.acquire(5).unwrap().booking, orders.acquire(900).unwrap().booking);
    }

    #[test]
    fn holds_due_in_one_second_are_spread_over_it() {
        let from = clock::now_ms() + 60_000;
        let orders = Orders::new("run", 1).unwrap().due_in_the_second(from);
        let ttls: Vec<u64> = (0..200).map(|n| orders.acquire(n).unwrap().ttl_ms).collect();
        assert!(ttls.iter().all(|ttl| (55_000..61_000).contains(ttl)), "{ttls:?}");
        assert!(ttls.iter().max().unwrap() - ttls.iter().min().unwrap() > 800);
    }
}
