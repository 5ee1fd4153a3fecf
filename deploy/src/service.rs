//! Our own services: where their programs are, the configuration they get,
//! and whether the programs are as new as their sources.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::plan::{ConfigFile, Layout, NodePlan, address, http, ports_of};
use crate::readiness::Probe;
use crate::state::{ClusterState, checkout_around};
use crate::topology::{NodeKind, NodeSpec, Topology};
use crate::{etcd, mysql, redis, roles};

/// Where the programs are unless said otherwise: `SEATLOCK_BIN_DIR`; else
/// beside the running program (for a test, one folder further out); else the
/// release folder of the checkout.
#[must_use]
pub fn default_bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("SEATLOCK_BIN_DIR").filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir);
    }
    let exe = std::env::current_exe().unwrap_or_default();
    let has_services = |dir: &&Path| dir.join(NodeKind::LockService.as_str()).is_file();
    if let Some(dir) = exe.ancestors().skip(1).take(2).find(has_services) {
        return dir.to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.or_else(|| Some(checkout_around(&here)?.join("target")));
    target.unwrap_or_else(|| PathBuf::from("target")).join("release")
}

/// What builds the services.
pub const BUILD: &str = "cargo build --release --locked --bins";

/// What builds the faulty services.
pub const BUILD_FAULTY: &str = "cargo build-faulty";

/// The file of a service's program: the sound one, or the faulty one.
#[must_use]
pub fn program_file(kind: NodeKind, faulty: bool) -> String {
    let beside = if faulty && kind.has_faulty_build() { "-faulty" } else { "" };
    format!("{kind}{beside}")
}

/// The faulty build of a service, for a test that starts one beside a cluster.
///
/// # Errors
/// A sentence with the command to run, when it is missing or older than a source.
pub fn faulty_program(kind: NodeKind) -> Result<PathBuf, String> {
    let program = default_bin_dir().join(program_file(kind, true));
    if !program.is_file() {
        return Err(format!("{} is missing; build it with: {BUILD_FAULTY}", program.display()));
    }
    match newer_source(&program) {
        None => Ok(program),
        Some(source) => Err(format!(
            "{} is older than {}; build it with: {BUILD_FAULTY}",
            program.display(),
            source.display()
        )),
    }
}

/// Programs of the topology that are older than a source they were built
/// from, each with that source. A test must not run against one of these.
#[must_use]
pub fn stale_programs(topology: &Topology) -> Vec<(PathBuf, PathBuf)> {
    let folder = topology.bin_dir.clone().unwrap_or_else(default_bin_dir);
    let kinds = NodeKind::ALL.into_iter().filter(|kind| kind.is_service() && topology.has(*kind));
    kinds
        .filter_map(|kind| {
            let program = folder.join(program_file(kind, topology.faulty));
            newer_source(&program).map(|source| (program, source))
        })
        .collect()
}

