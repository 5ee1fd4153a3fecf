//! The benchmarks as a person runs them, tiny, on a real small cluster: the
//! contract's JSON, every check kept, nothing left running. No speed is
//! asserted: a slow machine is no fault.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

use std::process::{Command, Stdio};

use local_cluster::{ClusterError, StartedCluster, StateError};
use serde_json::Value;

/// Runs one benchmark as small as it may be and reads what it prints.
fn run(name: &str, more: &[&str]) -> Value {
    let tag = format!("bench-smoke-{name}");
    let output = Command::new(env!("CARGO_BIN_EXE_seatlock-bench"))
        .args([name, "-o", "json", "--tag", &tag, "--etcd-members", "1", "--rounds", "1"])
        .args(["--measure", "0.8"])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let people = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{people}");
    let left = StartedCluster::attach(None, &tag);
    let nothing = matches!(left, Err(ClusterError::State(StateError::NoCluster { .. })));
    assert!(nothing, "the cluster is stopped and its data gone");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
    assert!(report["versions"]["etcd"].is_string(), "{report}");
    for row in report["rows"].as_array().unwrap() {
        let figure = |name: &str| row[name].as_f64().unwrap();
        assert!(figure("ops_per_s") > 0.0 && figure("p99_ms") > 0.0, "{row}");
        // A change may be seen before whoever made it has the answer.
        assert!(
            figure("p50_ms") > 0.0 || row["bench"] == "live" && figure("p50_ms") == 0.0,
            "{row}"
        );
        assert_eq!(row["valid"], true, "{row}");
    }
    let checks = report["checks"].as_array().unwrap();
    assert!(!checks.is_empty());
    for check in checks {
        assert_eq!(check["ok"], true, "{check}");
    }
    report
}

/// What an object has something under.
fn names(of: &Value) -> Vec<&str> {
    of.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Each row's benchmark and system.
fn systems(report: &Value) -> Vec<(&str, &str)> {
    let rows = report["rows"].as_array().unwrap();
    rows.iter().map(|r| (r["bench"].as_str().unwrap(), r["system"].as_str().unwrap())).collect()
}

fn targets(report: &Value) -> Vec<&str> {
    let targets = report["targets"].as_array().unwrap();
    for target in targets {
        assert!(target["value"].is_number() && target["target"].is_number(), "{target}");
        assert!(target["met"].is_boolean(), "{target}");
    }
    targets.iter().map(|target| target["id"].as_str().unwrap()).collect()
}

#[test]
fn holds_are_measured_beside_both_peers() {
    let report = run("holds", &["--callers", "16"]);
    let systems = systems(&report);
    for system in ["lock-service", "etcd lease + txn", "etcd plain put"] {
        let rows = systems.iter().filter(|row| **row == ("holds", system)).count();
        assert_eq!(rows, 2, "{system} is driven to its limit, and to half of it");
    }
    assert_eq!(targets(&report), ["P1", "P2"]);
}

#[test]
fn the_hot_seat_has_one_winner_in_every_system() {
    let report = run("hot-seat", &["--buyers", "300"]);
    let systems = systems(&report);
    for system in ["lock-service", "etcd lease + txn"] {
        assert!(systems.contains(&("hot-seat", system)), "{system}");
    }
    assert_eq!(targets(&report), ["P4"]);
}

#[test]
fn bookings_are_measured_beside_the_peer_behind_http_and_bare() {
    let report = run("bookings", &[]);
    let systems = systems(&report);
    let all = [
        "booking-api",
        "booking-api behind the load balancer",
        "SKIP LOCKED behind HTTP",
        "SKIP LOCKED bare",
    ];
    for system in all {
        let rows = systems.iter().filter(|row| **row == ("bookings", system)).count();
        assert_eq!(rows, 4, "{system} is asked in one call and in two, at two loads");
    }
    assert_eq!(targets(&report), ["P3a", "P3b", "P3a", "P3b"]);
}

#[test]
fn views_are_measured_beside_the_same_bytes_from_nginx_and_redis() {
    let report = run("view", &["--house", "300", "--lookers", "8"]);
    let systems = systems(&report);
    for system in ["view-service", "nginx, a file", "Redis GET"] {
        let rows = systems.iter().filter(|row| **row == ("view", system)).count();
        assert_eq!(rows, 8, "{system} sends four things at two loads");
    }
    assert_eq!(targets(&report), ["P6"; 8]);
}

#[test]
fn a_change_is_seen_on_every_open_stream() {
    let report = run("live", &["--house", "100", "--streams", "20"]);
    assert_eq!(systems(&report).len(), 2, "from before it is sent, and from its answer");
    assert_eq!(targets(&report), ["P7"]);
}

#[test]
fn unit_costs_are_measured_and_sized_by_and_sized_by_again_from_their_file() {
    let small = ["--callers", "16", "--house", "300", "--lookers", "8", "--streams", "20"];
    let report = run("capacity", &small);
    let (costs, sizing) = (&report["capacity"]["costs"], &report["capacity"]["sizing"]);
    assert_eq!(names(&costs["cpu_us"]).len(), 10, "every operation: {costs}");
    assert_eq!(names(&costs["measures"]).len(), 27, "every measure: {costs}");
    let measure = |name: &str| costs["measures"][name]["median"].as_f64().unwrap();
    let above_nothing = [
        "etcd-held-bytes",
        "etcd-sold-bytes",
        "shard-binlog-bytes",
        "redis-taken-bytes",
        "map-plain-bytes",
        "unchanged-bytes",
        "event-bytes",
        "batch-transactions",
        "one-show-holds-per-s",
    ];
    for name in above_nothing {
        assert!(measure(name) > 0.0, "{name}: {costs}");
    }
    assert!(measure("map-brotli-bytes") < measure("map-plain-bytes"), "{costs}");
    assert!(sizing["cells"].as_f64().unwrap() >= 1.0, "{sizing}");

    let folder = std::env::temp_dir().join(format!("seatlock-capacity-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let [costs, inputs] = ["costs.json", "inputs.json"].map(|name| folder.join(name));
    std::fs::write(&costs, report.to_string()).unwrap();
    std::fs::write(&inputs, r#"{"tickets_per_day": 0, "performances_live": 1}"#).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_seatlock-bench"))
        .args(["capacity", "-o", "json", "--tag", "bench-smoke-sizing"])
        .arg("--costs")
        .arg(&costs)
        .arg("--inputs")
        .arg(&inputs)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again["capacity"]["sizing"]["cells"].as_f64(), Some(1.0), "{again}");
    assert!(again["rows"].as_array().unwrap().is_empty(), "nothing is measured");
    let same = &again["capacity"]["costs"]["measures"];
    assert_eq!(names(same), names(&report["capacity"]["costs"]["measures"]));
}
