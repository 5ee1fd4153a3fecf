//! INV-7: a cancel frees each seat exactly once and refunds exactly once, and
//! never frees a later owner's seat (which INV-6 would show: a valid ticket
//! whose seat is free).

use std::collections::BTreeSet;

use payment_gateway_client::wire::PaymentState;
use seat_model::SeatState;

use super::{Evidence, Judgement, Judging};
use crate::final_state::RowState;

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-7", "a cancel happens once");
    for row in &evidence.state.bookings {
        let id = row.id;
        let tickets = Evidence::of(&evidence.tickets, id);
        let given: Vec<_> = tickets.iter().filter(|ticket| !ticket.valid).collect();
        if row.state == RowState::Cancelled {
            judging.must(given.len() == tickets.len(), || {
                format!("booking {id} is cancelled and has valid tickets")
            });
        }
        if given.is_empty() {
            continue;
        }
        let due: u64 = given.iter().map(|ticket| ticket.price).sum();
        let payments = Evidence::of(&evidence.payments, id);
        let captured = payments.iter().filter(|payment| payment.state == PaymentState::Captured);
        let refunded: u64 = captured.flat_map(|payment| payment.refunds.values()).sum();
        judging.must(refunded == due, || {
            format!("of booking {id} {refunded} was refunded; {due} was due for what it gave back")
        });
        for ticket in given {
            // Another booking may have the seat by now; this one may not.
            let seats = Evidence::of(&evidence.seats, id);
            let kept =
                seats.iter().any(|seat| seat.seat == ticket.seat && seat.state == SeatState::Sold);
            judging.must(!kept, || {
                format!("{} of booking {id} was given back and is still sold", ticket.seat)
            });
        }
        let Some(story) = evidence.story(id) else { continue };
        for ticket in tickets.iter().filter(|ticket| !ticket.valid) {
            judging.must(story.given_from(&ticket.seat).is_some(), || {
                format!("{} lost {}, and did not give it back", story.name(), ticket.seat)
            });
        }
    }
    let told: BTreeSet<_> = evidence
        .stories
        .iter()
        .filter(|story| {
            story.told().any(|(_, told)| told.state == booking_api_client::BookingState::Cancelled)
        })
        .filter_map(|story| story.booking)
        .collect();
    for booking in told {
        let left = Evidence::of(&evidence.seats, booking);
        judging.must(left.is_empty(), || {
            format!("booking {booking} was told cancelled, and has {} seats in etcd", left.len())
        });
    }
    judging.findings(evidence.state, 7);
    judging.done()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, judged};
    use super::judge;

    fn cancelled() -> Sample {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.cancel(ann, 10..12);
        sample.settle();
        sample
    }

    #[test]
    fn a_cancel_that_refunds_once_is_fine() {
        assert_eq!(judged(cancelled(), judge), [""; 0]);
    }

    #[test]
    fn a_second_refund_or_none_is_a_breach() {
        let mut twice = cancelled();
        twice.state.payments[0].refunds.insert("again".into(), 4_500);
        assert!(judged(twice, judge)[0].contains("9000 was refunded"));
        let mut never = cancelled();
        never.state.payments[0].refunds.clear();
        assert!(judged(never, judge)[0].contains("0 was refunded"));
    }

    #[test]
    fn a_ticket_lost_without_a_cancel_is_a_breach() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.settle();
        sample.state.tickets[0].valid = false;
        sample.state.payments[0].refunds.insert("r".into(), 4_500);
        sample.state.seats.clear();
        assert!(judged(sample, judge)[0].contains("did not give it back"));
    }
}
