//! Starts the nodes of a plan, each as soon as those it needs are ready, and
//! adopts the ones that run already. When one fails, those started here are
//! stopped again. It must not know what the nodes are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::{ClusterError, StartedCluster};
use crate::mysql;
use crate::plan::NodePlan;
use crate::process::{self, Liveness, ProcessId};
use crate::readiness::Probe;
use crate::roles;
use crate::state::{ClusterState, StateError, create_private, write_private};

/// A node that is not ready by then is taken for broken. Far above the usual
/// seconds: a slow disk must not fail a start.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a node that is not ready is asked again.
const POLL: Duration = Duration::from_millis(100);

/// Lines of a log that are shown when its node ends at start.
const TAIL_LINES: usize = 10;

/// What happens during a start, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// All there is to do.
    Planned {
        /// The nodes' names.
        nodes: Vec<String>,
    },
    /// The node's process was made.
    Started {
        /// Which node.
        node: String,
    },
    /// The node ran already.
    Adopted {
        /// Which node.
        node: String,
    },
    /// The node answers.
    Ready {
        /// Which node.
        node: String,
        /// Since its start, or since it was found.
        after: Duration,
    },
    /// Something a person should know.
    Note(String),
}

/// Is told of everything that happens.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

type Doors = BTreeMap<String, watch::Receiver<bool>>;

/// Starts or adopts every node and returns when all are ready.
pub(crate) async fn all(
    cluster: &StartedCluster,
    progress: &ProgressSink,
) -> Result<(), ClusterError> {
    let plan = cluster.plan().clone();
    progress(Progress::Planned { nodes: plan.nodes.iter().map(|n| n.name.clone()).collect() });
    let mut doors = Doors::new();
    let mut keys = BTreeMap::new();
    for node in &plan.nodes {
        let (key, door) = watch::channel(false);
        doors.insert(node.name.clone(), door);
        keys.insert(node.name.clone(), key);
    }
    let started = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for node in plan.nodes {
        let Some(key) = keys.remove(&node.name) else { continue };
        let before = node.after.iter().filter_map(|name| doors.get(name).cloned()).collect();
        let task = Starting {
            cluster: cluster.clone(),
            node,
            progress: Arc::clone(progress),
            started: Arc::clone(&started),
        };
        tasks.spawn(async move {
            task.run(before).await?;
            key.send_replace(true);
            Ok::<(), ClusterError>(())
        });
    }
    let mut outcome = Ok(());
    while let Some(joined) = tasks.join_next().await {
        if let Err(error) = joined.unwrap_or_else(|panic| Err(ClusterError::Task(panic))) {
            outcome = Err(error);
            break;
        }
    }
    tasks.shutdown().await;
    if outcome.is_err() {
        let ours: Vec<ProcessId> =
            started.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        stop_all(ours).await;
    }
    outcome
}

async fn stop_all(processes: Vec<ProcessId>) {
    let mut stopping = JoinSet::new();
    for id in processes {
        stopping.spawn(process::stop(id, Duration::from_secs(5)));
    }
    while stopping.join_next().await.is_some() {}
}

struct Starting {
    cluster: StartedCluster,
    node: NodePlan,
    progress: ProgressSink,
    started: Arc<Mutex<Vec<ProcessId>>>,
}

impl Starting {
    async fn run(self, before: Vec<watch::Receiver<bool>>) -> Result<(), ClusterError> {
        for mut door in before {
            // A closed door belongs to a node that failed: that error is told.
            if door.wait_for(|open| *open).await.is_err() {
                return Ok(());
            }
        }
        let name = self.node.name.clone();
        if self.cluster.must_be_made_anew(&name) {
            // Its shard is led by another server: the cluster is whole without.
            let note = format!("{name} stays stopped; `./seatlock seed-replica {name}`");
            (self.progress)(Progress::Note(note));
            return Ok(());
        }
        let since = Instant::now();
        let (id, is_new) = start_or_adopt(&self.cluster, &self.node, &self.started).await?;
        if is_new {
            (self.progress)(Progress::Started { node: name.clone() });
        } else {
            (self.progress)(Progress::Adopted { node: name.clone() });
            if process::runs_replaced_program(id) {
                let note = format!("{name} runs an older build; `./seatlock restart {name}`");
                (self.progress)(Progress::Note(note));
            }
        }
        wait_ready(&self.node, id, PATIENCE).await?;
        (self.progress)(Progress::Ready { node: name, after: since.elapsed() });
        Ok(())
    }
}

