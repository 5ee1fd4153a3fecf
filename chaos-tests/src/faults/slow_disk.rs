//! A node's disk takes its time: every flush (`fsync`, `fdatasync`) returns
//! later.

use local_cluster::NodeKind;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::{
    Harm,
    tracer::{self, Tracer},
};
use crate::stage::Stage;

pub(crate) struct SlowDisk {
    node: String,
    delay_ms: u32,
    tracer: Option<Tracer>,
}

impl SlowDisk {
    /// The first of its kind.
    pub(super) fn first(kind: NodeKind, delay_ms: u32, stage: &Stage) -> Option<Self> {
        let node = stage.cluster.topology().of_kind(kind).next()?;
        Some(Self { node: node.name.clone(), delay_ms, tracer: None })
    }
}

impl Harm for SlowDisk {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let node = tracer::any_keeper(dice, stage)?;
        Some(Self { node, delay_ms: dice.random_range(50..400), tracer: None })
    }

    fn name(&self) -> String {
        format!("every flush of {} takes {} ms longer", self.node, self.delay_ms)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let inject = format!("delay_exit={}", self.delay_ms * 1_000);
        self.tracer = Some(Tracer::of_flushes(stage, &self.node, &inject).await?);
        Ok(())
    }

    async fn heal(&mut self, _stage: &Stage) -> Result<(), String> {
        match self.tracer.take() {
            Some(tracer) => tracer.let_go().await,
            None => Ok(()),
        }
    }

    fn missing() -> Option<String> {
        tracer::missing()
    }
}
