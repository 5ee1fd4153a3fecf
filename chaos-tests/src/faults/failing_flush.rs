//! A node's disk fails: every flush (`fsync`, `fdatasync`) ends in an error.
//! Who keeps promises on a disk stops then, rather than promise more.

use rand::rngs::StdRng;

use super::{
    Harm,
    tracer::{self, Tracer},
};
use crate::stage::Stage;

pub(crate) struct FailingFlush {
    node: String,
    tracer: Option<Tracer>,
}

impl Harm for FailingFlush {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        Some(Self { node: tracer::any_keeper(dice, stage)?, tracer: None })
    }

    fn name(&self) -> String {
        format!("every flush of {} fails", self.node)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        self.tracer = Some(Tracer::of_flushes(stage, &self.node, "error=EIO").await?);
        Ok(())
    }

    /// What has seen a flush fail is started again: nobody knows what it still
    /// believes.
    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        let Some(tracer) = self.tracer.take() else { return Ok(()) };
        let let_go = tracer.let_go().await;
        stage.cluster.restart(&self.node).await.map_err(|error| error.to_string())?;
        let_go
    }

    fn missing() -> Option<String> {
        tracer::missing()
    }
}
