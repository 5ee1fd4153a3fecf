//! `seatlock-bench`: side-by-side benchmarks, each on a real cluster of its
//! own. Knows which benchmarks there are, that a cluster is stopped whatever
//! happens, and that results which break a check are no results; how anything
//! is measured is each benchmark's own affair.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

mod bookings;
mod capacity;
mod checks;
mod clock;
mod hall;
mod holds;
mod hot_seat;
mod house;
mod http;
mod leader;
mod ledger;
mod live;
mod load;
mod looker;
mod machine;
mod on_sale;
mod options;
mod orders;
mod ours;
mod peers;
mod report;
mod scale;
mod stage;
mod truth;
mod usage;
mod view;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::{Benchmark, Options, OutputFormat};
use crate::report::{Report, table};
use crate::stage::Stage;

/// Anything that ends a run with a message.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// As in the services: the peer's front is to be as fast as it can be.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(peers::front::ARGUMENT) {
        return be_the_front();
    }
    measure()
}

/// The peer's front, on all cores like booking-api.
#[tokio::main]
async fn be_the_front() -> ExitCode {
    match peers::front::serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the peer's front: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One thread generates all load: on a small machine it competes with what it
/// measures, and a second thread would only add hand-overs between the two.
#[tokio::main(flavor = "current_thread")]
async fn measure() -> ExitCode {
    let options = Options::parse();
    let mut report = Report::new(machine::look(), machine::versions());
    let outcome = match interrupted() {
        Ok(interrupted) => tokio::select! {
            outcome = run(&options, &mut report) => outcome,
            () = interrupted => Err("interrupted".into()),
        },
        Err(error) => Err(error),
    };
    // Dropping a benchmark half-way leaves its cluster; nothing else does.
    let swept = Stage::sweep(&options).await;
    if !report.is_empty() {
        eprintln!("{}", table::text(&report));
    }
    if options.output == OutputFormat::Json && outcome.is_ok() {
        match report.json() {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("seatlock bench: {error}"),
        }
    }
    if let Err(error) = outcome.and(swept) {
        eprintln!("seatlock bench: {error}");
        return ExitCode::FAILURE;
    }
    if report.is_valid() {
        return ExitCode::SUCCESS;
    }
    eprintln!("seatlock bench: a check failed: these are no results");
    ExitCode::FAILURE
}

async fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    // What a run that was killed left behind would be measured along.
    Stage::sweep(options).await?;
    for benchmark in options.benchmarks() {
        eprintln!("== {benchmark}");
        match benchmark {
            Benchmark::Holds => holds::run(options, report).await?,
            Benchmark::HotSeat => hot_seat::run(options, report).await?,
            Benchmark::OnSale => on_sale::run(options, report).await?,
            Benchmark::Scale => scale::run(options, report).await?,
            Benchmark::Bookings => bookings::run(options, report).await?,
            Benchmark::View => view::run(options, report).await?,
            Benchmark::Live => live::run(options, report).await?,
            Benchmark::Leader => leader::run(options, report).await?,
            Benchmark::Capacity => capacity::run(options, report).await?,
        }
    }
    Ok(())
}

/// Ends with the first signal that asks for an end.
fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
