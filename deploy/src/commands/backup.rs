//! `backup`: saves the stores into a folder, while the cluster goes on.

use std::path::Path;
use std::process::ExitCode;

use local_cluster::StartedCluster;

use super::{Outcome, OutputFormat};

pub(crate) async fn run(cluster: &StartedCluster, dir: &Path, output: OutputFormat) -> Outcome {
    let manifest = cluster.backup(dir).await?;
    match output {
        OutputFormat::Json => println!("{}", serde_json::to_string_pretty(&manifest)?),
        OutputFormat::Table => {
            for saved in &manifest.stores {
                println!("{:18} {} bytes in {}", saved.node, saved.bytes, saved.file.display());
            }
        }
    }
    for missing in &manifest.missing {
        eprintln!("seatlock: {} is not in this backup: {}", missing.node, missing.why);
    }
    if manifest.complete {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("seatlock: {} is a partial backup", dir.display());
    Ok(ExitCode::FAILURE)
}
