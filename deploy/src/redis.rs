//! Redis: how it is started and how its readiness is seen. It keeps nothing
//! on disk: all that is in it can be rebuilt.

use std::net::SocketAddrV4;
use std::time::Duration;

use crate::plan::{Layout, NodePlan, args, ports_of};
use crate::readiness::Probe;
use crate::state::ClusterState;
use crate::topology::{NodeKind, NodeSpec};

pub(crate) fn plan(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let ports = layout.ports(&node.name);
    let mut plan = layout.node(node, Probe::Redis { url: url_at(ports.at_main()) });
    plan.launch.args = args([
        "--port".to_owned(),
        ports.main.to_string(),
        "--bind".to_owned(),
        ports.host.to_string(),
        // Without a password it serves loopback alone unless it is told
        // otherwise; a host of its own is reached by nobody but the cluster.
        "--protected-mode".to_owned(),
        if ports.host.is_loopback() { "yes" } else { "no" }.to_owned(),
        "--daemonize".to_owned(),
        "no".to_owned(),
        "--dir".to_owned(),
        plan.launch.folder.display().to_string(),
        "--save".to_owned(),
        String::new(),
        "--appendonly".to_owned(),
        "no".to_owned(),
        "--maxmemory".to_owned(),
        "512mb".to_owned(),
        // Evicting single keys would leave views that are partly empty and
        // look whole; a refused write is seen and reported.
        "--maxmemory-policy".to_owned(),
        "noeviction".to_owned(),
    ]);
    plan
}

/// A PING that is answered.
pub(crate) async fn check(url: &str) -> Result<(), String> {
    let client = redis::Client::open(url).map_err(|error| error.to_string())?;
    let config = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(Duration::from_secs(1)));
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(|error| error.to_string())?;
    let pong: String =
        redis::cmd("PING").query_async(&mut connection).await.map_err(|error| error.to_string())?;
    if pong == "PONG" { Ok(()) } else { Err(format!("PING was answered with {pong:?}")) }
}

pub(crate) fn url(state: &ClusterState) -> Option<String> {
    let node = state.topology.of_kind(NodeKind::Redis).next()?;
    Some(url_at(ports_of(state, &node.name).at_main()))
}

fn url_at(at: SocketAddrV4) -> String {
    format!("redis://{at}")
}
