//! MariaDB servers: shards, the catalogue and their replicas; how they are
//! filled, started and seen to be ready. Services make their own tables:
//! here there are only empty databases and accounts. Who follows whom is
//! [`crate::roles`]', how it is told [`crate::replication`]'s.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::{Connection as _, MySqlConnection, Row as _};
use tokio::process::Command;

use crate::plan::{ConfigFile, Layout, NodePlan, ports_of};
use crate::readiness::Probe;
use crate::state::{ClusterFolder, ClusterState, StateError, create_private};
use crate::topology::{NodeKind, NodeSpec};
use crate::{replication, roles};

/// A path in a `sockaddr_un` has 107 bytes.
const LONGEST_SOCKET_PATH: usize = 107;

/// The account of the services.
const ACCOUNT: &str = "seatlock";

/// What looks at a server's health, and may do no more.
pub(crate) const EXPORTER_ACCOUNT: &str = "exporter";

/// The launcher's own account: replication, and questions about it.
pub(crate) const LAUNCHER_ACCOUNT: &str = "launcher";

pub(crate) fn plan(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let state = layout.state;
    let ports = layout.ports(&node.name);
    let folder = layout.folder.node(&node.name);
    let url = url(state, node);
    let probe = if roles::followed_by(state, node).is_some() {
        Probe::Replica { url, launcher_url: launcher_url(state, node) }
    } else {
        Probe::Database { url }
    };
    let init_file = folder.join("init.sql");
    let data = folder.join("data");
    let mut arguments = vec![
        "--no-defaults".to_owned(),
        format!("--datadir={}", data.display()),
        format!("--tmpdir={}", folder.display()),
        format!("--pid-file={}", folder.join("mariadb.pid").display()),
        format!("--socket={}", socket(layout.folder, &node.name).display()),
        format!("--port={}", ports.main),
        format!("--bind-address={}", ports.host),
        "--skip-name-resolve".to_owned(),
        format!("--init-file={}", init_file.display()),
        format!("--server-id={}", server_id(node)),
        // The ledger is lost with one lazy flush.
        "--innodb-flush-log-at-trx-commit=1".to_owned(),
        "--sync-binlog=1".to_owned(),
        "--transaction-isolation=READ-COMMITTED".to_owned(),
        "--character-set-server=utf8mb4".to_owned(),
        "--collation-server=utf8mb4_unicode_ci".to_owned(),
        "--innodb-buffer-pool-size=96M".to_owned(),
        "--innodb-log-file-size=48M".to_owned(),
        "--max-connections=400".to_owned(),
        "--innodb-lock-wait-timeout=5".to_owned(),
        // A client lost in a transaction must not block the reconciler.
        "--idle-write-transaction-timeout=10".to_owned(),
        "--log-bin-trust-function-creators=1".to_owned(),
        "--performance-schema=OFF".to_owned(),
    ];
    arguments.extend(replication::arguments(state, node));
    if nix::unistd::geteuid().is_root() {
        // It refuses to run as root unless it is told to.
        arguments.push("--user=root".to_owned());
    }
    let mut plan = layout.node(node, probe);
    plan.launch.args = arguments.into_iter().map(Into::into).collect();
    plan.files = vec![ConfigFile { path: init_file, text: init_sql(node, layout) }];
    plan.database_folder = Some(data);
    plan.grace = Duration::from_secs(20);
    plan
}

/// The plan of a server that is to be filled: it follows nobody yet.
pub(crate) fn plan_to_fill(node: &NodeSpec, layout: Layout<'_>) -> NodePlan {
    let mut plan = plan(node, layout);
    plan.probe = Probe::Database { url: url(layout.state, node) };
    for file in &mut plan.files {
        file.text = accounts_sql(node, layout);
    }
    plan
}

/// Run by the server at every start, before it accepts connections: each line
/// is one statement, and each may be repeated.
fn init_sql(node: &NodeSpec, layout: Layout<'_>) -> String {
    let mut sql = accounts_sql(node, layout);
    if let Some(primary) = roles::followed_by(layout.state, node) {
        sql += "STOP SLAVE;\n";
        sql += &replication::follow(layout.state, primary);
    }
    sql
}

