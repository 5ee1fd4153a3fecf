//! Redis loses everything, and goes on.

use rand::rngs::StdRng;

use super::Harm;
use crate::stage::Stage;

pub(crate) struct Flush;

impl Harm for Flush {
    fn draw(_dice: &mut StdRng, _stage: &Stage) -> Option<Self> {
        Some(Self)
    }

    fn name(&self) -> String {
        "flush redis".to_owned()
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let url = stage.cluster.redis_url().ok_or("there is no Redis")?;
        let client = redis::Client::open(url).map_err(|error| error.to_string())?;
        let connection = client.get_multiplexed_async_connection().await;
        let mut connection = connection.map_err(|error| error.to_string())?;
        let flushed = redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await;
        flushed.map_err(|error| error.to_string())
    }

    async fn heal(&mut self, _stage: &Stage) -> Result<(), String> {
        Ok(())
    }
}
