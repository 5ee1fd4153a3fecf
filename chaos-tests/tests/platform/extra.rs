//! A further service beside the cluster's own: the same stores, another
//! configuration, and, where it is a faulty build, fail points. It may be
//! limited, or doomed to die between two steps of the protocol, without the
//! load balancer ever sending anybody to it.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chaos_tests::wait_until;
use local_cluster::{NodeKind, service};
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};

use crate::world::World;

/// How long one may take to start.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// The process; killed when dropped.
pub(crate) struct Extra {
    name: String,
    process: Child,
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    settings: Vec<(String, String)>,
    pub(crate) url: String,
    pub(crate) admin: Admin,
    /// Its two ports stay its own while it is down.
    _reserved: [Reserved; 2],
}

/// A port of loopback that is given to nobody else while this lives: bound,
/// not listened at. A server may listen there (both have `SO_REUSEADDR`), but
/// no outgoing connection is given it, as one was that was only looked for
/// and let go, and the server then had nowhere to listen.
struct Reserved {
    _socket: TcpSocket,
    address: SocketAddr,
}

/// The admin port of one.
#[derive(Clone)]
pub(crate) struct Admin {
    http: reqwest::Client,
    url: String,
}

impl Extra {
    /// Starts a booking-api whose settings are overridden by `BOOKING_API_…`
    /// variables, and waits until it is ready.
    pub(crate) async fn start(world: &World, name: &str, settings: &[(&str, &str)]) -> Self {
        let program = service::default_bin_dir().join(NodeKind::BookingApi.as_str());
        let mut extra = Self::spawn(world, NodeKind::BookingApi, program, name, settings);
        extra.ready().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        extra
    }

    /// Starts the faulty build of a service.
    pub(crate) async fn start_faulty(
        world: &World,
        kind: NodeKind,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self, String> {
        let program = service::faulty_program(kind)?;
        let mut extra = Self::spawn(world, kind, program, name, settings);
        extra.ready().await?;
        Ok(extra)
    }

    fn spawn(
        world: &World,
        kind: NodeKind,
        program: PathBuf,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let folder = world.cluster.root();
        let model = world.names_of(kind).into_iter().next().expect("one of its kind");
        let reserved = [Reserved::new(), Reserved::new()];
        let [listen, admin] = reserved.each_ref().map(|one| one.address.to_string());
        let prefix = kind.as_str().to_uppercase().replace('-', "_");
        let mut all = vec![
            (format!("{prefix}_NAME"), name.to_owned()),
            (format!("{prefix}_LISTEN"), listen.clone()),
            (format!("{prefix}_ADMIN_LISTEN"), admin.clone()),
        ];
        all.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let config = config_of(&folder, &model);
        let log = folder.join(format!("{name}.log"));
        let process = launch(&program, &config, &log, &all);
        Self {
            name: name.to_owned(),
            process,
            program,
            config,
            log,
            settings: all,
            url: format!("http://{listen}"),
            admin: Admin { http: world.anybody.http().clone(), url: format!("http://{admin}") },
            _reserved: reserved,
        }
    }

    async fn ready(&mut self) -> Result<(), String> {
        let admin = &self.admin;
        let ready = wait_until(STARTED_WITHIN, || async {
            let answer = admin.http.get(format!("{}/readyz", admin.url)).send().await;
            let answer = answer.map_err(|error| error.to_string())?;
            let text = answer.text().await.map_err(|error| error.to_string())?;
            // Also what is optional: a shard whose migrations are not checked
            // yet would refuse the journey before it reaches its step.
            if text.contains("\"missing\":{}") { Ok(()) } else { Err(text) }
        });
        let ended = tokio::select! {
            ready = ready => return ready.map_err(|why| format!("{} is not ready: {why}", self.name)),
            ended = self.process.wait() => ended,
        };
        Err(format!(
            "{} ended before it was ready, {ended:?}; see {}",
            self.name,
            self.log.display()
        ))
    }

    /// Returns when the process has ended by itself.
    pub(crate) async fn dies(&mut self) {
        let _ = self.process.wait().await;
    }

    /// Whether the process has ended by itself within so long.
    pub(crate) async fn dies_within(&mut self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.process.wait()).await.is_ok()
    }

    /// Starts it again where it was, with no fail point armed.
    pub(crate) async fn restart(&mut self) -> Result<(), String> {
        let _ = self.process.kill().await;
        self.process = launch(&self.program, &self.config, &self.log, &self.settings);
        self.ready().await
    }
}

impl Reserved {
    fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = socket.local_addr().expect("an address");
        Self { _socket: socket, address }
    }
}

impl Admin {
    /// Tells a fail point what to do from now on.
    pub(crate) async fn arm(&self, point: &str, actions: &str) -> Result<(), String> {
        let url = format!("{}/fail-points/{point}", self.url);
        let sent = self.http.put(url).body(actions.to_owned()).send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(format!("{point}: {}", answer.text().await.unwrap_or_default()))
    }

    /// How often a fail point was reached.
    pub(crate) async fn reached(&self, point: &str) -> Result<u64, String> {
        let asked = self.http.get(format!("{}/fail-points", self.url)).send().await;
        let text = async { asked?.text().await }.await.map_err(|error| error.to_string())?;
        let list: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let mut points = list.as_array().into_iter().flatten();
        let found = points.find(|one| one["name"] == point);
        found.and_then(|one| one["reached"].as_u64()).ok_or_else(|| format!("no point {point}"))
    }
}

fn launch(program: &Path, config: &Path, log: &Path, settings: &[(String, String)]) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
    let mut command = Command::new(program);
    command
        .arg("--config")
        .arg(config)
        .envs(settings.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .kill_on_drop(true);
    command.spawn().expect("the service starts")
}

/// The configuration file that the launcher wrote for a node.
fn config_of(folder: &Path, node: &str) -> PathBuf {
    let file = folder.join(node).join("config.toml");
    assert!(file.exists(), "no configuration at {}", file.display());
    file
}
