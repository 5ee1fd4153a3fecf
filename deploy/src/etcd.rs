//! etcd members: how they are started and how their readiness is seen.
//! It must not know what is stored in them.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions};

use crate::plan::{Layout, NodePlan, args, http};
use crate::readiness::Probe;
use crate::state::ClusterState;
use crate::topology::{NodeKind, NodeSpec};

/// Two GiB. A hold costs about 490 bytes of it until it is compacted.
const QUOTA_BYTES: u64 = 2 << 30;

pub(crate) fn plan(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let ports = layout.ports(&node.name);
    let members: Vec<String> = layout
        .names_of(&[NodeKind::Etcd])
        .iter()
        .map(|name| format!("{name}={}", http(layout.ports(name).at_second())))
        .collect();
    let data = layout.folder.node(&node.name).join("data");
    let mut plan = layout.node(node, Probe::Etcd { endpoint: http(ports.at_main()) });
    plan.launch.args = args([
        format!("--name={}", node.name),
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={}", http(ports.at_main())),
        format!("--advertise-client-urls={}", http(ports.at_main())),
        format!("--listen-peer-urls={}", http(ports.at_second())),
        format!("--initial-advertise-peer-urls={}", http(ports.at_second())),
        format!("--initial-cluster={}", members.join(",")),
        "--initial-cluster-state=new".to_owned(),
        format!("--initial-cluster-token=seatlock-{}", layout.state.topology.tag),
        // A minute of history is enough for a watch that fell behind; every
        // change costs space until it is compacted.
        "--auto-compaction-mode=periodic".to_owned(),
        "--auto-compaction-retention=1m".to_owned(),
        format!("--quota-backend-bytes={QUOTA_BYTES}"),
        "--logger=zap".to_owned(),
        "--log-outputs=stderr".to_owned(),
    ]);
    // Members that stop together hand the leadership around for seconds. Each
    // change is on disk before it is acknowledged: there is nothing to lose.
    plan.grace = Duration::from_secs(2);
    plan
}

/// A linearisable read through this member: it has a leader and a quorum.
pub(crate) async fn check(endpoint: &str, patience: Duration) -> Result<(), String> {
    let options = ConnectOptions::new().with_timeout(patience).with_connect_timeout(patience);
    let mut client =
        Client::connect([endpoint], Some(options)).await.map_err(|error| error.to_string())?;
    client.get("seatlock/readiness", None).await.map_err(|error| error.to_string())?;
    Ok(())
}

pub(crate) fn endpoints(state: &ClusterState) -> Vec<String> {
    let port = |node: &NodeSpec| http(crate::plan::ports_of(state, &node.name).at_main());
    state.topology.of_kind(NodeKind::Etcd).map(port).collect()
}
