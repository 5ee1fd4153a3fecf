//! INV-8: a request repeated under its Idempotency-Key gets the same booking
//! and the same answer; with another body it gets an error.

use std::collections::BTreeSet;

use seat_model::{BookingId, SeatId};

use super::{Evidence, Judgement, Judging};
use crate::history::{Action, Outcome};

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-8", "the same key, the same answer");
    for story in &evidence.stories {
        let answers: BTreeSet<(BookingId, u16, Vec<&SeatId>, u64)> = story
            .books
            .iter()
            .filter_map(|book| book.told_booking())
            // 202 is never kept: asking again gets the final answer.
            .filter(|told| told.status != 202)
            .map(|told| (told.booking, told.status, told.seats.iter().collect(), told.amount))
            .collect();
        judging.must(answers.len() <= 1, || {
            format!("{} was answered in {} ways: {answers:?}", story.name(), answers.len())
        });
        // A key is remembered surely only where a sale came of it: a hold may
        // have run out meanwhile.
        let sold = story.sold_told_at().unwrap_or(u64::MAX);
        for misused in story.misused.iter().filter(|misused| misused.start_ns >= sold) {
            judging.must(!matches!(misused.outcome, Outcome::Ok(_)), || {
                format!("{} sent another body under its key, and was served", story.name())
            });
        }
    }
    one_set(&mut judging, evidence);
    one_sale(&mut judging, evidence);
    judging.findings(evidence.state, 8);
    judging.done()
}

/// A customer with one key has one booking in all stores.
fn one_set(judging: &mut Judging, evidence: &Evidence<'_>) {
    let mut known = std::collections::BTreeMap::<_, BTreeSet<BookingId>>::new();
    let seats = evidence.state.seats.iter().map(|seat| (&seat.user, seat.booking));
    let rows = evidence.state.bookings.iter().map(|row| (&row.user, row.id));
    for (user, booking) in seats.chain(rows) {
        known.entry(user).or_default().insert(booking);
    }
    let mut keys = std::collections::BTreeMap::<_, usize>::new();
    for story in &evidence.stories {
        *keys.entry(story.user).or_default() += 1;
    }
    for (user, bookings) in known {
        let keys = keys.get(user).copied().unwrap_or(0);
        judging.must(bookings.len() <= keys, || {
            format!("{user} used {keys} keys and has {} bookings: {bookings:?}", bookings.len())
        });
    }
}

/// A confirm repeated under its key is told the same.
fn one_sale(judging: &mut Judging, evidence: &Evidence<'_>) {
    for story in &evidence.stories {
        let confirms = story.others.iter().filter_map(|operation| match &operation.action {
            Action::Confirm { key, .. } => Some((key, operation.told_booking()?)),
            _ => None,
        });
        let mut told = std::collections::BTreeMap::<_, BTreeSet<_>>::new();
        for (key, booking) in confirms.filter(|(_, told)| told.status != 202) {
            let seats: Vec<&SeatId> = booking.seats.iter().collect();
            told.entry(key).or_default().insert((booking.status, seats, booking.amount));
        }
        for (key, answers) in told {
            judging.must(answers.len() == 1, || {
                format!("{}: its confirm under {key} was answered {answers:?}", story.name())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use seat_model::SeatId;

    use super::super::sample::{Sample, judged};
    use super::judge;

    #[test]
    fn the_same_request_may_be_repeated() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.hold_again(ann, 6..9, |_| {});
        assert_eq!(judged(sample, judge), [""; 0]);
    }

    #[test]
    fn a_repetition_with_other_seats_is_a_breach() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.hold_again(ann, 6..9, |told| told.seats = vec![SeatId::new("B-1").unwrap()]);
        assert!(judged(sample, judge)[0].contains("in 2 ways"));
    }

    #[test]
    fn a_second_booking_under_one_key_is_a_breach() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.settle();
        let mut second = sample.state.bookings[0].clone();
        second.id = seat_model::BookingId::from_bytes([9; 16]);
        sample.state.bookings.push(second);
        assert!(judged(sample, judge)[0].contains("has 2 bookings"));
    }
}
