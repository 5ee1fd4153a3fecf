//! What is known of a cluster, on disk: its topology, ports, secrets and the
//! process of every node. The file is the only truth; every verb reads it
//! again, so launchers may die and others carry on. It must not know how
//! nodes work.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString as _};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::ports::NodePorts;
use crate::process::ProcessId;
use crate::roles::Roles;
use crate::topology::Topology;

/// Raised when an older launcher could not read the file any more.
const VERSION: u32 = 2;

/// How often a taken lock is tried again.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// Why the state of a cluster could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder that could not be used.
    #[error("{path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there and is not one of ours.
    #[error("{path} cannot be read ({reason}); remove {path} after stopping what it names")]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another launcher is at work and does not finish.
    #[error("another seatlock command is working on this cluster (lock {path}); try again")]
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
    /// There is no such cluster.
    #[error("there is no cluster {tag:?} here; `./seatlock up` starts one")]
    NoCluster {
        /// The tag asked for.
        tag: String,
    },
}

impl StateError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Secrets made once for each cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// Signs bearer tokens (HS256).
    pub jwt: String,
    /// Signs booking ids.
    pub booking: String,
    /// The password of the databases' account `seatlock`.
    pub database: String,
    /// The password of the account the launcher uses itself.
    pub launcher: String,
    /// The password of the account that only looks at a database's health.
    pub exporter: String,
}

impl Secrets {
    fn generate() -> Self {
        // Letters and digits only: they stand in URLs, TOML and SQL alike.
        let secret = || Alphanumeric.sample_string(&mut rand::rng(), 43);
        Self {
            jwt: secret(),
            booking: secret(),
            database: secret(),
            launcher: secret(),
            exporter: secret(),
        }
    }
}

/// All that is known of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterState {
    version: u32,
    /// What it consists of.
    pub topology: Topology,
    /// Ports by node.
    pub ports: BTreeMap<String, NodePorts>,
    /// Secrets.
    pub secrets: Secrets,
    /// What promotions have changed.
    #[serde(default)]
    pub roles: Roles,
    /// The last process of each node that was ever started.
    pub processes: BTreeMap<String, ProcessId>,
}

impl ClusterState {
    /// A cluster that was never started.
    #[must_use]
    pub fn new(topology: Topology, ports: BTreeMap<String, NodePorts>) -> Self {
        let secrets = Secrets::generate();
        let (roles, processes) = (Roles::default(), BTreeMap::new());
        Self { version: VERSION, topology, ports, secrets, roles, processes }
    }
}

/// Where clusters live unless said otherwise: `SEATLOCK_HOME`, else
/// `.seatlock` in the checkout around the working folder, else around the
/// running program, else in the working folder itself.
#[must_use]
pub fn default_home() -> PathBuf {
    if let Some(home) = std::env::var_os("SEATLOCK_HOME").filter(|home| !home.is_empty()) {
        return PathBuf::from(home);
    }
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let program = std::env::current_exe().ok();
    let root = checkout_around(&here).or_else(|| checkout_around(program.as_deref()?));
    root.unwrap_or(here).join(".seatlock")
}

/// The checkout a path is in.
pub(crate) fn checkout_around(path: &Path) -> Option<PathBuf> {
    let is_root =
        |dir: &&Path| dir.join("Cargo.toml").is_file() && dir.join("deploy/Cargo.toml").is_file();
    path.ancestors().find(is_root).map(Path::to_owned)
}

/// The folder of one cluster and what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFolder {
    home: PathBuf,
    tag: String,
}

impl ClusterFolder {
    /// Touches nothing.
    #[must_use]
    pub fn new(home: PathBuf, tag: &str) -> Self {
        // Nodes are started in other folders: their paths must not depend on
        // where the launcher was called.
        let home = std::path::absolute(&home).unwrap_or(home);
        Self { home, tag: tag.to_owned() }
    }

