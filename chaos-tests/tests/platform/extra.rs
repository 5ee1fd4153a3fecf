//! A further booking-api beside the cluster's own: the same stores, another
//! configuration. It may be limited, or doomed to die at a step of the
//! protocol, without the load balancer ever sending anybody to it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use chaos_tests::eventually;
use local_cluster::NodeKind;
use tokio::process::{Child, Command};

use crate::world::World;

/// The process; killed when dropped.
pub(crate) struct Extra {
    process: Child,
    pub(crate) url: String,
}

impl Extra {
    /// Starts an instance whose settings are overridden by `BOOKING_API_…`
    /// variables, and waits until it is ready.
    pub(crate) async fn start(world: &World, name: &str, settings: &[(&str, &str)]) -> Self {
        let (listen, admin) = (free_address(), free_address());
        let model = world.cluster.topology().of_kind(NodeKind::BookingApi).next();
        let model = model.expect("a booking-api").name.clone();
        let folder = world.cluster.root();
        let log = std::fs::File::create(folder.join(format!("{name}.log"))).expect("a log file");
        let mut command = Command::new(binary());
        command
            .arg("--config")
            .arg(config_of(&folder, &model))
            .env("BOOKING_API_NAME", name)
            .env("BOOKING_API_LISTEN", &listen)
            .env("BOOKING_API_ADMIN_LISTEN", &admin)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .kill_on_drop(true);
        let process = command.spawn().expect("booking-api starts");
        let ready = world.anybody.at(format!("http://{admin}"));
        eventually(Duration::from_secs(20), || async {
            let answer = ready.http().get(format!("{}/readyz", ready.base_url())).send().await;
            let answer = answer.map_err(|error| error.to_string())?;
            let text = answer.text().await.map_err(|error| error.to_string())?;
            // Also what is optional: a shard whose migrations are not checked
            // yet would refuse the journey before it reaches its step.
            if text.contains("\"missing\":{}") { Ok(()) } else { Err(text) }
        })
        .await;
        Self { process, url: format!("http://{listen}") }
    }

    /// Whether the process has ended by itself within so long.
    pub(crate) async fn dies_within(&mut self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.process.wait()).await.is_ok()
    }
}

fn binary() -> PathBuf {
    local_cluster::service::default_bin_dir().join("booking-api")
}

/// The configuration file that the launcher wrote for a node.
fn config_of(folder: &std::path::Path, node: &str) -> PathBuf {
    let file = folder.join(node).join("config.toml");
    assert!(file.exists(), "no configuration at {}", file.display());
    file
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}
