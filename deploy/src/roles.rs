//! Which server of a shard leads, which follows it, and which may not be
//! started with the data it has. Kept in the cluster's state: no start may
//! forget it. It must not know how servers are told.
//!
//! A shard is known by its `Shard` node's name, for ever. Which *server* leads
//! it changes with a promotion: every address of a shard is asked for here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cluster::{ClusterError, StartedCluster};
use crate::state::ClusterState;
use crate::topology::{NodeKind, NodeSpec};

/// What promotions have changed. Empty for a cluster as it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// The server that leads a shard, where it is not the shard's namesake.
    led_by: BTreeMap<String, String>,
    /// Servers whose data may not be used: only making them anew starts them.
    /// The primary of such a one acknowledges alone.
    to_make_anew: BTreeSet<String>,
}

impl Roles {
    /// Whether a server may only be started by making it anew.
    pub(crate) fn must_be_made_anew(&self, server: &str) -> bool {
        self.to_make_anew.contains(server)
    }

    /// From now on only making it anew starts this server.
    pub(crate) fn cast_out(&mut self, server: &NodeSpec) {
        self.to_make_anew.insert(server.name.clone());
    }

    /// Its data are a copy of its primary's again.
    pub(crate) fn take_back(&mut self, server: &NodeSpec) {
        self.to_make_anew.remove(&server.name);
    }

    /// From now on this server leads the shard.
    fn lead(&mut self, shard: &NodeSpec, server: &NodeSpec) {
        if shard == server {
            self.led_by.remove(&shard.name);
        } else {
            self.led_by.insert(shard.name.clone(), server.name.clone());
        }
    }
}

/// The shard that a server belongs to; `None` for what is no shard's server.
fn shard_of<'a>(state: &'a ClusterState, server: &NodeSpec) -> Option<&'a NodeSpec> {
    if !matches!(server.kind, NodeKind::Shard | NodeKind::ShardReplica) {
        return None;
    }
    state.topology.of_kind(NodeKind::Shard).find(|shard| shard.index == server.index)
}

/// The server that leads the shard of this one; for any other node itself.
pub(crate) fn primary_of<'a>(state: &'a ClusterState, server: &'a NodeSpec) -> &'a NodeSpec {
    let Some(shard) = shard_of(state, server) else { return server };
    let led_by = state.roles.led_by.get(&shard.name);
    let promoted = state.topology.nodes.iter().find(|node| Some(&node.name) == led_by);
    promoted.unwrap_or(shard)
}

/// The server that follows the primary of this one's shard.
pub(crate) fn replica_of<'a>(state: &'a ClusterState, server: &NodeSpec) -> Option<&'a NodeSpec> {
    let shard = shard_of(state, server)?;
    let mut replicas = state.topology.of_kind(NodeKind::ShardReplica);
    let replica = replicas.find(|replica| replica.index == shard.index)?;
    Some(if primary_of(state, shard) == replica { shard } else { replica })
}

/// Whom a server follows; `None` for one that follows nobody.
pub(crate) fn followed_by<'a>(
    state: &'a ClusterState,
    server: &'a NodeSpec,
) -> Option<&'a NodeSpec> {
    if server.kind == NodeKind::CatalogueReplica {
        return state.topology.of_kind(NodeKind::Catalogue).next();
    }
    Some(primary_of(state, server)).filter(|primary| *primary != server)
}

/// Whether a primary may acknowledge only what its replica has, too.
pub(crate) fn waits_for_replica(state: &ClusterState, primary: &NodeSpec) -> bool {
    replica_of(state, primary)
        .is_some_and(|replica| replica != primary && !state.roles.must_be_made_anew(&replica.name))
}

