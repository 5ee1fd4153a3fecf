//! The house rules a machine can check: who may import whom, what no source
//! may contain, links and numbers that must lead somewhere. Looks at files and
//! at `cargo metadata`; starts nothing and needs no cluster.
//!
//! A rule that fails says what to do. When a reviewer says something twice, it
//! becomes a rule here, a lint, or a line in docs/CONVENTIONS.md.

mod checkout;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use checkout::{
    SourceFile, cited, everything_under, files_with, links, names_crate, packages, root,
    rust_files, shown, speakers,
};

/// Who may import whom inside the workspace. An arrow that is not here is a
/// mistake; a package that is not here has not been thought about.
const ARROWS: &[(&str, &[&str])] = &[
    ("seat-model", &[]),
    ("seat-picker", &["seat-model"]),
    ("protocol-model", &[]),
    ("service-kit", &["seat-model", "trace-context"]),
    ("trace-context", &[]),
    ("courier", &["seat-model", "trace-context"]),
    ("feature-union", &[]),
    ("lock-service-client", &["seat-model", "courier"]),
    ("booking-api-client", &["seat-model"]),
    ("payment-gateway-client", &["seat-model", "courier"]),
    ("view-service-client", &["seat-model"]),
    (
        "lock-service",
        &["seat-model", "seat-picker", "service-kit", "trace-context", "lock-service-client"],
    ),
    (
        "booking-api",
        &[
            "seat-model",
            "service-kit",
            "trace-context",
            "booking-api-client",
            "lock-service-client",
            "payment-gateway-client",
            "view-service-client",
        ],
    ),
    ("payment-gateway", &["seat-model", "service-kit", "trace-context", "payment-gateway-client"]),
    (
        "view-service",
        &[
            "seat-model",
            "service-kit",
            "view-service-client",
            "lock-service-client",
            "booking-api-client",
        ],
    ),
    ("store-audit", &["seat-model", "lock-service-client", "payment-gateway-client"]),
    (
        "local-cluster",
        &[
            "seat-model",
            "lock-service-client",
            "booking-api-client",
            "view-service-client",
            "store-audit",
        ],
    ),
    ("chaos-tests", OUTSIDERS),
    ("bench", OUTSIDERS),
];

/// They see the system through sockets and processes, as a customer and an
/// operator would: never a service crate.
const OUTSIDERS: &[&str] = &[
    "seat-model",
    "local-cluster",
    "lock-service-client",
    "booking-api-client",
    "payment-gateway-client",
    "view-service-client",
    "store-audit",
];

const SERVICES: [&str; 4] = ["lock-service", "booking-api", "payment-gateway", "view-service"];

/// One outside system, one service. The launcher asks each system whether it is
/// ready, the audit compares all of them past the services (ADR 8), the chaos
/// tests plant faults, and the benchmarks drive the peers.
const OUTSIDE_SYSTEMS: &[(&str, &[&str])] = &[
    ("etcd-client", &["lock-service", "store-audit", "local-cluster", "chaos-tests", "bench"]),
    ("redb", &["payment-gateway"]),
    ("redis", &["view-service", "store-audit", "local-cluster", "chaos-tests", "bench"]),
    (
        "sqlx",
        &["booking-api", "view-service", "store-audit", "local-cluster", "chaos-tests", "bench"],
    ),
];

/// Within the audit, one file reads each outside system.
const AUDIT_READERS: &[(&str, &[&str])] = &[
    ("etcd_client", &["read/etcd.rs"]),
    ("payment_gateway_client", &["read/gateway.rs"]),
    ("redis", &["read/projection.rs"]),
    ("sqlx", &["read/shard.rs", "read/catalogue.rs", "mend/ledger.rs"]),
];

/// Packages that may use only these crates, tests apart.
const ONLY_THESE: &[(&str, &[&str])] = &[
    (
        "seat-model",
        &["serde", "serde_json", "jiff", "smol_str", "thiserror", "unicode-normalization", "uuid"],
    ),
    ("seat-picker", &["seat-model"]),
    ("protocol-model", &["clap", "stateright"]),
];

/// Libraries and clients that know no server side of HTTP and no metrics.
const NO_SERVER: [&str; 8] = [
    "seat-model",
    "seat-picker",
    "trace-context",
    "courier",
    "lock-service-client",
    "booking-api-client",
    "payment-gateway-client",
    "view-service-client",
];

/// Within a service (by its folder), the only modules under `src/` that speak to its outside system.
const SPEAKERS: &[(&str, &str, &[&str])] = &[
    ("lock-service", "etcd_client", &["etcd"]),
    ("booking-api", "sqlx", &["store", "catalogue"]),
    ("booking-api/gateway", "redb", &["ledger"]),
];

/// Within a service, systems that one module speaks to, whatever it is called.
const ONE_SPEAKER: &[(&str, &str)] = &[("view-service", "redis"), ("view-service", "sqlx")];

