//! The same cluster with other settings: saved for every launcher, and given to
//! a node when it is started next. It must not know what a setting means to
//! whoever reads it, or to a server that keeps a copy of its own.

use crate::cluster::{ClusterError, StartedCluster};
use crate::programs::Programs;
use crate::state::Secrets;
use crate::topology::Topology;

impl StartedCluster {
    /// Changes settings: overrides, variables, which programs run, secrets.
    /// Nothing is restarted: a node has the new settings from its next
    /// [`Self::restart`] on, by the value that is returned or by any that was
    /// attached since. Values from before go on starting nodes as they were.
    ///
    /// Servers keep passwords of their own: a database's in [`Secrets`] only
    /// says what services are told, and is changed in the server by the caller.
    ///
    /// # Errors
    /// When nodes, their hosts or the tag would change, or a program that is
    /// asked for is missing; then nothing is saved.
    pub async fn reconfigure(
        &self,
        change: impl FnOnce(&mut Topology, &mut Secrets),
    ) -> Result<Self, ClusterError> {
        let folder = self.folder();
        // Processes are written into the same file as nodes are started.
        let _lock = folder.lock_state().await?;
        let before = folder.load_existing()?;
        let mut state = before.clone();
        // The file does not say where it is.
        state.topology.home.clone_from(&self.topology().home);
        change(&mut state.topology, &mut state.secrets);
        let same = state.topology.nodes == before.topology.nodes
            && state.topology.hosts == before.topology.hosts
            && state.topology.tag == before.topology.tag;
        if !same {
            return Err(ClusterError::NodesStay(before.topology.tag));
        }
        let programs = Programs::find(&state.topology)?;
        folder.save(&state)?;
        Ok(Self::over(folder.clone(), state, programs))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::process::ProcessId;
    use crate::state::{ClusterFolder, ClusterState};
    use crate::token::Role;
    use crate::topology::{NodeKind, Profile};

    /// Without nodes: no program need be there.
    fn cluster(home: &Path) -> StartedCluster {
        let folder = ClusterFolder::new(home.to_owned(), "a");
        folder.create().unwrap();
        let topology = Topology::new("a", Profile::Tiny).only(|_| false);
        let state = ClusterState::new(topology, BTreeMap::new());
        folder.save(&state).unwrap();
        StartedCluster::over(folder, state, Programs::none())
    }

    #[tokio::test]
    async fn settings_change_and_what_runs_is_not_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let old = cluster(home.path());
        // Somebody starts a node after this value was made.
        let mut state = old.folder().load_existing().unwrap();
        state.processes.insert("redis".to_owned(), ProcessId { pid: 7, start_time: 9 });
        old.folder().save(&state).unwrap();
        let new = old
            .reconfigure(|topology, secrets| {
                topology.variables.entry(NodeKind::BookingApi).or_default();
                secrets.jwt = "another".to_owned();
            })
            .await
            .unwrap();
        assert_eq!(old.folder().load_existing().unwrap().processes, state.processes);
        assert_eq!((new.secrets().jwt.as_str(), new.topology().variables.len()), ("another", 1));
        assert_eq!(new.secrets().booking, old.secrets().booking);
        let attached = StartedCluster::attach(Some(home.path().to_owned()), "a").unwrap();
        assert_eq!(attached.secrets(), new.secrets());
        let token = |cluster: &StartedCluster| {
            cluster.mint_token("ann", Role::Customer, std::time::Duration::from_secs(60)).unwrap()
        };
        assert_ne!(token(&old), token(&new), "values from before stay as they were");
    }

    #[tokio::test]
    async fn nodes_stay_as_they_were() {
        let home = tempfile::tempdir().unwrap();
        let cluster = cluster(home.path());
        let before = cluster.folder().load_existing().unwrap();
        let more = cluster.reconfigure(|topology, _| topology.set_count(NodeKind::Shard, 1)).await;
        assert!(matches!(more, Err(ClusterError::NodesStay(tag)) if tag == "a"));
        let elsewhere = cluster.reconfigure(|topology, _| topology.tag = "b".to_owned()).await;
        assert!(elsewhere.is_err());
        assert_eq!(cluster.folder().load_existing().unwrap(), before);
    }
}
