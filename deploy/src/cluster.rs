//! A cluster that runs, and its verbs. The state file is the truth: a value
//! of this type holds only what hardly ever changes (topology, ports, secrets),
//! so several launchers, and values in one test, can work on the same cluster.
//! One that a promotion made untrue starts nothing any more.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::mysql::{self, FillError};
use crate::plan::{NodePlan, Plan, address};
use crate::ports::{self, PortsError};
use crate::process::{self, Liveness, ProcessId};
use crate::programs::{Programs, ProgramsError};
use crate::roles;
use crate::service;
use crate::settle::settle;
use crate::start::{self, Progress, ProgressSink};
use crate::state::{ClusterFolder, ClusterState, Secrets, StateError, default_home};
use crate::topology::{NodeKind, Topology};

/// How long one node may take to be ready after `restart`.
const RESTART_PATIENCE: Duration = Duration::from_secs(60);

/// Why a verb did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The tag cannot be a folder's name.
    #[error("the tag {0:?} must be 1 to 40 of a-z 0-9 - _")]
    BadTag(String),
    /// The state on disk.
    #[error(transparent)]
    State(StateError),
    /// A program is missing.
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    /// No ports.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// An empty database could not be made.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// A cluster of this tag exists and is another one than asked for.
    #[error(
        "the cluster {tag:?} is there with other nodes or settings (profile {profile}); \
         `./seatlock down --tag {tag}` removes it"
    )]
    Different {
        /// Its tag.
        tag: String,
        /// Its profile.
        profile: &'static str,
    },
    /// A stopped cluster's ports were taken meanwhile, and its data names them.
    #[error(
        "port {port} of {node} is taken by another program, and the kept data of cluster {tag:?} \
         depends on it; stop that program, or `./seatlock down --tag {tag}` removes the data"
    )]
    PortTaken {
        /// The cluster.
        tag: String,
        /// Whose port.
        node: String,
        /// Which port.
        port: u16,
    },
    /// There is no such node.
    #[error("there is no node {node:?}; there are {}", known.join(", "))]
    UnknownNode {
        /// The name asked for.
        node: String,
        /// All names.
        known: Vec<String>,
    },
    /// The node does not run, so it cannot be signalled.
    #[error("{0} does not run; `./seatlock restart {0}` starts it")]
    NotRunning(String),
    /// The node's process ended before it was ready.
    #[error("{node} ended while starting; the end of its log:{tail}")]
    Ended {
        /// Which node.
        node: String,
        /// Its last lines.
        tail: String,
    },
    /// The node runs and does not answer.
    #[error("{node} is not ready after {} s: {missing}; the end of its log:{tail}", patience.as_secs())]
    NotReady {
        /// Which node.
        node: String,
        /// How long was waited.
        patience: Duration,
        /// What was still missing.
        missing: String,
        /// Its last lines.
        tail: String,
    },
    /// Not all nodes are healthy in time.
    #[error("not healthy after {} s: {}", patience.as_secs(), missing.join("; "))]
    Unhealthy {
        /// How long was waited.
        patience: Duration,
        /// Each node with what was missing.
        missing: Vec<String>,
    },
    /// Other settings would make it another cluster.
    #[error("the nodes of cluster {0:?} stay as they are; `down` and `up` make another")]
    NodesStay(String),
    /// A service serves, but not all it should.
    #[error("{node} serves and still misses {missing} after {} s", patience.as_secs())]
    Incomplete {
        /// Which node.
        node: String,
        /// How long was waited.
        patience: Duration,
        /// What it misses.
        missing: String,
    },
    /// A roll-out stopped at an instance that did not come up.
    #[error(
        "stopped at {node}: {source}\nstarted again: {}; not touched: {}",
        listed(done),
        listed(untouched)
    )]
    Halted {
        /// Which node.
        node: String,
        /// Those that serve again.
        done: Vec<String>,
        /// Those that run as before.
        untouched: Vec<String>,
        /// Why it did not.
        source: Box<ClusterError>,
    },
    /// A process could not be made or signalled.
    #[error("{node}: {source}")]
    Process {
        /// Which node.
        node: String,
        /// What the system said.
        source: io::Error,
    },
    /// A token could not be made.
    #[error("no token could be made: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The server's data may not be used any more.
    #[error(
        "{0} may not be started with the data it has or lacks; `./seatlock seed-replica {0}` makes \
         it anew from its primary"
    )]
    MustBeMadeAnew(String),
    /// Another server leads a shard since this value was made.
    #[error("who leads a shard has changed meanwhile; attach to the cluster again")]
    Outdated,
    /// A bug in the launcher.
    #[error("a task of the launcher failed: {0}")]
    Task(tokio::task::JoinError),
}

