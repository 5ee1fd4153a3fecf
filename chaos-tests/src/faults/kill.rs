//! One node is killed (SIGKILL) and started again.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::Harm;
use crate::stage::Stage;

pub(crate) struct Kill {
    node: String,
}

impl Harm for Kill {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let nodes = &stage.cluster.topology().nodes;
        nodes.choose(dice).map(|node| Self { node: node.name.clone() })
    }

    fn name(&self) -> String {
        format!("kill {}", self.node)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        stage.cluster.kill(&self.node).await.map_err(|error| error.to_string())
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        stage.cluster.restart(&self.node).await.map_err(|error| error.to_string())
    }
}
