//! One node stands still (SIGSTOP): it keeps its connections and answers
//! nothing, and then goes on as if no time had passed.

use local_cluster::NodeKind;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::Harm;
use crate::stage::Stage;

pub(crate) struct Pause {
    node: String,
}

impl Harm for Pause {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let nodes = stage.cluster.topology().nodes.iter();
        let nodes: Vec<_> = nodes.filter(|node| node.kind != NodeKind::LoadBalancer).collect();
        nodes.choose(dice).map(|node| Self { node: node.name.clone() })
    }

    fn name(&self) -> String {
        format!("pause {}", self.node)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        stage.cluster.pause(&self.node).await.map_err(|error| error.to_string())
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        stage.cluster.resume(&self.node).await.map_err(|error| error.to_string())
    }
}
