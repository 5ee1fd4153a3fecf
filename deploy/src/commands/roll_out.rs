//! `roll-out`: every service instance again, one after the other, in the order
//! of an upgrade or of the way back.

use std::process::ExitCode;

use local_cluster::{Direction, StartedCluster};

use super::Outcome;
use super::output::Watcher;

pub(crate) async fn run(cluster: &StartedCluster, back: bool) -> Outcome {
    let direction = if back { Direction::Back } else { Direction::Forward };
    let watcher = Watcher::new();
    let ended = cluster.roll_out(direction, &watcher.sink()).await;
    watcher.finish();
    ended?;
    eprintln!("every service was started again");
    Ok(ExitCode::SUCCESS)
}
