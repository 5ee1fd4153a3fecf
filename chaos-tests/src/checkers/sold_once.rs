//! INV-1: at any moment there is at most one CONFIRMED sale for a seat of a
//! performance.

use std::collections::BTreeMap;

use seat_model::{BookingId, PerformanceId, SeatId};

use super::{Evidence, Judgement, Judging};

/// A seat at a performance.
type Place<'e> = (&'e PerformanceId, &'e SeatId);

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-1", "a seat is sold once");
    one_row(&mut judging, evidence);
    told_once(&mut judging, evidence);
    judging.findings(evidence.state, 1);
    judging.done()
}

/// In the ledgers of all shards together: one valid ticket, one sale.
fn one_row(judging: &mut Judging, evidence: &Evidence<'_>) {
    let mut tickets: BTreeMap<Place<'_>, BookingId> = BTreeMap::new();
    for ticket in evidence.state.tickets.iter().filter(|ticket| ticket.valid) {
        let before = tickets.insert((&ticket.performance, &ticket.seat), ticket.booking);
        judging.must(before.is_none(), || {
            let (seat, booking) = (&ticket.seat, ticket.booking);
            format!("two valid tickets for {seat}: of {booking} and of {before:?}")
        });
    }
    let mut sales: BTreeMap<Place<'_>, BookingId> = BTreeMap::new();
    for sale in &evidence.state.sales {
        let before = sales.insert((&sale.performance, &sale.seat), sale.booking);
        judging.must(before.is_none(), || {
            format!(
                "{} is sold to {} and, on another shard, to {before:?}",
                sale.seat, sale.booking
            )
        });
    }
}

/// By what customers were told: of two sales of a seat that were both
/// acknowledged, one may have been given back before the other was told.
fn told_once(judging: &mut Judging, evidence: &Evidence<'_>) {
    let mut sold: BTreeMap<Place<'_>, Vec<(u64, u64, String)>> = BTreeMap::new();
    for story in &evidence.stories {
        let Some(told) = story.sold_told_at() else { continue };
        for seat in evidence.seats_of(story) {
            let until = story.given_from(seat).unwrap_or(u64::MAX);
            let place = sold.entry((story.performance, seat)).or_default();
            place.push((told, until, story.name()));
        }
    }
    for ((performance, seat), mut spans) in sold {
        spans.sort();
        let mut last: Option<(u64, String)> = None;
        for (told, until, name) in spans {
            let apart = last.as_ref().is_none_or(|(until, _)| *until <= told);
            judging.must(apart, || {
                let other = last.as_ref().map(|(_, name)| name.as_str()).unwrap_or_default();
                format!("{seat} of {performance} was told sold to {name} while {other} had it")
            });
            if last.as_ref().is_none_or(|(other, _)| until > *other) {
                last = Some((until, name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, judged};
    use super::judge;

    #[test]
    fn two_valid_tickets_for_a_seat_are_a_breach() {
        let mut sample = Sample::new();
        let (ann, bob) = (sample.hold("ann", "A-1", 0..5, 10), sample.hold("bob", "A-2", 0..5, 11));
        sample.confirm(ann, 6..9, 12);
        sample.confirm(bob, 6..9, 13);
        sample.settle();
        sample.state.tickets[1].seat = sample.state.tickets[0].seat.clone();
        assert!(judged(sample, judge)[0].contains("two valid tickets"));
    }

    #[test]
    fn two_acknowledged_sales_of_a_seat_are_a_breach_whatever_the_ledger_says() {
        let mut sample = Sample::new();
        let (ann, bob) = (sample.hold("ann", "A-1", 0..5, 10), sample.hold("bob", "A-1", 0..5, 11));
        sample.confirm(ann, 6..9, 12);
        sample.confirm(bob, 6..9, 13);
        assert!(judged(sample, judge)[0].contains("was told sold to"));
    }

    #[test]
    fn a_seat_may_be_sold_again_after_a_cancel_was_asked_for() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.cancel(ann, 10..12);
        let bob = sample.hold("bob", "A-1", 13..15, 20);
        sample.confirm(bob, 16..19, 22);
        sample.settle();
        assert_eq!(judged(sample, judge), [""; 0]);
    }
}
