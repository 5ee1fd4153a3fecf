//! INV-3: for each seat, hold, confirm, cancel and expire have one order that
//! everybody agrees on, and the fences of successive owners strictly rise.
//!
//! Each seat's requests, with the times in which they may have had their
//! effect, must be explained by some run of the sequential seat. Fast refusals
//! are left out: they count as a read at an older revision.

use std::collections::BTreeMap;

use booking_api_client::BookingState;
use seat_model::{PerformanceId, SeatId};

use super::search::{Found, Timed, search};
use super::seat_machine::{Change, Seat};
use super::{Evidence, Judgement, Judging, Story};
use crate::history::{Action, Operation};

/// Both clocks are this machine's; a millisecond is cut off either way.
const ROUNDED_MS: i64 = 2;

type Place<'a> = (&'a PerformanceId, &'a SeatId);

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging =
        Judging::of("INV-3", "each seat's changes have one order, and fences rise with it");
    let mut places: BTreeMap<Place<'_>, Vec<usize>> = BTreeMap::new();
    for (at, story) in evidence.stories.iter().enumerate() {
        for seat in evidence.seats_of(story) {
            places.entry((story.performance, seat)).or_default().push(at);
        }
    }
    for ((performance, seat), who) in places {
        let mut changes = Vec::new();
        for at in who {
            let story = &evidence.stories[at];
            let who = u32::try_from(at).unwrap_or(u32::MAX);
            changes.extend(changes_of(evidence, story, who, seat));
        }
        changes.sort_by_key(|timed| (timed.from, timed.until));
        match search::<Seat>(&changes) {
            Found::Order => judging.must(true, String::new),
            Found::NoOrder { explained } => judging.must(false, || {
                let story = explain(evidence, &changes, &explained);
                format!("no order explains seat {seat} of {performance}: {story}")
            }),
            Found::GivenUp => judging.undecided(format!(
                "the search for an order of seat {seat} of {performance} was given up after \
                 {} changes",
                changes.len()
            )),
        }
    }
    judging.findings(evidence.state, 3);
    judging.done()
}

/// Everything that may have happened to the seat for one booking.
fn changes_of(
    evidence: &Evidence<'_>,
    story: &Story<'_>,
    who: u32,
    seat: &SeatId,
) -> Vec<Timed<Change>> {
    let Some(taken_from) = story.books.iter().map(|book| book.start_ns).min() else {
        return Vec::new();
    };
    let first_told = |wanted: &dyn Fn(&Operation) -> bool| {
        story.operations().filter(|o| wanted(o)).filter_map(|o| o.end_ns).min()
    };
    let taken_told = first_told(&|operation| operation.told_booking().is_some());
    let fence = story.books.iter().find_map(|book| {
        let told = book.told_booking()?;
        (told.state == BookingState::Held).then_some(told.fence.get())
    });
    let timed = |from, until: Option<u64>, change| Timed {
        from,
        until: until.unwrap_or(u64::MAX),
        surely: until.is_some(),
        change,
    };
    let mut changes = vec![timed(taken_from, taken_told, Change::Take { who, fence })];
    let sold_told = story.sold_told_at();
    let asked = story.sales().map(|sale| sale.start_ns).min();
    if let Some(sold_told) = sold_told {
        let from = story.sold_from().unwrap_or(taken_from);
        changes.push(timed(from, Some(sold_told), Change::Sell { who }));
    } else if let Some(asked) = asked {
        // Its outcome is unknown, or it was refused and ended for good.
        changes.push(timed(story.sold_from().unwrap_or(asked), None, Change::Sell { who }));
        changes.push(timed(asked, None, Change::End { who }));
    }
    if sold_told.is_none() {
        changes.push(timed(ends_from(evidence, story, taken_from), None, Change::End { who }));
    }
    if let Some(from) = story.given_from(seat) {
        // A sold seat is freed some time after its cancel was acknowledged; a
        // hold is free when its release is.
        let released = story.operations().filter(|operation| {
            matches!(operation.action, Action::Cancel { .. }) && operation.told_booking().is_some()
        });
        let released = released.filter_map(|operation| operation.end_ns).min();
        let never_sold = asked.is_none();
        changes.push(timed(from, released.filter(|_| never_sold), Change::Give { who }));
    }
    changes
}

