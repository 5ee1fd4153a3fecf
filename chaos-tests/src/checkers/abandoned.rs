//! INV-5: a hold that nobody uses frees its seats by its deadline + 2 s.
//! Judged at the end, when etcd has had its leader for a while.

use seat_model::SeatState;

use super::{Evidence, Judgement, Judging};

/// What the promise allows, and a second for clocks and for the read itself.
const GRACE_MS: i64 = 3_000;

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-5", "abandoned seats come back");
    let off = i64::try_from(evidence.terms.clocks_off_ms).unwrap_or(i64::MAX);
    for seat in &evidence.state.seats {
        if seat.state != SeatState::Held {
            continue;
        }
        let late_ms = evidence.state.at_ms - seat.deadline_ms;
        judging.must(late_ms <= GRACE_MS.saturating_add(off), || {
            format!("{} of {} is held {late_ms} ms after its deadline", seat.seat, seat.booking)
        });
        judging.must(seat.leased, || {
            format!("{} of {} is held and nothing would end that", seat.seat, seat.booking)
        });
    }
    // What was held once and is not any more came back.
    let held = evidence.stories.iter().filter(|story| {
        let told = story.told().any(|(_, told)| told.expires_at_ms.is_some());
        told && story.sold_told_at().is_none()
    });
    for story in held {
        let still = story.booking.map(|booking| Evidence::of(&evidence.seats, booking));
        let still = still.unwrap_or_default().iter().any(|seat| seat.state == SeatState::Held);
        let ended = story.told().filter_map(|(_, told)| told.expires_at_ms).max();
        let over = ended.is_some_and(|ended| {
            ended.saturating_add(GRACE_MS).saturating_add(off) < evidence.state.at_ms
        });
        judging.must(!(still && over), || format!("{} is over and still held", story.name()));
    }
    judging.findings(evidence.state, 5);
    judging.done()
}

#[cfg(test)]
mod tests {
    use super::super::Terms;
    use super::super::sample::{Sample, judged};
    use super::judge;

    fn held_at(at_ms: i64) -> Sample {
        let mut sample = Sample::new();
        // Sample holds live ten seconds.
        sample.hold("ann", "A-1", 0..5, 10);
        sample.settle();
        sample.state.at_ms = sample.wall_ms(at_ms);
        sample
    }

    #[test]
    fn a_hold_may_be_there_until_two_seconds_after_its_deadline() {
        assert_eq!(judged(held_at(12_000), judge), [""; 0]);
    }

    #[test]
    fn a_hold_that_is_still_there_later_is_a_breach() {
        assert_eq!(judged(held_at(14_000), judge).len(), 2);
        let terms = Terms { clocks_off_ms: 5_000, ..Terms::default() };
        assert_eq!(held_at(14_000).judged_under(terms, judge), [""; 0]);
    }

    #[test]
    fn a_hold_without_a_lease_is_a_breach() {
        let mut sample = held_at(5_000);
        sample.state.seats[0].leased = false;
        assert_eq!(judged(sample, judge).len(), 1);
    }
}
