//! Which runs are made, in which order, and what their verdicts come to
//! together. Seeds are printed first and last. It must not know how a run is made.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use rand::Rng as _;
use tokio::process::Command;

use crate::faults::Kind;
use crate::options::Options;
use crate::planted::{PLANTED, Planted, SEED};
use crate::run::{self, Ran, Run};
use crate::scenario::{self, SCENARIOS, Scenario};
use crate::score::Score;
use crate::stage::{Setting, StageError, other};
use crate::verdict::Verdict;
use crate::workload::Habits;

/// What `smoke` runs.
const SMOKE: &[(&str, u64)] = &[("crashes", 15), ("steps", 15)];

/// Bugs that `smoke` plants, of those that show in every fault of a run: one
/// loses what customers were told, one sells what they were told was not.
const SMOKE_BUGS: [&str; 2] = ["acknowledge-before-commit", "not-applied-on-unknown"];

/// One run of `nightly`.
const NIGHTLY_RUN: Duration = Duration::from_secs(60);

/// Set in the program that runs in a network namespace of its own.
const ALONE: &str = "SEATLOCK_CHAOS_ALONE";

/// Exit codes by verdict.
fn code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Pass => ExitCode::SUCCESS,
        Verdict::Breach => ExitCode::FAILURE,
        Verdict::Inconclusive => ExitCode::from(3),
    }
}

/// Does what the command line asks.
///
/// # Errors
/// When a run could not be made, or there is none of that name.
pub async fn follow(options: &Options) -> Result<ExitCode, StageError> {
    if options.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    if options.scenario == "recheck" {
        let folder = options.folder.clone().ok_or_else(|| other("recheck needs a folder"))?;
        let ran = run::judge(&folder)?;
        tell(&ran);
        let seed = seed_in(&folder);
        return Ok(last_line(ran.ruling.verdict, seed, &ran.report));
    }
    if options.scenario == "score" {
        let folder = options.folder.clone().unwrap_or_else(|| runs_folder(options));
        println!("{}", Score::of(&folder).map_err(other)?.tables());
        return Ok(ExitCode::SUCCESS);
    }
    let seed = options.seed.unwrap_or_else(|| u64::from(rand::rng().random::<u32>()));
    println!("seed={seed}");
    match options.scenario.as_str() {
        "nightly" => nightly(options, seed).await,
        "smoke" => smoke(options, seed).await,
        "planted" if options.plant.is_empty() => planted(options).await,
        name => {
            let scenario = named(name)?;
            let time = options.time.unwrap_or(scenario.time);
            let ran = one(options, scenario, seed, time, &options.plant).await?;
            Ok(last_line(ran.ruling.verdict, seed, &ran.report))
        }
    }
}

fn named(name: &str) -> Result<&'static Scenario, StageError> {
    Scenario::named(name).ok_or_else(|| {
        let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        other(format!("there is no scenario {name:?}; there are {}", known.join(", ")))
    })
}

fn list() {
    println!("scenarios:");
    for scenario in SCENARIOS {
        let missing = scenario.missing();
        let missing = match missing.is_empty() {
            true => String::new(),
            false => format!(" (not on this machine, which lacks {})", missing.join(", ")),
        };
        println!("  {:<10} {}{missing}", scenario.name, scenario.what);
    }
    println!(
        "  {:<10} all of these in turn, with seeds that follow, until --time is over",
        "nightly"
    );
    println!("  {:<10} two, short, and two planted bugs", "smoke");
    println!("  {:<10} every planted bug, which must be caught", "planted");
    println!("faults:");
    for kind in Kind::ALL {
        println!("  {:<20} {}", kind.name(), kind.what().trim());
    }
    println!("planted bugs:");
    for bug in PLANTED {
        println!("  {:<28} must be caught by {}", bug.name, bug.caught_by.join(" or "));
    }
}

async fn one(
    options: &Options,
    scenario: &'static Scenario,
    seed: u64,
    time: Duration,
    plant: &[String],
) -> Result<Ran, StageError> {
    let missing = scenario.missing();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(other(format!("{} needs {missing}, which is not here", scenario.name)));
    }
    if scenario.has_hosts() && std::env::var_os(ALONE).is_none() {
        return in_a_namespace(scenario, seed, time, plant, options).await;
    }
    let bug = plant.first().and_then(|name| Planted::named(name));
    let unique = jiff::Timestamp::now().as_millisecond();
    let setting = Setting {
        tag: options.tag.clone(),
        home: options.home.clone(),
        faulty: false,
        planted: plant.to_vec(),
        hosts: false,
        clocks: None,
        habits: bug.map_or(Habits::USUAL, |bug| bug.habits),
    };
    let folder = runs_folder(options).join(format!("{}-{seed}-{unique}", scenario.name));
    println!(
        "{} with seed {seed}, {} s of faults{}",
        scenario.name,
        time.as_secs(),
        if plant.is_empty() { String::new() } else { format!(", planted: {}", plant.join(", ")) }
    );
    let run = Run { scenario, seed, time, setting, folder };
    let ran = run.go().await?;
    tell(&ran);
    Ok(ran)
}

