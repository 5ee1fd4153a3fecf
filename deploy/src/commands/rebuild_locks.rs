//! `rebuild-locks`: closes the sale, rebuilds the sold seats of the cell from
//! its shards, and opens it again. What it does to the stores is in
//! `store_audit`; here is only who must be away meanwhile.

use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join_all;
use local_cluster::{NodeKind, StartedCluster};
use store_audit::{Stores, rebuild};

use super::{Failure, Outcome, OutputFormat};

/// Every store that does not run, all at the same time: a lone member of a
/// lost etcd does not become healthy.
async fn start_stores(cluster: &StartedCluster) -> Result<(), Failure> {
    let nodes = cluster.nodes()?;
    let away = nodes.iter().filter(|node| node.kind.is_store() && node.pid.is_none());
    // A shard's old primary stays away: another server leads.
    let away = away.filter(|node| !cluster.must_be_made_anew(&node.name));
    join_all(away.map(|node| cluster.restart(&node.name)))
        .await
        .into_iter()
        .collect::<Result<(), _>>()?;
    Ok(())
}

/// How long the cluster may take to be healthy again.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn run(cluster: &StartedCluster, output: OutputFormat) -> Outcome {
    start_stores(cluster).await?;
    let stores = Stores::new(&cluster.store_addresses()).await?;
    // An instance that lives has a mirror of what etcd was, and could take a
    // new revision for an old one. Without any, booking answers 503.
    for node in cluster.nodes()?.iter().filter(|node| node.kind == NodeKind::LockService) {
        if node.pid.is_some() {
            cluster.kill(&node.name).await?;
            eprintln!("{} is stopped: nothing is sold until the end", node.name);
        }
    }
    let rebuilt = match rebuild(&stores).await {
        Ok(rebuilt) => rebuilt,
        Err(error) => {
            eprintln!("the cell stays closed; `./seatlock rebuild-locks` goes on where it ended");
            return Err(error.into());
        }
    };
    match output {
        OutputFormat::Json => println!("{}", serde_json::to_string_pretty(&rebuilt)?),
        OutputFormat::Table => {
            println!(
                "epoch {}: {} shows placed, {} bookings sold ({} seats written, {} as they were), \
                 {} other keys removed",
                rebuilt.epoch,
                rebuilt.shows,
                rebuilt.bookings,
                rebuilt.written,
                rebuilt.kept,
                rebuilt.removed
            );
            for booking in &rebuilt.unknown {
                println!(
                    "etcd has sold seats to booking {booking}, which no shard knows; they were \
                     left sold: `./seatlock fsck --repair` writes the booking again"
                );
            }
        }
    }
    // The lock-services first, then whatever else a restore has left stopped.
    for node in cluster.nodes()? {
        if !node.kind.is_service() || node.pid.is_some() {
            continue;
        }
        cluster.restart(&node.name).await?;
        eprintln!("{} serves again", node.name);
    }
    cluster.wait_healthy(HEALTHY_WITHIN).await?;
    Ok(ExitCode::SUCCESS)
}
