//! The page for people, in a real browser in front of a real cluster: what
//! somebody does who buys, who is too late, who organises, who uses no mouse or
//! a phone. Every journey leaves pictures in `target/screenshots`.
//!
//! One cluster and one chromedriver for all journeys; each has browsers and a
//! show of its own. Journeys that break something run after the others.
#![expect(clippy::print_stderr, reason = "tests tell what they do")]

mod away;
mod browser;
mod buying;
mod driver;
mod hands;
mod house;
mod operations;
mod organising;
mod races;
mod speed;

use std::process::ExitCode;
use std::sync::Arc;

use house::House;
use libtest_mimic::{Arguments, Trial};
use local_cluster::{Profile, StartedCluster, Topology, programs};
use tokio::runtime::{Handle, Runtime};

/// The journeys of some modules as trials, named after their functions.
macro_rules! trials {
    ($house:expr, $runtime:expr, $($module:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        vec![$($({
            let (house, runtime): (Arc<House>, Handle) = ($house.clone(), $runtime.clone());
            Trial::test(concat!(stringify!($module), "::", stringify!($name)), move || {
                // Browsers are closed whatever became of the journey.
                let browsers = house.browsers();
                let journey = std::panic::AssertUnwindSafe(|| {
                    runtime.block_on($module::$name(&house, &browsers));
                });
                let ended = std::panic::catch_unwind(journey);
                runtime.block_on(browsers.close(concat!(stringify!($module), "-", stringify!($name)), ended.is_err()));
                if let Err(panic) = ended {
                    std::panic::resume_unwind(panic);
                }
                Ok(())
            })
        },)*)*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let runtime = Runtime::new().expect("a runtime");
    let handle = runtime.handle().clone();
    let house = match runtime.block_on(open()) {
        Ok(house) => Arc::new(house),
        Err(error) => {
            eprintln!("the page cannot be tested: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Two browsers at work keep two processors busy.
    arguments.test_threads = Some(2);
    let mut failed = libtest_mimic::run(&arguments, side_by_side(&house, &handle)).has_failed();
    arguments.test_threads = Some(1);
    failed |= libtest_mimic::run(&arguments, one_by_one(&house, &handle)).has_failed();
    if failed {
        let root = house.cluster.root();
        eprintln!("pictures are in {}, logs in {}", browser::pictures().display(), root.display());
    }
    runtime.block_on(house.driver.end());
    match runtime.block_on(house.cluster.down(failed)) {
        Err(error) => {
            eprintln!("the cluster did not stop: {error}");
            ExitCode::FAILURE
        }
        Ok(()) if failed => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
    }
}

async fn open() -> Result<House, String> {
    for tool in [programs::CHROMIUM, programs::CHROMEDRIVER] {
        if tool.find().is_none() {
            let package = tool.package;
            return Err(format!("{} is missing; apt-get install {package}", tool.name));
        }
    }
    // What an interrupted run left is not adopted: the tests begin from nothing.
    if let Ok(leftover) = StartedCluster::attach(None, "page-test") {
        leftover.down(false).await.map_err(|error| error.to_string())?;
    }
    let topology = Topology::new("page-test", Profile::Ha);
    let cluster = StartedCluster::up(topology).await.map_err(|error| error.to_string())?;
    let opened = House::open(cluster).await;
    if opened.is_err()
        && let Ok(left) = StartedCluster::attach(None, "page-test")
    {
        left.down(true).await.map_err(|error| error.to_string())?;
    }
    opened
}

fn side_by_side(house: &Arc<House>, runtime: &Handle) -> Vec<Trial> {
    trials!(house, runtime,
        buying::{
            from_finding_a_show_to_giving_the_tickets_back,
            a_hold_that_runs_out_is_said_to_have_run_out, a_reload_loses_nothing,
        },
        races::{the_loser_of_a_race_reads_clear_words},
        organising::{an_evening_is_made_sold_and_deleted},
        hands::{
            a_booking_needs_nothing_but_keys, a_booking_on_a_phone_with_a_finger,
            dark_and_without_motion,
        },
        operations::{every_dashboard_is_drawn, operations_on_a_phone_in_the_hand},
    )
}

fn one_by_one(house: &Arc<House>, runtime: &Handle) -> Vec<Trial> {
    trials!(house, runtime,
        races::{a_change_is_seen_elsewhere_within_a_second},
        speed::{frames_of_a_large_house_are_reported},
        away::{
            a_service_that_dies_between_hold_and_pay_loses_nothing,
            a_map_without_its_stream_says_so_and_comes_back,
        },
        operations::{
            an_alert_has_its_runbook_beside_it,
            without_prometheus_the_page_says_so_and_comes_back,
        },
    )
}
