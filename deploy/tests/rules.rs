//! The rules that Prometheus is given: promtool evaluates them on series made
//! up for it, each alert fires in one case and is quiet in another, and each
//! has a runbook.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod promtool;

use std::collections::BTreeSet;
use std::path::PathBuf;

use promtool::{folder, promtool};

/// The files of a folder, with what is in them.
fn files_of(name: &str) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder(name)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// What stands behind these words, to the end of the line.
fn named<'t>(text: &'t str, before: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| line.trim().strip_prefix(before)).map(str::trim)
}

fn alerts() -> BTreeSet<String> {
    let files = files_of("prometheus/rules");
    files.iter().flat_map(|(_, text)| named(text, "- alert:")).map(str::to_owned).collect()
}

#[test]
fn rules_say_what_their_cases_say() {
    let paths = |name: &str| files_of(name).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    promtool(&["check", "rules"], &paths("prometheus/rules"));
    promtool(&["test", "rules"], &paths("prometheus/tests"));
}

#[test]
fn every_alert_fires_in_a_case_and_is_quiet_in_another() {
    let (mut fires, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for (_, text) in files_of("prometheus/tests") {
        for case in text.split("alertname:").skip(1) {
            let name = case.split([',', '\n']).next().unwrap_or_default().trim().to_owned();
            let expected = case.split("exp_alerts:").nth(1).expect("what is expected");
            let none = expected.trim_start().starts_with("[]");
            if none {
                quiet.insert(name)
            } else {
                fires.insert(name)
            };
        }
    }
    assert_eq!(fires, alerts());
    assert_eq!(quiet, alerts());
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let mut wanted = BTreeSet::new();
    for (_, text) in files_of("prometheus/rules") {
        let (alerts, books) = (named(&text, "- alert:"), named(&text, "runbook_url:"));
        assert_eq!(alerts.count(), books.count(), "an alert without a runbook");
        for (alert, book) in named(&text, "- alert:").zip(named(&text, "runbook_url:")) {
            let path = folder("..").join(book);
            let read = std::fs::read_to_string(&path);
            let read = read.unwrap_or_else(|error| panic!("{alert}: {book}: {error}"));
            let title = read.lines().next().unwrap_or_default();
            assert!(title.contains(alert), "{book} is called {title:?}, not {alert}");
            for part in ["**What people see.**", "**Look.**", "**Do.**", "**Afterwards.**"] {
                assert!(read.contains(part), "{book} does not have {part}");
            }
            wanted.insert(path.file_name().unwrap().to_owned());
        }
    }
    let there = files_of("../docs/runbooks").into_iter();
    let there: BTreeSet<_> = there.map(|(path, _)| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(there, wanted);
}
