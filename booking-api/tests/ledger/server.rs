//! A MariaDB (or MySQL) server of the test's own, and shards in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use booking_api::store::{
    CommitterConfig, ConnectionsConfig, QuestionsConfig, Shard, ShardMetrics,
};
use prometheus::Registry;
use seat_model::ShardId;
use service_kit::{Background, Process, Readiness};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Executor, MySqlConnection};

pub(crate) struct Server {
    folder: tempfile::TempDir,
    child: Child,
    databases: AtomicU32,
}

fn program(names: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/libexec"].map(PathBuf::from));
    folders
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("none of {names:?} is installed; `./seatlock doctor` says how"))
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let as_root = nix::unistd::geteuid().is_root().then_some("--user=root");
        let installed = Command::new(program(&["mariadb-install-db", "mysql_install_db"]))
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", data.display()))
            .args(as_root)
            // A server that starts clears `#sql…` from its folder for temporary files,
            // and with it what others have there.
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(installed.success(), "the data folder could not be made");
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program(&["mariadbd", "mysqld"]))
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", folder.path().join("s").display()))
            .args(["--skip-networking", "--skip-name-resolve", "--innodb-buffer-pool-size=32M"])
            .args(as_root)
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { folder, child, databases: AtomicU32::new(0) }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    fn options(&self) -> MySqlConnectOptions {
        MySqlConnectOptions::new().username("root").socket(self.socket())
    }

    /// Waits until the server answers.
    pub(crate) async fn ready(&self) {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        let started = Instant::now();
        while let Err(error) = self.options().connect().await {
            let log = self.folder.path().join("log");
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "no answer after a minute: {error}\n{}",
                std::fs::read_to_string(log).unwrap_or_default()
            );
            looks.tick().await;
        }
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// A fresh database.
    pub(crate) async fn database(&self) -> Database {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.options().connect().await.unwrap();
        let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(create))).await.unwrap();
        Database { socket: self.socket(), name }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Database {
    socket: PathBuf,
    name: String,
}

/// A shard and what it counted.
pub(crate) struct Opened {
    pub(crate) shard: Shard,
    pub(crate) registry: Registry,
    /// Ends the shard's background work with the test.
    _background: Background,
}

impl Database {
    fn url(&self) -> String {
        let socket: String = Path::new(&self.socket)
            .to_str()
            .unwrap()
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        format!("mysql://root@localhost/{}?socket={socket}", self.name)
    }

    /// An instance's view of this shard, migrated.
    pub(crate) async fn open(&self) -> Opened {
        let registry = Registry::new();
        let process = Process {
            readiness: Readiness::default(),
            registry: registry.clone(),
            background: Background::default(),
        };
        let shard = Shard::start(
            ShardId::new("shard-0").unwrap(),
            &self.url(),
            ConnectionsConfig { statement_timeout_ms: 2_500, ..ConnectionsConfig::default() },
            CommitterConfig::default(),
            QuestionsConfig::default(),
            &ShardMetrics::new(&registry).unwrap(),
            &process,
        )
        .unwrap();
        shard.migrate().await.unwrap();
        Opened { shard, registry, _background: process.background }
    }

    /// A connection beside the store's own.
    pub(crate) async fn connect(&self) -> MySqlConnection {
        let options =
            MySqlConnectOptions::new().username("root").socket(&self.socket).database(&self.name);
        options.connect().await.unwrap()
    }

    /// One number.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&mut self.connect().await).await.unwrap()
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        self.connect().await.execute(statement).await.unwrap();
    }
}
