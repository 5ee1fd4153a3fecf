//! Which outside programs a cluster needs, where they are, and which package
//! brings them. It must not know how they are run.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::service;
use crate::topology::{NodeKind, Topology};

/// An outside program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// What it is called in messages.
    pub name: &'static str,
    /// Names of its file, the best first.
    pub files: &'static [&'static str],
    /// The argument that prints its version.
    pub version_arg: &'static str,
    /// The Debian package that brings it.
    pub package: &'static str,
    /// Whether only building needs it.
    pub for_building: bool,
    /// Whether only `./seatlock test` and `./seatlock bench` need it.
    pub for_tests: bool,
}

/// etcd.
pub const ETCD: Tool = tool("etcd", &["etcd"], "--version", "etcd-server");
/// The MariaDB server.
pub const MARIADB: Tool =
    tool("MariaDB server", &["mariadbd", "mysqld"], "--version", "mariadb-server");
/// Makes an empty MariaDB data folder.
pub const MARIADB_INSTALL: Tool = tool(
    "MariaDB's installer",
    &["mariadb-install-db", "mysql_install_db"],
    "--help",
    "mariadb-server",
);
/// Writes a database down as SQL.
pub const MARIADB_DUMP: Tool =
    tool("MariaDB's dump", &["mariadb-dump", "mysqldump"], "--version", "mariadb-client");
/// Reads such SQL into a server.
pub const MARIADB_CLIENT: Tool =
    tool("MariaDB's client", &["mariadb", "mysql"], "--version", "mariadb-client");
/// Redis.
pub const REDIS: Tool = tool("Redis", &["redis-server"], "--version", "redis-server");
/// HAProxy.
pub const HAPROXY: Tool = tool("HAProxy", &["haproxy"], "-v", "haproxy");
/// Prometheus.
pub const PROMETHEUS: Tool = tool("Prometheus", &["prometheus"], "--version", "prometheus");
/// Tells Prometheus how a MariaDB server is.
pub const MYSQLD_EXPORTER: Tool = tool(
    "MariaDB's exporter",
    &["prometheus-mysqld-exporter", "mysqld_exporter"],
    "--version",
    "prometheus-mysqld-exporter",
);
/// Tells Prometheus how Redis is.
pub const REDIS_EXPORTER: Tool = tool(
    "Redis' exporter",
    &["prometheus-redis-exporter", "redis_exporter"],
    "--version",
    "prometheus-redis-exporter",
);
/// Takes Prometheus' alerts.
pub const ALERTMANAGER: Tool = tool(
    "Alertmanager",
    &["prometheus-alertmanager", "alertmanager"],
    "--version",
    "prometheus-alertmanager",
);
/// What checks Prometheus' rules.
pub const PROMTOOL: Tool =
    Tool { for_tests: true, ..tool("promtool", &["promtool"], "--version", "prometheus") };
/// The compiler of protocol buffers, for etcd's interface.
pub const PROTOC: Tool = Tool {
    for_building: true,
    ..tool("protoc", &["protoc"], "--version", "protobuf-compiler libprotobuf-dev")
};
/// A C compiler, for the cryptography.
pub const CC: Tool =
    Tool { for_building: true, ..tool("C compiler", &["cc"], "--version", "gcc libc6-dev") };
/// The browser that looks at the page in tests.
pub const CHROMIUM: Tool =
    Tool { for_tests: true, ..tool("Chromium", &["chromium"], "--version", "chromium") };
/// What drives it.
pub const CHROMEDRIVER: Tool = Tool {
    for_tests: true,
    ..tool("chromedriver", &["chromedriver"], "--version", "chromium-driver")
};
/// The web server that view-service is measured beside.
pub const NGINX: Tool = Tool { for_tests: true, ..tool("nginx", &["nginx"], "-v", "nginx-light") };
/// The Rust toolchain.
pub const CARGO: Tool =
    Tool { for_building: true, ..tool("Rust toolchain", &["cargo"], "--version", "rustup.rs") };

/// Everything `doctor` looks for.
pub const ALL: [Tool; 18] = [
    ETCD,
    MARIADB,
    MARIADB_INSTALL,
    MARIADB_DUMP,
    MARIADB_CLIENT,
    REDIS,
    HAPROXY,
    PROMETHEUS,
    MYSQLD_EXPORTER,
    REDIS_EXPORTER,
    ALERTMANAGER,
    PROMTOOL,
    PROTOC,
    CC,
    CARGO,
    CHROMIUM,
    CHROMEDRIVER,
    NGINX,
];

const fn tool(
    name: &'static str,
    files: &'static [&'static str],
    version_arg: &'static str,
    package: &'static str,
) -> Tool {
    Tool { name, files, version_arg, package, for_building: false, for_tests: false }
}

impl Tool {
    /// Where it is: on the path, or where Debian keeps servers, which is not
    /// on the path of an ordinary user.
    #[must_use]
    pub fn find(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        folders.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
        let found = |file: &&str| folders.iter().map(|dir| dir.join(file)).find(|p| is_program(p));
        self.files.iter().find_map(found)
    }
}