fn accounts_sql(node: &NodeSpec, layout: Layout<'_>) -> String {
    let secrets = &layout.state.secrets;
    let database = database(node.kind);
    // Each server of a shard has these of its own. In the log they would make
    // a primary wait for its replica before it answers at all, and a replica
    // have what its primary has not.
    let unlogged = match node.kind {
        NodeKind::Shard | NodeKind::ShardReplica => "SET SESSION sql_log_bin=0;\n",
        _ => "",
    };
    // Skipping names, the server knows its clients by address: on hosts of
    // their own they have many.
    let from = if layout.ports(&node.name).host.is_loopback() { "127.0.0.1" } else { "%" };
    format!(
        "{unlogged}{};\n\
         CREATE USER IF NOT EXISTS '{ACCOUNT}'@'{from}' IDENTIFIED BY '{}';\n\
         GRANT ALL ON {database}.* TO '{ACCOUNT}'@'{from}';\n\
         CREATE USER IF NOT EXISTS '{LAUNCHER_ACCOUNT}'@'{from}' IDENTIFIED BY '{}';\n\
         GRANT ALL ON *.* TO '{LAUNCHER_ACCOUNT}'@'{from}' WITH GRANT OPTION;\n\
         CREATE USER IF NOT EXISTS '{EXPORTER_ACCOUNT}'@'{from}' IDENTIFIED BY '{}' \
         WITH MAX_USER_CONNECTIONS 3;\n\
         GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO '{EXPORTER_ACCOUNT}'@'{from}';\n",
        create_database(node.kind),
        secrets.database,
        secrets.launcher,
        secrets.exporter,
    )
}

/// Distinct over the cluster, as replication demands.
fn server_id(node: &NodeSpec) -> usize {
    match node.kind {
        NodeKind::ShardReplica => 301 + node.index,
        NodeKind::CatalogueReplica => 201 + node.index,
        NodeKind::Catalogue => 101 + node.index,
        _ => 1 + node.index,
    }
}

/// Makes an empty database where there is none.
pub(crate) fn create_database(kind: NodeKind) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4", database(kind))
}

/// What the one database of such a node is called.
pub(crate) const fn database(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Catalogue | NodeKind::CatalogueReplica => "seatlock_catalogue",
        _ => "seatlock_shard",
    }
}

/// The URL services use.
pub(crate) fn url(state: &ClusterState, node: &NodeSpec) -> String {
    let at = ports_of(state, &node.name).at_main();
    let database = database(node.kind);
    format!("mysql://{ACCOUNT}:{}@{at}/{database}", state.secrets.database)
}

/// The same database with the launcher's account, which may do anything.
pub(crate) fn launcher_url(state: &ClusterState, node: &NodeSpec) -> String {
    let at = ports_of(state, &node.name).at_main();
    let database = database(node.kind);
    format!("mysql://{LAUNCHER_ACCOUNT}:{}@{at}/{database}", state.secrets.launcher)
}

/// The same server, whether or not its database is there.
pub(crate) fn server_url(state: &ClusterState, node: &NodeSpec) -> String {
    let at = ports_of(state, &node.name).at_main();
    format!("mysql://{LAUNCHER_ACCOUNT}:{}@{at}", state.secrets.launcher)
}

/// In the node's folder, unless the path is too long for a socket.
fn socket(folder: &ClusterFolder, name: &str) -> PathBuf {
    let near = folder.node(name).join("mariadb.sock");
    if near.as_os_str().len() <= LONGEST_SOCKET_PATH {
        return near;
    }
    socket_folder(folder).join(format!("{name}.sock"))
}

/// A short folder for sockets, by user and cluster.
pub(crate) fn socket_folder(folder: &ClusterFolder) -> PathBuf {
    // FNV-1a: short, stable between launchers, and nothing depends on it
    // being hard to guess.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in folder.root().as_os_str().as_encoded_bytes() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    PathBuf::from(format!("/tmp/seatlock-{}-{hash:016x}", nix::unistd::getuid()))
}

/// A query with the services' account over TCP.
pub(crate) async fn check(url: &str) -> Result<(), String> {
    let mut connection = connect(url).await?;
    let row = sqlx::query("SELECT 1").fetch_one(&mut connection).await;
    row.map_err(|error| error.to_string())?;
    connection.close().await.map_err(|error| error.to_string())
}

/// Both replication threads run.
pub(crate) async fn check_replication(launcher_url: &str) -> Result<(), String> {
    let mut connection = connect(launcher_url).await?;
    let row = sqlx::query("SHOW SLAVE STATUS").fetch_optional(&mut connection).await;
    let row = row.map_err(|error| error.to_string())?.ok_or("replication is not set up")?;
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| error.to_string());
    if text("Slave_IO_Running")? == "Yes" && text("Slave_SQL_Running")? == "Yes" {
        return connection.close().await.map_err(|error| error.to_string());
    }
    let (io, sql) = (text("Last_IO_Error")?, text("Last_SQL_Error")?);
    Err(format!("replication does not run: {io} {sql}").trim_end().to_owned())
}

async fn connect(url: &str) -> Result<MySqlConnection, String> {
    MySqlConnection::connect(url).await.map_err(|error| error.to_string())
}

/// Why a data folder could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// A folder or lock.
    #[error(transparent)]
    State(#[from] StateError),
    /// A program could not be run.
    #[error("{program}: {source}")]
    Run {
        /// Which one.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// Which one.
        program: String,
        /// The last of what it printed.
        output: String,
    },
}

