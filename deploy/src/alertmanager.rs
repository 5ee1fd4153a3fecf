//! Alertmanager: takes Prometheus' alerts, puts together what belongs together
//! and decides whom to tell. In a local cluster that is whoever looks at its
//! page. It must not know what the alerts mean.

use crate::plan::{ConfigFile, Layout, NodePlan, address, args, http};
use crate::readiness::Probe;
use crate::topology::NodeSpec;

/// Who is told, and how often.
const CONFIG: &str = include_str!("../prometheus/alertmanager.yml");

pub(crate) fn plan(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let at = layout.ports(&node.name).at_main();
    let probe = Probe::Http { url: format!("{}/-/ready", http(at)) };
    let mut plan = layout.node(node, probe);
    let config = plan.launch.folder.join("alertmanager.yml");
    plan.launch.args = args([
        format!("--config.file={}", config.display()),
        format!("--storage.path={}", plan.launch.folder.join("data").display()),
        format!("--web.listen-address={}", address(at)),
        // One is enough here, and it needs no further port.
        "--cluster.listen-address=".to_owned(),
    ]);
    plan.files = vec![ConfigFile { path: config, text: CONFIG.to_owned() }];
    plan
}
