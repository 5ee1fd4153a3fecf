//! Prometheus: scrapes every node that has metrics, evaluates the rules, and
//! serves the operations page.
//! It must not know what the metrics mean.

use std::fmt::Write as _;

use crate::console;
use crate::handbook;
use crate::plan::{ConfigFile, Layout, NodePlan, address, args, http};
use crate::readiness::Probe;
use crate::topology::{NodeKind, NodeSpec};

const TEMPLATE: &str = include_str!("../prometheus/prometheus.yml");

/// An exporter asks its store for hundreds of lines each time: less often, and
/// with more patience.
const EXPORTER_PACE: &str = "    scrape_interval: 10s\n    scrape_timeout: 5s\n";

/// Objectives and alerts, by the names that the configuration has for them.
const RULES: [(&str, &str); 2] = [
    ("slo.yml", include_str!("../prometheus/rules/slo.yml")),
    ("alerts.yml", include_str!("../prometheus/rules/alerts.yml")),
];

pub(crate) fn plan(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let at = layout.ports(&node.name).at_main();
    let folder = layout.folder.node(&node.name);
    let config = folder.join("prometheus.yml");
    let probe = Probe::Http { url: format!("{}/api/v1/query?query=vector(1)", http(at)) };
    let mut plan = layout.node(node, probe);
    plan.launch.args = args([
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", folder.join("data").display()),
        "--storage.tsdb.retention.time=2d".to_owned(),
        "--storage.tsdb.retention.size=1GB".to_owned(),
        format!("--web.listen-address={}", address(at)),
        format!("--web.console.templates={}", folder.join("consoles").display()),
    ]);
    plan.files = vec![ConfigFile { path: config, text: config_text(layout) }];
    let rules = RULES.map(|(name, text)| ConfigFile { path: folder.join(name), text: text.into() });
    plan.files.extend(rules);
    let page = folder.join(console::PATH);
    let beside = handbook::pages()
        .into_iter()
        .map(|(place, text)| ConfigFile { path: page.with_file_name(place), text });
    plan.files.extend(beside);
    plan.files.push(ConfigFile { path: page, text: console::page() });
    plan
}

fn config_text(layout: Layout<'_>) -> String {
    let mut jobs = String::new();
    for kind in NodeKind::ALL {
        let nodes: Vec<&NodeSpec> = layout.state.topology.of_kind(kind).collect();
        if nodes.is_empty() || !has_metrics(kind) {
            continue;
        }
        let pace = if is_exporter(kind) { EXPORTER_PACE } else { "" };
        let _ = writeln!(jobs, "  - job_name: {kind}\n{pace}    static_configs:");
        for node in nodes {
            // What an exporter tells is about its server.
            let about = layout.state.topology.watched_by(node).unwrap_or(node);
            let _ = writeln!(
                jobs,
                "      - targets: ['{}']\n        labels: {{node: {}}}",
                metrics_at(node, layout),
                about.name
            );
        }
    }
    let alertmanagers = layout.names_of(&[NodeKind::Alertmanager]);
    let alertmanagers: Vec<String> = alertmanagers
        .iter()
        .map(|name| format!("'{}'", address(layout.ports(name).at_main())))
        .collect();
    TEMPLATE
        .replace("@TAG@", &layout.state.topology.tag)
        .replace("@ALERTMANAGERS@", &alertmanagers.join(", "))
        .replace("@JOBS@", jobs.trim_end())
}

fn metrics_at(node: &NodeSpec, layout: Layout<'_>) -> String {
    let ports = layout.ports(&node.name);
    // etcd's second port is its peers'.
    address(if node.kind == NodeKind::Etcd { ports.at_main() } else { ports.at_second() })
}

const fn is_exporter(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::MysqldExporter | NodeKind::RedisExporter)
}

const fn has_metrics(kind: NodeKind) -> bool {
    kind.is_service()
        || kind.is_watcher()
        || matches!(kind, NodeKind::Etcd | NodeKind::LoadBalancer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::sample;
    use crate::topology::Profile;

    #[test]
    fn every_node_with_metrics_is_scraped_on_its_admin_port() {
        let (state, folder, programs) = sample(Profile::Ha);
        let layout = Layout { state: &state, folder: &folder, programs: &programs };
        let text = config_text(layout);
        for node in &state.topology.nodes {
            let scraped = format!("targets: ['{}']", metrics_at(node, layout));
            assert_eq!(text.contains(&scraped), has_metrics(node.kind), "{} in\n{text}", node.name);
        }
        // By name also where an exporter speaks for it.
        for name in ["shard-1", "catalogue-replica", "redis", "etcd-2", "prometheus"] {
            assert!(text.contains(&format!("labels: {{node: {name}}}")), "{name} in\n{text}");
        }
        let alertmanager = address(layout.ports("alertmanager").at_main());
        assert!(text.contains(&format!("- targets: ['{alertmanager}']\n\n")), "{text}");
        let admin = address(layout.ports("booking-api-1").at_second());
        assert!(text.contains(&format!("targets: ['{admin}']")), "{text}");
        assert!(!text.contains('@'), "{text}");
        let jobs = text.lines().filter(|line| line.trim_start().starts_with("- job_name:"));
        assert_eq!(jobs.count(), 10, "{text}");
    }

    #[test]
    fn the_operations_page_and_its_handbook_are_where_prometheus_looks_for_them() {
        let (state, folder, programs) = sample(Profile::Tiny);
        let layout = Layout { state: &state, folder: &folder, programs: &programs };
        let node = state.topology.of_kind(NodeKind::Prometheus).next().unwrap();
        let plan = plan(node, layout);
        let consoles = folder.node("prometheus").join("consoles");
        let flag = format!("--web.console.templates={}", consoles.display());
        assert!(plan.launch.args.iter().any(|arg| *arg == *flag), "{:?}", plan.launch.args);
        for page in ["operations.html", "docs/runbooks/index.html", "docs/OPERATIONS.html"] {
            assert!(plan.files.iter().any(|file| file.path == consoles.join(page)), "{page}");
        }
    }
}
