//! A bounded set of connections to one shard.
//!
//! Not sqlx's pool, for three reasons: a connection whose statement did not
//! end must be closed and never used again, which a pool that takes back
//! whatever is dropped cannot promise; the pool pings at every return, a round
//! trip for each statement; and a ping of a paused server has no deadline.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::{Histogram, IntGauge};
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{StoreError, classify, leaves_connection_usable};

/// Limits of the connections to one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionsConfig {
    /// At most so many at once.
    #[schemars(range(min = 1))]
    pub max: usize,
    /// How long a request waits for one, connecting included, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// How long one statement may take, in milliseconds.
    pub statement_timeout_ms: u64,
    /// How long a statement waits for a row lock at the server, in seconds.
    #[schemars(range(min = 1))]
    pub lock_wait_s: u32,
}

impl Default for ConnectionsConfig {
    fn default() -> Self {
        Self { max: 16, acquire_timeout_ms: 1_000, statement_timeout_ms: 3_000, lock_wait_s: 2 }
    }
}

impl ConnectionsConfig {
    fn acquire_timeout(self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    /// How long one statement may take.
    #[must_use]
    pub fn statement_timeout(self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }
}

/// A connection unused for longer is asked whether it still lives.
const TRUSTED_FOR: Duration = Duration::from_millis(1_000);

/// A statement that takes longer is logged.
const SLOW: Duration = Duration::from_secs(1);

/// What is counted of the connections to one shard.
#[derive(Clone)]
pub(super) struct ConnectionMetrics {
    /// In use or being made.
    pub(super) in_use: IntGauge,
    /// Time from a lease to its end, in seconds.
    pub(super) statement_seconds: Histogram,
}

/// A place among the connections, counted while it is held.
struct Place {
    in_use: IntGauge,
    #[expect(dead_code, reason = "held for its drop: it gives the place back")]
    permit: OwnedSemaphorePermit,
}

impl Place {
    fn taken(in_use: IntGauge, permit: OwnedSemaphorePermit) -> Self {
        in_use.inc();
        Self { in_use, permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_use.dec();
    }
}

struct Home {
    shard: String,
    metrics: ConnectionMetrics,
    options: MySqlConnectOptions,
    config: ConnectionsConfig,
    idle: Mutex<Vec<(MySqlConnection, Instant)>>,
}

impl Home {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(MySqlConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections to one shard; clones share them.
#[derive(Clone)]
pub(super) struct Connections {
    home: Arc<Home>,
    places: Arc<Semaphore>,
}

impl Connections {
    pub(super) fn new(
        shard: &str,
        url: &str,
        config: ConnectionsConfig,
        metrics: ConnectionMetrics,
    ) -> Result<Self, String> {
        let options: MySqlConnectOptions = url.parse().map_err(|error: sqlx::Error| {
            format!("the address of shard {shard} makes no sense: {error}")
        })?;
        let options = options
            .log_statements(tracing::log::LevelFilter::Trace)
            // Its text, never its values; with the ids of the request that waits for it.
            .log_slow_statements(tracing::log::LevelFilter::Warn, SLOW);
        let home =
            Home { shard: shard.to_owned(), metrics, options, config, idle: Mutex::default() };
        Ok(Self { home: Arc::new(home), places: Arc::new(Semaphore::new(config.max)) })
    }

    pub(super) fn config(&self) -> ConnectionsConfig {
        self.home.config
    }

    /// Borrows a connection. An error means that nothing was sent.
    pub(super) async fn lease(&self) -> Result<Lease, StoreError> {
        let wait = self.home.config.acquire_timeout();
        match tokio::time::timeout(wait, self.find()).await {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(error)) => Err(self.not_sent(&error.to_string())),
            Err(_) => Err(self.not_sent("no connection in time")),
        }
    }

    async fn find(&self) -> Result<Lease, sqlx::Error> {
        let permit =
            self.places.clone().acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let place = Place::taken(self.home.metrics.in_use.clone(), permit);
        loop {
            let idle = self.home.idle().pop();
            let Some((mut connection, since)) = idle else { break };
            if since.elapsed() < TRUSTED_FOR || connection.ping().await.is_ok() {
                return Ok(self.lent(connection, place));
            }
        }
        let mut connection = self.home.options.connect().await?;
        let lock_wait_s = self.home.config.lock_wait_s.max(1);
        let set_up = format!(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
             SET SESSION /*M! idle_write_transaction_timeout = 5, */ \
             innodb_lock_wait_timeout = {lock_wait_s}"
        );
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(set_up))).await?;
        Ok(self.lent(connection, place))
    }

    fn lent(&self, connection: MySqlConnection, place: Place) -> Lease {
        let (home, since) = (self.home.clone(), Instant::now());
        Lease { connection: Some(connection), home, since, place }
    }

    fn not_sent(&self, why: &str) -> StoreError {
        StoreError::NotSent { shard: self.home.shard.clone(), why: why.to_owned() }
    }
}

/// A borrowed connection. Dropped before [`Self::settle`] saw its statement
/// end, it is closed: nobody knows what is still on its way.
pub(super) struct Lease {
    connection: Option<MySqlConnection>,
    home: Arc<Home>,
    since: Instant,
    #[expect(dead_code, reason = "held for its drop: it gives the place back")]
    place: Place,
}

impl Lease {
    pub(super) fn connection(&mut self) -> Result<&mut MySqlConnection, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    pub(super) fn statement_timeout(&self) -> Duration {
        self.home.config.statement_timeout()
    }

    /// Ends the use of the connection with what its statement ended with.
    pub(super) fn settle<T>(
        mut self,
        ended: Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, StoreError> {
        self.home.metrics.statement_seconds.observe(self.since.elapsed().as_secs_f64());
        let ended = ended.unwrap_or_else(|_| {
            Err(sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "the statement took too long",
            )))
        });
        let usable = match &ended {
            Ok(_) => true,
            Err(error) => leaves_connection_usable(error),
        };
        if usable {
            if let Some(connection) = self.connection.take() {
                self.home.idle().push((connection, Instant::now()));
            }
        } else {
            // The others to the same server are likely to be broken, too.
            self.home.idle().clear();
        }
        ended.map_err(|error| classify(&self.home.shard, &error))
    }
}

/// Runs one statement on a fresh lease with the shard's statement timeout.
macro_rules! on_shard {
    ($connections:expr, |$connection:ident| $work:expr) => {{
        let mut lease = $connections.lease().await?;
        let limit = lease.statement_timeout();
        let ended = tokio::time::timeout(limit, async {
            let $connection = lease.connection()?;
            $work.await
        })
        .await;
        lease.settle(ended)
    }};
}
pub(super) use on_shard;