    /// Where everything of this cluster is.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.home.join(&self.tag)
    }

    /// The folder of one node: its data and configuration.
    #[must_use]
    pub fn node(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// A node's log.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.root().join("logs").join(format!("{name}.log"))
    }

    /// What clusters of the same home share.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        // By user: a cache made by root is of no use to anybody else.
        self.home.join(format!("cache-{}", nix::unistd::getuid()))
    }

    fn state_file(&self) -> PathBuf {
        self.root().join("state.json")
    }

    /// Makes the folders. They are for the owner only: secrets are in them.
    pub(crate) fn create(&self) -> Result<(), StateError> {
        for dir in [self.root(), self.root().join("logs"), self.locks()] {
            create_private(&dir)?;
        }
        Ok(())
    }

    fn locks(&self) -> PathBuf {
        // Outside the cluster's folder: `down` removes that, and a lock whose
        // file was removed protects nothing.
        self.home.join("locks")
    }

    /// What is on disk, if anything is.
    pub(crate) fn load(&self) -> Result<Option<ClusterState>, StateError> {
        let path = self.state_file();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::io(&path)(error)),
        };
        let state: ClusterState = serde_json::from_str(&text).map_err(|error| {
            StateError::Unreadable { path: path.clone(), reason: error.to_string() }
        })?;
        if state.version != VERSION {
            let reason = format!("its version is {}, not {VERSION}", state.version);
            return Err(StateError::Unreadable { path, reason });
        }
        Ok(Some(state))
    }

    /// What is on disk, or that there is nothing.
    pub(crate) fn load_existing(&self) -> Result<ClusterState, StateError> {
        self.load()?.ok_or_else(|| StateError::NoCluster { tag: self.tag.clone() })
    }

    /// Replaces the file as a whole: a reader, or a crash, sees the old one or
    /// the new one. Call it under [`Self::lock_state`].
    pub(crate) fn save(&self, state: &ClusterState) -> Result<(), StateError> {
        let path = self.state_file();
        let draft = path.with_extension("json.new");
        let text = serde_json::to_string_pretty(state).map_err(|error| StateError::Unreadable {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        write_private(&draft, &text)?;
        fs::rename(&draft, &path).map_err(StateError::io(&path))
    }

    /// Removes all of the cluster, its logs included.
    pub(crate) async fn remove(&self) -> Result<(), StateError> {
        // A start that was interrupted may have left a copy at work for a
        // moment, which puts files into folders that are being removed.
        const TRIES: u32 = 20;
        let mut tries = 1;
        loop {
            match self.try_remove() {
                Err(StateError::Io { source, .. })
                    if source.kind() == io::ErrorKind::DirectoryNotEmpty && tries < TRIES =>
                {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                outcome => return outcome,
            }
        }
    }

    fn try_remove(&self) -> Result<(), StateError> {
        // The state goes last: until then a second `down` knows what to do.
        let root = self.root();
        let entries = fs::read_dir(&root).map_err(StateError::io(&root))?;
        for entry in entries {
            let path = entry.map_err(StateError::io(&root))?.path();
            if path != self.state_file() {
                let removed =
                    if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.map_err(StateError::io(&path))?;
            }
        }
        fs::remove_dir_all(&root).map_err(StateError::io(&root))
    }

    /// Held for one change of the state file.
    pub(crate) async fn lock_state(&self) -> Result<FolderLock, StateError> {
        const PATIENCE: Duration = Duration::from_secs(20);
        FolderLock::take(&self.locks().join(format!("{}.state", self.tag)), PATIENCE).await
    }

    /// Held while a launcher starts or stops the whole cluster.
    pub(crate) async fn lock_launcher(&self) -> Result<FolderLock, StateError> {
        const PATIENCE: Duration = Duration::from_secs(90);
        FolderLock::take(&self.locks().join(format!("{}.launcher", self.tag)), PATIENCE).await
    }

    /// Held while ports are chosen: two clusters must not choose the same.
    pub(crate) async fn lock_ports(&self) -> Result<FolderLock, StateError> {
        FolderLock::take(&self.locks().join("ports"), Duration::from_secs(20)).await
    }

    /// Held while something is put into the cache.
    pub(crate) async fn lock_cache(&self) -> Result<FolderLock, StateError> {
        FolderLock::take(&self.locks().join("cache"), Duration::from_secs(120)).await
    }

    /// Ports that other clusters of the same home own, running or not.
    pub(crate) fn promised_ports(&self) -> Result<BTreeSet<u16>, StateError> {
        let mut promised = BTreeSet::new();
        let entries = fs::read_dir(&self.home).map_err(StateError::io(&self.home))?;
        for entry in entries {
            let name = entry.map_err(StateError::io(&self.home))?.file_name();
            let Some(tag) = name.to_str().filter(|tag| *tag != self.tag) else { continue };
            // A broken file of another cluster is that cluster's problem; its
            // listeners are still found by binding.
            if let Ok(Some(state)) = Self::new(self.home.clone(), tag).load() {
                promised.extend(state.ports.values().flat_map(|p| [p.main, p.second]));
            }
        }
        Ok(promised)
    }
}

/// A lock file; the system lets go of it when its holder dies.
#[must_use = "the lock ends with this value"]
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    async fn take(path: &Path, patience: Duration) -> Result<Self, StateError> {
        if let Some(parent) = path.parent() {
            create_private(parent)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(StateError::io(path))?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(StateError::io(path)(error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(StateError::Locked { path: path.to_owned() });
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
            }
        }
    }
}

/// Makes a folder that only its owner may enter.
pub(crate) fn create_private(dir: &Path) -> Result<(), StateError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(StateError::io(dir))
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), StateError> {
    let open = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
    let mut file = open.map_err(StateError::io(path))?;
    file.write_all(text.as_bytes()).map_err(StateError::io(path))?;
    file.sync_all().map_err(StateError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Profile;

    fn folder(home: &Path, tag: &str) -> ClusterFolder {
        ClusterFolder::new(home.to_owned(), tag)
    }

    fn state(tag: &str, port: u16) -> ClusterState {
        let ports = BTreeMap::from([("redis".to_owned(), NodePorts::local(port, port))]);
        let mut state = ClusterState::new(Topology::new(tag, Profile::Tiny), ports);
        state.processes.insert("redis".to_owned(), ProcessId { pid: 7, start_time: 9 });
        state
    }

    #[tokio::test]
    async fn what_was_saved_is_loaded() {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(home.path(), "a");
        folder.create().unwrap();
        assert!(folder.load().unwrap().is_none());
        let state = state("a", 4000);
        folder.save(&state).unwrap();
        assert_eq!(folder.load_existing().unwrap(), state);
        folder.remove().await.unwrap();
        assert!(matches!(folder.load_existing(), Err(StateError::NoCluster { .. })));
    }

    #[test]
    fn ports_of_other_clusters_are_promised() {
        let home = tempfile::tempdir().unwrap();
        let (a, b) = (folder(home.path(), "a"), folder(home.path(), "b"));
        a.create().unwrap();
        b.create().unwrap();
        a.save(&state("a", 4000)).unwrap();
        b.save(&state("b", 5000)).unwrap();
        assert_eq!(a.promised_ports().unwrap(), BTreeSet::from([5000]));
    }

    #[test]
    fn a_broken_file_is_named_and_not_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(home.path(), "a");
        folder.create().unwrap();
        fs::write(folder.root().join("state.json"), "{").unwrap();
        let error = folder.load().unwrap_err().to_string();
        assert!(error.contains("state.json"), "{error}");
    }

    #[tokio::test]
    async fn a_lock_is_held_by_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let held = FolderLock::take(&path, Duration::ZERO).await.unwrap();
        let second = FolderLock::take(&path, Duration::ZERO).await;
        assert!(matches!(second, Err(StateError::Locked { .. })));
        drop(held);
        FolderLock::take(&path, Duration::ZERO).await.map(drop).unwrap();
    }
}
