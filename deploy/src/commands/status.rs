//! `status`: every node, for people or as the contract's JSON.

use std::process::ExitCode;

use comfy_table::{Table, presets};
use local_cluster::{NodeKind, NodeStatus, Role, StartedCluster};
use serde::Serialize;

use super::{Outcome, OutputFormat, token};

/// The customer whose token `status` shows.
pub(crate) const DEMO_USER: &str = "demo-user";

#[derive(Serialize)]
struct Report<'a> {
    tag: &'a str,
    base_url: String,
    prometheus_url: String,
    admin_token: String,
    user_token: String,
    nodes: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    kind: NodeKind,
    pid: Option<i32>,
    address: &'a str,
    admin_address: Option<&'a str>,
    healthy: bool,
    log: std::borrow::Cow<'a, str>,
}

pub(crate) async fn run(cluster: &StartedCluster, tag: &str, output: OutputFormat) -> Outcome {
    let statuses = cluster.status().await?;
    match output {
        OutputFormat::Table => print_table(cluster, &statuses),
        OutputFormat::Json => {
            let report = Report {
                tag,
                base_url: cluster.base_url(),
                prometheus_url: cluster.prometheus_url(),
                admin_token: cluster.mint_token("admin", Role::Admin, token::TTL)?,
                user_token: cluster.mint_token(DEMO_USER, Role::Customer, token::TTL)?,
                nodes: statuses.iter().map(line).collect(),
            };
            println!("{}", serde_json::to_string_pretty(&report)?);
        }
    }
    let all_healthy = statuses.iter().all(|status| status.problem.is_none());
    Ok(if all_healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(status: &NodeStatus) -> Line<'_> {
    let node = &status.node;
    Line {
        name: &node.name,
        kind: node.kind,
        pid: node.pid,
        address: &node.address,
        admin_address: node.admin_address.as_deref(),
        healthy: status.problem.is_none(),
        log: node.log.to_string_lossy(),
    }
}

fn print_table(cluster: &StartedCluster, statuses: &[NodeStatus]) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["NODE", "PID", "ADDRESS", "ADMIN", "HEALTH"]);
    for NodeStatus { node, problem } in statuses {
        table.add_row([
            node.name.clone(),
            node.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            node.address.clone(),
            node.admin_address.clone().unwrap_or_else(|| "-".to_owned()),
            problem.clone().map_or_else(|| "healthy".to_owned(), |problem| short(&problem)),
        ]);
    }
    println!("{table}");
    if cluster.topology().has(NodeKind::LoadBalancer) {
        println!("\nseatlock    {}", cluster.base_url());
        println!("prometheus  {}", cluster.prometheus_url());
        println!("operations  {}", cluster.operations_url());
    }
    println!("logs        {}", cluster.root().join("logs").display());
}

/// One line of a table has room for the beginning of a message.
fn short(problem: &str) -> String {
    const WIDTH: usize = 70;
    let line = problem.lines().next().unwrap_or_default();
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    line.chars().take(WIDTH).chain(['…']).collect()
}