/// Fills the data folder of a server that never ran. The installer runs once
/// for each version of the program; its result is copied.
pub(crate) async fn fill(
    folder: &ClusterFolder,
    server: &Path,
    installer: &Path,
    data: &Path,
) -> Result<(), FillError> {
    if data.exists() {
        return Ok(());
    }
    let template = template(folder, server, installer).await?;
    // A copy under its final name is a whole copy. Drafts are named after their
    // launcher: one that was killed may have left its `cp` at work.
    let draft = data.with_extension(format!("new-{}", std::process::id()));
    remove_if_there(&draft)?;
    let mut copy = Command::new("cp");
    copy.args(["-a", "--reflink=auto"]).arg(&template).arg(&draft).kill_on_drop(true);
    run("cp", copy.output()).await?;
    rename(&draft, data)
}

async fn template(
    folder: &ClusterFolder,
    server: &Path,
    installer: &Path,
) -> Result<PathBuf, FillError> {
    let version = run("mariadbd", Command::new(server).arg("--version").output()).await?;
    let name: String = version
        .split_whitespace()
        .skip_while(|word| *word != "Ver")
        .nth(1)
        .unwrap_or("unknown")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || ".-+".contains(*c))
        .collect();
    let template = folder.cache().join(format!("mariadb-{name}"));
    if template.exists() {
        return Ok(template);
    }
    let _lock = folder.lock_cache().await?;
    if template.exists() {
        return Ok(template);
    }
    create_private(&folder.cache())?;
    let draft = folder.cache().join(format!("mariadb-new-{}", std::process::id()));
    remove_if_there(&draft)?;
    let mut command = Command::new(installer);
    command
        .arg("--no-defaults")
        .arg(format!("--datadir={}", draft.display()))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .args(["--innodb-log-file-size=48M", "--innodb-buffer-pool-size=32M"])
        // A server that starts clears `#sql…` from its folder for temporary
        // files; in a common one it takes those of an installer at work.
        .env("TMPDIR", folder.cache())
        .stdin(Stdio::null())
        // A launcher that is interrupted takes the installer with it.
        .kill_on_drop(true);
    if nix::unistd::geteuid().is_root() {
        command.arg("--user=root");
    }
    run("mariadb-install-db", command.output()).await?;
    rename(&draft, &template)?;
    Ok(template)
}

fn remove_if_there(path: &Path) -> Result<(), FillError> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(StateError::Io { path: path.to_owned(), source }.into()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), FillError> {
    std::fs::rename(from, to)
        .map_err(|source| StateError::Io { path: to.to_owned(), source }.into())
}

async fn run(
    program: &str,
    output: impl Future<Output = io::Result<std::process::Output>>,
) -> Result<String, FillError> {
    let program = program.to_owned();
    let output = match output.await {
        Ok(output) => output,
        Err(source) => return Err(FillError::Run { program, source }),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let text = text + &String::from_utf8_lossy(&output.stderr);
    let from = text.len().saturating_sub(2_000);
    let output = text.get(from..).unwrap_or(&text).trim().to_owned();
    Err(FillError::Failed { program, output })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::plan::tests::sample_with;
    use crate::topology::Profile;

    #[test]
    fn servers_have_numbers_of_their_own_and_every_statement_its_line() {
        let (state, folder, programs) = sample_with(Profile::Ha, |topology| {
            topology.set_count(NodeKind::ShardReplica, 2);
        });
        let layout = Layout { state: &state, folder: &folder, programs: &programs };
        let mut ids = std::collections::BTreeSet::new();
        let mut servers = 0;
        for node in Plan::new(&state, &folder, &programs).nodes {
            let Some(file) = node.files.iter().find(|file| file.path.ends_with("init.sql")) else {
                continue;
            };
            servers += 1;
            assert!(file.text.lines().all(|line| line.ends_with(';')), "{}", file.text);
            let spec = state.topology.nodes.iter().find(|spec| spec.name == node.name).unwrap();
            ids.insert(server_id(spec));
            let replicates = init_sql(spec, layout).contains("MASTER_USE_GTID=slave_pos");
            let replicas = [NodeKind::ShardReplica, NodeKind::CatalogueReplica];
            assert_eq!(replicates, replicas.contains(&node.kind));
            // What is in a shard's log waits for the replica.
            let unlogged = file.text.starts_with("SET SESSION sql_log_bin=0;");
            assert_eq!(unlogged, database(node.kind) == "seatlock_shard", "{}", file.text);
        }
        assert_eq!((servers, ids.len()), (6, 6));
    }

    #[test]
    fn a_deep_folder_still_has_a_short_socket() {
        let deep = ClusterFolder::new(PathBuf::from("/").join("x".repeat(120)), "tag");
        assert!(socket(&deep, "catalogue-replica").as_os_str().len() <= LONGEST_SOCKET_PATH);
        let near = ClusterFolder::new(PathBuf::from("/srv/seatlock/.seatlock"), "tag");
        assert!(socket(&near, "shard-0").starts_with("/srv/seatlock"));
    }
}
