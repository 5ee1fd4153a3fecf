//! Backups: one file for each store whose loss nothing else makes good, and a
//! manifest that says what they are.
//!
//! Saved are the shards, the catalogue's primary and the sandbox's ledger of
//! payments. Not saved are Redis and the catalogue's replica, which are filled
//! from others, and etcd: what is sold is rebuilt from the shards, a hold lives
//! for minutes, and an old etcd offers what was sold since.
//!
//! The order matters where one store speaks of another. The shards come first,
//! then the catalogue: a performance that a shard sold is in it. The gateway
//! comes last: money is authorised before a booking is committed, so no saved
//! booking lacks its payment. Between two shards nothing is shared.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, MySqlConnection};
use tokio::process::Command;
use tokio::time::timeout;

use crate::cluster::{ClusterError, StartedCluster};
use crate::programs::{MARIADB_DUMP, Tool};
use crate::state::{StateError, create_private, write_private};
use crate::topology::{NodeKind, NodeSpec};
use crate::{mysql, roles};

/// The file that makes a folder a backup. It is written last.
pub const MANIFEST: &str = "manifest.json";

/// Raised when an older launcher could not restore it any more.
pub(crate) const FORMAT: u32 = 1;

/// How long saving or restoring one store may take.
pub(crate) const STORE_WITHIN: Duration = Duration::from_secs(3600);

/// How long a database may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long the gateway may be held still while its ledger is copied.
const STILL_WITHIN: Duration = Duration::from_secs(10);

/// How often a copy is taken again when the file changed under it.
const COPIES: u32 = 3;

/// Of what a program says when it fails, so many bytes are told.
const SAID_BYTES: usize = 1_000;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// How to read it.
    pub format: u32,
    /// Whether every store is in it.
    pub complete: bool,
    /// The cluster it was taken of.
    pub tag: String,
    /// The launcher's version.
    pub seatlock: String,
    /// When it was begun.
    pub began: Timestamp,
    /// When it was ended.
    pub ended: Timestamp,
    /// What was saved, in this order.
    pub stores: Vec<Saved>,
    /// What was not.
    pub missing: Vec<Missing>,
}

/// A store that was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Its node.
    pub node: String,
    /// What that is.
    pub kind: NodeKind,
    /// The version of the program that had the data.
    pub version: String,
    /// Its file, in the backup's folder.
    pub file: PathBuf,
    /// The file's size.
    pub bytes: u64,
    /// The file's SHA-256, in hexadecimal.
    pub sha256: String,
    /// When saving it was begun: what came later may be missing.
    pub began: Timestamp,
}

/// A store that was not saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its node.
    pub node: String,
    /// Why not.
    pub why: String,
}

/// Why there is no backup, not even a part of one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already.
    #[error("{0} is not empty; a backup needs a folder of its own")]
    NotEmpty(PathBuf),
    /// The folder or the manifest.
    #[error(transparent)]
    State(#[from] StateError),
}

impl StartedCluster {
    /// Saves every store that needs it into a folder, one after another, while
    /// the cluster goes on. What cannot be saved is named in the manifest, which
    /// then says that it is not complete.
    ///
    /// # Errors
    /// When the folder is not empty or cannot be written to.
    pub async fn backup(&self, dir: &Path) -> Result<Manifest, BackupError> {
        create_private(dir)?;
        let there = fs::read_dir(dir).and_then(|mut entries| entries.next().transpose());
        if there.map_err(|source| StateError::Io { path: dir.to_owned(), source })?.is_some() {
            return Err(BackupError::NotEmpty(dir.to_owned()));
        }
        let began = Timestamp::now();
        let (mut stores, mut missing) = (Vec::new(), Vec::new());
        let kinds = [NodeKind::Shard, NodeKind::Catalogue, NodeKind::PaymentGateway];
        for node in kinds.into_iter().flat_map(|kind| self.topology().of_kind(kind)) {
            match self.save(node, dir).await {
                Ok(saved) => stores.push(saved),
                Err(why) => missing.push(Missing { node: node.name.clone(), why }),
            }
        }
        let manifest = Manifest {
            format: FORMAT,
            complete: missing.is_empty(),
            tag: self.topology().tag.clone(),
            seatlock: env!("CARGO_PKG_VERSION").to_owned(),
            began,
            ended: Timestamp::now(),
            stores,
            missing,
        };
        let path = dir.join(MANIFEST);
        let unreadable = |error: serde_json::Error| StateError::Unreadable {
            path: path.clone(),
            reason: error.to_string(),
        };
        let text = serde_json::to_string_pretty(&manifest).map_err(unreadable)?;
        let draft = dir.join(format!("{MANIFEST}.part"));
        write_private(&draft, &text)?;
        fs::rename(&draft, &path).map_err(|source| StateError::Io { path, source })?;
        Ok(manifest)
    }

    /// A file under its final name is a whole file.
    async fn save(&self, node: &NodeSpec, dir: &Path) -> Result<Saved, String> {
        let began = Timestamp::now();
        let ending = if node.kind == NodeKind::PaymentGateway { "redb" } else { "sql" };
        let file = PathBuf::from(format!("{}.{ending}", node.name));
        let draft = dir.join(format!("{}.part", file.display()));
        let work = async {
            let version = match node.kind {
                NodeKind::PaymentGateway => self.copy_ledger(node, &draft).await?,
                _ => self.dump(node, &draft).await?,
            };
            let (bytes, sha256) = checksum(&draft).await?;
            fs::rename(&draft, dir.join(&file)).map_err(|error| error.to_string())?;
            let (node, kind) = (node.name.clone(), node.kind);
            Ok(Saved { node, kind, version, file, bytes, sha256, began })
        };
        let saved = timeout(STORE_WITHIN, work).await;
        let saved = saved.unwrap_or_else(|_| Err(not_within(STORE_WITHIN)));
        if saved.is_err() {
            // What is left of it would only be taken for something.
            drop(fs::remove_file(&draft));
        }
        saved
    }