/// What the platform is built on: each is a dependency of a service, or of the
/// kit they share, and is used there.
const BUILT_ON: [&str; 8] =
    ["etcd-client", "tokio", "hyper", "sqlx", "redis", "serde", "hashring", "prometheus"];

/// No source may contain these. Written in two parts, or this file would.
const NEVER: &[(&str, &str)] = &[
    (concat!("thread::", "sleep"), "blocks a runtime thread; wait for a condition"),
    (concat!("todo", "!("), "unfinished work is not committed"),
    (concat!("unimplemented", "!("), "unfinished work is not committed"),
    (concat!("#[", "ignore"), "a test that does not run promises nothing"),
    (concat!("FIX", "ME"), "fix it, or file an issue"),
];

const LONGEST_FILE: usize = 600;

const INVARIANTS: u32 = 13;

#[test]
fn every_arrow_between_packages_is_listed() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let packages = packages();
    let mut faults = Vec::new();
    for package in &packages {
        let Some(allowed) = arrows.get(package.name.as_str()) else {
            faults.push(format!("{} is not in ARROWS: decide what it may import", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().map(|d| d.name.as_str()) {
            if SERVICES.contains(&dependency) {
                faults.push(format!("{} -> {dependency}: nobody imports a service", package.name));
            } else if packages.iter().any(|p| p.name == dependency)
                && !allowed.contains(&dependency)
            {
                faults.push(format!("{} -> {dependency} is not an allowed arrow", package.name));
            }
        }
    }
    none("docs/ARCHITECTURE.md, who may import whom", &faults);
}

#[test]
fn an_outside_system_is_imported_only_where_it_is_spoken_to() {
    let mut faults = Vec::new();
    for package in packages() {
        let shipped = package.dependencies.iter().filter(|d| !d.only_for_tests);
        for name in shipped.map(|d| d.name.as_str()) {
            let within = |table: &[(&str, &[&str])], key: &str, value: &str| {
                table.iter().find(|(k, _)| *k == key).is_none_or(|(_, v)| v.contains(&value))
            };
            if !within(OUTSIDE_SYSTEMS, name, &package.name) {
                faults.push(format!("{} may not depend on {name}", package.name));
            }
            if !within(ONLY_THESE, &package.name, name) {
                faults.push(format!("{} must stay free of {name}", package.name));
            }
            let server = ["axum", "hashring", "prometheus", "tower-http"].contains(&name);
            if server && NO_SERVER.contains(&package.name.as_str()) {
                faults.push(format!("{} is no server and needs no {name}", package.name));
            }
        }
    }
    none("an outside system belongs to one service", &faults);
}

#[test]
fn within_a_service_one_module_speaks_to_each_outside_system() {
    let mut faults = Vec::new();
    for (service, krate, allowed) in SPEAKERS {
        for (module, file) in speakers(service, krate) {
            if !allowed.contains(&module.as_str()) {
                faults.push(format!("{file} uses {krate}; only {allowed:?} may"));
            }
        }
    }
    for (service, krate) in ONE_SPEAKER {
        let speakers = speakers(service, krate);
        let modules: BTreeSet<&str> = speakers.iter().map(|(module, _)| module.as_str()).collect();
        if modules.len() > 1 {
            faults.push(format!("{service} uses {krate} in {modules:?}; one module may"));
        }
    }
    none("one module per outside system", &faults);
}

#[test]
fn within_the_audit_the_comparison_speaks_to_no_store() {
    let sources = root().join("libs/store-audit/src");
    let mut faults = Vec::new();
    for (krate, readers) in AUDIT_READERS {
        for file in rust_files().iter().filter(|file| names_crate(&file.text, krate)) {
            let Ok(inner) = file.path.strip_prefix(&sources) else { continue };
            if !readers.iter().any(|reader| inner == Path::new(reader)) {
                faults.push(format!("{} uses {krate}; only {readers:?} may", file.shown()));
            }
        }
    }
    none("one file of the audit for each store", &faults);
}

#[test]
fn every_crate_the_platform_is_built_on_is_used_by_a_service() {
    let packages = packages();
    let mut faults = Vec::new();
    for krate in BUILT_ON {
        let ident = krate.replace('-', "_");
        let used = packages
            .iter()
            .filter(|p| SERVICES.contains(&p.name.as_str()) || p.name == "service-kit")
            .filter(|p| p.dependencies.iter().any(|d| d.name == krate && !d.only_for_tests))
            .any(|p| {
                rust_files().iter().any(|file| {
                    file.path.starts_with(p.folder.join("src")) && names_crate(&file.text, &ident)
                })
            });
        if !used {
            faults.push(format!("{krate} is in no service's dependencies and sources"));
        }
    }
    none("what the platform is built on", &faults);
}

#[test]
fn what_only_tests_use_is_known_to_programs_too() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let all = || packages.iter().flat_map(|package| &package.dependencies);
    let shipped: BTreeSet<&str> =
        all().filter(|d| !d.only_for_tests).map(|d| d.name.as_str()).collect();
    let faults: Vec<String> = all()
        .filter(|d| !ours.contains(d.name.as_str()) && !shipped.contains(d.name.as_str()))
        .map(|d| format!("{} is in no [dependencies]: add it to feature-union", d.name))
        .collect();
    none("nothing is compiled twice, see libs/feature-union", &faults);
}

#[test]
fn every_source_says_what_it_is_for() {
    let silent = rust_files().into_iter().filter(|file| !file.text.starts_with("//!"));
    let faults: Vec<String> = silent.map(|file| file.shown()).collect();
    none("a file opens with //!: what it is for, what it must not know", &faults);
}

#[test]
fn no_source_is_too_long() {
    let lines = |file: &SourceFile| file.text.lines().count();
    let long = rust_files().into_iter().filter(|file| lines(file) > LONGEST_FILE);
    let faults: Vec<String> = long.map(|f| format!("{}: {} lines", f.shown(), lines(&f))).collect();
    none("at most 600 lines; most files have 100 to 400", &faults);
}

#[test]
fn no_source_sleeps_in_a_test_or_leaves_work_undone() {
    let mut faults = Vec::new();
    for file in rust_files() {
        let in_tests = file.path.components().any(|part| part.as_os_str() == "tests");
        for (number, line) in (1..).zip(file.text.lines()) {
            for (banned, why) in NEVER.iter().filter(|(banned, _)| line.contains(banned)) {
                faults.push(format!("{}:{number}: {banned}: {why}", file.shown()));
            }
            if in_tests && line.contains(concat!("sle", "ep(")) {
                faults.push(format!("{}:{number}: tests wait for conditions", file.shown()));
            }
        }
    }
    none("what no source contains", &faults);
}

#[test]
fn nothing_is_named_after_nothing() {
    let banned = ["util", "utils", "helper", "helpers", "common", "manager", "managers"];
    let stem = |path: &Path| path.file_stem().map(|s| s.to_string_lossy().to_lowercase());
    let faults: Vec<String> = everything_under(&root())
        .into_iter()
        .filter(|path| stem(path).is_some_and(|stem| banned.contains(&stem.as_str())))
        .map(|path| shown(&path))
        .collect();
    none("a file or folder is named by a noun of the domain or a use-case verb", &faults);
}

#[test]
fn every_link_in_the_docs_leads_to_a_file() {
    let mut faults = Vec::new();
    let readme = root().join("README.md");
    if !readme.is_file() {
        faults.push("README.md is missing".to_owned());
    }
    let docs = files_with(&["md"])
        .into_iter()
        .filter(|file| file.path == readme || file.path.starts_with(root().join("docs")));
    for file in docs {
        let folder = file.path.parent().expect("a file is in a folder");
        for link in links(&file.text) {
            let outside = ["http://", "https://", "mailto:"].iter().any(|s| link.starts_with(s));
            let path = link.split('#').next().unwrap_or_default();
            if outside || path.is_empty() {
                continue;
            }
            if !folder.join(path).exists() {
                faults.push(format!("{} links to {link}, which is not there", file.shown()));
            }
        }
    }
    none("a relative link points to a file", &faults);
}

#[test]
fn every_invariant_that_is_cited_exists() {
    let text = std::fs::read_to_string(root().join("docs/INVARIANTS.md"))
        .expect("docs/INVARIANTS.md is there and readable");
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let known: BTreeSet<u32> = headings.flat_map(cited).collect();
    assert_eq!(known, (1..=INVARIANTS).collect(), "docs/INVARIANTS.md has one heading for each");
    let mut faults = Vec::new();
    for file in files_with(&["rs", "md", "sql", "lua", "js", "toml", "yml", "yaml"]) {
        for number in cited(&file.text).into_iter().filter(|number| !known.contains(number)) {
            faults.push(format!("{} cites INV-{number}", file.shown()));
        }
    }
    none("an invariant that is cited is in docs/INVARIANTS.md", &faults);
}

#[test]
fn the_checks_themselves_see_what_they_look_for() {
    assert!(names_crate("use redis::Client;", "redis"));
    assert!(names_crate("#[derive(sqlx::FromRow)]", "sqlx"));
    assert!(!names_crate("use crate::redis::Cache; // redis::Client", "redis"));
    assert!(!names_crate("use hyper_util::rt;", "hyper"));
    assert_eq!(cited("upholds INV-4 and INV-13, not INV-n"), BTreeSet::from([4, 13]));
    let page = "[a](b.md#c) and [d](e/f.rs \"title\")\n```\n[no](g.md)\n```\n[h]: i.md\n";
    assert_eq!(links(page), ["b.md#c", "e/f.rs", "i.md"]);
    assert!(rust_files().len() > 20, "the sources are found");
}

/// Fails with everything that breaks a rule, not just the first.
#[track_caller]
fn none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}
