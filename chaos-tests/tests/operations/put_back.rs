//! After a procedure, however it ended: the cluster as it was started, so that
//! none depends on the one before.

use std::time::Duration;

use chaos_tests::stage::Stage;
use local_cluster::StartedCluster;

use crate::{database_password, redis_password};

/// How long all of it may take to be healthy.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);

/// The passwords of the servers first, then the settings, then whoever runs
/// with others.
pub(crate) async fn as_it_was(stage: &Stage) {
    let original = &stage.cluster;
    database_password::put_back(original).await;
    redis_password::put_back(original).await;
    let (topology, secrets) = (original.topology().clone(), original.secrets().clone());
    let home = topology.home.clone();
    let now = StartedCluster::attach(home, &topology.tag).expect("the cluster is there");
    let restored = now.reconfigure(|there, their_secrets| {
        *there = topology;
        *their_secrets = secrets;
    });
    let restored = restored.await.expect("the settings of before");
    for node in &restored.plan().nodes {
        let running = restored.node(&node.name).expect("a node").pid.is_some();
        if !running || !now.plan().nodes.contains(node) {
            restored.renew(&node.name).await.expect("it serves as before");
        }
    }
    database_password::drop_second(original).await;
    restored.wait_healthy(HEALTHY_WITHIN).await.expect("healthy as before");
}
