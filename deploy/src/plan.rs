//! What would be started, in which order, with which ports, arguments and
//! configuration: pure, printable, and made before anything is touched.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use crate::ports::NodePorts;
use crate::process::Launch;
use crate::programs::Programs;
use crate::readiness::Probe;
use crate::state::{ClusterFolder, ClusterState};
use crate::topology::{NodeKind, NodeSpec};
use crate::{alertmanager, etcd, exporters, haproxy, mysql, prometheus, redis, service};

/// A file the launcher writes before it starts a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where.
    pub path: PathBuf,
    /// What is in it. It may hold secrets: only the owner may read the file.
    pub text: String,
}

/// How one node is started.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Its ports.
    pub ports: NodePorts,
    /// The program and its arguments.
    pub launch: Launch,
    /// Files written before every start.
    pub files: Vec<ConfigFile>,
    /// A folder that MariaDB's installer fills before the first start.
    pub database_folder: Option<PathBuf>,
    /// Nodes that must be ready first.
    pub after: Vec<String>,
    /// How its readiness is seen.
    pub probe: Probe,
    /// How it is seen that the load balancer gives it requests; none for what
    /// is not behind it.
    pub in_rotation: Option<Probe>,
    /// How long it may take to end by itself.
    pub grace: Duration,
}

/// A whole cluster's start.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the order of the topology; who waits for whom is in `after`.
    pub nodes: Vec<NodePlan>,
}

/// All a plan is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout<'a> {
    pub(crate) state: &'a ClusterState,
    pub(crate) folder: &'a ClusterFolder,
    pub(crate) programs: &'a Programs,
}

impl Plan {
    /// What starting this cluster means.
    #[must_use]
    pub fn new(state: &ClusterState, folder: &ClusterFolder, programs: &Programs) -> Self {
        let layout = Layout { state, folder, programs };
        let node = |node: &NodeSpec| match node.kind {
            NodeKind::Etcd => etcd::plan(node, layout),
            NodeKind::Shard
            | NodeKind::ShardReplica
            | NodeKind::Catalogue
            | NodeKind::CatalogueReplica => mysql::plan(node, layout),
            NodeKind::Redis => redis::plan(node, layout),
            NodeKind::PaymentGateway
            | NodeKind::LockService
            | NodeKind::BookingApi
            | NodeKind::ViewService => service::plan(node, layout),
            NodeKind::LoadBalancer => haproxy::plan(node, layout),
            NodeKind::MysqldExporter => exporters::mysqld(node, layout),
            NodeKind::RedisExporter => exporters::redis(node, layout),
            NodeKind::Alertmanager => alertmanager::plan(node, layout),
            NodeKind::Prometheus => prometheus::plan(node, layout),
        };
        Self { nodes: state.topology.nodes.iter().map(node).collect() }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.nodes {
            write!(f, "{} ({}) on {}", node.name, node.kind, node.ports.at_main())?;
            if node.ports.second != node.ports.main {
                write!(f, " and {}", node.ports.second)?;
            }
            if !node.after.is_empty() {
                write!(f, ", after {}", node.after.join(", "))?;
            }
            writeln!(f)?;
            write!(f, "    {}", node.launch.program.display())?;
            for arg in &node.launch.args {
                write!(f, " {}", arg.display())?;
            }
            writeln!(f)?;
            for file in &node.files {
                writeln!(f, "    writes {}", file.path.display())?;
            }
        }
        Ok(())
    }
}

impl Layout<'_> {
    /// The ports of a node; zero for a node that is not in the topology.
    pub(crate) fn ports(&self, name: &str) -> NodePorts {
        ports_of(self.state, name)
    }

    /// A node that runs this program with nothing more yet.
    pub(crate) fn node(&self, node: &NodeSpec, probe: Probe) -> NodePlan {
        NodePlan {
            name: node.name.clone(),
            kind: node.kind,
            ports: self.ports(&node.name),
            launch: Launch {
                program: self.programs.of(node.kind),
                args: Vec::new(),
                env: self.state.topology.variables.get(&node.kind).cloned().unwrap_or_default(),
                folder: self.folder.node(&node.name),
                log: self.folder.log(&node.name),
                network: self.state.topology.namespace_of(&node.name),
            },
            files: Vec::new(),
            database_folder: None,
            after: Vec::new(),
            probe,
            in_rotation: haproxy::in_rotation(node, *self),
            grace: Duration::from_secs(12),
        }
    }

    /// The names of all nodes of some kinds.
    pub(crate) fn names_of(&self, kinds: &[NodeKind]) -> Vec<String> {
        let nodes = self.state.topology.nodes.iter();
        nodes.filter(|node| kinds.contains(&node.kind)).map(|node| node.name.clone()).collect()
    }
}

pub(crate) fn ports_of(state: &ClusterState, name: &str) -> NodePorts {
    state.ports.get(name).copied().unwrap_or(NodePorts::local(0, 0))
}

/// `http://ADDRESS:PORT`.
pub(crate) fn http(at: SocketAddrV4) -> String {
    format!("http://{at}")
}

/// `ADDRESS:PORT`.
pub(crate) fn address(at: SocketAddrV4) -> String {
    at.to_string()
}

/// Arguments from text.
pub(crate) fn args<const N: usize>(list: [String; N]) -> Vec<OsString> {
    list.into_iter().map(OsString::from).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::ports;
    use crate::topology::{Profile, Topology};

    pub(crate) fn sample(profile: Profile) -> (ClusterState, ClusterFolder, Programs) {
        sample_with(profile, |_| {})
    }

    pub(crate) fn sample_with(
        profile: Profile,
        change: impl FnOnce(&mut Topology),
    ) -> (ClusterState, ClusterFolder, Programs) {
        let mut topology = Topology::new("sample", profile);
        change(&mut topology);
        let range = 20_000..=20_999;
        let ports = ports::choose(&topology, &range, &BTreeSet::new(), |_| true).unwrap();
        let folder = ClusterFolder::new(Path::new("/home/ann/.seatlock").to_owned(), "sample");
        (ClusterState::new(topology, ports), folder, Programs::fixed("/opt/bin"))
    }

    #[test]
    fn nobody_waits_for_somebody_who_is_not_there_or_for_a_circle() {
        for (profile, replicas) in [(Profile::Tiny, 2), (Profile::Ha, 0)] {
            let (state, folder, programs) = sample_with(profile, |topology| {
                topology.set_count(NodeKind::ShardReplica, replicas);
            });
            let plan = Plan::new(&state, &folder, &programs);
            let mut started = BTreeSet::new();
            while started.len() < plan.nodes.len() {
                let before = started.len();
                for node in &plan.nodes {
                    if node.after.iter().all(|name| started.contains(name)) {
                        started.insert(node.name.clone());
                    }
                }
                assert!(started.len() > before, "only {started:?} can ever start");
            }
        }
    }

    #[test]
    fn the_plan_prints_ports_and_commands_but_no_secret() {
        let (state, folder, programs) = sample(Profile::Ha);
        let text = Plan::new(&state, &folder, &programs).to_string();
        assert!(
            text.contains("load-balancer (load-balancer) on 127.0.0.1:20000 and 20001"),
            "{text}"
        );
        assert!(text.contains("/opt/bin/etcd --name=etcd-0"), "{text}");
        let secrets = &state.secrets;
        for secret in [&secrets.jwt, &secrets.database, &secrets.launcher, &secrets.exporter] {
            assert!(!text.contains(secret.as_str()));
        }
    }
}