/// cargo writes the sources of a program beside it, as a make rule.
fn newer_source(program: &Path) -> Option<PathBuf> {
    let built = modified(program)?;
    let rule = std::fs::read_to_string(program.with_extension("d")).ok()?;
    let (_, sources) = rule.split_once(": ")?;
    // A blank inside a path is written with a backslash.
    let sources = sources.trim().replace("\\ ", "\0");
    sources
        .split_whitespace()
        .map(|path| PathBuf::from(path.replace('\0', " ")))
        .find(|path| modified(path).is_some_and(|changed| changed > built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|meta| meta.modified()).ok()
}

pub(crate) fn plan(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let ports = layout.ports(&node.name);
    let config = layout.folder.node(&node.name).join("config.toml");
    let probe = Probe::Http { url: format!("{}/readyz", http(ports.at_second())) };
    let mut plan = layout.node(node, probe);
    plan.launch.args = vec!["--config".into(), config.clone().into()];
    plan.files = vec![ConfigFile { path: config, text: config_text(node, layout) }];
    plan.after = match node.kind {
        NodeKind::PaymentGateway => Vec::new(),
        NodeKind::LockService => layout.names_of(&[NodeKind::Etcd]),
        NodeKind::BookingApi => layout.names_of(&[
            NodeKind::Etcd,
            NodeKind::Shard,
            // Without them nothing can be committed there.
            NodeKind::ShardReplica,
            NodeKind::Catalogue,
            NodeKind::PaymentGateway,
        ]),
        _ => layout.names_of(&[
            NodeKind::Etcd,
            NodeKind::Redis,
            NodeKind::Catalogue,
            NodeKind::CatalogueReplica,
        ]),
    };
    plan
}

fn config_text(node: &NodeSpec, layout: Layout<'_>) -> String {
    let state = layout.state;
    let ports = layout.ports(&node.name);
    let mut table = toml::Table::new();
    let mut set = |key: &str, value: toml::Value| table.insert(key.to_owned(), value);
    set("name", node.name.clone().into());
    set("listen", address(ports.at_main()).into());
    set("admin_listen", address(ports.at_second()).into());
    match node.kind {
        NodeKind::PaymentGateway => {
            let ledger = layout.folder.node(&node.name).join("data").join("ledger.redb");
            set("ledger", ledger.display().to_string().into());
        }
        NodeKind::LockService => {
            set("etcd_endpoints", etcd::endpoints(state).into());
        }
        NodeKind::BookingApi => {
            set("lock_services", urls(state, NodeKind::LockService).into());
            set("catalogue_url", first_database(state, NodeKind::Catalogue).into());
            set("shards", shards(state));
            let gateway = urls(state, NodeKind::PaymentGateway).into_iter().next();
            set("payment_gateway_url", gateway.unwrap_or_default().into());
            set("jwt_secret", state.secrets.jwt.clone().into());
            set("booking_secret", state.secrets.booking.clone().into());
            // On this machine alone a receiver without a certificate is one's own.
            let mut webhooks = toml::Table::new();
            webhooks.insert("http_to_loopback".to_owned(), true.into());
            set("webhooks", webhooks.into());
        }
        _ => {
            set("lock_services", urls(state, NodeKind::LockService).into());
            let mut servers = toml::Table::new();
            servers.insert("mode".to_owned(), "single".into());
            servers.insert("url".to_owned(), redis::url(state).unwrap_or_default().into());
            set("redis", servers.into());
            let replicas = state.topology.of_kind(NodeKind::CatalogueReplica);
            let replicas: Vec<String> = replicas.map(|node| mysql::url(state, node)).collect();
            set("catalogue_replica_urls", replicas.into());
            set("catalogue_primary_url", first_database(state, NodeKind::Catalogue).into());
        }
    }
    if let Some(overrides) = state.topology.overrides.get(&node.kind) {
        table.extend(overrides.clone());
    }
    table.to_string()
}

fn shards(state: &ClusterState) -> toml::Value {
    let shard = |node: &NodeSpec| {
        let mut shard = toml::Table::new();
        shard.insert("id".to_owned(), node.name.clone().into());
        let server = roles::primary_of(state, node);
        shard.insert("url".to_owned(), mysql::url(state, server).into());
        toml::Value::Table(shard)
    };
    toml::Value::Array(state.topology.of_kind(NodeKind::Shard).map(shard).collect())
}

fn first_database(state: &ClusterState, kind: NodeKind) -> String {
    state.topology.of_kind(kind).next().map(|node| mysql::url(state, node)).unwrap_or_default()
}

/// Where the instances of a service listen.
pub(crate) fn urls(state: &ClusterState, kind: NodeKind) -> Vec<String> {
    let url = |node: &NodeSpec| http(ports_of(state, &node.name).at_main());
    state.topology.of_kind(kind).map(url).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::plan::tests::sample;
    use crate::topology::Profile;

    fn config(name: &str) -> toml::Table {
        let (mut state, folder, programs) = sample(Profile::Ha);
        state.topology = state.topology.with_override(NodeKind::BookingApi, "listen", "0.0.0.0:1");
        let plan = Plan::new(&state, &folder, &programs);
        let node = plan.nodes.iter().find(|node| node.name == name).unwrap();
        node.files[0].text.parse().unwrap()
    }

    #[test]
    fn each_service_gets_the_keys_it_knows() {
        let keys = |name: &str| config(name).keys().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(keys("payment-gateway"), "admin_listen ledger listen name");
        assert_eq!(keys("lock-service-0"), "admin_listen etcd_endpoints listen name");
        assert_eq!(
            keys("booking-api-1"),
            "admin_listen booking_secret catalogue_url jwt_secret listen lock_services name \
             payment_gateway_url shards webhooks"
        );
        assert_eq!(
            keys("view-service-0"),
            "admin_listen catalogue_primary_url catalogue_replica_urls listen lock_services name \
             redis"
        );
    }

    #[test]
    fn shards_have_ids_and_an_override_wins() {
        let config = config("booking-api-0");
        let shards = config["shards"].as_array().unwrap();
        assert_eq!(shards.len(), 2);
        assert_eq!(shards[1]["id"].as_str(), Some("shard-1"));
        assert!(shards[1]["url"].as_str().unwrap().ends_with("/seatlock_shard"));
        assert_eq!(config["listen"].as_str(), Some("0.0.0.0:1"));
    }

    #[test]
    fn a_program_older_than_its_source_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (program, source) = (dir.path().join("lock-service"), dir.path().join("a b.rs"));
        std::fs::write(&source, "fn main() {}").unwrap();
        std::fs::write(&program, "").unwrap();
        let escaped = source.display().to_string().replace(' ', "\\ ");
        let rule = format!("{}: {escaped}\n", program.display());
        std::fs::write(dir.path().join("lock-service.d"), rule).unwrap();
        assert_eq!(newer_source(&program), None);
        let later = modified(&program).unwrap() + std::time::Duration::from_secs(1);
        std::fs::File::options().write(true).open(&source).unwrap().set_modified(later).unwrap();
        assert_eq!(newer_source(&program), Some(source));
    }
}
