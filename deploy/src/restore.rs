//! Restores stores from a backup ([`crate::backup`]): each as it was then, and
//! whole. Nobody may write to a store meanwhile, so who would is stopped. What
//! must be done afterwards, so that the stores agree again, is another's part.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures_util::future::join_all;
use sqlx::Connection as _;
use tokio::time::timeout;

use crate::backup::{FORMAT, MANIFEST, Manifest, STORE_WITHIN, Saved, checksum, connect, copy};
use crate::backup::{not_within, run};
use crate::cluster::{ClusterError, StartedCluster};
use crate::programs::MARIADB_CLIENT;
use crate::seeding::remove_data;
use crate::state::create_private;
use crate::topology::{NodeKind, NodeSpec};
use crate::{mysql, replication, roles};

/// Why nothing, or not everything, was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The manifest is not there, or is none.
    #[error("{path} cannot be read ({reason}); without it this is no backup")]
    NoBackup {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something is missing in it, and all of it was asked for.
    #[error("the backup is not complete: {} is missing; say with --only what is to be restored",
        missing.join(", "))]
    Partial {
        /// The nodes that are not in it.
        missing: Vec<String>,
    },
    /// It was asked for something else than there is.
    #[error("{node} is not in the backup, which has {}", known.join(", "))]
    NotSaved {
        /// What was asked for.
        node: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A file is not what was saved.
    #[error("{file}: {why}; nothing was restored")]
    Damaged {
        /// Which one.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody who writes to it runs.
    #[error("{} must not run meanwhile; --stop stops them, and starts them again afterwards",
        nodes.join(", "))]
    InUse {
        /// Who.
        nodes: Vec<String>,
    },
    /// A store was not restored. What it holds now is not whole.
    #[error("{node}: {why}; it is not whole: leave stopped what is stopped, and restore it again")]
    Store {
        /// Which one.
        node: String,
        /// Why not.
        why: String,
    },
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The stores.
    pub stores: Vec<Saved>,
    /// The services that were stopped for it, and still are.
    pub stopped: Vec<String>,
}

impl StartedCluster {
    /// Restores the stores of a backup, or `only` some nodes' of it. A server
    /// that does not run is started, on an empty folder where it has none.
    /// With `stop` services that would write to them are stopped, and stay so.
    ///
    /// # Errors
    /// See [`RestoreError`]. All files are checked before anything is touched.
    pub async fn restore(
        &self,
        dir: &Path,
        only: &[String],
        stop: bool,
    ) -> Result<Restored, RestoreError> {
        let stores = chosen(read(dir)?, only)?;
        let mut nodes = Vec::new();
        for saved in &stores {
            let node = self.topology().of_kind(saved.kind).find(|node| node.name == saved.node);
            nodes.push(node.ok_or_else(|| self.unknown(&saved.node))?);
            check(dir, saved).await?;
        }
        let _launcher = self.folder().lock_launcher().await.map_err(ClusterError::from)?;
        let stopped = self.clear(&stores, stop).await?;
        for (saved, node) in stores.iter().zip(nodes) {
            let file = dir.join(&saved.file);
            let work = async {
                match node.kind {
                    NodeKind::PaymentGateway => self.put_ledger(node, &file).await,
                    NodeKind::Catalogue => self.load_catalogue(node, &file).await,
                    NodeKind::Shard => self.load_shard(node, &file).await,
                    _ => self.load(node, &file, "").await,
                }
            };
            let done = timeout(STORE_WITHIN, work).await;
            done.unwrap_or_else(|_| Err(not_within(STORE_WITHIN)))
                .map_err(|why| RestoreError::Store { node: saved.node.clone(), why })?;
        }
        Ok(Restored { stores, stopped })
    }

    fn unknown(&self, node: &str) -> ClusterError {
        let known = self.topology().nodes.iter().map(|node| node.name.clone()).collect();
        ClusterError::UnknownNode { node: node.to_owned(), known }
    }

