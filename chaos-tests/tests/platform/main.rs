//! The platform, tested as a whole on real parts through its load balancer.
//!
//! One cluster is started before the first test and stopped after the last.
//! Tests that only use it run side by side, each on a show of its own; tests
//! that break something run alone; last of all it is checked that every error
//! code was produced and every route was called by some test.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they do")]

mod accounts;
mod alarms;
mod analytics;
mod backups;
mod bad_days;
mod books;
mod confirming;
mod crashes;
mod dashboards;
mod extra;
mod holding;
mod journeys;
mod looking;
mod marathon;
mod money;
mod never_dark;
mod operator;
mod organising;
mod orphans;
mod races;
mod receiver;
mod refusals;
mod repeating;
mod settled;
mod telling;
mod tracing;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use local_cluster::{NodeKind, Profile, StartedCluster, Topology, service};
use seat_model::Code;
use tokio::runtime::{Handle, Runtime};
use world::World;

/// Names a test after its function and runs it on the shared world, after
/// `before`, which is a method of the world.
macro_rules! trials {
    ($world:expr, $runtime:expr, $before:ident, $($module:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        vec![$($({
            let (world, runtime): (Arc<World>, Handle) = ($world.clone(), $runtime.clone());
            Trial::test(concat!(stringify!($module), "::", stringify!($name)), move || {
                runtime.block_on(async {
                    world.$before().await;
                    $module::$name(&world).await;
                });
                Ok(())
            })
        },)*)*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let runtime = Runtime::new().expect("a runtime");
    let handle = runtime.handle().clone();
    let world = match runtime.block_on(start()) {
        Ok(world) => Arc::new(world),
        Err(error) => {
            eprintln!("the platform did not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let whole = arguments.filter.is_none() && arguments.skip.is_empty();

    arguments.test_threads = Some(4);
    let together = libtest_mimic::run(&arguments, side_by_side(&world, &handle));
    arguments.test_threads = Some(1);
    let mut failed = together.has_failed();
    failed |= libtest_mimic::run(&arguments, one_by_one(&world, &handle)).has_failed();
    if whole {
        failed |= libtest_mimic::run(&arguments, coverage(&world, &handle)).has_failed();
    }

    let stopped = if failed {
        eprintln!("the logs of the platform are kept in {}", world.cluster.root().display());
        runtime.block_on(world.cluster.down(true))
    } else {
        runtime.block_on(world.cluster.down(false))
    };
    if let Err(error) = stopped {
        eprintln!("the platform did not stop: {error}");
        return ExitCode::FAILURE;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn start() -> Result<World, String> {
    // Reconciled sooner than in production, so that the tests need not wait.
    let sale = toml::toml! {
        confirming_for_ms = 3000
        committer = { wait_max_ms = 500 }
        connections = { acquire_timeout_ms = 900, statement_timeout_ms = 1500 }
    };
    // Tried again sooner, and less often, than in production.
    let webhooks = toml::toml! {
        http_to_loopback = true
        poll_every_ms = 50
        send_timeout_ms = 1000
        claim_ms = 2500
        retry_first_ms = 100
        retry_longest_ms = 400
        attempts_max = 4
    };
    // Counted sooner than in production.
    let analytics = toml::toml! {
        count_every_ms = 200
        write_every_ms = 200
    };
    let topology = Topology::new("test", Profile::Ha)
        .with_override(NodeKind::BookingApi, "sale", toml::Value::Table(sale))
        .with_override(NodeKind::BookingApi, "webhooks", toml::Value::Table(webhooks))
        .with_override(NodeKind::BookingApi, "analytics", toml::Value::Table(analytics))
        .with_override(NodeKind::ViewService, "add_views_every_ms", toml::Value::Integer(200));
    if let Some((program, source)) = service::stale_programs(&topology).first() {
        let (program, source) = (program.display(), source.display());
        return Err(format!("{program} is older than {source}; build it with: {}", service::BUILD));
    }
    for kind in [NodeKind::BookingApi, NodeKind::LockService] {
        service::faulty_program(kind)?;
    }
    // What an interrupted run left is not adopted: the tests begin from nothing.
    if let Ok(leftover) = StartedCluster::attach(None, "test") {
        leftover.down(false).await.map_err(|error| error.to_string())?;
    }
    let cluster = StartedCluster::up(topology).await.map_err(|error| error.to_string())?;
    Ok(World::new(cluster).await)
}

fn side_by_side(world: &Arc<World>, runtime: &Handle) -> Vec<Trial> {
    trials!(world, runtime, stay,
        accounts::{
            sign_up_log_in_book, only_a_valid_token_opens_the_door, customers_do_not_organise,
        },
        organising::{
            every_fault_of_a_plan_is_named, a_published_plan_with_duplicate_guids_is_refused,
            the_same_plan_has_the_same_id, a_performance_is_checked_field_by_field, sales_add_up,
            a_performance_goes_only_without_live_tickets, what_is_made_is_bookable_at_once,
        },
        analytics::{
            every_step_from_the_first_look_is_counted,
            only_what_is_asked_for_and_only_to_organisers,
        },
        looking::{
            a_show_and_its_tiers, lists_are_filtered_and_paged,
            a_performance_is_on_the_date_people_go_out, names_are_found_without_their_accents,
            an_unchanged_view_is_not_sent_again, changes_are_seen_live,
            the_page_and_the_documentation_are_there, what_is_made_is_seen_within_two_seconds,
        },
        holding::{
            the_best_pair_is_nearest_the_focal_point,
            an_ordinary_request_never_gets_an_accessible_seat,
            an_accessible_pick_brings_its_companion, apart_only_when_it_is_accepted,
            taken_seats_are_named, a_lone_seat_is_refused_where_the_rule_says_so,
            the_limit_counts_held_and_bought_seats, the_sale_begins_when_the_organiser_says,
            two_performances_on_one_evening_must_be_told_apart,
            a_hold_expires_and_is_sold_to_another, a_hold_can_be_extended_up_to_its_cap,
            a_released_hold_frees_its_seats, the_same_key_is_the_same_hold,
            the_same_key_at_the_same_time_takes_the_seats_once, others_bookings_do_not_exist,
            nonsense_changes_nothing,
        },
        confirming::{
            hold_pay_ticket_cancel, a_declined_card_may_be_followed_by_another,
            an_unanswered_payment_captures_nothing, hold_and_pay_in_one_call,
            my_bookings_newest_first,
        },
        money::{
            a_lost_answer_is_asked_for, an_answer_given_twice_is_one_sale,
            a_payment_that_was_given_up_can_never_be_taken, a_declined_card_leaves_no_money_behind,
            what_is_cancelled_is_given_back,
        },
        refusals::{
            wrong_paths_and_methods, wrong_bodies, a_half_sent_request_is_answered_and_forgotten,
            bytes_that_are_not_http,
        },
        repeating::{
            a_key_is_asked_for_and_must_be_one, extending_under_a_key_extends_once,
            a_cancel_is_told_what_it_did_whatever_was_cancelled_since,
            a_release_is_told_the_same_again, a_second_key_that_confirms_keeps_its_own_answer,
            a_performance_taken_off_leaves_the_answers_of_its_sales,
            what_is_not_kept_is_decided_anew, a_key_whose_hold_ran_out_simply_holds_again,
            what_still_runs_is_told_to_come_again, every_call_of_organisers_honours_its_key,
        },
        telling::{
            a_sale_and_its_cancels_are_told_signed_and_in_order,
            each_webhook_is_told_what_it_asked_for,
            what_comes_later_of_a_booking_waits_for_what_came_before,
            what_is_given_up_is_listed_and_can_be_sent_again,
            a_receiver_that_hangs_delays_neither_money_nor_others,
            a_receiver_that_comes_back_gets_what_it_missed,
            a_receiver_that_asks_for_a_pause_gets_it, a_receiver_that_is_gone_is_left_alone,
            a_webhook_is_checked_field_by_field, a_webhook_is_made_and_ended_once_under_its_key,
        },
        races::{
            two_buyers_race_for_one_seat, a_crowd_buys_a_tier_to_the_last_seat,
            a_real_plan_is_imported_and_sold,
        },
    )
}

fn one_by_one(world: &Arc<World>, runtime: &Handle) -> Vec<Trial> {
    trials!(world, runtime, mend,
        bad_days::{
            any_store_may_be_killed, any_store_may_be_paused, any_service_may_be_killed,
            any_service_may_be_paused, a_confirm_whose_shard_is_silent_ends_as_the_truth,
            a_paused_shard_leaves_the_hold,
            a_shard_that_is_down_leaves_the_hold, without_the_catalogue_known_shows_are_sold,
            without_etcds_majority_nothing_is_sold_and_everything_is_shown,
            an_emptied_redis_fills_itself, too_many_requests_are_told_when_to_come_again,
        },
        alarms::{
            every_rule_is_evaluated_and_every_objective_measured,
            what_is_broken_is_heard_of_until_it_is_mended,
        },
        dashboards::{
            every_panel_has_something_to_show, the_operations_page_is_served_as_it_was_written,
        },
        never_dark::{
            without_redis_every_view_is_answered, without_the_replica_every_view_is_answered,
            without_any_catalogue_every_view_is_answered, without_etcd_every_view_is_answered,
            without_lock_services_every_view_is_answered,
            without_booking_apis_every_view_is_answered,
            with_nothing_behind_them_views_are_answered_from_memory,
        },
        repeating::{a_request_cut_off_by_a_crash_runs_within_ten_seconds},
        telling::{
            what_a_dying_instance_was_sending_is_sent_again_under_its_id,
            what_is_sold_while_the_catalogue_is_away_is_told_afterwards,
        },
        tracing::{
            a_booking_is_found_by_its_trace_in_every_log, without_a_trace_the_request_is_the_trace,
            what_fails_is_logged_once_under_its_id,
        },
        analytics::{
            whoever_dies_while_counting_nothing_is_counted_twice,
            what_is_sold_while_the_catalogue_is_away_is_counted_afterwards,
        },
        marathon::{thousands_of_bookings_and_cancels_balance},
        crashes::{
            every_fail_point_killed_once, sound_programs_have_no_fail_points,
            an_acknowledgement_before_the_commit_is_noticed,
            a_dying_lock_service_loses_nobodys_seat,
        },
        money::{
            without_the_gateway_seats_are_held_and_nothing_is_sold,
            a_silent_gateway_leaves_the_hold_and_captures_nothing,
            what_the_gateway_refuses_is_seen_and_put_right,
            money_that_nobody_will_take_is_let_go,
            a_forgetful_gateway_costs_time_and_no_money,
            the_two_ledgers_balance_after_everything,
        },
        backups::{
            a_lost_shard_comes_back_from_its_backup_and_from_etcd,
            a_lost_catalogue_comes_back_and_its_replica_follows,
            the_sandboxs_ledger_comes_back, a_partial_or_damaged_backup_is_not_restored,
        },
        orphans::{
            nothing_is_left_by_what_was_killed,
            a_sold_seat_lost_from_etcd_is_sold_again,
            a_lost_tail_of_a_shard_is_written_again_from_etcd,
            a_shards_rows_are_mended_from_what_agrees, what_is_cancelled_or_abandoned_is_freed,
            an_old_map_in_redis_is_named_and_written_anew, fsck_tells_by_its_exit_code,
            a_lost_etcd_is_rebuilt_from_the_shards,
        },
    )
}

/// Needs the whole run before it, so it is left out when tests are filtered.
fn coverage(world: &Arc<World>, runtime: &Handle) -> Vec<Trial> {
    let (for_codes, for_routes) = (Arc::clone(world), Arc::clone(world));
    let runtime = runtime.clone();
    let (for_stores, on) = (Arc::clone(world), runtime.clone());
    let for_logs = Arc::clone(world);
    vec![
        Trial::test("tracing::nothing_secret_or_personal_is_in_any_log", move || {
            tracing::nothing_secret_or_personal_is_in_any_log(&for_logs);
            Ok(())
        }),
        Trial::test("orphans::the_stores_agree_after_all_of_it", move || {
            on.block_on(orphans::the_stores_agree_after_all_of_it(&for_stores));
            Ok(())
        }),
        Trial::test("coverage::every_error_code_was_produced", move || {
            // A 500 is a bug; the handler that panics is in service-kit's own tests.
            let missing = for_codes.coverage.missing_codes();
            let missing: Vec<_> =
                missing.into_iter().filter(|code| *code != Code::Internal.as_str()).collect();
            assert!(missing.is_empty(), "no test produced {missing:?}");
            Ok(())
        }),
        Trial::test("coverage::every_route_was_called", move || {
            let document = runtime.block_on(for_routes.anybody.get("/openapi.json").expect(200));
            let missing = for_routes.coverage.missing_operations(&document.json());
            assert!(missing.is_empty(), "no test called {missing:?}");
            Ok(())
        }),
    ]
}
