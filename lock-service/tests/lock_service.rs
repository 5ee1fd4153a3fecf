//! lock-service as others see it: its wire contract, on a real etcd. Filed by
//! promise; one world for all, a performance for each test.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of this is tests, under a runner of its own"
)]

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

#[path = "promises/away.rs"]
mod away;
#[path = "promises/confirming.rs"]
mod confirming;
#[path = "promises/feed.rs"]
mod feed;
#[path = "promises/full.rs"]
mod full;
#[path = "promises/holds.rs"]
mod holds;
#[path = "promises/hopeless.rs"]
mod hopeless;
#[path = "promises/leases.rs"]
mod leases;
#[path = "promises/limits.rs"]
mod limits;
#[path = "promises/picks.rs"]
mod picks;
#[path = "promises/timers.rs"]
mod timers;
#[path = "promises/together.rs"]
mod together;
mod world;

use world::World;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Holds run out on the clock: a crowd of tests at once would only measure itself.
    arguments.test_threads.get_or_insert(4);
    let runtime = Arc::new(tokio::runtime::Runtime::new().unwrap());
    let world = (!arguments.list).then(|| Arc::new(runtime.block_on(World::start(2))));
    let mut trials = Vec::new();
    macro_rules! tests {
        ($($test:path),* $(,)?) => {$(
            let (on, with) = (runtime.clone(), world.clone());
            trials.push(Trial::test(stringify!($test), move || {
                if let Some(world) = with {
                    on.block_on($test(world));
                }
                Ok(())
            }));
        )*};
    }
    tests![
        away::etcd_restarts_under_the_service,
        away::holds_go_on_while_a_member_hangs,
        away::a_watch_whose_revision_was_compacted_lists_again,
        confirming::a_hold_becomes_a_sale_and_is_freed_ticket_by_ticket,
        confirming::another_attempt_never_commits,
        confirming::a_confirm_that_was_not_sent_is_a_hold_again,
        confirming::straight_to_confirming_and_aborted,
        confirming::a_moved_shard_map_stops_a_confirm,
        confirming::an_old_fence_does_nothing,
        feed::a_feed_begins_with_everything_and_comes_back,
        full::a_full_etcd_refuses_the_new_and_recovers,
        hopeless::a_hopeless_request_is_refused_at_once_by_a_fresh_mirror_only,
        hopeless::ones_own_seats_are_never_refused_fast,
        holds::seats_are_taken_once_and_given_back,
        holds::a_replay_is_told_from_another_body,
        holds::two_race_and_one_wins,
        holds::all_or_nothing,
        holds::a_hold_is_extended_up_to_its_cap,
        holds::a_request_that_cannot_work_is_refused,
        leases::holds_of_one_second_share_a_lease,
        leases::steady_holds_find_their_lease_granted,
        leases::many_holds_of_one_second_run_out_together,
        limits::a_customer_has_a_limit,
        limits::a_choice_that_leaves_a_single_seat_is_refused,
        picks::the_best_seats_are_picked_and_replayed,
        picks::a_crowd_sells_out_a_row_exactly,
        picks::no_choice_is_explained,
        timers::holds_run_out_on_time,
        timers::a_hold_without_a_lease_is_expired,
        timers::a_crowd_of_holds_without_leases_is_expired,
        timers::strays_are_released,
        together::each_operation_has_its_own_answer,
        together::a_request_has_a_bound,
        together::what_was_begun_is_finished_when_the_caller_hangs_up,
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(world);
    conclusion.exit_code()
}