/// From when on a hold may end by itself: its last acknowledged deadline.
fn ends_from(evidence: &Evidence<'_>, story: &Story<'_>, taken_from: u64) -> u64 {
    let deadline = story.told().filter_map(|(_, told)| told.expires_at_ms).max();
    match deadline {
        Some(deadline) if !evidence.terms.holds_may_end_early => {
            let off = i64::try_from(evidence.terms.clocks_off_ms).unwrap_or(i64::MAX);
            let earliest = deadline.saturating_sub(off).saturating_sub(ROUNDED_MS);
            evidence.history.offset_ns(earliest).max(taken_from)
        }
        _ => taken_from,
    }
}

fn explain(evidence: &Evidence<'_>, changes: &[Timed<Change>], explained: &[usize]) -> String {
    let ms = |at_ns: u64| at_ns / 1_000_000;
    let say = |timed: &Timed<Change>| {
        let (what, who) = match timed.change {
            Change::Take { who, fence: Some(fence) } => (format!("taken at f{fence}"), who),
            Change::Take { who, fence: None } => ("taken".to_owned(), who),
            Change::Sell { who } => ("sold".to_owned(), who),
            Change::End { who } => ("ended".to_owned(), who),
            Change::Give { who } => ("given back".to_owned(), who),
        };
        let name = usize::try_from(who).ok().and_then(|who| evidence.stories.get(who));
        let name = name.map(Story::name).unwrap_or_default();
        let until = match timed.until {
            u64::MAX => "…".to_owned(),
            until => ms(until).to_string(),
        };
        format!("{what} by {name} ({}–{until} ms)", ms(timed.from))
    };
    let last = explained.iter().rev().take(3).rev().map(|at| say(&changes[*at]));
    let rest = changes.iter().enumerate();
    let rest = rest.filter(|(at, timed)| timed.surely && !explained.contains(at));
    let next = rest.take(2).map(|(_, timed)| say(timed));
    format!(
        "after {} it cannot be {}",
        last.collect::<Vec<_>>().join(", "),
        next.collect::<Vec<_>>().join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::Terms;
    use super::super::sample::{Sample, judged};
    use super::judge;

    #[test]
    fn a_seat_held_twice_at_once_has_no_order() {
        let mut sample = Sample::new();
        sample.hold("ann", "A-1", 0..5, 10);
        sample.hold("bob", "A-1", 10..15, 20);
        let breaches = judged(sample, judge);
        assert!(breaches[0].contains("no order explains seat A-1"), "{breaches:?}");
    }

    #[test]
    fn the_next_owner_may_come_after_a_release_or_the_deadline() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.release(ann, 6..8);
        // Sample holds live ten seconds.
        sample.hold("bob", "A-1", 10..15, 20);
        sample.hold("cid", "A-1", 10_020..10_025, 30);
        assert_eq!(judged(sample, judge), [""; 0]);
    }

    #[test]
    fn a_hold_may_not_end_before_its_deadline() {
        let early = || {
            let mut sample = Sample::new();
            sample.hold("ann", "A-1", 0..5, 10);
            sample.hold("bob", "A-1", 9_000..9_005, 20);
            sample
        };
        assert_eq!(judged(early(), judge).len(), 1);
        let terms = Terms { holds_may_end_early: true, ..Terms::default() };
        assert_eq!(early().judged_under(terms, judge), [""; 0]);
        let terms = Terms { clocks_off_ms: 1_500, ..Terms::default() };
        assert_eq!(early().judged_under(terms, judge), [""; 0]);
    }

    #[test]
    fn a_sold_seat_is_nobody_elses() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.hold("bob", "A-1", 60_000..60_005, 20);
        assert_eq!(judged(sample, judge).len(), 1);
    }

    #[test]
    fn a_fence_must_be_larger_than_the_last_owners() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.release(ann, 6..8);
        sample.hold("bob", "A-1", 10..15, 9);
        assert_eq!(judged(sample, judge).len(), 1);
    }

    #[test]
    fn a_lost_release_may_have_happened() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.lost_release(ann, 6);
        sample.hold("bob", "A-1", 10..15, 20);
        assert_eq!(judged(sample, judge), [""; 0]);
    }
}
