//! INV-11: every view says how old it is, converges after faults heal, and
//! never shows a sold seat as free unless it was cancelled.

use std::collections::BTreeMap;

use seat_model::{PerformanceId, PublicSeatState, SeatId};

use super::{Evidence, Judgement, Judging};
use crate::history::{Action, Outcome, Told};

/// Clocks of view-service and of the recorder are one machine's; a
/// millisecond is cut off either way.
const ROUNDED_MS: i64 = 2;

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-11", "views admit their age");
    converged(&mut judging, evidence);
    // Where clocks were moved, an age cannot be compared with a moment.
    if evidence.terms.clocks_off_ms == 0 {
        honest(&mut judging, evidence);
    }
    judging.findings(evidence.state, 11);
    judging.done()
}

/// At the end every instance shows what etcd holds.
fn converged(judging: &mut Judging, evidence: &Evidence<'_>) {
    let mut truth: BTreeMap<&PerformanceId, BTreeMap<SeatId, PublicSeatState>> = BTreeMap::new();
    for seat in &evidence.state.seats {
        let seats = truth.entry(&seat.performance).or_default();
        seats.insert(seat.seat.clone(), PublicSeatState::from(seat.state));
    }
    for view in &evidence.state.views {
        let empty = BTreeMap::new();
        let wanted = truth.get(&view.performance).unwrap_or(&empty);
        judging.must(view.seats == *wanted, || {
            let differ: Vec<_> = wanted
                .keys()
                .chain(view.seats.keys())
                .filter(|seat| wanted.get(*seat) != view.seats.get(*seat))
                .take(5)
                .collect();
            let instance = &view.instance;
            format!("{instance} shows {} otherwise than it is, at {differ:?}", view.performance)
        });
        judging.must(!view.stale, || {
            format!("{} says that its view of {} is old", view.instance, view.performance)
        });
    }
}

/// A view that says it was the newest at a moment shows what was sold before
/// that moment, unless it was given back before the answer: a view may be newer
/// than it says, and never older.
fn honest(judging: &mut Judging, evidence: &Evidence<'_>) {
    // When each seat's sale was told, and until when it surely was sold.
    let mut sold: BTreeMap<(&PerformanceId, &SeatId), Vec<(i64, i64)>> = BTreeMap::new();
    for story in &evidence.stories {
        let Some(told) = story.sold_told_at() else { continue };
        for seat in evidence.seats_of(story) {
            let from = evidence.history.wall_ms(told);
            let until = story.given_from(seat).map_or(i64::MAX, |at| evidence.history.wall_ms(at));
            sold.entry((story.performance, seat)).or_default().push((from, until));
        }
    }
    let mut by_performance: BTreeMap<&PerformanceId, Vec<(&SeatId, i64, i64)>> = BTreeMap::new();
    for ((performance, seat), spans) in &sold {
        let entry = by_performance.entry(performance).or_default();
        entry.extend(spans.iter().map(|(from, until)| (*seat, *from, *until)));
    }
    for operation in &evidence.history.operations {
        let (Action::Map { performance, .. }, Outcome::Ok(Told::Map(map))) =
            (&operation.action, &operation.outcome)
        else {
            continue;
        };
        let started_ms = evidence.history.wall_ms(operation.start_ns);
        let ended_ms = evidence.history.wall_ms(operation.end_ns.unwrap_or(operation.start_ns));
        judging.must(map.as_of_ms <= ended_ms + ROUNDED_MS, || {
            format!("a view of {performance} was as of a moment after its answer")
        });
        for (seat, from, until) in by_performance.get(performance).into_iter().flatten() {
            let within = *from < map.as_of_ms && ended_ms < *until;
            let shown = map.seats.contains_key(*seat);
            judging.must(shown || !within, || {
                format!(
                    "a view of {performance} asked for at {started_ms} was as of {}, and showed \
                     {seat}, sold at {from}, as free",
                    map.as_of_ms
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, judged};
    use super::judge;

    fn sold_and_shown(as_of_ms: i64, seats: &[&str]) -> Sample {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.look(1_200..1_205, as_of_ms, seats);
        sample.settle();
        sample
    }

    #[test]
    fn a_view_from_before_the_sale_may_show_the_seat_as_free() {
        assert_eq!(judged(sold_and_shown(4, &[]), judge), [""; 0]);
        assert_eq!(judged(sold_and_shown(22, &["A-1"]), judge), [""; 0]);
    }

    #[test]
    fn a_view_that_calls_itself_newer_than_the_sale_may_not() {
        assert!(judged(sold_and_shown(10, &[]), judge)[0].contains("as free"));
    }

    #[test]
    fn a_view_that_is_newer_than_it_says_may_show_what_was_given_back() {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.cancel(ann, 20..30);
        sample.look(22..25, 15, &[]);
        sample.settle();
        assert_eq!(judged(sample, judge), [""; 0]);
    }

    #[test]
    fn a_view_from_the_future_is_a_breach() {
        assert!(judged(sold_and_shown(9_000, &["A-1"]), judge)[0].contains("after its answer"));
    }

    #[test]
    fn a_view_that_does_not_converge_is_a_breach() {
        let mut sample = sold_and_shown(22, &["A-1"]);
        sample.state.views[0].seats.clear();
        assert!(judged(sample, judge)[0].contains("otherwise than it is"));
        let mut sample = sold_and_shown(22, &["A-1"]);
        sample.state.views[0].stale = true;
        assert!(judged(sample, judge)[0].contains("is old"));
    }
}
