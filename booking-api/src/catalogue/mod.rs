//! The catalogue primary: users, plans, shows, performances, webhooks, and how
//! performances sell. The only place that speaks to it.
//!
//! Every call has a deadline. A connection on which one passed is thrown away,
//! so a paused or replaced server never leaves a stuck connection in the pool;
//! the pool opens new ones by itself when the server is back.
//!
//! Must not know: HTTP, seats, bookings.

mod analytics;
mod error;
mod keyed;
mod known;
mod migrations;
mod performance;
mod performances;
mod plans;
mod shows;
#[cfg(test)]
mod tests;
mod users;
mod webhooks;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Executor, MySql, MySqlConnection, MySqlPool};

pub(crate) use analytics::{
    AnalyticsHours, ConflictRow, Counted, Demand, DemandRow, Hours, WRITE_AT_ONCE,
};
pub(crate) use error::CatalogueError;
pub(crate) use keyed::{FirstAnswer, Keyed, REMEMBER_KEYS, Scope, StoredAnswer};
pub(crate) use performance::Performance;
pub(crate) use performances::{Deletable, NewPerformance};
pub(crate) use plans::{KnownPlan, NewPlan};
pub(crate) use shows::{NewShow, ShowWritten};
pub(crate) use users::{NewUser, UserWritten};
pub(crate) use webhooks::{WebhookRow, WebhookStanding, WebhookWritten};

use crate::config::CatalogueConfig;
use known::Known;

/// A handle; clones share connections and everything known.
#[derive(Clone)]
pub(crate) struct Catalogue {
    pool: MySqlPool,
    /// How to connect outside the pool, for migrations and probes.
    connect: MySqlConnectOptions,
    config: Arc<CatalogueConfig>,
    known: Arc<Known>,
}

impl Catalogue {
    /// Prepares the pool; connects on first use, so a service starts without it.
    pub(crate) fn new(url: &str, config: &CatalogueConfig) -> Result<Self, CatalogueError> {
        let connect = MySqlConnectOptions::from_str(url)
            .map_err(|error| CatalogueError::Broken(format!("catalogue_url: {error}")))?;
        let pool = MySqlPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout())
            .idle_timeout(Duration::from_secs(60))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // A lock is waited for less long than a call may take, so that
                    // the answer says "busy" and not "unknown". A transaction whose
                    // client is gone must not block others (MariaDB only, hence /*M!).
                    connection
                        .execute(
                            "SET SESSION /*M! idle_write_transaction_timeout = 5, */ \
                             innodb_lock_wait_timeout = 1",
                        )
                        .await?;
                    connection
                        .execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                        .await?;
                    Ok(())
                })
            })
            .connect_lazy_with(connect.clone());
        let known = Arc::new(Known::new(config));
        Ok(Self { pool, connect, config: Arc::new(config.clone()), known })
    }

    /// Whether it answers a real query right now.
    pub(crate) async fn probe(&self) -> Result<(), CatalogueError> {
        let mut leased = self.connection().await?;
        let asked = sqlx::query("SELECT 1 FROM shows LIMIT 1").fetch_optional(leased.get()?);
        let asked = self.limited(asked).await;
        leased.read(asked).map(|_| ())
    }

    async fn connection(&self) -> Result<Leased, CatalogueError> {
        match self.pool.acquire().await {
            Ok(connection) => Ok(Leased(Some(connection))),
            Err(error) => Err(CatalogueError::Unavailable(error.to_string())),
        }
    }

    /// Bounds a query; `None` when its time is over.
    async fn limited<T>(
        &self,
        query: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Option<Result<T, sqlx::Error>> {
        tokio::time::timeout(self.config.query_timeout(), query).await.ok()
    }
}

/// A connection of the pool that is closed unless its last query came to an
/// end: one left in the middle of an answer, or of a transaction, by a
/// deadline or a client that hung up must not be anybody's next connection.
struct Leased(Option<PoolConnection<MySql>>);

impl Leased {
    fn get(&mut self) -> Result<&mut MySqlConnection, CatalogueError> {
        match &mut self.0 {
            Some(connection) => Ok(&mut *connection),
            None => Err(CatalogueError::Broken("a connection was given back too early".into())),
        }
    }

    /// What a read came to; gives the connection back where it is whole.
    fn read<T>(mut self, outcome: Option<Result<T, sqlx::Error>>) -> Result<T, CatalogueError> {
        let result = outcome.ok_or_else(|| {
            CatalogueError::Unavailable("the query did not finish in time".into())
        })?;
        let value = result.map_err(CatalogueError::of_read)?;
        self.give_back();
        Ok(value)
    }

    fn give_back(&mut self) {
        self.0 = None;
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}
