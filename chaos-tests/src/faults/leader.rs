//! Which node leads etcd: asked of etcd itself.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use local_cluster::NodeKind;

use crate::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(2);

/// A client of one member.
pub(super) async fn member(endpoint: &str) -> Result<Client, String> {
    let options = ConnectOptions::new().with_timeout(PATIENCE).with_connect_timeout(PATIENCE);
    Client::connect([endpoint], Some(options)).await.map_err(|error| error.to_string())
}

/// The node that leads.
pub(super) async fn leader(stage: &Stage) -> Result<String, String> {
    let nodes = stage.cluster.topology().of_kind(NodeKind::Etcd);
    let mut why = "etcd has no members".to_owned();
    for (node, endpoint) in nodes.zip(stage.cluster.etcd_endpoints()) {
        let status = async {
            let mut client = member(&endpoint).await?;
            client.status().await.map_err(|error| error.to_string())
        };
        match status.await {
            Ok(status) => {
                let member = status.header().map(etcd_client::ResponseHeader::member_id);
                if member == Some(status.leader()) {
                    return Ok(node.name.clone());
                }
                "no member says that it leads".clone_into(&mut why);
            }
            Err(error) => why = error,
        }
    }
    Err(why)
}
