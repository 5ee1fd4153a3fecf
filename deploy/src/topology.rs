//! What a cluster is, as data: which nodes of which kind, under which tag.
//! It must not know how a node is started or where its ports are.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hosts::Hosts;

/// The tag of a cluster nobody gave another one.
pub const DEFAULT_TAG: &str = "default";

/// What a node is. The order is the order in which kinds are listed and,
/// reversed, stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A member of the etcd cluster.
    Etcd,
    /// A MariaDB server with bookings.
    Shard,
    /// The server that follows the shard of its number, and may lead it once
    /// it was promoted.
    ShardReplica,
    /// The MariaDB primary of the catalogue.
    Catalogue,
    /// A replica of the catalogue.
    CatalogueReplica,
    /// Redis.
    Redis,
    /// The sandbox payment gateway.
    PaymentGateway,
    /// An instance of lock-service.
    LockService,
    /// An instance of booking-api.
    BookingApi,
    /// An instance of view-service.
    ViewService,
    /// HAProxy.
    LoadBalancer,
    /// Tells Prometheus how one MariaDB server is.
    MysqldExporter,
    /// Tells Prometheus how Redis is.
    RedisExporter,
    /// Takes Prometheus' alerts and tells people.
    Alertmanager,
    /// Prometheus.
    Prometheus,
}

impl NodeKind {
    /// Every kind there is.
    pub const ALL: [Self; 15] = [
        Self::Etcd,
        Self::Shard,
        Self::ShardReplica,
        Self::Catalogue,
        Self::CatalogueReplica,
        Self::Redis,
        Self::PaymentGateway,
        Self::LockService,
        Self::BookingApi,
        Self::ViewService,
        Self::LoadBalancer,
        Self::MysqldExporter,
        Self::RedisExporter,
        Self::Alertmanager,
        Self::Prometheus,
    ];

    /// As in names, files and `status -o json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Shard => "shard",
            Self::ShardReplica => "shard-replica",
            Self::Catalogue => "catalogue",
            Self::CatalogueReplica => "catalogue-replica",
            Self::Redis => "redis",
            Self::PaymentGateway => "payment-gateway",
            Self::LockService => "lock-service",
            Self::BookingApi => "booking-api",
            Self::ViewService => "view-service",
            Self::LoadBalancer => "load-balancer",
            Self::MysqldExporter => "mysqld-exporter",
            Self::RedisExporter => "redis-exporter",
            Self::Alertmanager => "alertmanager",
            Self::Prometheus => "prometheus",
        }
    }

    /// Whether it is a program of this workspace.
    #[must_use]
    pub const fn is_service(self) -> bool {
        matches!(
            self,
            Self::PaymentGateway | Self::LockService | Self::BookingApi | Self::ViewService
        )
    }

    /// Whether it is also built faulty, with bugs it can be told to have.
    #[must_use]
    pub const fn has_faulty_build(self) -> bool {
        matches!(self, Self::LockService | Self::BookingApi | Self::ViewService)
    }

    /// Whether it keeps data.
    #[must_use]
    pub const fn is_store(self) -> bool {
        self.is_database() || matches!(self, Self::Etcd | Self::Redis)
    }

    /// Whether it is a MariaDB server.
    #[must_use]
    pub const fn is_database(self) -> bool {
        matches!(self, Self::Shard | Self::ShardReplica | Self::Catalogue | Self::CatalogueReplica)
    }

    /// Whether it only watches the others: nobody's request passes through it.
    #[must_use]
    pub const fn is_watcher(self) -> bool {
        matches!(
            self,
            Self::MysqldExporter | Self::RedisExporter | Self::Alertmanager | Self::Prometheus
        )
    }

    /// Kinds with a single node are named after their kind, without a number.
    const fn is_single(self) -> bool {
        matches!(
            self,
            Self::Catalogue
                | Self::CatalogueReplica
                | Self::Redis
                | Self::PaymentGateway
                | Self::LoadBalancer
                | Self::RedisExporter
                | Self::Alertmanager
                | Self::Prometheus
        )
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A named size of cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// One of everything, two shards.
    Tiny,
    /// Three etcd members and two of each service: any one node may die.
    Ha,
}

impl Profile {
    /// As on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Ha => "ha",
        }
    }

    /// How many nodes of a kind it has. Shards have no replicas unless they
    /// are asked for: each is another MariaDB.
    #[must_use]
    pub const fn count(self, kind: NodeKind) -> usize {
        match (self, kind) {
            (_, NodeKind::ShardReplica) => 0,
            (Self::Ha, NodeKind::Etcd) => 3,
            (_, NodeKind::Shard)
            | (Self::Ha, NodeKind::LockService | NodeKind::BookingApi | NodeKind::ViewService) => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A profile that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile {0:?}; there are tiny and ha")]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        match text {
            "tiny" => Ok(Self::Tiny),
            "ha" => Ok(Self::Ha),
            other => Err(UnknownProfile(other.to_owned())),
        }
    }
}

