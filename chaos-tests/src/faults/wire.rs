//! What happens to packets on a node's own host: rules in the host's own
//! namespace, for addresses of this cluster only.

use std::process::Stdio;

use local_cluster::NodeKind;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::process::Command;

use crate::stage::Stage;

/// Programs that all of it takes.
const PROGRAMS: [(&str, &str); 4] =
    [("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2"), ("nft", "nftables")];

/// What this machine has not that hosts need.
pub(super) fn missing() -> Option<String> {
    let mut folders: Vec<_> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    folders.extend(["/usr/sbin", "/sbin"].map(Into::into));
    let lacking = PROGRAMS
        .iter()
        .find(|(program, _)| !folders.iter().any(|folder| folder.join(program).is_file()));
    if let Some((program, package)) = lacking {
        return Some(format!("{program} (package {package})"));
    }
    let tried = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let able = tried.is_ok_and(|status| status.success());
    (!able).then(|| "a kernel that lets users make network namespaces".to_owned())
}

/// Which packets a node does not get, or what it answers to them.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// On whose host.
    pub(super) node: String,
    /// Whose rule: each kind of fault has a table of its own, so that healing
    /// one leaves another where it is.
    pub(super) table: &'static str,
    /// In nftables' words, for packets that come in.
    pub(super) words: String,
}

/// Packets from these nodes never arrive at this one.
pub(super) fn deaf(stage: &Stage, table: &'static str, node: &str, to: &[String]) -> Rule {
    let from = to.iter().filter_map(|name| stage.cluster.topology().host_of(name));
    let from: Vec<String> = from.map(|address| address.to_string()).collect();
    let words = format!("ip saddr {{ {} }} drop", from.join(", "));
    Rule { node: node.to_owned(), table, words }
}

/// Sets rules, each on its host.
pub(super) async fn set(stage: &Stage, rules: &[Rule]) -> Result<(), String> {
    for Rule { node, table, words } in rules {
        let script = format!(
            "add table ip {table}\n\
             add chain ip {table} input {{ type filter hook input priority 0; }}\n\
             add rule ip {table} input {words}\n"
        );
        on_host(stage, node, &["nft", &script]).await?;
    }
    Ok(())
}

/// Takes the rules off again.
pub(super) async fn clear(stage: &Stage, rules: &[Rule]) -> Result<(), String> {
    for Rule { node, table, .. } in rules {
        // Adding first: the second of two rules on one host finds nothing.
        let script = format!("add table ip {table}\ndelete table ip {table}\n");
        on_host(stage, node, &["nft", &script]).await?;
    }
    Ok(())
}

/// Runs a command on a node's host.
pub(super) async fn on_host(stage: &Stage, node: &str, command: &[&str]) -> Result<(), String> {
    let namespace = stage.cluster.topology().namespace_of(node);
    let namespace = namespace.ok_or_else(|| format!("{node} has no host of its own"))?;
    let output = Command::new("nsenter")
        .arg(format!("--net={}", namespace.display()))
        .args(command)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("nsenter: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{} on {node}: {why}", command.join(" ")))
}

/// Any node but the load balancer, which is the customers' only way in.
pub(super) fn anybody(dice: &mut StdRng, stage: &Stage) -> Option<String> {
    let nodes = stage.cluster.topology().nodes.iter();
    let nodes: Vec<_> = nodes.filter(|node| node.kind != NodeKind::LoadBalancer).collect();
    nodes.choose(dice).map(|node| node.name.clone())
}
