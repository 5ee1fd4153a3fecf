//! Redis comes back with what it held some time ago, as one does that is
//! restored from a backup, or that lost the end of its log.

use std::path::{Path, PathBuf};

use local_cluster::NodeKind;
use rand::rngs::StdRng;
use redis::aio::MultiplexedConnection;

use super::Harm;
use crate::stage::Stage;

pub(crate) struct OldSnapshot {
    file: Option<PathBuf>,
}

impl Harm for OldSnapshot {
    fn draw(_dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let mut nodes = stage.cluster.topology().of_kind(NodeKind::Redis);
        nodes.next().map(|_| Self { file: None })
    }

    fn name(&self) -> String {
        "redis goes back to a snapshot".to_owned()
    }

    /// Takes the snapshot; what comes after it will be lost.
    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let mut connection = connect(stage).await?;
        let error = |error: redis::RedisError| error.to_string();
        redis::cmd("SAVE").query_async::<()>(&mut connection).await.map_err(error)?;
        let mut ask = redis::cmd("CONFIG");
        let ask = ask.arg("GET").arg("dir");
        let (_, folder): (String, String) =
            ask.query_async(&mut connection).await.map_err(error)?;
        self.file = Some(Path::new(&folder).join("dump.rdb"));
        Ok(())
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let name = stage.cluster.topology().of_kind(NodeKind::Redis).next();
        let name = name.map(|node| node.name.clone()).ok_or("there is no Redis")?;
        // A second fault may have killed it already.
        if stage.cluster.node(&name).is_ok_and(|node| node.pid.is_some()) {
            stage.cluster.kill(&name).await.map_err(|error| error.to_string())?;
        }
        stage.cluster.restart(&name).await.map_err(|error| error.to_string())?;
        std::fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))
    }
}

async fn connect(stage: &Stage) -> Result<MultiplexedConnection, String> {
    let url = stage.cluster.redis_url().ok_or("there is no Redis")?;
    let client = redis::Client::open(url).map_err(|error| error.to_string())?;
    client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())
}
