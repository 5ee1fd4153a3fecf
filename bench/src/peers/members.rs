//! Connections of a peer to the etcd members: how many, and to which.

use std::fmt;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, KvClient, LeaseClient};

use crate::Failure;

/// Longer than any answer worth waiting for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a peer's connections lead. Peers try several and keep the fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// All to the leader, which spares a hop.
    Leader(usize),
    /// In turn to every member, which spares the leader.
    Spread(usize),
}

impl Placement {
    /// What is tried.
    pub(crate) const CANDIDATES: [Self; 5] =
        [Self::Leader(1), Self::Leader(4), Self::Spread(3), Self::Spread(6), Self::Spread(12)];
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader(count) => write!(f, "{count} to the leader"),
            Self::Spread(count) => write!(f, "{count} spread over the members"),
        }
    }
}

/// Open connections, used in turn.
pub(crate) struct Members {
    connections: Vec<(KvClient, LeaseClient)>,
}

impl Members {
    /// Connects.
    ///
    /// # Errors
    /// When a member is not there.
    pub(crate) async fn connect(
        endpoints: &[String],
        leader: &str,
        placement: Placement,
    ) -> Result<Self, Failure> {
        let mut connections = Vec::new();
        let (count, targets) = match placement {
            Placement::Leader(count) => (count, vec![leader.to_owned()]),
            Placement::Spread(count) => (count, endpoints.to_vec()),
        };
        for target in targets.iter().cycle().take(count) {
            let options = ConnectOptions::new().with_timeout(PATIENCE);
            let client = Client::connect([target], Some(options)).await?;
            connections.push((client.kv_client(), client.lease_client()));
        }
        Ok(Self { connections })
    }

    /// A caller's connection, as its two clients.
    pub(crate) fn of(&self, caller: usize) -> (KvClient, LeaseClient) {
        self.connections[caller % self.connections.len()].clone()
    }

    /// A caller's connection, where only keys matter.
    pub(crate) fn kv_of(&self, caller: usize) -> KvClient {
        self.connections[caller % self.connections.len()].0.clone()
    }
}
