//! What a start begins from: the state on disk where that fits, a new one with
//! ports of its own otherwise. It must not know how nodes are started.

use crate::cluster::ClusterError;
use crate::ports;
use crate::process::{self, Liveness};
use crate::state::{ClusterFolder, ClusterState};
use crate::topology::Topology;

/// The state a cluster starts from: what is on disk where that fits, a new
/// one otherwise. Call it under the launcher's lock.
pub(crate) async fn settle(
    folder: &ClusterFolder,
    topology: Topology,
) -> Result<ClusterState, ClusterError> {
    let lives = |state: &ClusterState| {
        state.processes.values().any(|id| process::liveness(*id) != Liveness::Gone)
    };
    let old = folder.load()?;
    // etcd writes its peers' ports into its data, MariaDB its accounts: with
    // data, ports and secrets stay.
    let has_data = |state: &ClusterState| {
        state.topology.nodes.iter().any(|node| folder.node(&node.name).join("data").exists())
    };
    let state = match old {
        Some(old) if lives(&old) || has_data(&old) => {
            let same = old.topology.overrides == topology.overrides
                && old.topology.variables == topology.variables;
            let same_settings = same || !lives(&old);
            if old.topology.nodes != topology.nodes || !same_settings {
                let profile = old.topology.profile.as_str();
                return Err(ClusterError::Different { tag: topology.tag, profile });
            }
            if !lives(&old) {
                check_ports(&old)?;
            }
            let mut state = old;
            state.topology = topology;
            state
        }
        _ => {
            let _ports = folder.lock_ports().await?;
            let promised = folder.promised_ports()?;
            let range = ports::range_from_env()?;
            let ports = ports::choose(&topology, &range, &promised, ports::is_free)?;
            let state = ClusterState::new(topology, ports);
            let _lock = folder.lock_state().await?;
            folder.save(&state)?;
            return Ok(state);
        }
    };
    let _lock = folder.lock_state().await?;
    folder.save(&state)?;
    Ok(state)
}

fn check_ports(state: &ClusterState) -> Result<(), ClusterError> {
    for (node, ports) in &state.ports {
        for port in [ports.main, ports.second] {
            if !ports::is_free(port) {
                let tag = state.topology.tag.clone();
                return Err(ClusterError::PortTaken { tag, node: node.clone(), port });
            }
        }
    }
    Ok(())
}
