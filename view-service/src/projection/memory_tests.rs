//! The fold, and where a watcher begins.

use super::super::live::{Message, Start};
use super::*;

fn perf() -> PerformanceId {
    "evening".parse().unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn seats(revision: u64, state: PublicSeatState, names: &[&str]) -> ChangeLine {
    let seats = names.iter().map(|name| (SeatId::new(*name).unwrap(), state)).collect();
    ChangeLine::Seats { performance: perf(), revision, seats }
}

fn feed(projection: &Projection, lines: Vec<ChangeLine>) -> Step {
    let mut last = Step::Quiet;
    for line in lines {
        last = projection.apply(line).unwrap();
    }
    last
}

fn snapshot(revision: u64, held: &[&str]) -> Vec<ChangeLine> {
    vec![
        ChangeLine::Snapshot { revision },
        seats(revision, PublicSeatState::Held, held),
        ChangeLine::SnapshotEnd { revision },
    ]
}

fn loaded() -> Projection {
    let projection = Projection::new(2, 8, 3_000);
    assert_eq!(projection.known(&perf()), None);
    feed(&projection, snapshot(10, &["A-1", "A-2"]));
    feed(&projection, vec![ChangeLine::Progress { revision: 10, as_of: at(1_000) }]);
    projection
}

fn taken(projection: &Projection) -> Vec<String> {
    projection.known(&perf()).unwrap().seats.keys().map(ToString::to_string).collect()
}

/// INV-11: a date is what somebody confirmed, not when it was heard.
#[test]
fn nothing_is_known_before_somebody_vouches_for_it_and_nothing_is_dated_later() {
    let projection = Projection::new(2, 8, 3_000);
    feed(&projection, snapshot(10, &["A-1", "A-2"]));
    assert_eq!(projection.reached(), None);
    assert!(projection.known(&perf()).is_none() && projection.watch(&perf(), None).is_none());
    assert_eq!(projection.resume_from(), 0, "what comes next is a snapshot");
    feed(&projection, vec![seats(11, PublicSeatState::Free, &["A-2"])]);
    let reached = ChangeLine::Progress { revision: 11, as_of: at(1_000) };
    assert_eq!(feed(&projection, vec![reached]), Step::Replaced { regressed: false });
    assert_eq!(
        (taken(&projection), projection.reached()),
        (vec!["A-1".into()], Some((11, at(1_000))))
    );
    let mut watcher = projection.watch(&perf(), None).unwrap();
    feed(&projection, vec![seats(12, PublicSeatState::Sold, &["A-3"])]);
    let Ok(Message::Change(event)) = watcher.receiver.try_recv() else { panic!("it is told") };
    assert_eq!((event.change.revision, event.change.as_of), (12, at(1_000)));
    assert_eq!(projection.known(&perf()).unwrap().as_of, at(1_000));
}

#[test]
fn seats_freed_while_nobody_listened_are_told_as_free() {
    let projection = loaded();
    let mut watcher = projection.watch(&perf(), Some(10)).unwrap();
    assert!(matches!(&watcher.start, Start::Resume(events) if events.is_empty()));
    let step = feed(&projection, snapshot(20, &["A-2", "A-3"]));
    assert_eq!(step, Step::Replaced { regressed: false });
    assert_eq!(taken(&projection), ["A-2", "A-3"]);
    let Ok(Message::Change(event)) = watcher.receiver.try_recv() else {
        panic!("the difference is told");
    };
    assert_eq!(event.change.revision, 20);
    assert_eq!(event.change.seats[&"A-1".parse().unwrap()], PublicSeatState::Free);
    assert_eq!(event.change.seats[&"A-3".parse().unwrap()], PublicSeatState::Held);
}

/// INV-11: an instance that is behind does not make a taken seat look free.
#[test]
fn an_older_snapshot_waits_until_it_has_caught_up() {
    let projection = loaded();
    feed(&projection, snapshot(5, &[]));
    assert_eq!(taken(&projection), ["A-1", "A-2"]);
    feed(&projection, vec![seats(7, PublicSeatState::Held, &["A-1"])]);
    assert_eq!(taken(&projection), ["A-1", "A-2"]);
    feed(&projection, vec![seats(9, PublicSeatState::Held, &["A-2"])]);
    let reached = ChangeLine::Progress { revision: 12, as_of: at(2_000) };
    assert_eq!(feed(&projection, vec![reached]), Step::Replaced { regressed: false });
    assert_eq!(projection.reached(), Some((12, at(2_000))));
}

/// Under a steady stream of changes what is vouched for is always a little
/// behind what was heard; that is no delay, and no other cell.
#[test]
fn a_word_for_less_than_was_heard_keeps_what_is_known_fresh() {
    let projection = loaded();
    let vouch = |revision, as_of| ChangeLine::Progress { revision, as_of: at(as_of) };
    for second in 2..9 {
        let revision = 10 + u64::try_from(second).unwrap();
        feed(&projection, vec![seats(revision, PublicSeatState::Sold, &["A-1"])]);
        let step = projection.apply(vouch(revision - 1, second * 1_000)).unwrap();
        assert_eq!(step, Step::Reached { revision: revision - 1, as_of: at(second * 1_000) });
        assert_eq!(projection.reached(), Some((revision, at(second * 1_000))));
    }
    // The same after a break, with a snapshot that is newer than the word for it.
    let after = [snapshot(30, &["A-1"]), vec![vouch(29, 60_000)]].concat();
    feed(&projection, after);
    assert_eq!(projection.reached(), Some((30, at(60_000))));
    assert_eq!(taken(&projection), ["A-1"]);
}

/// INV-11: a seat that was heard of as taken is not free because an instance
/// that has not heard of it yet is vouched for; unless it never hears of it.
#[test]
fn a_snapshot_behind_what_was_heard_waits_even_where_nobody_vouched_for_a_while() {
    let projection = loaded();
    feed(&projection, vec![seats(12, PublicSeatState::Sold, &["A-9"])]);
    let vouch = |as_of| ChangeLine::Progress { revision: 11, as_of: at(as_of) };
    feed(&projection, snapshot(11, &["A-1", "A-2"]));
    assert_eq!(feed(&projection, vec![vouch(60_000), vouch(62_900)]), Step::Quiet);
    assert_eq!(taken(&projection), ["A-1", "A-2", "A-9"]);
    assert_eq!(feed(&projection, vec![vouch(63_100)]), Step::Replaced { regressed: true });
    assert_eq!(taken(&projection), ["A-1", "A-2"]);
}

#[test]
fn a_cell_that_began_again_is_believed_once_it_is_no_delay() {
    let projection = loaded();
    let mut watcher = projection.watch(&perf(), None).unwrap();
    let early = ChangeLine::Progress { revision: 3, as_of: at(3_900) };
    let late = ChangeLine::Progress { revision: 3, as_of: at(4_100) };
    assert_eq!(projection.apply(early.clone()), Ok(Step::Quiet));
    assert_eq!(projection.apply(late.clone()), Err(Refused));
    feed(&projection, snapshot(3, &["B-1"]));
    assert_eq!(feed(&projection, vec![early]), Step::Quiet);
    assert_eq!(feed(&projection, vec![late]), Step::Replaced { regressed: true });
    assert_eq!(taken(&projection), ["B-1"]);
    assert!(matches!(watcher.receiver.try_recv(), Ok(Message::Reset)));
    let again = projection.watch(&perf(), Some(10)).unwrap();
    assert!(matches!(again.start, Start::Snapshot), "the old ids say nothing now");
}

#[test]
fn a_watcher_resumes_within_the_history_and_gets_a_snapshot_beyond() {
    let projection = loaded();
    for revision in 11..15 {
        feed(&projection, vec![seats(revision, PublicSeatState::Sold, &["A-1"])]);
        feed(&projection, vec![seats(revision, PublicSeatState::Sold, &["A-1"])]);
        let other = format!("C-{revision}");
        feed(&projection, vec![seats(revision, PublicSeatState::Held, &[&other])]);
    }
    // Two changes are kept: those of C-13 and C-14.
    let from = |last| projection.watch(&perf(), Some(last)).unwrap().start;
    let Start::Resume(events) = from(13) else { panic!("14 is in the history") };
    assert_eq!(events.iter().map(|e| e.change.revision).collect::<Vec<_>>(), [14]);
    assert!(matches!(from(12), Start::Resume(events) if events.len() == 2));
    assert!(matches!(from(11), Start::Snapshot), "a gap");
    assert!(matches!(from(99), Start::Snapshot), "from another instance's future");
}

#[test]
fn a_resume_begins_below_a_revision_that_may_not_be_complete() {
    let projection = loaded();
    feed(&projection, vec![seats(12, PublicSeatState::Held, &["A-5"])]);
    assert_eq!(projection.resume_from(), 11);
    feed(&projection, vec![ChangeLine::Progress { revision: 12, as_of: at(1_500) }]);
    assert_eq!(projection.resume_from(), 12);
    assert_eq!(projection.export(&perf()).unwrap().upto, 12);
}

#[test]
fn a_version_names_one_state_of_the_seats_even_when_a_cell_begins_again() {
    let projection = loaded();
    let mut seen = std::collections::BTreeMap::new();
    let mut look = || {
        let (stand, names) = projection
            .look(&perf(), |stand, seats| (stand, seats.map(|(seat, _)| seat.clone()).collect()))
            .unwrap();
        assert_eq!(projection.stand(&perf()), Some(stand));
        let names: Vec<SeatId> = names;
        assert_eq!(seen.entry(stand.version).or_insert_with(|| names.clone()), &names);
        stand.version
    };
    let before = look();
    feed(&projection, vec![ChangeLine::Progress { revision: 15, as_of: at(1_100) }]);
    assert_eq!(look(), before, "nothing changed here");
    feed(&projection, vec![seats(16, PublicSeatState::Free, &["A-1"])]);
    assert_ne!(look(), before);
    feed(&projection, vec![seats(16, PublicSeatState::Free, &["A-1"])]);
    let freed = look();
    // Another cell, in which the same revisions come again with other seats.
    feed(&projection, snapshot(3, &["B-1"]));
    feed(&projection, vec![ChangeLine::Progress { revision: 3, as_of: at(9_000) }]);
    assert_ne!(look(), freed);
    feed(&projection, vec![seats(16, PublicSeatState::Held, &["B-2"])]);
    look();
    feed(&projection, snapshot(17, &[]));
    assert_eq!(look(), 0, "forgotten, because nothing is taken there");
}

#[test]
fn one_number_stands_for_the_states_of_several_performances() {
    let projection = loaded();
    let other: PerformanceId = "matinee".parse().unwrap();
    let of = |ids: &[&PerformanceId]| projection.version_of(ids.iter().copied());
    let (both, one) = (of(&[&perf(), &other]), of(&[&perf()]));
    let held = BTreeMap::from([("A-1".parse().unwrap(), PublicSeatState::Held)]);
    let line = ChangeLine::Seats { performance: other.clone(), revision: 10, seats: held };
    feed(&projection, vec![line]);
    assert_ne!(of(&[&perf(), &other]), both);
    assert_eq!(of(&[&perf()]), one);
}
