//! `token`: prints a bearer token and nothing else, for `$( … )`.

use std::process::ExitCode;
use std::time::Duration;

use local_cluster::{Role, StartedCluster};

use super::Outcome;

/// Long enough for a day's work.
pub(crate) const TTL: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn run(cluster: &StartedCluster, user: &str, role: Role) -> Outcome {
    println!("{}", cluster.mint_token(user, role, TTL)?);
    Ok(ExitCode::SUCCESS)
}
