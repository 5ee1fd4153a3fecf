//! The member that leads etcd is killed, and started again.

use rand::rngs::StdRng;

use super::{Harm, leader::leader};
use crate::stage::Stage;

pub(crate) struct KillLeader {
    node: Option<String>,
}

impl Harm for KillLeader {
    fn draw(_dice: &mut StdRng, _stage: &Stage) -> Option<Self> {
        Some(Self { node: None })
    }

    fn name(&self) -> String {
        "kill etcd's leader".to_owned()
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let node = leader(stage).await?;
        stage.cluster.kill(&node).await.map_err(|error| error.to_string())?;
        self.node = Some(node);
        Ok(())
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        let Some(node) = self.node.take() else { return Ok(()) };
        stage.cluster.restart(&node).await.map_err(|error| error.to_string())
    }
}
