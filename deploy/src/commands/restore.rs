//! `restore`: brings stores back from a backup, and writes again from etcd
//! what the shards lost since, before booking-api runs again.

use std::process::ExitCode;
use std::time::Duration;

use local_cluster::{NodeKind, StartedCluster};
use store_audit::{Kind, Limits, Patience, Stores, audit};

use super::{FsckOptions, Outcome, OutputFormat, RestoreOptions, fsck};

/// Exit code where the stores are restored and only a rebuild can go on.
const REBUILD: u8 = 2;

pub(crate) async fn run(cluster: &StartedCluster, options: &RestoreOptions) -> Outcome {
    let restored = cluster.restore(&options.dir, &options.only, options.stop).await?;
    for saved in &restored.stores {
        println!("{:18} as it was at {}", saved.node, saved.began);
    }
    if restored.stores.iter().any(|saved| saved.kind == NodeKind::Shard) {
        if let Some(why) = needs_rebuild(cluster).await {
            eprintln!("{why}. Next, in this order:");
            eprintln!("  ./seatlock rebuild-locks    # starts what was stopped, too");
            eprintln!("  ./seatlock fsck --repair    # must end clean");
            return Ok(ExitCode::from(REBUILD));
        }
        // Before booking-api: its sweeper gives up what no shard knows. Without
        // one nothing ends by itself, so there is little to be patient for. What
        // it leaves is a person's to decide, and no reason to stay stopped.
        let all = FsckOptions { repair: true, patience: 3, output: OutputFormat::Table };
        fsck::run(cluster, &all).await?;
    }
    for node in &restored.stopped {
        cluster.restart(node).await?;
        eprintln!("{node} serves again");
    }
    eprintln!("next: `./seatlock fsck` must be clean");
    Ok(ExitCode::SUCCESS)
}

/// Why the shards' bookings cannot be written again from etcd as it is.
async fn needs_rebuild(cluster: &StartedCluster) -> Option<String> {
    let look = async {
        let stores = Stores::new(&cluster.store_addresses()).await?;
        let at_once =
            Patience { moment: Duration::ZERO, services: Duration::ZERO, ..Patience::default() };
        audit(&stores, &Limits::default(), &at_once).await
    };
    match look.await {
        Err(error) => Some(error.to_string()),
        Ok(report) => {
            let old = |kind| matches!(kind, Kind::CellNotOpen | Kind::PlacementEpochWrong);
            let fault = report.faults.into_iter().find(|fault| old(fault.kind));
            fault.map(|fault| fault.sentence)
        }
    }
}
