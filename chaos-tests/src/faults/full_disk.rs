//! A node's disk is full: whatever it writes to a file of its own ends in
//! `ENOSPC`. Who keeps promises on a disk refuses or stops then.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;

use super::{
    Harm,
    tracer::{self, Tracer},
};
use crate::stage::Stage;

pub(crate) struct FullDisk {
    node: String,
    tracer: Option<Tracer>,
}

impl Harm for FullDisk {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        Some(Self { node: tracer::any_keeper(dice, stage)?, tracer: None })
    }

    fn name(&self) -> String {
        format!("the disk of {} is full", self.node)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let folder = stage.cluster.root().join(&self.node).join("data");
        let mut files = Vec::new();
        files_in(&folder, &mut files).map_err(|error| format!("{}: {error}", folder.display()))?;
        if files.is_empty() {
            return Err(format!("{} keeps nothing in {}", self.node, folder.display()));
        }
        let tracer = Tracer::of_writes(stage, &self.node, &files, "error=ENOSPC").await?;
        self.tracer = Some(tracer);
        Ok(())
    }

    /// There is room again, and the node is started again: nobody knows what
    /// one believes that could not write.
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

fn files_in(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files_in(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
