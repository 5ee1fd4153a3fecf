//! The dashboards, as files: Grafana can be given them, Prometheus understands
//! each question, and each asks for something that somebody counts. Whether
//! there is an answer is seen on a running platform (chaos-tests).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod promtool;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use promtool::{folder, promtool};
use serde_json::{Value, json};

/// What Grafana puts in the place of this is a minute or more.
const WINDOW: (&str, &str) = ("$__rate_interval", "1m");

/// Units that the operations page knows how to write; Grafana knows them all.
const UNITS: [&str; 8] = ["short", "none", "ops", "reqps", "s", "ms", "bytes", "percentunit"];

/// All dashboards, with the names of their files.
fn dashboards() -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(folder("grafana/dashboards")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (name, serde_json::from_str(&text).unwrap())
    };
    paths.into_iter().map(read).collect()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key} in {value}"))
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    let found = value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().trim();
    assert!(!found.is_empty(), "no {pointer} in {value}");
    found
}

/// Every question, as Prometheus is asked it.
fn questions() -> Vec<String> {
    let mut found = Vec::new();
    for (_, dashboard) in dashboards() {
        for panel in list(&dashboard, "panels") {
            let asked = list(panel, "targets").iter();
            found.extend(asked.map(|target| text(target, "/expr").replace(WINDOW.0, WINDOW.1)));
        }
    }
    found
}

#[test]
fn dashboards_are_what_grafana_takes() {
    let (mut uids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    let all = dashboards();
    assert!(!all.is_empty());
    for (name, dashboard) in &all {
        assert_eq!(text(dashboard, "/uid"), format!("seatlock-{name}"));
        assert!(uids.insert(text(dashboard, "/uid")), "{name}: its uid is taken");
        assert!(titles.insert(text(dashboard, "/title")), "{name}: its title is taken");
        assert!(uids.iter().all(|uid| uid.len() <= 40), "{name}: Grafana takes 40 characters");
        assert_eq!(dashboard["schemaVersion"], 38, "{name}");
        assert!(list(&dashboard["templating"], "list").is_empty(), "{name} has variables");
        let (mut ids, mut names, mut places) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for panel in list(dashboard, "panels") {
            let title = text(panel, "/title");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}: its id");
            assert!(names.insert(title), "{name}: {title} is there twice");
            assert!(["timeseries", "stat"].contains(&text(panel, "/type")), "{name}: {title}");
            assert!(text(panel, "/description").ends_with('.'), "{name}: {title}: a sentence");
            let unit = text(panel, "/fieldConfig/defaults/unit");
            assert!(UNITS.contains(&unit), "{name}: {title}: the page cannot write {unit}");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{name}: {title} is beside the grid");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(places.insert((x, y)), "{name}: {title} covers another panel");
                }
            }
            let targets = list(panel, "targets");
            assert!(!targets.is_empty(), "{name}: {title} asks nothing");
            // The page shows one value, and it asks for it at one moment.
            let stat = panel["type"] == "stat";
            assert!(!stat || targets.len() == 1, "{name}: {title} has one value");
            let mut refs = BTreeSet::new();
            for target in targets {
                assert!(refs.insert(text(target, "/refId")), "{name}: {title}: its refId");
                text(target, "/legendFormat");
                assert_eq!(target["instant"], stat, "{name}: {title}");
            }
        }
    }
}

#[test]
fn every_datasource_is_provisioned() {
    let source = folder("grafana/provisioning/datasources/seatlock.yml");
    let source = std::fs::read_to_string(source).unwrap();
    let known: Vec<&str> =
        source.lines().filter_map(|line| line.trim().strip_prefix("uid: ")).collect();
    for (name, dashboard) in dashboards() {
        for panel in list(&dashboard, "panels") {
            for asks in std::iter::once(panel).chain(list(panel, "targets")) {
                let uid = text(asks, "/datasource/uid");
                assert!(known.contains(&uid), "{name}: no datasource {uid} in {known:?}");
                assert_eq!(text(asks, "/datasource/type"), "prometheus", "{name}");
            }
        }
    }
}