impl ClusterError {
    pub(crate) fn node_io(node: &NodePlan, source: io::Error) -> Self {
        Self::Process { node: node.name.clone(), source }
    }
}

fn listed(nodes: &[String]) -> String {
    if nodes.is_empty() { "none".to_owned() } else { nodes.join(", ") }
}

/// How long a start waits for what services can do without.
const WHOLE_WITHIN: Duration = Duration::from_secs(15);

/// A node as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Its process, if it lives; a paused one does.
    pub pid: Option<i32>,
    /// `127.0.0.1:PORT`, or at its host's own address.
    pub address: String,
    /// Where its metrics are, for a node that has some.
    pub admin_address: Option<String>,
    /// Its log file.
    pub log: PathBuf,
}

/// A node and whether it is healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// The node.
    pub node: Node,
    /// `None` when it is healthy, else what is missing.
    pub problem: Option<String>,
}

/// A cluster that was started, by this process or another. Cheap to clone.
/// Dropping it stops nothing; [`Self::down`] does.
#[derive(Debug, Clone)]
pub struct StartedCluster(Arc<Fixed>);

#[derive(Debug)]
struct Fixed {
    folder: ClusterFolder,
    /// Topology, ports and secrets; its processes are not looked at.
    state: ClusterState,
    programs: Programs,
    plan: Plan,
}

impl StartedCluster {
    /// Starts a cluster, or adopts what runs of it and starts what is missing.
    /// Returns when every node answers a real query.
    ///
    /// # Errors
    /// When it cannot be started; then what this call started is stopped
    /// again, and the logs stay.
    pub async fn up(topology: Topology) -> Result<Self, ClusterError> {
        Self::up_with(topology, Arc::new(|_| {})).await
    }

    /// The same, telling `progress` of everything. Dropping the future leaves
    /// a half-started cluster that [`Self::attach`] and [`Self::down`] know.
    ///
    /// # Errors
    /// As [`Self::up`].
    pub async fn up_with(topology: Topology, progress: ProgressSink) -> Result<Self, ClusterError> {
        if !Topology::tag_is_valid(&topology.tag) {
            return Err(ClusterError::BadTag(topology.tag));
        }
        let home = topology.home.clone().unwrap_or_else(default_home);
        let folder = ClusterFolder::new(home, &topology.tag);
        let programs = Programs::find(&topology)?;
        folder.create()?;
        let _launcher = folder.lock_launcher().await?;
        for (program, source) in service::stale_programs(&topology) {
            progress(Progress::Note(format!(
                "{} is older than {}; build with: cargo build --release --locked --bins",
                program.display(),
                source.display()
            )));
        }
        let is_new = folder.load()?.is_none();
        let state = settle(&folder, topology).await?;
        let cluster = Self::over(folder, state, programs);
        let outcome = start::all(&cluster, &progress).await;
        if outcome.is_err() && is_new {
            // Half-made data would only get in the way of the next start.
            for node in &cluster.0.plan.nodes {
                // What cannot be removed is named by the next start.
                drop(std::fs::remove_dir_all(&node.launch.folder));
            }
        }
        outcome?;
        cluster.wait_whole(&progress).await;
        Ok(cluster)
    }

    /// A service is ready as soon as it can serve something. Whoever started a
    /// cluster wants all of it: migrated shards, a first look at everything.
    /// What is still missing after a while is told; it may be away on purpose.
    async fn wait_whole(&self, progress: &ProgressSink) {
        let deadline = Instant::now() + WHOLE_WITHIN;
        for node in self.0.plan.nodes.iter().filter(|node| node.kind.is_service()) {
            while let Err(missing) = node.probe.check_whole().await {
                if Instant::now() >= deadline {
                    progress(Progress::Note(format!("{} still misses {missing}", node.name)));
                    break;
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }
    }

    /// What [`Self::up`] would start, without touching anything. The ports of
    /// a cluster that does not exist yet may be others in the end.
    ///
    /// # Errors
    /// When a program or free ports are missing.
    pub fn preview(topology: Topology) -> Result<Plan, ClusterError> {
        let home = topology.home.clone().unwrap_or_else(default_home);
        let folder = ClusterFolder::new(home, &topology.tag);
        let programs = Programs::find(&topology)?;
        let state = if let Some(state) = folder.load()? {
            state
        } else {
            let range = ports::range_from_env()?;
            let ports = ports::choose(&topology, &range, &BTreeSet::new(), ports::is_free)?;
            ClusterState::new(topology, ports)
        };
        Ok(Plan::new(&state, &folder, &programs))
    }

    /// Finds a cluster that some launcher started; `home` is
    /// [`default_home`] when it is `None`.
    ///
    /// # Errors
    /// When there is none, or its state cannot be read.
    pub fn attach(home: Option<PathBuf>, tag: &str) -> Result<Self, ClusterError> {
        if !Topology::tag_is_valid(tag) {
            return Err(ClusterError::BadTag(tag.to_owned()));
        }
        let folder = ClusterFolder::new(home.unwrap_or_else(default_home), tag);
        let state = folder.load_existing()?;
        // Looking, killing and stopping must work on a machine where a
        // program is gone by now: only starting needs them.
        let programs = Programs::find(&state.topology).unwrap_or_else(|_| Programs::none());
        Ok(Self::over(folder, state, programs))
    }

    pub(crate) fn over(folder: ClusterFolder, state: ClusterState, programs: Programs) -> Self {
        let plan = Plan::new(&state, &folder, &programs);
        Self(Arc::new(Fixed { folder, state, programs, plan }))
    }

    /// The cluster as its state is on disk now.
    pub(crate) fn reread(&self) -> Result<Self, StateError> {
        let state = self.0.folder.load_existing()?;
        Ok(Self::over(self.0.folder.clone(), state, self.0.programs.clone()))
    }

    pub(crate) fn folder(&self) -> &ClusterFolder {
        &self.0.folder
    }

    pub(crate) fn state(&self) -> &ClusterState {
        &self.0.state
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.0.programs
    }

    /// How it is, or was, started.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// What it consists of.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.0.state.topology
    }

    /// Its secrets.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.0.state.secrets
    }

