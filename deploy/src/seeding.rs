//! Makes the replica of a shard anew: an empty server, a copy of its primary
//! taken while that goes on, and then everything since. The copy is SQL in one
//! transaction's view, with the position in the log that it stands at.
//!
//! While it lasts the shard has one copy, and its primary acknowledges alone:
//! otherwise nothing could be sold before the copy is whole. It is written down
//! first ([`Roles`](crate::roles::Roles)), so whoever is interrupted leaves a
//! replica that nobody takes for whole.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use crate::backup::run;
use crate::cluster::StartedCluster;
use crate::plan::Layout;
use crate::programs::{MARIADB_CLIENT, MARIADB_DUMP};
use crate::promotion::ReplicaError;
use crate::topology::NodeSpec;
use crate::{mysql, replication, roles, start};

/// How long the empty server may take to be there, and the full one to follow.
const READY_WITHIN: Duration = Duration::from_secs(90);

impl StartedCluster {
    /// Makes the replica of a shard anew from its primary, whatever it was
    /// before: new, behind, broken, or the primary of before a promotion.
    /// Returns the cluster with the replica counted among those that
    /// acknowledge.
    ///
    /// # Errors
    /// When the node is no replica, or a step fails: then the replica must be
    /// made anew again, and its primary goes on alone.
    pub async fn seed_replica(&self, name: &str) -> Result<Self, ReplicaError> {
        let _launcher = self.folder().lock_launcher().await?;
        let cluster = self.reread()?;
        let node = cluster.spec(name)?;
        if roles::replica_of(cluster.state(), node) != Some(node) {
            return Err(ReplicaError::NoReplica(name.to_owned()));
        }
        let made = cluster.make_anew(node).await;
        made.map_err(|why| ReplicaError::Step { node: name.to_owned(), why })
    }

    /// The same, under the launcher's lock.
    pub(crate) async fn make_anew(&self, replica: &NodeSpec) -> Result<Self, String> {
        let cluster = self.part_from(replica).await?;
        let state = cluster.state();
        let primary = roles::primary_of(state, replica);
        if cluster.living(&primary.name).map_err(|error| error.to_string())?.is_none() {
            return Err(format!("its primary {} does not run", primary.name));
        }
        remove_data(&cluster.folder().node(&replica.name).join("data"))?;
        cluster.start_empty(replica).await?;
        cluster.copy_over(primary, replica).await?;
        let url = mysql::server_url(state, replica);
        replication::tell(&url, replication::follow(state, primary)).await?;
        replication::has_everything(state, primary, replica).await?;
        replication::wait_for_replica(state, primary, true).await?;
        // It introduces itself again, to a primary that listens to it now.
        let again = "STOP SLAVE IO_THREAD; START SLAVE IO_THREAD";
        replication::tell(&url, again.to_owned()).await?;
        replication::is_counted(state, primary).await?;
        let whole = cluster.change_roles(|roles| roles.take_back(replica)).await;
        whole.map_err(|error| error.to_string())
    }

    /// Stops a replica for being made anew, and lets its primary go on alone.
    pub(crate) async fn part_from(&self, replica: &NodeSpec) -> Result<Self, String> {
        let parted = self.change_roles(|roles| roles.cast_out(replica)).await;
        let cluster = parted.map_err(|error| error.to_string())?;
        cluster.stop(&replica.name).await.map_err(|error| error.to_string())?;
        let primary = roles::primary_of(cluster.state(), replica);
        if cluster.living(&primary.name).map_err(|error| error.to_string())?.is_some() {
            replication::wait_for_replica(cluster.state(), primary, false).await?;
        }
        Ok(cluster)
    }

    async fn start_empty(&self, replica: &NodeSpec) -> Result<(), String> {
        let layout =
            Layout { state: self.state(), folder: self.folder(), programs: self.programs() };
        let plan = mysql::plan_to_fill(replica, layout);
        let starting = async {
            let (id, _) = start::start_if(self, &plan, &Mutex::default(), |_| Ok(())).await?;
            start::wait_ready(&plan, id, READY_WITHIN).await
        };
        starting.await.map_err(|error| error.to_string())
    }

    /// From one server into the other, without a file between them.
    async fn copy_over(&self, primary: &NodeSpec, replica: &NodeSpec) -> Result<(), String> {
        let (reader, writer) = io::pipe().map_err(|error| error.to_string())?;
        let database = mysql::database(primary.kind);
        let mut dump = self.client(&MARIADB_DUMP, primary)?;
        dump.args(["--single-transaction", "--quick", "--routines", "--triggers", "--hex-blob"])
            // The copy says where in the log it stands.
            .args(["--master-data=1", "--gtid"])
            .arg(database)
            .stdin(Stdio::null())
            .stdout(writer);
        let mut load = self.client(&MARIADB_CLIENT, replica)?;
        // What it has of its primary is not its own to tell.
        load.args(["--init-command=SET SESSION sql_log_bin=0", database])
            .stdin(reader)
            .stdout(Stdio::null());
        let (dumped, loaded) = tokio::join!(run(dump), run(load));
        // Who reads fails first: who writes only notices.
        loaded.and(dumped)
    }
}

/// Removes the data of a server that does not run.
pub(crate) fn remove_data(data: &Path) -> Result<(), String> {
    match fs::remove_dir_all(data) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("{}: {error}", data.display())),
    }
}
