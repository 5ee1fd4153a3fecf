//! INV-6: once faults have healed, no seat is `confirming` for ever, none is
//! `sold` without a CONFIRMED row, and every CONFIRMED seat is `sold`.

use std::collections::BTreeSet;

use seat_model::SeatState;

use super::{Evidence, Judgement, Judging};
use crate::final_state::RowState;

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-6", "no orphans");
    let confirmed = |booking| {
        let rows = Evidence::of(&evidence.rows, booking);
        rows.iter().any(|row| row.state == RowState::Confirmed)
    };
    let mut sold = BTreeSet::new();
    for seat in &evidence.state.seats {
        let (name, booking) = (&seat.seat, seat.booking);
        match seat.state {
            SeatState::Held => {}
            SeatState::Confirming => {
                judging.must(false, || format!("{name} of {booking} is still confirming"));
            }
            SeatState::Sold => {
                sold.insert((&seat.performance, name, booking));
                let tickets = Evidence::of(&evidence.tickets, booking);
                let ticket = tickets.iter().any(|ticket| ticket.seat == *name && ticket.valid);
                judging.must(confirmed(booking) && ticket, || {
                    format!("etcd has sold {name} to {booking}, the ledger has not")
                });
            }
        }
    }
    for ticket in evidence.state.tickets.iter().filter(|ticket| ticket.valid) {
        let place = (&ticket.performance, &ticket.seat, ticket.booking);
        judging.must(confirmed(ticket.booking) && sold.contains(&place), || {
            format!("the ledger has sold {} to {}, etcd has not", ticket.seat, ticket.booking)
        });
    }
    judging.findings(evidence.state, 6);
    judging.done()
}

#[cfg(test)]
mod tests {
    use seat_model::SeatState;

    use super::super::sample::{Sample, judged};
    use super::judge;
    use crate::final_state::RowState;

    fn sold() -> Sample {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.settle();
        sample
    }

    #[test]
    fn etcd_and_ledger_that_agree_are_fine() {
        assert_eq!(judged(sold(), judge), [""; 0]);
    }

    #[test]
    fn each_kind_of_orphan_is_a_breach() {
        let mut confirming = sold();
        confirming.state.seats[0].state = SeatState::Confirming;
        assert_eq!(judged(confirming, judge).len(), 2);
        let mut only_in_etcd = sold();
        only_in_etcd.state.bookings[0].state = RowState::Aborted;
        only_in_etcd.state.tickets.clear();
        assert!(judged(only_in_etcd, judge)[0].contains("the ledger has not"));
        let mut only_in_the_ledger = sold();
        only_in_the_ledger.state.seats.clear();
        assert!(judged(only_in_the_ledger, judge)[0].contains("etcd has not"));
    }
}
