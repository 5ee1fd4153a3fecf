//! etcd says that it has no space left: writes are refused, reads and deletes
//! go on. The alarm is raised by hand, so that a full quota need not be written.

use etcd_client::{AlarmAction, AlarmOptions, AlarmType, Client};
use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Harm, leader::member};
use crate::stage::Stage;

pub(crate) struct NoSpace {
    at: usize,
    /// Known once it was made: by then the member may be gone.
    member: Option<u64>,
}

impl Harm for NoSpace {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let members = stage.cluster.etcd_endpoints().len();
        (members > 0).then(|| Self { at: dice.random_range(0..members), member: None })
    }

    fn name(&self) -> String {
        format!("etcd-{} has no space left", self.at)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let endpoints = stage.cluster.etcd_endpoints();
        let named = endpoints.get(self.at).ok_or("etcd has no such member")?;
        let id = id_of(&mut member(named).await?).await?;
        self.member = Some(id);
        tell(stage, AlarmAction::Activate, id).await
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        match self.member {
            Some(id) => tell(stage, AlarmAction::Deactivate, id).await,
            None => Ok(()),
        }
    }
}

/// An alarm is the cluster's: whoever answers takes it.
async fn tell(stage: &Stage, action: AlarmAction, id: u64) -> Result<(), String> {
    let mut why = "etcd has no members".to_owned();
    for endpoint in &stage.cluster.etcd_endpoints() {
        let told = async {
            let mut options = AlarmOptions::new();
            options.with_member(id);
            let mut client = member(endpoint).await?;
            let told = client.alarm(action, AlarmType::Nospace, Some(options)).await;
            told.map(drop).map_err(|error| error.to_string())
        };
        match told.await {
            Ok(()) => return Ok(()),
            Err(error) => why = error,
        }
    }
    Err(why)
}

async fn id_of(client: &mut Client) -> Result<u64, String> {
    let status = client.status().await.map_err(|error| error.to_string())?;
    let header = status.header().ok_or("an answer without a header")?;
    Ok(header.member_id())
}