/// Whether a path is a file that may be run.
pub(crate) fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The programs of one cluster, by the kind of node they serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    by_kind: BTreeMap<NodeKind, PathBuf>,
    pub(crate) mariadb_install: Option<PathBuf>,
}

/// Programs that are not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramsError {
    /// Outside programs.
    #[error("missing: {}. Install with: apt-get install {}", names.join(", "), packages.join(" "))]
    Tools {
        /// What they are called.
        names: Vec<&'static str>,
        /// What brings them.
        packages: Vec<&'static str>,
    },
    /// A program of this workspace.
    #[error("{program} is not in {folder}; build it with: {build}")]
    Service {
        /// Its file name.
        program: String,
        /// Where it was looked for.
        folder: String,
        /// What builds it.
        build: &'static str,
    },
    /// The etcd that was asked for.
    #[error("{0} is no program")]
    Etcd(PathBuf),
}

impl Programs {
    /// Finds all that the nodes of a topology need.
    ///
    /// # Errors
    /// Names all outside programs that are missing, with the line that
    /// installs them, or the first missing program of this workspace.
    pub fn find(topology: &Topology) -> Result<Self, ProgramsError> {
        let mut by_kind = BTreeMap::new();
        let mut missing: Vec<Tool> = Vec::new();
        let mut mariadb_install = None;
        for kind in NodeKind::ALL.into_iter().filter(|kind| topology.has(*kind)) {
            let Some(tool) = tool_of(kind) else {
                by_kind.insert(kind, find_service(topology, kind)?);
                continue;
            };
            if tool == MARIADB {
                mariadb_install = MARIADB_INSTALL.find();
                if mariadb_install.is_none() {
                    missing.push(MARIADB_INSTALL);
                }
            }
            match (kind, &topology.etcd_program) {
                (NodeKind::Etcd, Some(path)) if is_program(path) => {
                    by_kind.insert(kind, path.clone());
                    continue;
                }
                (NodeKind::Etcd, Some(path)) => return Err(ProgramsError::Etcd(path.clone())),
                _ => {}
            }
            match tool.find() {
                Some(path) => drop(by_kind.insert(kind, path)),
                None => missing.push(tool),
            }
        }
        if missing.is_empty() {
            return Ok(Self { by_kind, mariadb_install });
        }
        let mut names: Vec<_> = missing.iter().map(|tool| tool.name).collect();
        let mut packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
        names.sort_unstable();
        names.dedup();
        packages.sort_unstable();
        packages.dedup();
        Err(ProgramsError::Tools { names, packages })
    }

    /// The program of a kind; empty for a kind the topology does not have.
    #[must_use]
    pub fn of(&self, kind: NodeKind) -> PathBuf {
        self.by_kind.get(&kind).cloned().unwrap_or_default()
    }

    /// For a cluster that is only looked at or stopped.
    pub(crate) const fn none() -> Self {
        Self { by_kind: BTreeMap::new(), mariadb_install: None }
    }

    /// For tests of plans: every program under the same folder.
    #[cfg(test)]
    pub(crate) fn fixed(folder: &str) -> Self {
        let at = |kind: NodeKind| (kind, Path::new(folder).join(kind.as_str()));
        Self {
            by_kind: NodeKind::ALL.into_iter().map(at).collect(),
            mariadb_install: Some(Path::new(folder).join("mariadb-install-db")),
        }
    }
}

const fn tool_of(kind: NodeKind) -> Option<Tool> {
    match kind {
        NodeKind::Etcd => Some(ETCD),
        NodeKind::Shard
        | NodeKind::ShardReplica
        | NodeKind::Catalogue
        | NodeKind::CatalogueReplica => Some(MARIADB),
        NodeKind::Redis => Some(REDIS),
        NodeKind::LoadBalancer => Some(HAPROXY),
        NodeKind::MysqldExporter => Some(MYSQLD_EXPORTER),
        NodeKind::RedisExporter => Some(REDIS_EXPORTER),
        NodeKind::Alertmanager => Some(ALERTMANAGER),
        NodeKind::Prometheus => Some(PROMETHEUS),
        NodeKind::PaymentGateway
        | NodeKind::LockService
        | NodeKind::BookingApi
        | NodeKind::ViewService => None,
    }
}

fn find_service(topology: &Topology, kind: NodeKind) -> Result<PathBuf, ProgramsError> {
    let folder = topology.bin_dir.clone().unwrap_or_else(service::default_bin_dir);
    let file = service::program_file(kind, topology.faulty);
    let program = folder.join(&file);
    if is_program(&program) {
        return Ok(program);
    }
    let faulty = topology.faulty && kind.has_faulty_build();
    Err(ProgramsError::Service {
        program: file,
        folder: folder.display().to_string(),
        build: if faulty { service::BUILD_FAULTY } else { service::BUILD },
    })
}
