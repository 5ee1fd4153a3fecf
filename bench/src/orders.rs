//! What is asked for, by number: the n-th order of a run is always for the same
//! seat under the same booking id, so that a resend is a resend and the checks
//! know what must be in etcd without remembering it.

use lock_service_client::wire::{Acquire, Choice, PricedSeat};
use seat_model::{BookingId, IdError, PerformanceId, PlanId, SeatId, ShowId, UserId};

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
    ttl_ms: u64,
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
        Ok(Self { show: ShowId::new(name)?, performances, salt, ttl_ms: TTL_MS })
    }

    /// The performance and the seat of an order.
    pub(crate) fn place(&self, n: u64) -> (&PerformanceId, String) {
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

    /// The hold of one named seat that an order is.
    ///
    /// # Errors
    /// Never for an order's own names.
    pub(crate) fn named(&self, n: u64) -> Result<Acquire, IdError> {
        let (performance, seat) = self.place(n);
        let seats =
            vec![PricedSeat { seat: SeatId::new(seat)?, tier: TIER.to_owned(), price: PRICE }];
        let performance = performance.clone();
        self.acquire(n, performance, Choice::Seats { seats, refuse_orphans: false })
    }

    fn acquire(
        &self,
        n: u64,
        performance: PerformanceId,
        choice: Choice,
    ) -> Result<Acquire, IdError> {
        let booking = self.booking(n);
        Ok(Acquire {
            performance,
            show: self.show.clone(),
            plan: PlanId::new("bench")?,
            booking,
            user: UserId::new(format!("u{n}"))?,
            body_hash: "bench".to_owned(),
            choice,
            ttl_ms: self.ttl_ms,
            max_ms: self.ttl_ms * 3,
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
}