    /// Stops whoever would write to these stores, or names them.
    async fn clear(&self, stores: &[Saved], stop: bool) -> Result<Vec<String>, RestoreError> {
        let catalogue = stores.iter().any(|saved| saved.kind == NodeKind::Catalogue);
        let uses = |kind| match kind {
            NodeKind::BookingApi => true,
            // A view would show half of a catalogue; until then it has memory.
            NodeKind::ViewService => catalogue,
            _ => false,
        };
        let nodes = self.nodes()?;
        let running = nodes.into_iter().filter(|node| uses(node.kind) && node.pid.is_some());
        let running: Vec<String> = running.map(|node| node.name).collect();
        if !stop && !running.is_empty() {
            return Err(RestoreError::InUse { nodes: running });
        }
        for stopped in join_all(running.iter().map(|name| self.stop(name))).await {
            stopped?;
        }
        Ok(running)
    }

    /// Empties a database, and fills it from SQL. `before` is run first.
    async fn load(&self, node: &NodeSpec, file: &Path, before: &str) -> Result<(), String> {
        let living = self.living(&node.name).map_err(|error| error.to_string())?;
        if living.is_none() {
            self.restart(&node.name).await.map_err(|error| error.to_string())?;
        }
        let database = mysql::database(node.kind);
        let make = mysql::create_database(node.kind);
        // Tables that were made since must not stay.
        let empty = format!("{before}DROP DATABASE IF EXISTS {database};{make};");
        let mut connection = connect(&mysql::server_url(self.state(), node)).await?;
        let emptied = sqlx::raw_sql(sqlx::AssertSqlSafe(empty)).execute(&mut connection).await;
        emptied.map_err(|error| error.to_string())?;
        drop(connection.close().await);
        let file = File::open(file).map_err(|error| error.to_string())?;
        let mut command = self.client(&MARIADB_CLIENT, node)?;
        command.arg(database).stdin(file).stdout(Stdio::null());
        run(command).await
    }

    /// Whoever leads the shard, and then its replica anew from that. Meanwhile
    /// there is nobody to acknowledge what is loaded.
    async fn load_shard(&self, shard: &NodeSpec, file: &Path) -> Result<(), String> {
        let primary = roles::primary_of(self.state(), shard);
        let Some(replica) = roles::replica_of(self.state(), shard) else {
            return self.load(primary, file, "").await;
        };
        let alone = self.part_from(replica).await?;
        alone.load(primary, file, "").await?;
        alone.make_anew(replica).await.map(drop)
    }

    /// The primary, and its replicas made anew from it: one that followed what
    /// was lost has another past, and does not follow what was restored.
    async fn load_catalogue(&self, node: &NodeSpec, file: &Path) -> Result<(), String> {
        let replicas: Vec<&NodeSpec> =
            self.topology().of_kind(NodeKind::CatalogueReplica).collect();
        for replica in &replicas {
            self.stop(&replica.name).await.map_err(|error| error.to_string())?;
            remove_data(&self.folder().node(&replica.name).join("data"))?;
        }
        // An empty replica begins at the first line of the log: it must begin
        // with what is loaded now.
        self.load(node, file, "RESET MASTER;").await?;
        for replica in replicas {
            self.restart(&replica.name).await.map_err(|error| error.to_string())?;
            replication::has_everything(self.state(), node, replica).await?;
        }
        Ok(())
    }

    async fn put_ledger(&self, node: &NodeSpec, file: &Path) -> Result<(), String> {
        let text = |error: ClusterError| error.to_string();
        self.stop(&node.name).await.map_err(text)?;
        let ledger = self.ledger_of(node);
        let folder = ledger.parent().unwrap_or(&ledger);
        create_private(folder).map_err(|error| error.to_string())?;
        let draft = ledger.with_extension("redb.new");
        copy(file, &draft).await?;
        fs::rename(&draft, &ledger).map_err(|error| error.to_string())?;
        self.restart(&node.name).await.map_err(text)
    }
}

