//! Real servers for tests: Redis, MariaDB, and a change feed over HTTP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod catalogue;
pub(crate) mod house;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::routing::get;
use bytes::Bytes;
use lock_service_client::wire::ChangeLine;
use seat_model::{PerformanceId, PublicSeatState, SeatId};
use service_kit::clock;
use tokio::net::TcpSocket;
use tokio::sync::watch;

/// A port of loopback that stays this process's own: bound and not listened at,
/// so that a server may (both have `SO_REUSEADDR`) and no outgoing connection
/// is given it meanwhile.
pub(crate) fn free_port() -> u16 {
    static RESERVED: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    RESERVED.lock().unwrap().push(socket);
    port
}

/// Waits until `look` answers something; says what was missing otherwise.
pub(crate) async fn eventually<T, Fut: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> Fut,
) -> T {
    let began = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        pause.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "still missing after 20 s: {what}");
    }
}

/// A process that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(command: &mut Command, port: u16) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} is needed: {error}"));
        Self { child, port }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Redis without persistence.
pub(crate) async fn redis(port: u16) -> Server {
    redis_with(port, &[]).await
}

/// The same with further arguments.
pub(crate) async fn redis_with(port: u16, further: &[&str]) -> Server {
    let mut command = Command::new("redis-server");
    let port_text = port.to_string();
    command.args(["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(further);
    let server = Server::start(&mut command, port);
    eventually("redis answers", || async {
        let client = redis::Client::open(redis_url(port)).ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        redis::cmd("PING").query_async::<String>(&mut connection).await.ok()
    })
    .await;
    server
}

pub(crate) fn redis_url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

pub(crate) async fn flush(port: u16) {
    let client = redis::Client::open(redis_url(port)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
}

/// MariaDB with an empty database `catalogue`; `None` where it is not installed.
pub(crate) async fn mariadb(dir: &Path) -> Option<(Server, String)> {
    let program = ["/usr/sbin/mariadbd", "/usr/sbin/mysqld", "/usr/local/sbin/mariadbd"]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let data = dir.join("data");
    let text = |path: &Path| path.display().to_string();
    let installed = Command::new("mariadb-install-db")
        .arg("--no-defaults")
        .arg(format!("--datadir={}", text(&data)))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"])
        // A server that starts clears `#sql…` from its folder for temporary files,
        // and with it what others have there.
        .env("TMPDIR", dir)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let said = [installed.stdout, installed.stderr].concat();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&said));
    let port = free_port();
    let mut command = Command::new(program);
    command
        .env("TMPDIR", dir)
        .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--skip-name-resolve"])
        .arg("--innodb-flush-log-at-trx-commit=0")
        .arg(format!("--port={port}"))
        .arg(format!("--datadir={}", text(&data)))
        .arg(format!("--socket={}", text(&dir.join("s"))))
        .arg(format!("--pid-file={}", text(&dir.join("pid"))));
    let server = Server::start(&mut command, port);
    let root = format!("mysql://root@127.0.0.1:{port}/");
    eventually("mariadb answers", || async {
        use sqlx::Connection;
        let mut connection = sqlx::MySqlConnection::connect(&root).await.ok()?;
        let made = sqlx::query("CREATE DATABASE IF NOT EXISTS catalogue");
        made.execute(&mut connection).await.ok()
    })
    .await;
    Some((server, format!("{root}catalogue")))
}

/// What the feed has said so far.
#[derive(Default)]
struct World {
    revision: u64,
    taken: BTreeMap<(PerformanceId, SeatId), (u64, PublicSeatState)>,
    log: Vec<ChangeLine>,
    /// While it is silent nobody hears anything, as when etcd is away.
    silent: bool,
}

/// A change feed as lock-service has it.
#[derive(Clone)]
pub(crate) struct Feed {
    world: Arc<Mutex<World>>,
    news: watch::Sender<u64>,
    pub(crate) url: String,
}

impl Feed {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let feed = Self { world: Arc::default(), news: watch::Sender::new(0), url };
        let router = Router::new().route("/v1/changes", get(changes)).with_state(feed.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        feed
    }

    /// Changes seats at a new revision, which it answers.
    pub(crate) fn change(&self, performance: &str, seats: &[(&str, PublicSeatState)]) -> u64 {
        let mut world = self.world.lock().unwrap();
        world.revision += 1;
        let revision = world.revision;
        let performance: PerformanceId = performance.parse().unwrap();
        let mut told = BTreeMap::new();
        for (seat, state) in seats {
            let seat = SeatId::new(*seat).unwrap();
            let key = (performance.clone(), seat.clone());
            if *state == PublicSeatState::Free {
                world.taken.remove(&key);
            } else {
                world.taken.insert(key, (revision, *state));
            }
            told.insert(seat, *state);
        }
        world.log.push(ChangeLine::Seats { performance, revision, seats: told });
        drop(world);
        self.news.send_replace(revision);
        revision
    }

    pub(crate) fn silent(&self, silent: bool) {
        self.world.lock().unwrap().silent = silent;
        self.news.send_replace(0);
    }

    fn snapshot(&self) -> (Vec<ChangeLine>, usize) {
        let world = self.world.lock().unwrap();
        let mut lines = vec![ChangeLine::Snapshot { revision: world.revision }];
        for ((performance, seat), (revision, state)) in &world.taken {
            lines.push(ChangeLine::Seats {
                performance: performance.clone(),
                revision: *revision,
                seats: BTreeMap::from([(seat.clone(), *state)]),
            });
        }
        lines.push(ChangeLine::SnapshotEnd { revision: world.revision });
        (lines, world.log.len())
    }

    fn after(&self, position: usize) -> (Vec<ChangeLine>, usize) {
        let world = self.world.lock().unwrap();
        if world.silent {
            return (Vec::new(), position);
        }
        let mut lines = world.log[position..].to_vec();
        lines.push(ChangeLine::Progress { revision: world.revision, as_of: clock::now() });
        (lines, world.log.len())
    }
}

async fn changes(State(feed): State<Feed>, Query(from): Query<BTreeMap<String, u64>>) -> Body {
    let from = from.get("from").copied().unwrap_or(0);
    let (first, position) = if from == 0 {
        feed.snapshot()
    } else {
        // Every change has a revision of its own, from 1: its place in the log.
        (Vec::new(), usize::try_from(from).unwrap())
    };
    let news = feed.news.subscribe();
    let stream = futures_util::stream::unfold(
        (feed, news, position, Some(first)),
        |(feed, mut news, position, first)| async move {
            let (lines, position) = match first {
                Some(first) if !first.is_empty() => (first, position),
                _ => {
                    let _ = tokio::time::timeout(Duration::from_millis(200), news.changed()).await;
                    feed.after(position)
                }
            };
            let mut text = Vec::new();
            for line in lines {
                serde_json::to_writer(&mut text, &line).unwrap();
                text.push(b'\n');
            }
            Some((Ok::<_, std::io::Error>(Bytes::from(text)), (feed, news, position, None)))
        },
    );
    Body::from_stream(stream)
}

/// An answer over HTTP/1.1, as it travelled.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Asks without a client that would unpack the answer.
pub(crate) async fn fetch(base: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = base.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let ask = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: all.split_off(end + 4) }
}