/// The same program once more, in a network namespace of its own; its run is
/// judged again here, from its folder.
async fn in_a_namespace(
    scenario: &Scenario,
    seed: u64,
    time: Duration,
    plant: &[String],
    options: &Options,
) -> Result<Ran, StageError> {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--net", "--mount", "--"])
        .arg(std::env::current_exe().map_err(other)?)
        .arg(scenario.name)
        .args(["--seed", &seed.to_string(), "--time", &time.as_secs().to_string()])
        .args(["--tag", &options.tag])
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if let Some(home) = &options.home {
        command.arg("--home").arg(home);
    }
    if !plant.is_empty() {
        command.args(["--plant", &plant.join(",")]);
    }
    let output = command.spawn().map_err(other)?.wait_with_output().await.map_err(other)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = said.lines().last().and_then(|line| line.split_once(" report="));
    let folder = report.and_then(|(_, path)| Path::new(path).parent());
    let folder = folder.ok_or_else(|| other(format!("no run was made: {said}")))?;
    let ran = run::judge(folder)?;
    println!("{} with seed {seed}, {} s of faults, on hosts", scenario.name, time.as_secs());
    tell(&ran);
    Ok(ran)
}

/// Beside the clusters, and kept when they are gone.
fn runs_folder(options: &Options) -> PathBuf {
    options.home.clone().unwrap_or_else(local_cluster::state::default_home).join("chaos-runs")
}

fn tell(ran: &Ran) {
    for assumption in ran.ruling.assumptions.iter().filter(|assumption| !assumption.holds) {
        println!("  assumption does not hold: {}: {}", assumption.what, assumption.seen);
    }
    for judgement in &ran.ruling.judgements {
        for breach in &judgement.breaches {
            println!("  {}: {breach}", judgement.about);
        }
    }
    println!("  {}", ran.ruling.verdict);
}

fn last_line(verdict: Verdict, seed: u64, report: &std::path::Path) -> ExitCode {
    println!("verdict: {verdict} seed={seed} report={}", report.display());
    code(verdict)
}

fn seed_in(folder: &std::path::Path) -> u64 {
    let text = std::fs::read_to_string(folder.join("report.json")).unwrap_or_default();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    report["began"]["seed"].as_u64().unwrap_or(0)
}

/// The worse of two.
fn worse(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Breach, _) | (_, Verdict::Breach) => Verdict::Breach,
        (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
        (Verdict::Pass, Verdict::Pass) => Verdict::Pass,
    }
}

/// All scenarios that this machine can run, in turn, each with the next seed.
async fn nightly(options: &Options, seed: u64) -> Result<ExitCode, StageError> {
    let until = Instant::now() + options.time.unwrap_or(Duration::from_secs(3_600));
    let able: Vec<&'static Scenario> =
        SCENARIOS.iter().filter(|s| !s.kinds.is_empty() && s.missing().is_empty()).collect();
    let (mut verdict, mut report, mut number) = (None, PathBuf::new(), 0);
    let mut worst_seed = seed;
    for scenario in able.iter().cycle() {
        if Instant::now() >= until {
            break;
        }
        let this = seed + number;
        number += 1;
        let so_far = verdict.unwrap_or(Verdict::Pass);
        let ran = match one(options, scenario, this, NIGHTLY_RUN, &[]).await {
            Ok(ran) => ran,
            Err(error) => {
                println!("  came to no end: {error}");
                verdict = Some(worse(so_far, Verdict::Inconclusive));
                continue;
            }
        };
        let together = worse(so_far, ran.ruling.verdict);
        // The report that is named is one to look at.
        if report.as_os_str().is_empty() || together != so_far {
            (report, worst_seed) = (ran.report, this);
        }
        verdict = Some(together);
    }
    let verdict = verdict.unwrap_or(Verdict::Inconclusive);
    println!("{number} runs");
    Ok(last_line(verdict, worst_seed, &report))
}

/// Short runs that must pass, and two bugs that must be caught.
async fn smoke(options: &Options, seed: u64) -> Result<ExitCode, StageError> {
    let (mut verdict, mut report) = (Verdict::Pass, PathBuf::new());
    for (name, seconds) in SMOKE {
        let time = Duration::from_secs(*seconds);
        let ran = one(options, named(name)?, seed, time, &[]).await?;
        let together = worse(verdict, ran.ruling.verdict);
        if together != verdict || report.as_os_str().is_empty() {
            report.clone_from(&ran.report);
        }
        verdict = together;
    }
    for bug in SMOKE_BUGS.into_iter().filter_map(Planted::named) {
        if !caught(options, bug).await? {
            verdict = Verdict::Breach;
        }
    }
    Ok(last_line(verdict, seed, &report))
}

/// Every bug that can be planted; all must be caught.
async fn planted(options: &Options) -> Result<ExitCode, StageError> {
    let mut missed = Vec::new();
    for bug in PLANTED {
        if !caught(options, bug).await? {
            missed.push(bug.name);
        }
    }
    let all = PLANTED.len();
    println!("{} of {all} planted bugs were caught", all - missed.len());
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("not caught: {}", missed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Whether the judge that must find it does.
async fn caught(options: &Options, bug: &Planted) -> Result<bool, StageError> {
    let scenario = &scenario::PLANTED;
    let ran = one(options, scenario, SEED, scenario.time, &bug.told()).await?;
    let by: Vec<&str> = ran
        .ruling
        .judgements
        .iter()
        .filter(|judgement| !judgement.breaches.is_empty())
        .map(|judgement| judgement.about.as_str())
        .collect();
    let caught = bug.caught_by.iter().any(|promise| by.contains(promise));
    let word = if caught { "caught" } else { "NOT CAUGHT" };
    println!("{word}: {} (breaches of {})", bug.name, by.join(", "));
    Ok(caught)
}