    /// The folder with its data, configuration and logs.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.0.folder.root()
    }

    /// The process of a node, if it lives.
    pub(crate) fn living(&self, name: &str) -> Result<Option<ProcessId>, StateError> {
        let state = self.0.folder.load_existing()?;
        let id = state.processes.get(name).copied();
        Ok(id.filter(|id| process::liveness(*id) != Liveness::Gone))
    }

    pub(crate) fn find(&self, name: &str) -> Result<&NodePlan, ClusterError> {
        let nodes = &self.0.plan.nodes;
        nodes.iter().find(|node| node.name == name).ok_or_else(|| ClusterError::UnknownNode {
            node: name.to_owned(),
            known: nodes.iter().map(|node| node.name.clone()).collect(),
        })
    }

    /// A node as it is now.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn node(&self, name: &str) -> Result<Node, ClusterError> {
        let pid = self.living(name)?.map(|id| id.pid);
        Ok(describe(self.find(name)?, pid))
    }

    /// All nodes as they are now.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn nodes(&self) -> Result<Vec<Node>, ClusterError> {
        self.0.plan.nodes.iter().map(|node| self.node(&node.name)).collect()
    }

    /// Kills a node and returns once it is gone. It stays down.
    ///
    /// # Errors
    /// When there is no such node, or it does not run.
    pub async fn kill(&self, name: &str) -> Result<(), ClusterError> {
        let node = self.find(name)?;
        let id = self.living_or_error(name)?;
        process::kill(id).await.map_err(|e| ClusterError::node_io(node, e))
    }

    /// Asks a node to end, kills it where it does not, and returns once it is
    /// gone. It stays down. `false` where it did not run.
    ///
    /// # Errors
    /// When there is no such node, or it does not end.
    pub async fn stop(&self, name: &str) -> Result<bool, ClusterError> {
        let node = self.find(name)?;
        let Some(id) = self.living(name)? else { return Ok(false) };
        process::stop(id, node.grace).await.map_err(|e| ClusterError::node_io(node, e))?;
        Ok(true)
    }

    /// Stops a node's clock: it keeps its connections and answers nothing.
    ///
    /// # Errors
    /// As [`Self::kill`].
    pub async fn pause(&self, name: &str) -> Result<(), ClusterError> {
        self.signal_until(name, Signal::SIGSTOP, Liveness::Paused).await
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    /// As [`Self::kill`].
    pub async fn resume(&self, name: &str) -> Result<(), ClusterError> {
        self.signal_until(name, Signal::SIGCONT, Liveness::Running).await
    }

    async fn signal_until(
        &self,
        name: &str,
        signal: Signal,
        goal: Liveness,
    ) -> Result<(), ClusterError> {
        let node = self.find(name)?;
        let id = self.living_or_error(name)?;
        process::signal(id, signal).map_err(|e| ClusterError::node_io(node, e))?;
        loop {
            match process::liveness(id) {
                now if now == goal => return Ok(()),
                Liveness::Gone => return Err(ClusterError::NotRunning(name.to_owned())),
                Liveness::Running | Liveness::Paused => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    fn living_or_error(&self, name: &str) -> Result<ProcessId, ClusterError> {
        self.living(name)?.ok_or_else(|| ClusterError::NotRunning(name.to_owned()))
    }

    /// Starts a node, again if it runs, and returns when it is healthy and the
    /// load balancer, if one runs, gives it requests again.
    ///
    /// # Errors
    /// When there is no such node, or it does not become healthy.
    pub async fn restart(&self, name: &str) -> Result<(), ClusterError> {
        let node = self.find(name)?;
        // Says which program is missing; `attach` did not ask.
        Programs::find(self.topology())?;
        roles::may_start(self, &self.0.folder.load_existing()?, name)?;
        if let Some(id) = self.living(name)? {
            let stopped = process::stop(id, node.grace).await;
            stopped.map_err(|e| ClusterError::node_io(node, e))?;
        }
        let started = Mutex::new(Vec::new());
        let (id, _) = start::start_or_adopt(self, node, &started).await?;
        start::wait_ready(node, id, RESTART_PATIENCE).await?;
        if self.balancer_runs()? {
            start::wait_in_rotation(node, id, RESTART_PATIENCE).await?;
        }
        Ok(())
    }

    fn balancer_runs(&self) -> Result<bool, ClusterError> {
        for node in self.0.plan.nodes.iter().filter(|node| node.kind == NodeKind::LoadBalancer) {
            if let Some(id) = self.living(&node.name)? {
                return Ok(process::liveness(id) == Liveness::Running);
            }
        }
        Ok(false)
    }

    /// Every node with its health, asked now, all at once. A service is
    /// healthy when it is ready and, while there is a load balancer, that
    /// knows it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn status(&self) -> Result<Vec<NodeStatus>, ClusterError> {
        let nodes = self.nodes()?;
        let balanced = self.balancer_runs()?;
        let checks = self.0.plan.nodes.iter().zip(nodes).map(async |(plan, node)| {
            let mut problem = match node.pid {
                None if self.must_be_made_anew(&node.name) => {
                    Some(format!("`./seatlock seed-replica {}` must make it anew", node.name))
                }
                None => Some("does not run".to_owned()),
                Some(_) => plan.probe.check().await.err(),
            };
            if let (None, true, Some(probe)) = (&problem, balanced, &plan.in_rotation) {
                problem = probe.check().await.err();
            }
            NodeStatus { node, problem }
        });
        Ok(join_all(checks).await)
    }

    /// Returns when every node is healthy that may run
    /// ([`Self::must_be_made_anew`]).
    ///
    /// # Errors
    /// When one still is not after `patience`.
    pub async fn wait_healthy(&self, patience: Duration) -> Result<(), ClusterError> {
        let deadline = Instant::now() + patience;
        loop {
            let missing: Vec<String> = self
                .status()
                .await?
                .into_iter()
                .filter(|s| !self.must_be_made_anew(&s.node.name))
                .filter_map(|s| s.problem.map(|problem| format!("{}: {problem}", s.node.name)))
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ClusterError::Unhealthy { patience, missing });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops every node in order: the services, then load balancer and
    /// Prometheus, then the stores. Removes all data unless it is kept.
    ///
    /// # Errors
    /// When a process does not end, or files cannot be removed.
    pub async fn down(&self, keep_data: bool) -> Result<(), ClusterError> {
        let _launcher = self.0.folder.lock_launcher().await?;
        let Some(state) = self.0.folder.load()? else { return Ok(()) };
        let stage = |kind: NodeKind| match kind {
            kind if kind.is_service() => 0,
            kind if kind.is_store() => 2,
            _ => 1,
        };
        for now in 0..=2 {
            let nodes = self.0.plan.nodes.iter().filter(|node| stage(node.kind) == now);
            let stops = nodes.filter_map(|node| {
                let id = state.processes.get(&node.name).copied()?;
                Some(async move {
                    let stopped = process::stop(id, node.grace).await;
                    stopped.map_err(|e| ClusterError::node_io(node, e))
                })
            });
            for stopped in join_all(stops).await {
                stopped?;
            }
        }
        let sockets = mysql::socket_folder(&self.0.folder);
        if sockets.exists() {
            std::fs::remove_dir_all(&sockets)
                .map_err(|source| StateError::Io { path: sockets, source })?;
        }
        if !keep_data {
            self.0.folder.remove().await?;
        }
        Ok(())
    }
}

fn describe(node: &NodePlan, pid: Option<i32>) -> Node {
    let admin = match node.kind {
        NodeKind::Etcd => Some(node.ports.at_main()),
        kind if kind.is_store() => None,
        kind if kind.is_watcher() => Some(node.ports.at_main()),
        _ => Some(node.ports.at_second()),
    };
    Node {
        name: node.name.clone(),
        kind: node.kind,
        pid,
        address: address(node.ports.at_main()),
        admin_address: admin.map(address),
        log: node.launch.log.clone(),
    }
}
