//! INV-9: a hold or a booking of several seats has all of them or none.

use std::collections::{BTreeMap, BTreeSet};

use booking_api_client::BookingState;
use seat_model::{Fence, SeatState};

use super::{Evidence, Judgement, Judging};

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-9", "all or nothing");
    for story in &evidence.stories {
        for book in &story.books {
            let Some(told) = book.told_booking() else { continue };
            if !matches!(told.state, BookingState::Held | BookingState::Confirmed) {
                continue;
            }
            let got: BTreeSet<_> = told.seats.iter().collect();
            judging.must(got.len() == story.quantity as usize, || {
                format!("{} wanted {} seats and got {got:?}", story.name(), story.quantity)
            });
            let wanted: BTreeSet<_> = story.wanted.iter().collect();
            judging.must(wanted.is_empty() || wanted == got, || {
                format!("{} wanted {wanted:?} and got {got:?}", story.name())
            });
        }
        let Some(booking) = story.booking else { continue };
        let tickets = Evidence::of(&evidence.tickets, booking);
        judging.must(tickets.is_empty() || tickets.len() == story.quantity as usize, || {
            format!("{} of {} seats has {} tickets", story.name(), story.quantity, tickets.len())
        });
    }
    together(&mut judging, evidence);
    judging.findings(evidence.state, 9);
    judging.done()
}

/// In etcd all seats of a booking that is not sold are there, in one state,
/// written together. (Of a sold one, tickets may have been given back.)
fn together(judging: &mut Judging, evidence: &Evidence<'_>) {
    for (booking, seats) in &evidence.seats {
        let mut apart: BTreeMap<Fence, usize> = BTreeMap::new();
        for seat in seats {
            *apart.entry(seat.fence).or_default() += 1;
        }
        judging.must(apart.len() == 1, || {
            format!("the seats of {booking} were last written apart: {apart:?}")
        });
        let state = seats[0].state;
        judging.must(seats.iter().all(|seat| seat.state == state), || {
            format!("the seats of {booking} are not in one state")
        });
        if state != SeatState::Sold {
            judging.must(seats.len() == seats[0].taken as usize, || {
                format!("{booking} took {} seats and has {}", seats[0].taken, seats.len())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use seat_model::Fence;

    use super::super::sample::{Sample, judged};
    use super::judge;

    fn group() -> Sample {
        let mut sample = Sample::new();
        sample.hold_all("ann", &["A-1", "A-2", "A-3"], 0..5, 10);
        sample.settle();
        sample
    }

    #[test]
    fn a_group_that_has_all_its_seats_is_fine() {
        assert_eq!(judged(group(), judge), [""; 0]);
    }

    #[test]
    fn a_group_with_a_part_of_its_seats_is_a_breach() {
        let mut sample = group();
        sample.state.seats.pop();
        assert!(judged(sample, judge)[0].contains("took 3 seats and has 2"));
    }

    #[test]
    fn seats_written_apart_are_a_breach() {
        let mut sample = group();
        sample.state.seats[0].fence = Fence::from_u64(11);
        assert!(judged(sample, judge)[0].contains("written apart"));
    }

    #[test]
    fn an_answer_with_fewer_seats_than_asked_for_is_a_breach() {
        let mut sample = Sample::new();
        let ann = sample.hold_all("ann", &["A-1", "A-2"], 0..5, 10);
        sample.hold_again(ann, 6..9, |told| {
            told.seats.pop();
        });
        assert!(judged(sample, judge)[0].contains("wanted 2 seats and got"));
    }
}
