//! `fsck`: compares the stores with one another, names what does not fit, and
//! mends what is safe to mend when it is told to.

use std::process::ExitCode;
use std::time::Duration;

use local_cluster::StartedCluster;
use serde::Serialize;
use store_audit::{Finding, Limits, Mended, Patience, ReadError, Report, Stores, audit, mend};

use super::{FsckOptions, Outcome, OutputFormat};

/// Exit code where a store could not be read: nothing is known.
const UNREAD: u8 = 2;

#[derive(Serialize)]
struct Answer<'a> {
    clean: bool,
    #[serde(flatten)]
    report: &'a Report,
    repairs: &'a [Repair],
}

#[derive(Serialize)]
struct Repair {
    #[serde(flatten)]
    finding: Finding,
    mended: bool,
    what: String,
}

pub(crate) async fn run(cluster: &StartedCluster, options: &FsckOptions) -> Outcome {
    match check(cluster, options).await {
        Ok(code) => Ok(code),
        Err(error) => {
            eprintln!("seatlock: {error}; nothing can be said about the rest without it");
            Ok(ExitCode::from(UNREAD))
        }
    }
}

async fn check(cluster: &StartedCluster, options: &FsckOptions) -> Result<ExitCode, ReadError> {
    let stores = Stores::new(&cluster.store_addresses()).await?;
    let limits = Limits::default();
    let services = Duration::from_secs(options.patience);
    let usual = Patience::default();
    let patience = Patience { services, moment: usual.moment.min(services), ..usual };
    let mut report = audit(&stores, &limits, &patience).await?;
    let people = options.output == OutputFormat::Table;
    if people {
        report.faults.iter().for_each(print_finding);
    }
    let mut repairs = Vec::new();
    if options.repair && !report.is_clean() {
        repairs = repair(cluster, &stores, &limits, &report.faults, people).await?;
        report = audit(&stores, &limits, &patience).await?;
        if people && !report.is_clean() {
            println!("\nleft after the repair:");
            report.faults.iter().for_each(print_finding);
        }
    }
    let clean = report.is_clean();
    if people {
        print_end(&report);
    } else {
        let answer = Answer { clean, report: &report, repairs: &repairs };
        let text = serde_json::to_string_pretty(&answer).unwrap_or_default();
        println!("{text}");
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn repair(
    cluster: &StartedCluster,
    stores: &Stores,
    limits: &Limits,
    faults: &[Finding],
    people: bool,
) -> Result<Vec<Repair>, ReadError> {
    let locks = cluster
        .lock_client()
        .map_err(|error| ReadError { store: "lock-service".to_owned(), why: error.to_string() })?;
    let mut repairs = Vec::new();
    if people {
        println!();
    }
    for finding in faults {
        let (mended, what) = match mend(stores, &locks, limits, finding).await? {
            Mended::Done(how) => (true, how),
            Mended::Gone => (true, "gone by itself, or with another repair".to_owned()),
            Mended::NotSafe => (false, "left alone: no repair of it is provably safe".to_owned()),
            Mended::Still(why) => (false, format!("not mended: {why}")),
        };
        if people {
            let sign = if mended { "mended" } else { "  left" };
            println!("{sign}  {}: {what}", finding.sentence);
        }
        repairs.push(Repair { finding: finding.clone(), mended, what });
    }
    Ok(repairs)
}

fn print_finding(finding: &Finding) {
    let safe = if finding.remedy.is_some() { "; --repair can mend it" } else { "" };
    println!("INV-{:<2}  {}: {}{safe}", finding.invariant, finding.kind, finding.sentence);
}

fn print_end(report: &Report) {
    let waiting = if report.pending.is_empty() {
        String::new()
    } else {
        format!("; {} pieces of work wait in outboxes, as they should", report.pending.len())
    };
    let verdict = match report.faults.len() {
        0 => "clean".to_owned(),
        1 => "1 fault".to_owned(),
        faults => format!("{faults} faults"),
    };
    println!(
        "{verdict}: {} seats that are not free, {} bookings, {} tickets, at etcd's revision {}{waiting}",
        report.seats, report.bookings, report.tickets, report.revision
    );
}
