//! `kill`, `pause`, `resume`, `restart`: one verb on one node.

use std::process::ExitCode;

use local_cluster::StartedCluster;

use super::Outcome;

pub(crate) async fn kill(cluster: &StartedCluster, node: &str) -> Outcome {
    cluster.kill(node).await?;
    done(node, "killed")
}

pub(crate) async fn pause(cluster: &StartedCluster, node: &str) -> Outcome {
    cluster.pause(node).await?;
    done(node, "paused")
}

pub(crate) async fn resume(cluster: &StartedCluster, node: &str) -> Outcome {
    cluster.resume(node).await?;
    done(node, "resumed")
}

pub(crate) async fn restart(cluster: &StartedCluster, node: &str) -> Outcome {
    cluster.restart(node).await?;
    done(node, "healthy")
}

#[expect(clippy::unnecessary_wraps, reason = "it ends a command")]
fn done(node: &str, what: &str) -> Outcome {
    eprintln!("{node}: {what}");
    Ok(ExitCode::SUCCESS)
}
