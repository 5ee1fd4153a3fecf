//! How MariaDB servers follow one another: what they are started with, what
//! they are told, and what they answer about it. It must not know when somebody
//! is promoted or made anew, or why.
//!
//! **When a shard's primary waits.** With a replica beside it, it acknowledges
//! nothing that the replica has not received (INV-2), and it is so from its
//! first moment: a flag of its start, not a statement that somebody sends it
//! later, so that a primary that was restarted alone shows and acknowledges
//! nothing that it alone has. It can start alone because its init file writes
//! nothing to the log. The one exception is a replica that must be made anew:
//! then there is nobody to wait for, and the primary acknowledges alone.

use std::time::Duration;

use sqlx::{Connection as _, MySqlConnection, Row as _};

use crate::backup::connect;
use crate::mysql::{LAUNCHER_ACCOUNT, launcher_url, server_url};
use crate::plan::ports_of;
use crate::roles;
use crate::state::ClusterState;
use crate::topology::{NodeKind, NodeSpec};

/// How long a replica may take to have everything that its primary has.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(600);

/// How long a replica that follows may take to be counted by its primary.
const COUNTED_WITHIN: Duration = Duration::from_secs(20);

/// Between two questions.
const POLL: Duration = Duration::from_millis(50);

/// What a server is started with, by its part.
pub(crate) fn arguments(state: &ClusterState, node: &NodeSpec) -> Vec<String> {
    let follows = roles::followed_by(state, node).is_some();
    let mut arguments = Vec::new();
    if follows {
        arguments.extend([
            "--read-only=1",
            "--relay-log=relay",
            "--relay-log-recovery=1",
            // The primary may be paused: notice within seconds, not a minute.
            "--slave-net-timeout=4",
        ]);
    }
    if node.kind != NodeKind::CatalogueReplica {
        arguments.extend(["--log-bin=binlog", "--binlog-format=ROW", "--expire-logs-days=2"]);
    }
    if roles::replica_of(state, node).is_some() {
        arguments.extend([
            // Whoever is promoted must have a log for others to follow.
            "--log-slave-updates=1",
            // Two pasts are an error, not a mixture.
            "--gtid-strict-mode=1",
            // Nobody sees, and nobody is told, what the replica has not.
            "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
            // The largest there is: a silent end of the waiting is one of INV-2.
            "--rpl-semi-sync-master-timeout=18446744073709551615",
        ]);
        // Not both: before 10.11.9 a primary that is also told to be a
        // semi-synchronous replica cuts acknowledged commits off its log after
        // a crash.
        if follows {
            arguments.push("--rpl-semi-sync-slave-enabled=1");
        } else if roles::waits_for_replica(state, node) {
            arguments.push("--rpl-semi-sync-master-enabled=1");
        }
    }
    arguments.into_iter().map(ToOwned::to_owned).collect()
}

/// Makes a server that follows nobody follow a primary; one statement a line.
pub(crate) fn follow(state: &ClusterState, primary: &NodeSpec) -> String {
    let at = ports_of(state, &primary.name);
    format!(
        "CHANGE MASTER TO MASTER_HOST='{}', MASTER_PORT={}, MASTER_USER='{LAUNCHER_ACCOUNT}', \
         MASTER_PASSWORD='{}', MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1, \
         MASTER_USE_GTID=slave_pos;\n\
         START SLAVE;\n",
        at.host, at.main, state.secrets.launcher,
    )
}

/// Whether a primary waits for its replica from now on. Whoever waits when it
/// is switched off is answered.
pub(crate) async fn wait_for_replica(
    state: &ClusterState,
    primary: &NodeSpec,
    waits: bool,
) -> Result<(), String> {
    let sql = format!("SET GLOBAL rpl_semi_sync_master_enabled={}", u8::from(waits));
    tell(&server_url(state, primary), sql).await
}

/// Returns when a replica has all that its primary had when it was called.
pub(crate) async fn has_everything(
    state: &ClusterState,
    primary: &NodeSpec,
    replica: &NodeSpec,
) -> Result<(), String> {
    let mut leader = connect(&launcher_url(state, primary)).await?;
    let at: String = sqlx::query_scalar("SELECT CONVERT(@@GLOBAL.gtid_binlog_pos USING utf8mb4)")
        .fetch_one(&mut leader)
        .await
        .map_err(|error| error.to_string())?;
    drop(leader.close().await);
    if has_applied(&launcher_url(state, replica), &at, FOLLOWS_WITHIN).await? {
        return Ok(());
    }
    Err(format!("{} does not follow it", replica.name))
}

