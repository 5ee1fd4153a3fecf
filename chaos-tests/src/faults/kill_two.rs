//! Two of a kind are killed at once: etcd's majority, or every instance of a
//! service.

use futures_util::future::join_all;
use local_cluster::NodeKind;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::Harm;
use crate::stage::Stage;

const KINDS: [NodeKind; 4] =
    [NodeKind::Etcd, NodeKind::LockService, NodeKind::BookingApi, NodeKind::Shard];

pub(crate) struct KillTwo {
    nodes: Vec<String>,
}

impl Harm for KillTwo {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let kind = *KINDS.choose(dice)?;
        let nodes: Vec<_> = stage.cluster.topology().of_kind(kind).collect();
        let chosen: Vec<String> =
            nodes.choose_multiple(dice, 2).map(|node| node.name.clone()).collect();
        (chosen.len() == 2).then_some(Self { nodes: chosen })
    }

    fn name(&self) -> String {
        format!("kill {}", self.nodes.join(" and "))
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        for killed in join_all(self.nodes.iter().map(|node| stage.cluster.kill(node))).await {
            killed.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        // Together: two members of etcd have a leader only with each other.
        for started in join_all(self.nodes.iter().map(|node| stage.cluster.restart(node))).await {
            started.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
