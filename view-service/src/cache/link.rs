//! One connection to Redis with a deadline on every call and a breaker.

use std::future::Future;
use std::time::Duration;

use redis::RedisResult;
use tokio::sync::Mutex;

use crate::breaker::Breaker;
use crate::cache::scripts::Scripts;
use crate::cache::servers::{Connection, Connector, RedisServers};
use crate::metrics::{Layer, Metrics};

/// Where Redis is and how long to wait for it.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// The servers.
    pub servers: RedisServers,
    /// What every key begins with; has no braces in it.
    pub prefix: String,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// How long Redis is passed over after a call failed.
    pub away_for: Duration,
}

/// How long to wait for Redis.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For one call, connecting included where that is needed first.
    pub call: Duration,
    /// For connecting, when nobody who looks waits for it: with Sentinels or a
    /// Cluster that takes several round trips.
    pub connect: Duration,
}

/// Redis did not answer, or is being passed over because it just did not.
#[derive(Debug, Clone, thiserror::Error)]
#[error("redis is away: {0}")]
pub struct CacheAway(String);

impl CacheAway {
    /// An answer that is not what was asked for.
    pub(super) fn garbled(error: &redis::ParsingError) -> Self {
        Self(error.to_string())
    }
}

/// A connection that heals. Share it behind an `Arc`.
pub struct Link {
    place: Mutex<Place>,
    breaker: Breaker,
    deadlines: Deadlines,
    prefix: String,
    partitions: u16,
    scripts: Scripts,
    metrics: Metrics,
}

/// The connection, and what makes the next one.
struct Place {
    connector: Connector,
    connection: Option<Connection>,
}

impl Link {
    /// Prepares a link; connects on first use.
    ///
    /// # Errors
    /// When an address is not one of Redis.
    pub fn new(config: &LinkConfig, metrics: Metrics) -> Result<Self, CacheAway> {
        let connector = Connector::new(&config.servers, config.deadlines)
            .map_err(|error| CacheAway(error.to_string()))?;
        Ok(Self {
            place: Mutex::new(Place { connector, connection: None }),
            breaker: Breaker::new(config.away_for, metrics.breaker(Layer::Redis)),
            deadlines: config.deadlines,
            prefix: config.prefix.clone(),
            partitions: config.servers.partitions(),
            scripts: Scripts::new(),
            metrics,
        })
    }

    /// Whether Redis answers: asked whatever happened a moment ago, and with
    /// time to connect. One who asks this again and again closes the breaker
    /// without anybody who looks having to try.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), CacheAway> {
        self.attempt(self.deadlines.connect, async |mut connection| {
            redis::cmd("PING").exec_async(&mut connection).await
        })
        .await
    }

    /// A key that is used by itself: in a Cluster it is anywhere.
    pub(super) fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.prefix)
    }

    /// A key of a partition. What is in braces decides in a Cluster where a key
    /// is, so that all keys of a partition are in one place, and one script may
    /// use several. The number of partitions is part of it: instances that
    /// were told different numbers do not meet.
    pub(super) fn partition_key(&self, partition: u16, rest: &str) -> String {
        format!("{{{}:{partition}/{}}}:{rest}", self.prefix, self.partitions)
    }

    pub(super) const fn partitions(&self) -> u16 {
        self.partitions
    }

    pub(super) const fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// Does some work on the connection within the deadline.
    pub(super) async fn run<T, F, Fut>(&self, work: F) -> Result<T, CacheAway>
    where
        F: FnOnce(Connection) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        if !self.breaker.may_try() {
            return Err(CacheAway("it did not answer a moment ago".to_owned()));
        }
        self.attempt(self.deadlines.call, work).await
    }

    async fn attempt<T, F, Fut>(&self, deadline: Duration, work: F) -> Result<T, CacheAway>
    where
        F: FnOnce(Connection) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let tried = tokio::time::timeout(deadline, async {
            let connection = self.connected().await?;
            work(connection).await
        });
        let failure = match tried.await {
            Ok(Ok(done)) => {
                self.breaker.succeeded();
                return Ok(done);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", deadline.as_millis()),
        };
        self.metrics.redis_errors.inc();
        self.breaker.failed();
        // Whatever it was (a script that is gone, a replica that took over, a
        // server that hangs): a new connection begins from a known state, at
        // whoever is the primary then. A lock that is taken is a caller who
        // connects anew already.
        if let Ok(mut place) = self.place.try_lock() {
            place.connection = None;
        }
        Err(CacheAway(failure))
    }

    async fn connected(&self) -> RedisResult<Connection> {
        let mut place = self.place.lock().await;
        if let Some(connection) = &place.connection {
            return Ok(connection.clone());
        }
        let connection = place.connector.connect(self.deadlines).await?;
        self.scripts.load(&connection).await?;
        place.connection = Some(connection.clone());
        Ok(connection)
    }
}
