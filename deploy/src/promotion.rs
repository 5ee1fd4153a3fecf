//! Promotes the replica of a shard: ends its primary for good, sees to it that
//! the replica has applied all it received, and leads booking-api there. It
//! chooses nothing: a person says that the primary is lost.
//!
//! The order is the safety. The old primary is cast out, on disk, before
//! anybody writes to the new one: no start brings it back, and a launcher that
//! dies in between leaves a shard without a primary, never with two. Every step
//! may be repeated.

use std::time::Duration;

use crate::cluster::{ClusterError, StartedCluster};
use crate::state::StateError;
use crate::topology::{NodeKind, NodeSpec};
use crate::{mysql, replication, roles};

/// How long a replica may take to apply what it has received.
const APPLIED_WITHIN: Duration = Duration::from_secs(120);

/// Why a replica was not promoted, or not made anew.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// It was asked for something else.
    #[error("{0} is not the replica of a shard now")]
    NoReplica(String),
    /// It may lack what was acknowledged. Nothing was changed.
    #[error("{node} is not promoted: {why}")]
    Refused {
        /// Which one.
        node: String,
        /// What speaks against it.
        why: String,
    },
    /// A step did not work. All of it may be repeated.
    #[error("{node}: {why}")]
    Step {
        /// Which one.
        node: String,
        /// What went wrong.
        why: String,
    },
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl From<StateError> for ReplicaError {
    fn from(error: StateError) -> Self {
        Self::Cluster(error.into())
    }
}

impl StartedCluster {
    /// Makes the replica of a shard its primary: kills the old one, which may
    /// never lead again before it was made anew, and leads every booking-api to
    /// the new one, one instance after the other. Until the old one is made anew
    /// ([`Self::seed_replica`]) the shard has one copy. Returns the cluster as
    /// it is then; values from before start nothing any more.
    ///
    /// With `force` also one is promoted that may lack acknowledged bookings:
    /// etcd knows them, and `fsck --repair` writes them again.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] where it may lack something; nothing was
    /// changed then. Anything else may be tried again.
    pub async fn promote(&self, name: &str, force: bool) -> Result<Self, ReplicaError> {
        let _launcher = self.folder().lock_launcher().await?;
        let mut cluster = self.reread()?;
        let node = cluster.spec(name)?.clone();
        if roles::replica_of(cluster.state(), &node).is_none() {
            return Err(ReplicaError::NoReplica(name.to_owned()));
        }
        // One that leads already was interrupted before everybody knew.
        if roles::primary_of(cluster.state(), &node) != &node {
            cluster = cluster.take_over(&node, force).await?;
        }
        for api in cluster.topology().of_kind(NodeKind::BookingApi) {
            if cluster.living(&api.name)?.is_some() {
                cluster.restart(&api.name).await?;
            }
        }
        Ok(cluster)
    }

    async fn take_over(&self, node: &NodeSpec, force: bool) -> Result<Self, ReplicaError> {
        let refused = |why: String| ReplicaError::Refused { node: node.name.clone(), why };
        let step = |why: String| ReplicaError::Step { node: node.name.clone(), why };
        let old = roles::primary_of(self.state(), node);
        if self.must_be_made_anew(&node.name) {
            return Err(refused("it must be made anew itself".to_owned()));
        }
        if self.living(&node.name)?.is_none() {
            return Err(refused("it does not run".to_owned()));
        }
        let url = mysql::server_url(self.state(), node);
        let begun = self.must_be_made_anew(&old.name);
        match replication::following(&url).await.map_err(refused)? {
            // It was told already, and then somebody was interrupted.
            None if begun => {}
            None => return Err(refused("it follows nobody".to_owned())),
            Some(following) if !following.applies && !force => {
                return Err(refused(format!("it applies nothing: {}", following.error)));
            }
            Some(following) if !following.has_heard && !force => {
                let why = "it has not heard of its primary since it was started, and may lack \
                           what it had only received before; with the primary started again it \
                           can catch up";
                return Err(refused(why.to_owned()));
            }
            Some(_) => {}
        }
        // From here on nobody starts the old one; then it ends.
        let cluster = self.change_roles(|roles| roles.cast_out(old)).await?;
        if cluster.living(&old.name)?.is_some() {
            cluster.kill(&old.name).await?;
        }
        cluster.apply_received(&url, force).await.map_err(step)?;
        let free = "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only=OFF";
        replication::tell(&url, free.to_owned()).await.map_err(step)?;
        Ok(cluster.put_in_the_lead(node).await?)
    }

    /// Returns when a replica has applied everything it received.
    async fn apply_received(&self, url: &str, force: bool) -> Result<(), String> {
        if replication::following(url).await?.is_none() {
            return Ok(());
        }
        // What was acknowledged was received; nothing more is wanted.
        replication::tell(url, "STOP SLAVE IO_THREAD".to_owned()).await?;
        let Some(following) = replication::following(url).await? else { return Ok(()) };
        if force && !following.applies {
            return Ok(());
        }
        if replication::has_applied(url, &following.received, APPLIED_WITHIN).await? {
            return Ok(());
        }
        let (received, seconds) = (following.received, APPLIED_WITHIN.as_secs());
        Err(format!("it has not applied {received}, which it received, within {seconds} s"))
    }
}
