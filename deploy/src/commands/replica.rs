//! `promote` and `seed-replica`: another server leads a shard, and a shard gets
//! its replica back. What is done, and in which order, is the library's.

use std::process::ExitCode;

use local_cluster::StartedCluster;

use super::Outcome;

pub(crate) async fn promote(cluster: &StartedCluster, node: &str, force: bool) -> Outcome {
    let cluster = cluster.promote(node, force).await?;
    eprintln!("{node} leads its shard, and every booking-api that runs knows it");
    for old in cluster.nodes()?.iter().filter(|old| cluster.must_be_made_anew(&old.name)) {
        let name = &old.name;
        eprintln!("{name} stays stopped; until `./seatlock seed-replica {name}` it has no replica");
    }
    if force {
        eprintln!("next: `./seatlock fsck --repair` writes again what only etcd still knows");
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn seed(cluster: &StartedCluster, node: &str) -> Outcome {
    let cluster = cluster.seed_replica(node).await?;
    let primary = cluster.primary_of(node)?;
    eprintln!("{node} has all that {primary} has, which acknowledges nothing without it now");
    Ok(ExitCode::SUCCESS)
}
