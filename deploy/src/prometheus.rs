//! Prometheus: scrapes every node that has metrics, evaluates the rules, and
//! serves the operations page.
//! It must not know what the metrics mean.

use std::fmt::Write as _;

use crate::console;
use crate::plan::{ConfigFile, Layout, NodePlan, address, args, http};
use crate::readiness::Probe;
use crate::topology::{NodeKind, NodeSpec};

const TEMPLATE: &str = include_str!("../prometheus/prometheus.yml");

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
    plan.files.push(ConfigFile { path: folder.join(console::PATH), text: console::page() });
    plan
}

fn config_text(layout: Layout<'_>) -> String {
    let mut jobs = String::new();
    for kind in NodeKind::ALL {
        let nodes: Vec<&NodeSpec> = layout.state.topology.of_kind(kind).collect();
        if nodes.is_empty() || !has_metrics(kind) {
            continue;
        }
        let _ = writeln!(jobs, "  - job_name: {kind}\n    static_configs:");
        for node in nodes {
            let ports = layout.ports(&node.name);
            let at = if kind == NodeKind::Etcd { ports.at_main() } else { ports.at_second() };
            let _ = writeln!(
                jobs,
                "      - targets: ['{}']\n        labels: {{node: {}}}",
                address(at),
                node.name
            );
        }
    }
    TEMPLATE.replace("@TAG@", &layout.state.topology.tag).replace("@JOBS@", jobs.trim_end())
}

const fn has_metrics(kind: NodeKind) -> bool {
    kind.is_service()
        || matches!(kind, NodeKind::Etcd | NodeKind::LoadBalancer | NodeKind::Prometheus)
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
            let label = format!("labels: {{node: {}}}", node.name);
            assert_eq!(text.contains(&label), has_metrics(node.kind), "{} in\n{text}", node.name);
        }
        let admin = address(layout.ports("booking-api-1").at_second());
        assert!(text.contains(&format!("targets: ['{admin}']")), "{text}");
        assert!(!text.contains('@'), "{text}");
        let jobs = text.lines().filter(|line| line.trim_start().starts_with("- job_name:"));
        assert_eq!(jobs.count(), 7, "{text}");
    }

    #[test]
    fn the_operations_page_is_where_prometheus_looks_for_it() {
        let (state, folder, programs) = sample(Profile::Tiny);
        let layout = Layout { state: &state, folder: &folder, programs: &programs };
        let node = state.topology.of_kind(NodeKind::Prometheus).next().unwrap();
        let plan = plan(node, layout);
        let consoles = folder.node("prometheus").join("consoles");
        let flag = format!("--web.console.templates={}", consoles.display());
        assert!(plan.launch.args.iter().any(|arg| *arg == *flag), "{:?}", plan.launch.args);
        assert!(plan.files.iter().any(|file| file.path == consoles.join("operations.html")));
    }
}
