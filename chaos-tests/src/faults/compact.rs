//! etcd's history is compacted to its head, so that no watch can be resumed
//! from an older revision, and each member is defragmented under load.

use etcd_client::CompactionOptions;
use rand::rngs::StdRng;

use super::{Harm, leader::member};
use crate::stage::Stage;

pub(crate) struct Compact;

impl Harm for Compact {
    fn draw(_dice: &mut StdRng, _stage: &Stage) -> Option<Self> {
        Some(Self)
    }

    fn name(&self) -> String {
        "compact etcd to its head and defragment it".to_owned()
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let endpoints = stage.cluster.etcd_endpoints();
        let first = endpoints.first().ok_or("etcd has no members")?;
        let mut client = member(first).await?;
        let head = client.get("seatlock/head", None).await.map_err(|error| error.to_string())?;
        let revision = head.header().map_or(0, etcd_client::ResponseHeader::revision);
        let options = CompactionOptions::new().with_physical();
        client.compact(revision, Some(options)).await.map_err(|error| error.to_string())?;
        for endpoint in &endpoints {
            let mut client = member(endpoint).await?;
            client.defragment().await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn heal(&mut self, _stage: &Stage) -> Result<(), String> {
        Ok(())
    }
}
