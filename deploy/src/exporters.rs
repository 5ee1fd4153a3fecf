//! What tells Prometheus how MariaDB and Redis are: one exporter beside each
//! server, with an account that may only look. It must not know who scrapes.

use crate::mysql;
use crate::plan::{ConfigFile, Layout, NodePlan, address, args, http};
use crate::readiness::Probe;
use crate::topology::NodeSpec;

/// `prometheus-mysqld-exporter`. The password stands in a file that only its
/// owner may read, not among the arguments.
pub(crate) fn mysqld(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let at = layout.ports(&node.name).at_main();
    let probe = Probe::Http { url: format!("{}/", http(at)) };
    let mut plan = layout.node(node, probe);
    let account = plan.launch.folder.join("account.cnf");
    plan.launch.args = args([
        format!("--web.listen-address={}", address(at)),
        format!("--config.my-cnf={}", account.display()),
        // Settings do not change, and the rest is about pages that are not
        // compressed and a plugin that is not there.
        "--no-collect.global_variables".to_owned(),
        "--no-collect.info_schema.innodb_cmp".to_owned(),
        "--no-collect.info_schema.innodb_cmpmem".to_owned(),
        "--no-collect.info_schema.query_response_time".to_owned(),
        "--log.level=error".to_owned(),
    ]);
    let Some(server) = layout.state.topology.watched_by(node) else { return plan };
    let (server, password) = (layout.ports(&server.name), &layout.state.secrets.exporter);
    let text = format!(
        "[client]\nuser={}\npassword={password}\nhost={}\nport={}\n",
        mysql::EXPORTER_ACCOUNT,
        server.host,
        server.main,
    );
    plan.files = vec![ConfigFile { path: account, text }];
    plan
}

/// `prometheus-redis-exporter`.
pub(crate) fn redis(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let at = layout.ports(&node.name).at_main();
    let probe = Probe::Http { url: format!("{}/health", http(at)) };
    let mut plan = layout.node(node, probe);
    let url = crate::redis::url(layout.state).unwrap_or_default();
    plan.launch.args = args([
        format!("-web.listen-address={}", address(at)),
        format!("-redis.addr={url}"),
        "-connection-timeout=1s".to_owned(),
    ]);
    plan
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use crate::plan::tests::sample;
    use crate::topology::{NodeKind, Profile};

    #[test]
    fn each_looks_at_a_server_of_its_own() {
        let (state, folder, programs) = sample(Profile::Ha);
        let plan = Plan::new(&state, &folder, &programs);
        let port = |name: &str| format!("port={}\n", state.ports[name].main);
        let exporters = plan.nodes.iter().filter(|node| node.kind == NodeKind::MysqldExporter);
        let servers = ["shard-0", "shard-1", "catalogue", "catalogue-replica"];
        for (exporter, server) in exporters.zip(servers) {
            let text = &exporter.files[0].text;
            assert!(text.contains(&port(server)), "{} does not look at {server}", exporter.name);
            assert!(text.contains(&state.secrets.exporter));
        }
    }
}