fn read(dir: &Path) -> Result<Manifest, RestoreError> {
    let path = dir.join(MANIFEST);
    let no_backup = |reason: String| RestoreError::NoBackup { path: path.clone(), reason };
    let text = fs::read(&path).map_err(|error| no_backup(error.to_string()))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| no_backup(error.to_string()))?;
    if manifest.format != FORMAT {
        return Err(no_backup(format!("its format is {}, not {FORMAT}", manifest.format)));
    }
    Ok(manifest)
}

/// What is to be restored, in the order of the backup.
fn chosen(manifest: Manifest, only: &[String]) -> Result<Vec<Saved>, RestoreError> {
    if only.is_empty() {
        if manifest.complete {
            return Ok(manifest.stores);
        }
        let missing = manifest.missing.into_iter().map(|missing| missing.node).collect();
        return Err(RestoreError::Partial { missing });
    }
    let known: Vec<String> = manifest.stores.iter().map(|saved| saved.node.clone()).collect();
    if let Some(node) = only.iter().find(|node| !known.contains(node)) {
        return Err(RestoreError::NotSaved { node: node.clone(), known });
    }
    Ok(manifest.stores.into_iter().filter(|saved| only.contains(&saved.node)).collect())
}

async fn check(dir: &Path, saved: &Saved) -> Result<(), RestoreError> {
    let file = dir.join(&saved.file);
    let why = match checksum(&file).await {
        Ok((bytes, sha256)) if bytes == saved.bytes && sha256 == saved.sha256 => return Ok(()),
        Ok(_) => "it is not what was saved".to_owned(),
        Err(why) => why,
    };
    Err(RestoreError::Damaged { file, why })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::backup::Missing;

    fn manifest(missing: &[&str]) -> Manifest {
        let store = |node: &str| Saved {
            node: node.to_owned(),
            kind: NodeKind::Shard,
            version: "10.11".to_owned(),
            file: PathBuf::from(format!("{node}.sql")),
            bytes: 3,
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned(),
            began: Timestamp::UNIX_EPOCH,
        };
        let missing: Vec<Missing> = missing
            .iter()
            .map(|node| Missing { node: (*node).to_owned(), why: "it is away".to_owned() })
            .collect();
        Manifest {
            format: FORMAT,
            complete: missing.is_empty(),
            tag: "t".to_owned(),
            seatlock: "0".to_owned(),
            began: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            stores: ["shard-0", "shard-1"].map(store).to_vec(),
            missing,
        }
    }

    #[test]
    fn a_part_of_a_backup_is_restored_only_by_name() {
        let partial = || manifest(&["catalogue"]);
        assert!(matches!(chosen(partial(), &[]), Err(RestoreError::Partial { .. })));
        let one = ["shard-1".to_owned()];
        assert_eq!(chosen(partial(), &one).unwrap().len(), 1);
        let gone = ["catalogue".to_owned()];
        assert!(matches!(chosen(partial(), &gone), Err(RestoreError::NotSaved { .. })));
        assert_eq!(chosen(manifest(&[]), &[]).unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_file_that_was_changed_is_not_restored() {
        let dir = tempfile::tempdir().unwrap();
        let saved = manifest(&[]).stores.remove(0);
        assert!(matches!(check(dir.path(), &saved).await, Err(RestoreError::Damaged { .. })));
        fs::write(dir.path().join("shard-0.sql"), "abc").unwrap();
        check(dir.path(), &saved).await.unwrap();
        fs::write(dir.path().join("shard-0.sql"), "abd").unwrap();
        assert!(matches!(check(dir.path(), &saved).await, Err(RestoreError::Damaged { .. })));
    }

    #[test]
    fn a_folder_without_a_manifest_is_no_backup() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path()), Err(RestoreError::NoBackup { .. })));
        let mut later = manifest(&[]);
        later.format += 1;
        fs::write(dir.path().join(MANIFEST), serde_json::to_string(&later).unwrap()).unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("format"), "{error}");
    }
}
