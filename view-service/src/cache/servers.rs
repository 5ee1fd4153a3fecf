//! Which Redis there is: one server, a primary that Sentinels watch over, or a
//! Cluster. Everything above speaks to a [`Connection`] and does not know.

use futures_util::future::select_ok;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{Sentinel, SentinelNodeConnectionInfo};
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, ProtocolVersion, RedisConnectionInfo,
    RedisFuture, RedisResult, Value,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cache::link::Deadlines;

/// Partitions of the projection in a Cluster unless it is told otherwise:
/// enough to spread over a few primaries, few enough to be written each second.
const PARTITIONS: u16 = 16;

/// More than this would make saying how far the projection is a load of its own.
const MOST_PARTITIONS: u16 = 256;

/// The servers, as the configuration names them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
pub enum RedisServers {
    /// One server.
    Single {
        /// Such as `redis://127.0.0.1:6379`, with user and password where needed.
        url: String,
    },
    /// A primary with replicas, and Sentinels that promote one of them.
    Sentinel {
        /// The Sentinels, such as `redis://127.0.0.1:26379`. All are asked at
        /// once; the first that knows a living primary is believed.
        #[schemars(length(min = 1))]
        sentinels: Vec<String>,
        /// What the Sentinels call it.
        primary: String,
        /// The account on the primary, where it is not the default one.
        username: Option<String>,
        /// The password on the primary.
        password: Option<String>,
    },
    /// A Redis Cluster.
    Cluster {
        /// Some of its nodes; the others are learnt. When a connection is lost
        /// one of these must be there, so name several.
        #[schemars(length(min = 1))]
        nodes: Vec<String>,
        /// In how many parts the projection is spread over the primaries. All
        /// instances must be told the same number.
        #[serde(default = "partitions")]
        #[schemars(range(min = 1, max = MOST_PARTITIONS))]
        partitions: u16,
    },
}

const fn partitions() -> u16 {
    PARTITIONS
}

impl RedisServers {
    /// In how many parts the projection is kept, at least one.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        match self {
            Self::Single { .. } | Self::Sentinel { .. } => 1,
            Self::Cluster { partitions, .. } => (*partitions).max(1),
        }
    }
}

/// Makes connections.
pub(super) enum Connector {
    Single(Client),
    /// One for each Sentinel: a single one with all of them would take their
    /// answers in order, and wait for the first when it hangs.
    Sentinel {
        sentinels: Vec<Sentinel>,
        primary: String,
        node: SentinelNodeConnectionInfo,
    },
    Cluster(ClusterClient),
}

impl Connector {
    pub(super) fn new(servers: &RedisServers, deadlines: Deadlines) -> RedisResult<Self> {
        match servers {
            RedisServers::Single { url } => Ok(Self::Single(Client::open(url.as_str())?)),
            RedisServers::Sentinel { sentinels, primary, username, password } => {
                let sentinels = sentinels.iter().map(|url| Sentinel::build(vec![url.as_str()]));
                let mut account = RedisConnectionInfo::default();
                if let Some(username) = username {
                    account = account.set_username(username);
                }
                if let Some(password) = password {
                    account = account.set_password(password);
                }
                Ok(Self::Sentinel {
                    sentinels: sentinels.collect::<RedisResult<_>>()?,
                    primary: primary.clone(),
                    node: SentinelNodeConnectionInfo::default().set_redis_connection_info(account),
                })
            }
            RedisServers::Cluster { nodes, .. } => {
                // No retry and no connection mended behind our back: a primary
                // that died may have taken acknowledged writes with it. Whoever
                // writes must see the error, to write everything anew (INV-11).
                let client = ClusterClient::builder(nodes.iter().map(String::as_str))
                    .retries(0)
                    .use_protocol(ProtocolVersion::RESP2)
                    .connection_timeout(deadlines.connect)
                    .response_timeout(deadlines.call)
                    .build()?;
                Ok(Self::Cluster(client))
            }
        }
    }

    /// Connects to whoever is the primary now.
    pub(super) async fn connect(&mut self, deadlines: Deadlines) -> RedisResult<Connection> {
        let client = match self {
            Self::Cluster(client) => {
                return client.get_async_connection().await.map(Connection::Cluster);
            }
            Self::Single(client) => client.clone(),
            Self::Sentinel { sentinels, primary, node } => {
                let asked = sentinels.iter_mut().map(|sentinel| {
                    Box::pin(sentinel.async_master_for(primary.as_str(), Some(node)))
                });
                select_ok(asked).await?.0
            }
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(deadlines.connect))
            .set_response_timeout(Some(deadlines.call));
        client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Server)
    }
}

/// A connection to one server, or to all primaries of a Cluster.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RedisServers, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn each_mode_has_its_own_keys_and_no_others() {
        let single = read(r#"{"mode":"single","url":"redis://h"}"#).unwrap();
        assert_eq!(single.partitions(), 1);
        let cluster = read(r#"{"mode":"cluster","nodes":["redis://h"]}"#).unwrap();
        assert_eq!(cluster.partitions(), PARTITIONS);
        let sentinel = r#"{"mode":"sentinel","sentinels":["redis://h"],"primary":"p"}"#;
        assert_eq!(read(sentinel).unwrap().partitions(), 1);
        for bad in [
            r#"{"url":"redis://h"}"#,
            r#"{"mode":"several","url":"redis://h"}"#,
            r#"{"mode":"single","url":"redis://h","partitions":2}"#,
            r#"{"mode":"sentinel","sentinels":["redis://h"]}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
