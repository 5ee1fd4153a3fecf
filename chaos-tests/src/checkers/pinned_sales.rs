//! INV-4: a sale is written only by the attempt that owns the pinned seats,
//! under the fence of that pinning: for who asked for it, of the seats that
//! were held, later than they were taken and earlier than they were finished.

use std::collections::BTreeSet;

use booking_api_client::BookingState;
use seat_model::SeatState;

use super::{Evidence, Judgement, Judging};
use crate::final_state::RowState;

/// Both clocks are this machine's; a millisecond is cut off either way.
const ROUNDED_MS: i64 = 2;

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-4", "only the owner of pinned seats sells them");
    for row in &evidence.state.bookings {
        if row.state == RowState::Aborted {
            continue;
        }
        let (id, tickets) = (row.id, Evidence::of(&evidence.tickets, row.id));
        // Bought in one call, seats are taken as pinned ones: one write.
        let in_one = evidence.story(id).is_none_or(|story| story.buy);
        let later = row.fence > row.acquired || in_one && row.fence == row.acquired;
        judging.must(later, || {
            format!("booking {id} is sold at {}, and taken at {}", row.fence, row.acquired)
        });
        for seat in Evidence::of(&evidence.seats, id) {
            if seat.state == SeatState::Sold {
                judging.must(seat.fence > row.fence, || {
                    format!("{} of {id} is finished at {}, before its row", seat.seat, seat.fence)
                });
            }
        }
        let Some(story) = evidence.story(id) else {
            judging.must(false, || format!("booking {id} is sold, and nobody asked for it"));
            continue;
        };
        judging.must(story.sold_from().is_some(), || {
            format!("{} is sold, and every request to sell it was refused", story.name())
        });
        let asked = story.sold_from().map(|from| evidence.history.wall_ms(from));
        let off = i64::try_from(evidence.terms.clocks_off_ms).unwrap_or(i64::MAX);
        let early = row.written_at_ms.saturating_add(off).saturating_add(ROUNDED_MS);
        judging.must(asked.is_none_or(|asked| asked <= early), || {
            format!("{} was sold by a request that was answered: nothing was changed", story.name())
        });
        let held = story.books.iter().filter_map(|book| book.told_booking());
        let Some(held) = held.into_iter().find(|told| told.state == BookingState::Held) else {
            continue;
        };
        judging.must(row.acquired == held.fence, || {
            format!("{} was told {}, its row says {}", story.name(), held.fence, row.acquired)
        });
        let held: BTreeSet<_> = held.seats.iter().collect();
        let sold: BTreeSet<_> = tickets.iter().map(|ticket| &ticket.seat).collect();
        judging
            .must(held == sold, || format!("{} held {held:?} and was sold {sold:?}", story.name()));
    }
    judging.findings(evidence.state, 4);
    judging.done()
}

#[cfg(test)]
mod tests {
    use seat_model::{Fence, SeatId};

    use super::super::sample::{Sample, judged};
    use super::judge;

    fn sold() -> Sample {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.settle();
        sample
    }

    #[test]
    fn a_sale_of_what_was_held_later_than_it_was_taken_is_fine() {
        assert_eq!(judged(sold(), judge), [""; 0]);
    }

    #[test]
    fn a_sale_that_nobody_asked_for_is_a_breach() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.settle_as_sold(ann);
        assert!(judged(sample, judge)[0].contains("every request to sell it was refused"));
    }

    #[test]
    fn a_sale_by_a_request_that_said_it_changed_nothing_is_a_breach() {
        let mut sample = sold();
        sample.state.bookings[0].written_at_ms = sample.wall_ms(2);
        assert!(judged(sample, judge)[0].contains("nothing was changed"));
    }

    #[test]
    fn other_seats_than_were_held_are_a_breach() {
        let mut sample = sold();
        sample.state.tickets[0].seat = SeatId::new("B-9").unwrap();
        assert!(judged(sample, judge)[0].contains("was sold"));
    }

    #[test]
    fn a_row_older_than_its_hold_or_newer_than_its_finish_is_a_breach() {
        let mut sample = sold();
        sample.state.bookings[0].fence = Fence::from_u64(9);
        assert!(judged(sample, judge)[0].contains("is sold at f9"));
        let mut sample = sold();
        sample.state.bookings[0].fence = Fence::from_u64(99);
        assert!(judged(sample, judge)[0].contains("before its row"));
    }
}
