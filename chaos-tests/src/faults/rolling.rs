//! The instances of a service, or the members of etcd, are restarted one after
//! the other, as when a new version is brought out.

use local_cluster::NodeKind;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::Harm;
use crate::stage::Stage;

const KINDS: [NodeKind; 4] =
    [NodeKind::Etcd, NodeKind::LockService, NodeKind::BookingApi, NodeKind::ViewService];

pub(crate) struct Rolling {
    kind: NodeKind,
}

impl Harm for Rolling {
    fn draw(dice: &mut StdRng, _stage: &Stage) -> Option<Self> {
        KINDS.choose(dice).map(|kind| Self { kind: *kind })
    }

    fn name(&self) -> String {
        format!("rolling restart of every {}", self.kind)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        for node in stage.cluster.topology().of_kind(self.kind) {
            stage.cluster.restart(&node.name).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn heal(&mut self, _stage: &Stage) -> Result<(), String> {
        Ok(())
    }
}