    /// One transaction's view of a database, as SQL. Nobody waits for it.
    async fn dump(&self, node: &NodeSpec, to: &Path) -> Result<String, String> {
        let node = roles::primary_of(self.state(), node);
        let mut connection = connect(&mysql::launcher_url(self.state(), node)).await?;
        let version: String = sqlx::query_scalar("SELECT CONVERT(VERSION() USING utf8mb4)")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| error.to_string())?;
        drop(connection.close().await);
        let open = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to);
        let file = open.map_err(|error| error.to_string())?;
        let mut command = self.client(&MARIADB_DUMP, node)?;
        command
            // Procedures are part of how a shard commits.
            .args(["--single-transaction", "--quick", "--routines", "--triggers", "--hex-blob"])
            .arg(mysql::database(node.kind))
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(|error| error.to_string())?);
        run(command).await?;
        file.sync_all().map_err(|error| error.to_string())?;
        Ok(version)
    }

    /// A program of MariaDB's, with the launcher's account at a node.
    pub(crate) fn client(&self, tool: &Tool, node: &NodeSpec) -> Result<Command, String> {
        let missing = || format!("{} is missing: apt-get install {}", tool.name, tool.package);
        let program = tool.find().ok_or_else(missing)?;
        let at = crate::plan::ports_of(self.state(), &node.name).at_main();
        let mut command = Command::new(program);
        command
            .args(["--no-defaults", "--protocol=tcp", "--default-character-set=utf8mb4"])
            .arg(format!("--host={}", at.ip()))
            .arg(format!("--port={}", at.port()))
            .arg(format!("--user={}", mysql::LAUNCHER_ACCOUNT))
            // Not an argument: everybody on the machine can read those.
            .env("MYSQL_PWD", &self.state().secrets.launcher);
        Ok(command)
    }

    /// Where the sandbox has its ledger.
    pub(crate) fn ledger_of(&self, node: &NodeSpec) -> PathBuf {
        self.folder().node(&node.name).join("data").join("ledger.redb")
    }

    /// A gateway that stands still leaves its file as a crash would, which it
    /// survives; one that writes would leave a torn copy.
    async fn copy_ledger(&self, node: &NodeSpec, to: &Path) -> Result<String, String> {
        let text = |error: ClusterError| error.to_string();
        let runs = self.living(&node.name).map_err(|error| error.to_string())?.is_some();
        if runs {
            self.pause(&node.name).await.map_err(text)?;
        }
        let copied = timeout(STILL_WITHIN, copy_still(&self.ledger_of(node), to)).await;
        if runs {
            self.resume(&node.name).await.map_err(text)?;
        }
        copied.unwrap_or_else(|_| Err(not_within(STILL_WITHIN)))?;
        Ok(env!("CARGO_PKG_VERSION").to_owned())
    }
}

/// Its last write may still be on its way when a process stands still: what
/// was copied must be what is there afterwards.
async fn copy_still(from: &Path, to: &Path) -> Result<(), String> {
    for _ in 0..COPIES {
        copy(from, to).await?;
        if checksum(from).await? == checksum(to).await? {
            return Ok(());
        }
    }
    Err(format!("{} changes while it is copied", from.display()))
}

/// Copies a file to the disk, away from the runtime's threads.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        fs::copy(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
        let whole = OpenOptions::new().write(true).open(&to).and_then(|file| file.sync_all());
        whole.map_err(|error| format!("{}: {error}", to.display()))
    });
    copied.await.map_err(|error| error.to_string())?
}

/// Size and SHA-256 of a file.
pub(crate) async fn checksum(path: &Path) -> Result<(u64, String), String> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        digest(&path).map_err(|error| format!("{}: {error}", path.display()))
    });
    read.await.map_err(|error| error.to_string())?
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    let mut hash = Sha256::new();
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, format!("{:x}", hash.finalize())));
        }
        bytes += read as u64;
        hash.update(&buffer[..read]);
    }
}

/// A connection, or why there is none.
pub(crate) async fn connect(url: &str) -> Result<MySqlConnection, String> {
    let connected = timeout(CONNECT_WITHIN, MySqlConnection::connect(url)).await;
    connected.map_err(|_| not_within(CONNECT_WITHIN))?.map_err(|error| error.to_string())
}

/// Runs a program to its end; a failure is what it said last.
pub(crate) async fn run(mut command: Command) -> Result<(), String> {
    let child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let child = child.map_err(|error| error.to_string())?;
    let output = child.wait_with_output().await.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let from = output.stderr.len().saturating_sub(SAID_BYTES);
    let said = String::from_utf8_lossy(&output.stderr[from..]);
    Err(format!("{}: {}", output.status, said.trim()))
}

pub(crate) fn not_within(patience: Duration) -> String {
    format!("not within {} s", patience.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_checksum_is_the_one_sha256sum_prints() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "abc").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksum(&path).await, Ok((3, known.to_owned())));
    }

    #[tokio::test]
    async fn a_program_that_fails_says_why() {
        let mut command = Command::new("bash");
        command.args(["-c", "echo no room >&2; exit 3"]);
        let why = run(command).await.unwrap_err();
        assert!(why.contains('3') && why.ends_with("no room"), "{why}");
    }

    #[tokio::test]
    async fn a_copy_is_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, "ledger").unwrap();
        copy_still(&from, &to).await.unwrap();
        assert_eq!(fs::read_to_string(to).unwrap(), "ledger");
        assert!(copy_still(&dir.path().join("none"), &from).await.is_err());
    }
}
