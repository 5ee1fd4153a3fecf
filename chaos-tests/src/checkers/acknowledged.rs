//! INV-2: a booking whose confirmation reached the customer is CONFIRMED after
//! any fault, unless a cancel of it was acknowledged, or is under way.

use super::{Evidence, Judgement, Judging, Story};
use crate::final_state::RowState;
use crate::history::{Action, Operation};

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-2", "an acknowledged booking stays");
    for story in &evidence.stories {
        if story.sold_told_at().is_some() {
            stays(&mut judging, evidence, story);
        }
    }
    judging.findings(evidence.state, 2);
    judging.done()
}

fn stays(judging: &mut Judging, evidence: &Evidence<'_>, story: &Story<'_>) {
    let Some(booking) = story.booking else { return };
    let name = story.name();
    let row = Evidence::of(&evidence.rows, booking).first().copied();
    let Some(row) = row else {
        judging.must(false, || format!("{name} was acknowledged, and no shard knows it"));
        return;
    };
    let whole = |operation: &&Operation| matches!(operation.action, Action::Cancel { .. });
    let asked = story.operations().filter(whole).any(|operation| !operation.is_refused());
    let told = story.operations().filter(whole).any(|operation| operation.told_booking().is_some());
    let seats = evidence.seats_of(story);
    // Every ticket given back one by one cancels the booking, too.
    let all_given = seats.iter().all(|seat| story.given_from(seat).is_some());
    let fits = match row.state {
        RowState::Confirmed => !told,
        RowState::Cancelled => asked || all_given,
        RowState::Aborted => false,
    };
    judging.must(fits, || format!("{name} was acknowledged, and its row is {:?}", row.state));
    let tickets = Evidence::of(&evidence.tickets, booking);
    for seat in seats {
        let valid = tickets.iter().any(|ticket| ticket.seat == *seat && ticket.valid);
        if story.given_from(seat).is_none() {
            judging
                .must(valid, || format!("{name} was acknowledged, and has no ticket for {seat}"));
        } else if story.give_told(seat) {
            judging.must(!valid, || format!("{name} gave {seat} back, and its ticket is valid"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, judged};
    use super::judge;
    use crate::final_state::RowState;

    fn sold() -> (Sample, super::super::sample::Of) {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        (sample, ann)
    }

    #[test]
    fn an_acknowledged_booking_that_no_shard_knows_is_a_breach() {
        let (sample, _) = sold();
        assert!(judged(sample, judge)[0].contains("no shard knows it"));
    }

    #[test]
    fn an_acknowledged_booking_that_was_aborted_or_lost_a_ticket_is_a_breach() {
        let (mut sample, _) = sold();
        sample.settle();
        sample.state.bookings[0].state = RowState::Aborted;
        sample.state.tickets.clear();
        assert_eq!(judged(sample, judge).len(), 2);
    }

    #[test]
    fn a_cancel_whose_answer_was_lost_may_have_happened_or_not() {
        for cancelled in [false, true] {
            let (mut sample, ann) = sold();
            sample.lost_release(ann, 20);
            sample.settle();
            if cancelled {
                sample.state.bookings[0].state = RowState::Cancelled;
                sample.state.tickets[0].valid = false;
            }
            assert_eq!(judged(sample, judge), [""; 0], "cancelled: {cancelled}");
        }
    }

    #[test]
    fn an_acknowledged_cancel_that_left_the_ticket_is_a_breach() {
        let (mut sample, ann) = sold();
        sample.cancel(ann, 20..25);
        sample.settle();
        sample.state.bookings[0].state = RowState::Confirmed;
        sample.state.tickets[0].valid = true;
        assert_eq!(judged(sample, judge).len(), 2);
    }
}
