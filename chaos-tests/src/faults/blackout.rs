//! Every process is killed at once, as when the power goes. Its disks are
//! kept: what was on the way to them in the operating system is not lost.

use futures_util::future::join_all;
use local_cluster::StartedCluster;
use rand::rngs::StdRng;

use super::Harm;
use crate::stage::Stage;

pub(crate) struct Blackout;

impl Harm for Blackout {
    fn draw(_dice: &mut StdRng, _stage: &Stage) -> Option<Self> {
        Some(Self)
    }

    fn name(&self) -> String {
        "kill everything".to_owned()
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let nodes = &stage.cluster.topology().nodes;
        for killed in join_all(nodes.iter().map(|node| stage.cluster.kill(&node.name))).await {
            killed.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        let again = StartedCluster::up(stage.cluster.topology().clone()).await;
        again.map(drop).map_err(|error| error.to_string())
    }
}
