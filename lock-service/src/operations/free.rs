//! Free: the seats of cancelled tickets, each only where it is `sold` by this
//! booking at the revision seen, so a later owner's seat is never freed (INV-7).

use seat_model::{SeatId, SeatState};

use super::seat_keys;
use crate::keys;
use crate::record::BookingSeen;
use crate::transaction::{Compare, Op, Txn};

/// What a look at the booking says.
#[derive(Debug)]
pub enum Freeing {
    /// Nothing to do: none of the seats is sold by this booking.
    Done,
    /// Some of them are still `confirming`.
    Confirming,
    /// Send this.
    Send(FreePlan),
}

/// A free, ready to be sent.
#[derive(Debug, Clone)]
pub struct FreePlan {
    at: BookingSeen,
    free: Vec<SeatId>,
}

impl FreePlan {
    /// Decides what to do for these seats of a booking.
    #[must_use]
    pub fn decide(at: Option<BookingSeen>, wanted: &[SeatId]) -> Freeing {
        let Some(at) = at else { return Freeing::Done };
        let of = |state: SeatState| -> Vec<SeatId> {
            at.seats
                .iter()
                .filter(|seen| seen.record.state == state && wanted.contains(&seen.seat))
                .map(|seen| seen.seat.clone())
                .collect()
        };
        if !of(SeatState::Confirming).is_empty() {
            return Freeing::Confirming;
        }
        let free = of(SeatState::Sold);
        if free.is_empty() { Freeing::Done } else { Freeing::Send(Self { at, free }) }
    }

    /// The transaction. It compares all that is left of the booking, not only
    /// what is freed: of two that free the last two seats at once, one sees
    /// the other and takes the marker along.
    #[must_use]
    pub fn txn(&self) -> Txn {
        let at = &self.at;
        let compares = seat_keys(&at.performance, at.seats.iter().map(|seen| &seen.seat))
            .into_iter()
            .zip(&at.seats)
            .map(|(key, seen)| Compare { key, mod_revision: seen.mod_revision })
            .collect();
        let mut then: Vec<Op> = seat_keys(&at.performance, &self.free)
            .into_iter()
            .map(|key| Op::Delete { key })
            .collect();
        if at.record().picked && self.free.len() == at.seats.len() {
            then.push(Op::Delete { key: keys::pick(at.booking) });
        }
        Txn { compares, then, otherwise: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::record::{SeatSeen, tests::record};
    use seat_model::{BookingId, PerformanceId};

    fn seats(names: &[&str]) -> Vec<SeatId> {
        names.iter().map(|name| SeatId::new(*name).unwrap()).collect()
    }

    fn booking(state: SeatState) -> Option<BookingSeen> {
        let booking = BookingId::from_bytes([1; 16]);
        let mut value = record(booking, state);
        value.picked = true;
        let seats = seats(&["A1", "A2"]).into_iter().map(|seat| SeatSeen {
            seat,
            record: value.clone().into(),
            mod_revision: 7,
            create_revision: 5,
        });
        BookingSeen::among(booking, &PerformanceId::new("p").unwrap(), seats, Instant::now())
    }

    #[test]
    fn a_part_is_freed_under_a_compare_of_the_whole() {
        let Freeing::Send(plan) = FreePlan::decide(booking(SeatState::Sold), &seats(&["A2"]))
        else {
            panic!("nothing to send")
        };
        assert_eq!((plan.txn().compares.len(), plan.txn().then.len()), (2, 1));
        let all = seats(&["A1", "A2", "B9"]);
        let Freeing::Send(plan) = FreePlan::decide(booking(SeatState::Sold), &all) else {
            panic!("nothing to send")
        };
        assert_eq!(plan.txn().then.len(), 3, "with the last seat goes the marker");
    }

    #[test]
    fn what_is_not_sold_by_the_booking_is_left_alone() {
        let wanted = seats(&["A1"]);
        assert!(matches!(FreePlan::decide(None, &wanted), Freeing::Done));
        assert!(matches!(FreePlan::decide(booking(SeatState::Held), &wanted), Freeing::Done));
        assert!(matches!(
            FreePlan::decide(booking(SeatState::Sold), &seats(&["B9"])),
            Freeing::Done
        ));
        let confirming = FreePlan::decide(booking(SeatState::Confirming), &wanted);
        assert!(matches!(confirming, Freeing::Confirming));
    }
}
