//! `import-plan`: uploads a seating plan and prints its id and nothing else.

use std::path::Path;
use std::process::ExitCode;

use booking_api_client::{BookingClient, CallError};
use local_cluster::{Role, StartedCluster};

use super::{Outcome, token};

pub(crate) async fn run(cluster: &StartedCluster, file: &Path) -> Outcome {
    let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let organiser = cluster.mint_token("admin", Role::Organiser, token::TTL)?;
    let client = BookingClient::new(&cluster.base_url(), Some(organiser))?;
    match client.import_plan(text, None).await {
        Ok(answer) => {
            let plan = answer.body;
            eprintln!("{} seats in {} tiers", plan.seats, plan.tiers.len());
            println!("{}", plan.plan_id);
            Ok(ExitCode::SUCCESS)
        }
        Err(CallError::Refused(refusal)) => {
            eprintln!("seatlock: {}: {}", file.display(), refusal.problem.detail);
            for fault in &refusal.problem.errors {
                eprintln!("  {}: {}", fault.field, fault.message);
            }
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}
