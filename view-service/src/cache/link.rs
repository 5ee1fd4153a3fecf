//! One connection to Redis with a deadline on every call and a breaker.

use std::future::Future;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisResult};
use tokio::sync::Mutex;

use crate::breaker::Breaker;
use crate::cache::scripts::Scripts;
use crate::metrics::Metrics;

/// Where Redis is and how long to wait for it.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Such as `redis://127.0.0.1:6379`.
    pub url: String,
    /// What every key begins with.
    pub prefix: String,
    /// For one call, connecting included.
    pub deadline: Duration,
    /// How long Redis is passed over after a call failed.
    pub away_for: Duration,
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
    client: redis::Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    breaker: Breaker,
    deadline: Duration,
    prefix: String,
    scripts: Scripts,
    metrics: Metrics,
}

impl Link {
    /// Prepares a link; connects on first use.
    ///
    /// # Errors
    /// When the URL is not one of Redis.
    pub fn new(config: &LinkConfig, metrics: Metrics) -> Result<Self, CacheAway> {
        let client =
            redis::Client::open(config.url.as_str()).map_err(|e| CacheAway(e.to_string()))?;
        Ok(Self {
            client,
            connection: Mutex::new(None),
            breaker: Breaker::new(config.away_for),
            deadline: config.deadline,
            prefix: config.prefix.clone(),
            scripts: Scripts::new(),
            metrics,
        })
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), CacheAway> {
        self.run(async |mut connection| {
            redis::cmd("PING").query_async::<String>(&mut connection).await.map(drop)
        })
        .await
    }

    pub(super) fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.prefix)
    }

    pub(super) const fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// Does some work on the connection within the deadline.
    pub(super) async fn run<T, F, Fut>(&self, work: F) -> Result<T, CacheAway>
    where
        F: FnOnce(MultiplexedConnection) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        if !self.breaker.may_try() {
            return Err(CacheAway("it did not answer a moment ago".to_owned()));
        }
        let tried = tokio::time::timeout(self.deadline, async {
            let connection = self.connected().await?;
            work(connection).await
        });
        let failure = match tried.await {
            Ok(Ok(done)) => {
                self.breaker.succeeded();
                return Ok(done);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", self.deadline.as_millis()),
        };
        self.metrics.redis_errors.inc();
        self.breaker.failed();
        // Whatever it was (a script that is gone, a replica that took over, a
        // server that hangs): a new connection begins from a known state.
        // A lock that is taken is a caller who connects anew already.
        if let Ok(mut connection) = self.connection.try_lock() {
            *connection = None;
        }
        Err(CacheAway(failure))
    }

    async fn connected(&self) -> RedisResult<MultiplexedConnection> {
        let mut place = self.connection.lock().await;
        if let Some(connection) = &*place {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.deadline))
            .set_response_timeout(Some(self.deadline));
        let mut connection =
            self.client.get_multiplexed_async_connection_with_config(&config).await?;
        self.scripts.load(&mut connection).await?;
        *place = Some(connection.clone());
        Ok(connection)
    }
}