/// A node of the topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Unique in the cluster, such as `etcd-0` or `redis`.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Its number among the nodes of its kind, from 0.
    pub index: usize,
}

/// A whole cluster as data. Build it with [`Topology::new`], change its
/// fields, and hand it to [`crate::StartedCluster::up`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Clusters with different tags live side by side. 1–40 of `a-z 0-9 - _`.
    pub tag: String,
    /// The profile it began as.
    pub profile: Profile,
    /// The nodes, in the order of [`NodeKind`].
    pub nodes: Vec<NodeSpec>,
    /// Further configuration of every instance of a service: keys of the
    /// service's own TOML file. They replace what the launcher writes.
    #[serde(default)]
    pub overrides: BTreeMap<NodeKind, toml::Table>,
    /// Variables that every node of a kind gets besides the launcher's own.
    #[serde(default)]
    pub variables: BTreeMap<NodeKind, BTreeMap<String, String>>,
    /// A host for every node: a network namespace and an address of its own.
    /// `None`: all share the machine's, on loopback.
    #[serde(default)]
    pub hosts: Option<Hosts>,
    /// Where clusters live; `None` is [`crate::state::default_home`].
    #[serde(skip)]
    pub home: Option<PathBuf>,
    /// Where the binaries of the services are; `None` is
    /// [`crate::service::default_bin_dir`].
    #[serde(default)]
    pub bin_dir: Option<PathBuf>,
    /// Whether services that have a faulty build are started from it.
    #[serde(default)]
    pub faulty: bool,
    /// The etcd to run; `None` is the one on the path.
    #[serde(default)]
    pub etcd_program: Option<PathBuf>,
}

impl Topology {
    /// All nodes of a profile.
    #[must_use]
    pub fn new(tag: impl Into<String>, profile: Profile) -> Self {
        let mut topology = Self {
            tag: tag.into(),
            profile,
            nodes: Vec::new(),
            overrides: BTreeMap::new(),
            variables: BTreeMap::new(),
            hosts: None,
            home: None,
            bin_dir: None,
            faulty: false,
            etcd_program: None,
        };
        for kind in NodeKind::ALL {
            topology.set_count(kind, profile.count(kind));
        }
        topology
    }