#[test]
fn prometheus_understands_every_question() {
    let rules: Vec<Value> = (1..)
        .zip(questions())
        .map(|(n, expr)| json!({"record": format!("dashboards:question{n}"), "expr": expr}))
        .collect();
    // JSON is YAML.
    let rules = json!({"groups": [{"name": "dashboards", "rules": rules}]});
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("questions.yml");
    std::fs::write(&file, rules.to_string()).unwrap();
    promtool(&["check", "rules"], &[file]);
}

#[test]
fn what_is_asked_for_is_counted_by_a_service_or_recorded_by_a_rule() {
    let mut sources = std::fs::read_to_string(folder("prometheus/rules/slo.yml")).unwrap();
    for place in ["libs/service-kit", "lock-service", "booking-api", "view-service"] {
        read_rust(&folder("..").join(place), &mut sources);
    }
    let ours = ["lock_", "booking_", "view_", "gateway_", "http_", "spans_", "seatlock_", "slo:"];
    let mut looked_at = 0;
    for question in questions() {
        for name in names_in(&question) {
            if !ours.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            looked_at += 1;
            let parts = ["_bucket", "_count", "_sum"];
            let whole = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(&name);
            let there = [format!("\"{whole}\""), format!("record: {whole}\n")];
            assert!(there.iter().any(|text| sources.contains(text)), "nobody has {whole}");
        }
    }
    assert!(looked_at > 50, "only {looked_at} names were found");
}

/// Values of labels that others make, as their documentation has them.
const VALUES_OF_OTHERS: [(&str, &str); 4] =
    [("alertstate", "firing"), ("alertstate", "pending"), ("code", "5xx"), ("command", "commit")];

#[test]
fn every_value_that_is_asked_for_is_given_by_somebody() {
    let mut sources = std::fs::read_to_string(folder("haproxy/haproxy.cfg")).unwrap();
    for place in ["libs", "lock-service", "booking-api", "view-service", "deploy/src"] {
        read_rust(&folder("..").join(place), &mut sources);
    }
    let mut asked = questions();
    for rules in ["slo.yml", "alerts.yml"] {
        let text = std::fs::read_to_string(folder("prometheus/rules").join(rules)).unwrap();
        asked.extend(text.lines().map(str::to_owned));
    }
    let (mut looked_at, mut unknown) = (0, BTreeSet::new());
    for (label, value) in asked.iter().flat_map(|question| values_in(question)) {
        looked_at += 1;
        let proxies = [format!("backend {value}\n"), format!("frontend {value}\n")];
        let known = match label {
            "proxy" => proxies.iter().any(|proxy| sources.contains(proxy)),
            // An edge, written as Prometheus writes numbers.
            "le" => value.parse::<f64>().is_ok(),
            _ => sources.contains(&format!("\"{value}\"")),
        };
        if !known && !VALUES_OF_OTHERS.contains(&(label, value)) {
            unknown.insert(format!("{label}={value:?}"));
        }
    }
    assert!(unknown.is_empty(), "nobody gives {unknown:?}");
    assert!(looked_at > 50, "only {looked_at} values were found");
}

/// Labels that must have exactly a value in a question, and the value.
fn values_in(question: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = question.split('"').collect();
    let pairs = parts.chunks_exact(2).filter_map(|pair| {
        let [before, value] = pair else { return None };
        let before = before.strip_suffix('=')?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let label = before.rsplit(|c: char| !is_name(c)).next()?;
        (!label.is_empty()).then_some((label, *value))
    });
    pairs.collect()
}

/// All Rust sources below a folder, one after the other.
fn read_rust(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_rust(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The names in a question, without what stands in quotes.
fn names_in(question: &str) -> Vec<String> {
    let bare: String = question.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let names = bare.split(|c: char| !is_name(c)).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}
