//! The member that leads etcd stands still: another leads, and then the old
//! one wakes up and believes for a moment that it still does.

use rand::rngs::StdRng;

use super::{Harm, leader::leader};
use crate::stage::Stage;

pub(crate) struct PauseLeader {
    node: Option<String>,
}

impl Harm for PauseLeader {
    fn draw(_dice: &mut StdRng, _stage: &Stage) -> Option<Self> {
        Some(Self { node: None })
    }

    fn name(&self) -> String {
        "pause etcd's leader".to_owned()
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let node = leader(stage).await?;
        stage.cluster.pause(&node).await.map_err(|error| error.to_string())?;
        self.node = Some(node);
        Ok(())
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        let Some(node) = self.node.take() else { return Ok(()) };
        stage.cluster.resume(&node).await.map_err(|error| error.to_string())
    }
}