    /// Only the nodes of some kinds.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(NodeKind) -> bool) -> Self {
        self.nodes.retain(|node| wanted(node.kind));
        self.fit();
        self
    }

    /// Sets the number of nodes of a kind; kinds there is one of (catalogue,
    /// replica, Redis, payment gateway, load balancer, what watches them) have
    /// 0 or 1. MariaDB's exporters are all or none: one for each server. A
    /// shard has one replica or none: there are never more than shards.
    pub fn set_count(&mut self, kind: NodeKind, count: usize) {
        self.replace(kind, if kind.is_single() { count.min(1) } else { count });
        self.fit();
    }

    fn replace(&mut self, kind: NodeKind, count: usize) {
        self.nodes.retain(|node| node.kind != kind);
        self.nodes.extend((0..count).map(|index| {
            let name = if kind.is_single() { kind.to_string() } else { format!("{kind}-{index}") };
            NodeSpec { name, kind, index }
        }));
        self.nodes.sort_by_key(|node| (node.kind, node.index));
    }

    /// Nobody follows or looks at a server that is not there, and somebody
    /// looks at each that is.
    fn fit(&mut self) {
        let shards = self.of_kind(NodeKind::Shard).count();
        if self.of_kind(NodeKind::ShardReplica).count() > shards {
            self.replace(NodeKind::ShardReplica, shards);
        }
        if self.has(NodeKind::MysqldExporter) {
            let servers = self.nodes.iter().filter(|node| node.kind.is_database()).count();
            self.replace(NodeKind::MysqldExporter, servers);
        }
        if !self.has(NodeKind::Redis) {
            self.replace(NodeKind::RedisExporter, 0);
        }
    }

    /// Sets one configuration value of every instance of a service kind,
    /// whatever the launcher would write.
    #[must_use]
    pub fn with_override(
        mut self,
        kind: NodeKind,
        key: &str,
        value: impl Into<toml::Value>,
    ) -> Self {
        self.overrides.entry(kind).or_default().insert(key.to_owned(), value.into());
        self
    }

    /// Sets one variable of every node of a kind.
    #[must_use]
    pub fn with_variable(mut self, kind: NodeKind, name: &str, value: impl Into<String>) -> Self {
        self.variables.entry(kind).or_default().insert(name.to_owned(), value.into());
        self
    }

    /// The nodes of a kind, in order.
    pub fn of_kind(&self, kind: NodeKind) -> impl Iterator<Item = &NodeSpec> {
        self.nodes.iter().filter(move |node| node.kind == kind)
    }

    /// What an exporter looks at: the MariaDB server that has its number, or
    /// Redis. `None` for every other node.
    #[must_use]
    pub fn watched_by(&self, exporter: &NodeSpec) -> Option<&NodeSpec> {
        match exporter.kind {
            NodeKind::MysqldExporter => {
                self.nodes.iter().filter(|node| node.kind.is_database()).nth(exporter.index)
            }
            NodeKind::RedisExporter => self.of_kind(NodeKind::Redis).next(),
            _ => None,
        }
    }

    /// A node's own address, where it has a host of its own.
    #[must_use]
    pub fn host_of(&self, name: &str) -> Option<Ipv4Addr> {
        let place = self.nodes.iter().position(|node| node.name == name)?;
        self.hosts.as_ref()?.address(place)
    }

    /// The network namespace a node lives in, where it has a host of its own.
    #[must_use]
    pub fn namespace_of(&self, name: &str) -> Option<PathBuf> {
        Some(self.hosts.as_ref()?.namespace(name))
    }

    /// Whether there is a node of this kind.
    #[must_use]
    pub fn has(&self, kind: NodeKind) -> bool {
        self.of_kind(kind).next().is_some()
    }

    /// Whether the tag can be a folder's name.
    #[must_use]
    pub fn tag_is_valid(tag: &str) -> bool {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        (1..=40).contains(&tag.len()) && tag.chars().all(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(topology: &Topology) -> Vec<&str> {
        topology.nodes.iter().map(|node| node.name.as_str()).collect()
    }

    #[test]
    fn ha_survives_any_one_node() {
        assert_eq!(
            names(&Topology::new("t", Profile::Ha)),
            [
                "etcd-0",
                "etcd-1",
                "etcd-2",
                "shard-0",
                "shard-1",
                "catalogue",
                "catalogue-replica",
                "redis",
                "payment-gateway",
                "lock-service-0",
                "lock-service-1",
                "booking-api-0",
                "booking-api-1",
                "view-service-0",
                "view-service-1",
                "load-balancer",
                "mysqld-exporter-0",
                "mysqld-exporter-1",
                "mysqld-exporter-2",
                "mysqld-exporter-3",
                "redis-exporter",
                "alertmanager",
                "prometheus",
            ]
        );
    }

    #[test]
    fn tiny_has_one_of_each_service_and_two_shards() {
        let tiny = Topology::new("t", Profile::Tiny);
        assert_eq!(tiny.of_kind(NodeKind::Shard).count(), 2);
        assert_eq!(tiny.of_kind(NodeKind::Etcd).count(), 1);
        assert_eq!(tiny.of_kind(NodeKind::BookingApi).count(), 1);
        assert_eq!(
            names(&tiny.only(NodeKind::is_store)),
            ["etcd-0", "shard-0", "shard-1", "catalogue", "catalogue-replica", "redis"]
        );
    }

    #[test]
    fn every_database_has_its_exporter() {
        let mut topology = Topology::new("t", Profile::Tiny);
        topology.set_count(NodeKind::Shard, 3);
        let watched = |topology: &Topology| {
            let exporters = topology.nodes.iter().filter(|node| node.kind.is_watcher());
            let watched = exporters.filter_map(|node| topology.watched_by(node));
            watched.map(|node| node.name.clone()).collect::<Vec<_>>()
        };
        let all = ["shard-0", "shard-1", "shard-2", "catalogue", "catalogue-replica", "redis"];
        assert_eq!(watched(&topology), all);
        let shards = topology.only(|kind| kind == NodeKind::Shard || kind.is_watcher());
        assert_eq!(watched(&shards), all[..3]);
        assert!(!shards.has(NodeKind::RedisExporter));
    }

    #[test]
    fn a_shard_has_one_replica_at_most() {
        let mut topology = Topology::new("t", Profile::Tiny);
        assert!(!topology.has(NodeKind::ShardReplica), "unless it is asked for");
        topology.set_count(NodeKind::ShardReplica, 9);
        let databases = topology.clone().only(NodeKind::is_database);
        let four = ["shard-0", "shard-1", "shard-replica-0", "shard-replica-1"];
        assert_eq!(names(&databases)[..4], four);
        topology.set_count(NodeKind::Shard, 1);
        assert_eq!(topology.of_kind(NodeKind::ShardReplica).count(), 1);
        assert_eq!(topology.of_kind(NodeKind::MysqldExporter).count(), 4);
    }

    #[test]
    fn tags_are_folder_names() {
        assert!(Topology::tag_is_valid("chaos-1"));
        for bad in ["", "..", "a/b", "A", &"x".repeat(41)] {
            assert!(!Topology::tag_is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_topology_survives_its_file() {
        let topology = Topology::new("t", Profile::Ha).with_override(
            NodeKind::BookingApi,
            "reconciler_after_ms",
            500,
        );
        let text = serde_json::to_string(&topology).unwrap();
        assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), topology);
    }
}