/// Whether a server has applied everything up to a position, within a time.
pub(crate) async fn has_applied(url: &str, at: &str, within: Duration) -> Result<bool, String> {
    let mut follower = connect(url).await?;
    let waited: i64 = sqlx::query_scalar("SELECT MASTER_GTID_WAIT(?, ?)")
        .bind(at)
        .bind(within.as_secs())
        .fetch_one(&mut follower)
        .await
        .map_err(|error| error.to_string())?;
    drop(follower.close().await);
    Ok(waited == 0)
}

/// Returns when a primary counts a replica among those that acknowledge.
pub(crate) async fn is_counted(state: &ClusterState, primary: &NodeSpec) -> Result<(), String> {
    let mut leader = connect(&launcher_url(state, primary)).await?;
    let looking = async {
        loop {
            let row = sqlx::query("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_clients'")
                .fetch_one(&mut leader)
                .await
                .map_err(|error| error.to_string())?;
            let clients: String = row.try_get_unchecked(1).map_err(|error| error.to_string())?;
            if clients != "0" {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let counted = tokio::time::timeout(COUNTED_WITHIN, looking).await;
    counted.unwrap_or_else(|_| Err(format!("{} counts no replica", primary.name)))
}

/// What a replica says about its following.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Following {
    /// Whether it applies what it received.
    pub(crate) applies: bool,
    /// What it has received, in whole transactions, as a GTID position.
    pub(crate) received: String,
    /// Whether it has received anything since its server was started. What it
    /// had received before, and not applied, it has thrown away then: so does
    /// every start by GTID. The init file's `CHANGE MASTER` empties the name of
    /// the log that is asked for here, and its primary's first word fills it.
    pub(crate) has_heard: bool,
    /// Why it does not apply.
    pub(crate) error: String,
}

/// Asks a server about its following; `None` for one that follows nobody.
pub(crate) async fn following(url: &str) -> Result<Option<Following>, String> {
    let mut connection = connect(url).await?;
    let row = sqlx::query("SHOW SLAVE STATUS").fetch_optional(&mut connection).await;
    let row = row.map_err(|error| error.to_string())?;
    drop(connection.close().await);
    let Some(row) = row else { return Ok(None) };
    let text = |column: &str| {
        row.try_get_unchecked::<String, _>(column).map_err(|error| error.to_string())
    };
    Ok(Some(Following {
        applies: text("Slave_SQL_Running")? == "Yes",
        received: text("Gtid_IO_Pos")?,
        has_heard: !text("Master_Log_File")?.is_empty(),
        error: text("Last_SQL_Error")?,
    }))
}

/// Statements for a server, one after the other. They must be our own: nothing
/// in them is escaped.
pub(crate) async fn tell(url: &str, sql: String) -> Result<(), String> {
    let mut connection: MySqlConnection = connect(url).await?;
    let told = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await;
    told.map_err(|error| error.to_string())?;
    drop(connection.close().await);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::sample_with;
    use crate::topology::Profile;

    fn flags(state: &ClusterState, name: &str) -> String {
        let node = state.topology.nodes.iter().find(|node| node.name == name).unwrap();
        arguments(state, node).join(" ")
    }

    #[test]
    fn a_primary_waits_and_a_replica_acknowledges() {
        let (mut state, ..) =
            sample_with(Profile::Tiny, |topology| topology.set_count(NodeKind::ShardReplica, 1));
        let (waits, acknowledges) = ("semi-sync-master-enabled", "semi-sync-slave-enabled");
        let primary = flags(&state, "shard-0");
        assert!(primary.contains(waits) && !primary.contains(acknowledges), "{primary}");
        assert!(!primary.contains("read-only"), "{primary}");
        let replica = flags(&state, "shard-replica-0");
        assert!(replica.contains(acknowledges) && !replica.contains(waits), "{replica}");
        assert!(replica.contains("read-only") && replica.contains("log-bin"), "{replica}");
        for alone in ["shard-1", "catalogue", "catalogue-replica"] {
            assert!(!flags(&state, alone).contains("semi-sync"), "{alone}");
        }

        let node = |name: &str| {
            state.topology.nodes.iter().find(|node| node.name == name).unwrap().clone()
        };
        let cast_out = node("shard-replica-0");
        state.roles.cast_out(&cast_out);
        assert!(!flags(&state, "shard-0").contains(waits), "there is nobody to wait for");
    }
}