/// Whether a node may be started with the data it has. Ask it of the state on
/// disk, under its lock: another launcher may be promoting.
pub(crate) fn may_start(
    cluster: &StartedCluster,
    now: &ClusterState,
    name: &str,
) -> Result<(), ClusterError> {
    if now.roles != cluster.state().roles {
        return Err(ClusterError::Outdated);
    }
    let server = now.topology.nodes.iter().find(|node| node.name == name);
    let follows = server.and_then(|server| replica_of(now, server)) == server && server.is_some();
    let data = cluster.folder().node(name).join("data");
    // One that lost its folder would begin with nothing, and be taken for one
    // that has all that was ever acknowledged.
    let lost = follows && now.processes.contains_key(name) && !data.exists();
    if lost || now.roles.must_be_made_anew(name) {
        return Err(ClusterError::MustBeMadeAnew(name.to_owned()));
    }
    Ok(())
}

impl StartedCluster {
    /// The name of the server that leads a shard now.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn primary_of(&self, shard: &str) -> Result<String, ClusterError> {
        Ok(primary_of(self.state(), self.spec(shard)?).name.clone())
    }

    /// The name of the server that follows the primary of a shard, or should.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn replica_of(&self, shard: &str) -> Result<Option<String>, ClusterError> {
        Ok(replica_of(self.state(), self.spec(shard)?).map(|node| node.name.clone()))
    }

    /// Whether a server may only be started by making it anew
    /// ([`Self::seed_replica`]).
    #[must_use]
    pub fn must_be_made_anew(&self, server: &str) -> bool {
        self.state().roles.must_be_made_anew(server)
    }

    /// Makes a server the primary of its shard.
    pub(crate) async fn put_in_the_lead(&self, server: &NodeSpec) -> Result<Self, ClusterError> {
        let shard = shard_of(self.state(), server).unwrap_or(server);
        self.change_roles(|roles| roles.lead(shard, server)).await
    }

    /// Writes a change of the roles down, and returns the cluster as it is then.
    pub(crate) async fn change_roles(
        &self,
        change: impl FnOnce(&mut Roles),
    ) -> Result<Self, ClusterError> {
        let _lock = self.folder().lock_state().await?;
        let mut state = self.folder().load_existing()?;
        change(&mut state.roles);
        self.folder().save(&state)?;
        Ok(self.reread()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::sample_with;
    use crate::topology::Profile;

    fn node(state: &ClusterState, name: &str) -> NodeSpec {
        state.topology.nodes.iter().find(|node| node.name == name).unwrap().clone()
    }

    #[test]
    fn a_promotion_swaps_two_servers_and_no_others() {
        let (mut state, ..) =
            sample_with(Profile::Tiny, |topology| topology.set_count(NodeKind::ShardReplica, 2));
        let (shard, replica) = (node(&state, "shard-1"), node(&state, "shard-replica-1"));
        assert_eq!(primary_of(&state, &replica), &shard);
        assert_eq!(followed_by(&state, &replica), Some(&shard));
        assert_eq!(followed_by(&state, &shard), None);

        state.roles.lead(&shard, &replica);
        for server in [&shard, &replica] {
            assert_eq!(primary_of(&state, server), &replica);
            assert_eq!(replica_of(&state, server), Some(&shard));
        }
        assert_eq!(followed_by(&state, &shard), Some(&replica));
        assert_eq!(followed_by(&state, &replica), None);
        let other = node(&state, "shard-0");
        assert_eq!(primary_of(&state, &other), &other);
        assert_eq!(primary_of(&state, &node(&state, "catalogue")).name, "catalogue");

        state.roles.lead(&shard, &shard);
        assert_eq!(state.roles, Roles::default(), "promoted back, nothing is left of it");
    }

    #[test]
    fn a_primary_waits_for_its_replica_unless_that_must_be_made_anew() {
        let (mut state, ..) =
            sample_with(Profile::Tiny, |topology| topology.set_count(NodeKind::ShardReplica, 1));
        let (shard, replica) = (node(&state, "shard-0"), node(&state, "shard-replica-0"));
        assert!(waits_for_replica(&state, &shard));
        assert!(!waits_for_replica(&state, &replica));
        assert!(!waits_for_replica(&state, &node(&state, "shard-1")), "it has none");
        state.roles.cast_out(&replica);
        assert!(!waits_for_replica(&state, &shard));
        state.roles.take_back(&replica);
        assert!(waits_for_replica(&state, &shard));
    }
}
