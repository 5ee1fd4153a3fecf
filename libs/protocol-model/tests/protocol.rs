//! The protocol as it is keeps every promise in every state of every quick
//! scenario, and the scenarios get to where it matters.
#![expect(clippy::print_stdout, reason = "tests tell what they found")]

use std::time::Duration;

use protocol_model::catalogue::{self, Entry};
use protocol_model::check::explore;

/// Far beyond what any of them takes: a scenario that is not finished by then
/// has grown, and fails.
const AT_MOST: Duration = Duration::from_secs(300);

#[track_caller]
fn every_promise_is_kept_in(name: &str) {
    let entry: &Entry = catalogue::QUICK
        .iter()
        .find(|entry| (entry.make)().name == name)
        .expect("the catalogue has the scenario");
    let verdict = explore((entry.make)(), 1, AT_MOST);
    println!("{name}: {} states, depth {}, {:?}", verdict.states, verdict.depth, verdict.took);
    for counterexample in &verdict.broken {
        println!("{counterexample}");
    }
    assert!(verdict.broken.is_empty(), "{name} breaks a promise");
    assert!(verdict.complete, "{name} was not explored whole");
    for landmark in entry.landmarks {
        assert!(verdict.scenario.reached(*landmark), "{name} never came to {landmark:?}");
    }
}

#[test]
fn two_customers_cannot_have_one_seat_twice() {
    every_promise_is_kept_in("rivals");
}

#[test]
fn another_instance_may_take_over_at_any_moment() {
    every_promise_is_kept_in("take-over");
}

#[test]
fn two_seats_are_had_together_or_not_at_all() {
    every_promise_is_kept_in("all-or-nothing");
}

#[test]
fn extending_and_confirming_may_race() {
    every_promise_is_kept_in("extending");
}

#[test]
fn buying_at_once_may_meet_a_hold_under_the_same_key() {
    every_promise_is_kept_in("at-once");
}

#[test]
fn one_key_has_one_pick_however_stale_the_mirror() {
    every_promise_is_kept_in("picks");
}

#[test]
fn two_who_pick_the_same_seat_do_not_both_get_it() {
    every_promise_is_kept_in("picks-of-rivals");
}

#[test]
fn cancelling_twice_is_cancelling_once() {
    every_promise_is_kept_in("cancelling");
}

#[test]
fn a_ticket_is_cancelled_and_its_seat_sold_again() {
    every_promise_is_kept_in("part-by-part");
}

#[test]
fn a_pick_that_is_cancelled_leaves_no_marker() {
    every_promise_is_kept_in("picks-cancelled");
}

#[test]
fn a_show_moves_while_its_seats_are_sold() {
    every_promise_is_kept_in("moving");
}

#[test]
fn a_show_moves_while_its_seats_are_bought_at_once() {
    every_promise_is_kept_in("moving-at-once");
}

#[test]
fn a_show_moves_while_a_booking_is_cancelled() {
    every_promise_is_kept_in("moving-and-cancelling");
}

#[test]
fn money_follows_the_ledger() {
    every_promise_is_kept_in("paying");
}

#[test]
fn every_quick_scenario_has_a_test() {
    let here = include_str!("protocol.rs");
    for entry in catalogue::QUICK {
        let name = (entry.make)().name;
        assert!(here.contains(&format!("kept_in(\"{name}\")")), "{name} has no test");
    }
}
