//! Explores scenarios of the seat protocol on demand, and says how many states
//! there were, how deep, how long it took, and what came of it.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use protocol_model::scenario::Scenario;
use protocol_model::weaker::Weaker;
use protocol_model::{catalogue, check, weaker};

/// Explores the seat protocol.
#[derive(Parser)]
struct Options {
    /// Only this scenario (default: all that the tests explore).
    #[arg(long)]
    scenario: Option<String>,
    /// Lists the scenarios.
    #[arg(long)]
    list: bool,
    /// Shows how each weaker design breaks.
    #[arg(long)]
    weaker: bool,
    /// Threads to explore with.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Give up after so many seconds.
    #[arg(long, default_value_t = 3600)]
    time_s: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        for scenario in catalogue::all() {
            println!("{:<22} {}", scenario.name, scenario.covers);
        }
        return ExitCode::SUCCESS;
    }
    if options.weaker {
        weaker::ALL.iter().for_each(show);
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<Scenario> = match &options.scenario {
        None => catalogue::QUICK.iter().map(|entry| (entry.make)()).collect(),
        Some(name) => catalogue::all().filter(|scenario| scenario.name == name).collect(),
    };
    if wanted.is_empty() {
        println!("there is no such scenario; --list names them");
        return ExitCode::FAILURE;
    }
    println!(
        "{:<22} {:>10} {:>11} {:>5} {:>8}  verdict",
        "scenario", "states", "steps", "depth", "seconds"
    );
    let mut kept = true;
    for scenario in wanted {
        let name = scenario.name;
        let verdict =
            check::explore(scenario, options.threads, Duration::from_secs(options.time_s));
        let word = match (verdict.broken.is_empty(), verdict.complete) {
            (false, _) => "BROKEN",
            (true, true) => "every promise kept",
            (true, false) => "no promise broken so far; not explored whole",
        };
        println!(
            "{name:<22} {:>10} {:>11} {:>5} {:>8.1}  {word}",
            verdict.states,
            verdict.steps,
            verdict.depth,
            verdict.took.as_secs_f64()
        );
        for counterexample in &verdict.broken {
            println!("{counterexample}");
        }
        kept &= verdict.broken.is_empty();
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(weaker: &Weaker) {
    println!("## {} (in: {})", weaker.title(), weaker.scenario().covers);
    match weaker.breaks.and_then(|property| check::shortest(|| weaker.scenario(), property)) {
        Some(counterexample) => println!("{counterexample}"),
        None => println!("breaks nothing alone\n"),
    }
}
