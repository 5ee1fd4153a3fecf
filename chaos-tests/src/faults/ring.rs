//! Two members of etcd hear only the third: each has a majority, and they
//! disagree about who is there.

use local_cluster::NodeKind;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::{Harm, wire};
use crate::stage::Stage;

pub(crate) struct Ring(Vec<String>, Vec<wire::Rule>);

impl Harm for Ring {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let members: Vec<_> = stage.cluster.topology().of_kind(NodeKind::Etcd).collect();
        let ends: Vec<String> =
            members.choose_multiple(dice, 2).map(|node| node.name.clone()).collect();
        (ends.len() == 2).then_some(Self(ends, Vec::new()))
    }

    fn name(&self) -> String {
        format!("{} hear only the third member", self.0.join(" and "))
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let (one, other) = (&self.0[..1], &self.0[1..]);
        self.1 = vec![
            wire::deaf(stage, "ring", &one[0], other),
            wire::deaf(stage, "ring", &other[0], one),
        ];
        wire::set(stage, &self.1).await
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        wire::clear(stage, &self.1).await
    }

    fn missing() -> Option<String> {
        wire::missing()
    }
}
