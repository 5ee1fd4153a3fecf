//! `configuration`: prints every key of every service, and nothing else.

use std::process::ExitCode;

use local_cluster::configuration;

use super::Outcome;

pub(crate) fn run() -> Outcome {
    print!("{}", configuration::reference()?);
    Ok(ExitCode::SUCCESS)
}
