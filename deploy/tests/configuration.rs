//! The reference of the configuration is what the built programs print of
//! themselves, and they take what it names and nothing else.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Stdio};

use local_cluster::{NodeKind, Profile, Topology, configuration, service};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIGURATION.md");

/// An address that no machine has (RFC 5737): a service whose configuration is
/// accepted gets as far as this, and ends by itself.
const NOWHERE: [&str; 2] = ["192.0.2.1:1", "192.0.2.1:2"];

fn services() -> impl Iterator<Item = NodeKind> {
    NodeKind::ALL.into_iter().filter(|kind| kind.is_service())
}

/// What the programs say now; a stale one would say what is true no more.
fn reference() -> String {
    let topology = Topology::new("reference", Profile::Tiny);
    if let Some((program, source)) = service::stale_programs(&topology).first() {
        let (program, source) = (program.display(), source.display());
        panic!("{program} is older than {source}; build it with: {}", service::BUILD);
    }
    configuration::reference().unwrap_or_else(|error| panic!("{error}"))
}

/// What must be said, and one of several ways where there are some.
fn required(kind: NodeKind) -> toml::Table {
    let more = match kind {
        NodeKind::PaymentGateway => "ledger = '/nowhere'",
        NodeKind::LockService => "etcd_endpoints = ['http://192.0.2.1:3']",
        NodeKind::BookingApi => {
            "lock_services = ['http://192.0.2.1:3']
            catalogue_url = 'mysql://a:b@192.0.2.1:3/c'
            payment_gateway_url = 'http://192.0.2.1:4'
            jwt_secret = '0123456789012345678901234567890123456789'
            booking_secret = '0123456789012345678901234567890123456789'
            shards = [{ id = 'shard-0', url = 'mysql://a:b@192.0.2.1:3/c' }]
            rate_limit = { per_second = 1, burst = 1 }"
        }
        _ => {
            "lock_services = ['http://192.0.2.1:3']
            catalogue_replica_urls = []
            catalogue_primary_url = 'mysql://a:b@192.0.2.1:3/c'
            redis = { mode = 'cluster', nodes = ['redis://192.0.2.1:5'] }"
        }
    };
    let [listen, admin] = NOWHERE;
    format!("name = '{kind}-0'\nlisten = '{listen}'\nadmin_listen = '{admin}'\n{more}")
        .parse()
        .unwrap()
}

/// The part of the reference about one service.
fn chapter(page: &str, kind: NodeKind) -> &str {
    let (_, rest) = page.split_once(&format!("\n## {kind}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// Every key that has a default, at its default, with the table it is in.
fn defaults(chapter: &str) -> Vec<(String, String, toml::Value)> {
    let mut table = String::new();
    let mut found = Vec::new();
    for line in chapter.lines() {
        if let Some(title) = line.strip_prefix("### `[") {
            table = title.trim_end_matches(['`', ']']).to_owned();
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        let [key, _, default, ..] = cells[..] else { continue };
        let Some(key) = key.strip_prefix("| `").and_then(|key| key.strip_suffix('`')) else {
            continue;
        };
        let default = default.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
        if let Some(default) = default {
            let line: toml::Table = format!("value = {default}").parse().unwrap();
            found.push((table.clone(), key.to_owned(), line["value"].clone()));
        }
    }
    found
}

fn set(config: &mut toml::Table, table: &str, key: &str, value: toml::Value) {
    let mut place = config;
    for part in table.split('.').filter(|part| !part.is_empty()) {
        let inner = place.entry(part).or_insert_with(|| toml::Table::new().into());
        place = inner.as_table_mut().unwrap();
    }
    place.insert(key.to_owned(), value);
}

/// What the service says on its way to an address that is not there.
fn said(kind: NodeKind, config: &toml::Table, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, config.to_string()).unwrap();
    let output = Command::new(service::default_bin_dir().join(kind.as_str()))
        .arg("--config")
        .arg(path)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{kind} cannot listen there");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_reference_is_what_the_programs_say() {
    let committed = std::fs::read_to_string(Path::new(COMMITTED)).unwrap();
    let page = reference();
    let differs = committed.lines().zip(page.lines()).find(|(there, now)| there != now);
    assert!(
        committed == page,
        "docs/CONFIGURATION.md is not what the programs say ({differs:?}); write it again with: \
         ./seatlock configuration > docs/CONFIGURATION.md"
    );
}

#[test]
fn every_key_of_the_reference_is_taken_and_no_other() {
    let page = reference();
    for kind in services() {
        let mut config = required(kind);
        let defaults = defaults(chapter(&page, kind));
        assert!(!defaults.is_empty(), "{kind} has keys with defaults");
        for (table, key, value) in defaults {
            set(&mut config, &table, &key, value);
        }
        let whole = said(kind, &config, &[]);
        assert!(whole.contains("could not bind"), "{kind} with every key: {whole}");
        set(&mut config, "", "no_such_key", 1.into());
        let refused = said(kind, &config, &[]);
        assert!(refused.contains("the configuration is refused"), "{kind}: {refused}");
        assert!(refused.contains("no_such_key"), "{kind} names the key: {refused}");
    }
}

#[test]
fn a_variable_overrides_a_key_and_is_checked_like_one() {
    let config = required(NodeKind::LockService);
    let refused =
        said(NodeKind::LockService, &config, &[("LOCK_SERVICE_BOUNDS__MAX_BATCH", "2049")]);
    assert!(refused.contains("bounds.max_batch must be 1 to 2048"), "{refused}");
    let parts = [("VIEW_SERVICE_REDIS__PARTITIONS", "257")];
    let refused = said(NodeKind::ViewService, &required(NodeKind::ViewService), &parts);
    assert!(refused.contains("redis.partitions must be 1 to 256"), "{refused}");
    let name = said(NodeKind::LockService, &config, &[("LOCK_SERVICE_LISTN", "192.0.2.1:9")]);
    assert!(name.contains("listn"), "{name}");
}