/// Makes the node's process unless it lives. The process is on disk before it
/// becomes the node, and the list knows it before that.
pub(crate) async fn start_or_adopt(
    cluster: &StartedCluster,
    node: &NodePlan,
    started: &Mutex<Vec<ProcessId>>,
) -> Result<(ProcessId, bool), ClusterError> {
    if let Some(id) = cluster.living(&node.name)? {
        // Somebody paused it; `up` promises a cluster that answers.
        process::signal(id, Signal::SIGCONT).map_err(|e| ClusterError::node_io(node, e))?;
        return Ok((id, false));
    }
    start_if(cluster, node, started, |now| roles::may_start(cluster, now, &node.name)).await
}

/// Makes the node's process unless it lives, or the state on disk forbids it.
pub(crate) async fn start_if(
    cluster: &StartedCluster,
    node: &NodePlan,
    started: &Mutex<Vec<ProcessId>>,
    may_start: impl Fn(&ClusterState) -> Result<(), ClusterError>,
) -> Result<(ProcessId, bool), ClusterError> {
    let folder = cluster.folder();
    may_start(&folder.load_existing()?)?;
    create_private(&node.launch.folder)?;
    for file in &node.files {
        if let Some(folder) = file.path.parent() {
            create_private(folder)?;
        }
        write_private(&file.path, &file.text)?;
    }
    if let Some(data) = &node.database_folder {
        create_private(&mysql::socket_folder(folder))?;
        let installer = cluster.programs().mariadb_install.clone().unwrap_or_default();
        mysql::fill(folder, &node.launch.program, &installer, data).await?;
    }
    let _lock = folder.lock_state().await?;
    if let Some(id) = cluster.living(&node.name)? {
        return Ok((id, false));
    }
    let mut state = folder.load_existing()?;
    // Again, under the lock: another launcher may have promoted meanwhile.
    may_start(&state)?;
    let gated = process::spawn(&node.launch).map_err(|e| ClusterError::node_io(node, e))?;
    let id = gated.id();
    state.processes.insert(node.name.clone(), id);
    folder.save(&state)?;
    started.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    gated.release().await.map_err(|e| ClusterError::node_io(node, e))?;
    Ok((id, true))
}

/// Asks until the node is ready, or has ended, or patience has.
pub(crate) async fn wait_ready(
    node: &NodePlan,
    id: ProcessId,
    patience: Duration,
) -> Result<(), ClusterError> {
    wait_for(&node.probe, node, id, patience).await
}

/// Asks until the load balancer gives the node requests, or the node has
/// ended, or patience has. At once for a node that is not behind it.
pub(crate) async fn wait_in_rotation(
    node: &NodePlan,
    id: ProcessId,
    patience: Duration,
) -> Result<(), ClusterError> {
    match &node.in_rotation {
        Some(probe) => wait_for(probe, node, id, patience).await,
        None => Ok(()),
    }
}

async fn wait_for(
    probe: &Probe,
    node: &NodePlan,
    id: ProcessId,
    patience: Duration,
) -> Result<(), ClusterError> {
    let deadline = Instant::now() + patience;
    loop {
        let missing = match probe.check().await {
            // Somebody else's listener may answer for a node that has ended.
            Ok(()) if process::liveness(id) != Liveness::Gone => return Ok(()),
            Ok(()) => String::new(),
            Err(missing) => missing,
        };
        if process::liveness(id) == Liveness::Gone {
            let tail = tail(&node.launch.log);
            return Err(ClusterError::Ended { node: node.name.clone(), tail });
        }
        if Instant::now() >= deadline {
            let tail = tail(&node.launch.log);
            let node = node.name.clone();
            return Err(ClusterError::NotReady { node, patience, missing, tail });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The last lines of a log, each indented.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].iter().map(|line| format!("\n    {line}")).collect()
}

impl From<StateError> for ClusterError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}
