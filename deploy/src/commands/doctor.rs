//! `doctor`: what is installed, and the line that installs what is missing.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use comfy_table::{Table, presets};
use local_cluster::programs::{self, Tool};
use local_cluster::{NodeKind, service};

use super::Outcome;

/// Debian 12's 3.4 works and has known faults after pauses.
const RECOMMENDED_ETCD: (u32, u32) = (3, 5);

const OLDEST_ETCD: (u32, u32) = (3, 4);

pub(crate) fn run() -> Outcome {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["PROGRAM", "WHERE", "VERSION"]);
    let mut packages = Vec::new();
    let mut notes = Vec::new();
    for tool in programs::ALL {
        let Some(path) = tool.find() else {
            table.add_row([tool.name, "missing", ""]);
            let need = match (tool.for_building, tool.for_tests) {
                (true, _) => " (to build)",
                (_, true) => " (to test and to measure)",
                _ => "",
            };
            notes.push(format!("{} is missing{need}", tool.name));
            packages.push(tool.package);
            continue;
        };
        let version = version(&tool, &path);
        if tool == programs::ETCD {
            notes.extend(etcd_note(&version));
        }
        table.add_row([tool.name, &path.display().to_string(), &version]);
    }
    let folder = service::default_bin_dir();
    for kind in NodeKind::ALL.into_iter().filter(|kind| kind.is_service()) {
        let path = folder.join(kind.as_str());
        if path.is_file() {
            table.add_row([kind.as_str(), &path.display().to_string(), "built"]);
        } else {
            table.add_row([kind.as_str(), "not built", ""]);
            notes.push(format!(
                "{kind} is not built: `./seatlock up` builds it, or cargo build --release \
                 --locked --bins"
            ));
        }
    }
    println!("{table}");
    for note in &notes {
        println!("\n! {note}");
    }
    packages.sort_unstable();
    packages.dedup();
    if packages.contains(&programs::CARGO.package) {
        packages.retain(|package| *package != programs::CARGO.package);
        println!("\nThe Rust toolchain comes from https://rustup.rs");
    }
    if !packages.is_empty() {
        println!("\nInstall with: apt-get install {}", packages.join(" "));
    }
    // What only tests and benchmarks need is no reason to call an installation incomplete.
    let needed = programs::ALL.iter().filter(|tool| !tool.for_tests);
    let all_there = needed.map(programs::Tool::find).all(|path| path.is_some());
    Ok(if all_there { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The first line that has a number in it.
pub(crate) fn version(tool: &Tool, path: &Path) -> String {
    if tool.version_arg == "--help" {
        return String::new();
    }
    let output = Command::new(path).arg(tool.version_arg).stdin(Stdio::null()).output();
    let Ok(output) = output else { return "does not run".to_owned() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()));
    line.unwrap_or_default().trim().chars().take(60).collect()
}

fn etcd_note(version: &str) -> Option<String> {
    let number = version.rsplit(' ').next()?;
    let mut parts = number.split('.').map(str::parse::<u32>);
    let found = (parts.next()?.ok()?, parts.next()?.ok()?);
    if found < OLDEST_ETCD {
        return Some(format!("etcd {number} is too old: 3.4 is the oldest that works"));
    }
    (found < RECOMMENDED_ETCD).then(|| {
        format!(
            "etcd {number} works here; run a current 3.5 or 3.6 in production (3.4 may let go of \
             live holds after its leader was paused). `up --etcd PATH` tries another"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_etcd_is_named_and_a_current_one_is_not() {
        assert!(etcd_note("etcd Version: 3.4.23").unwrap().contains("3.4.23 works"));
        assert!(etcd_note("etcd Version: 3.3.1").unwrap().contains("too old"));
        assert_eq!(etcd_note("etcd Version: 3.5.16"), None);
        assert_eq!(etcd_note("etcd Version: 3.10.0"), None);
    }
}
