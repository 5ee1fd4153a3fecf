//! Adds up in the catalogue's primary how often performances were looked at:
//! the only thing this service writes there. With a connection of its own, so
//! that nobody who looks waits for it.

use std::str::FromStr;
use std::time::Duration;

use seat_model::PerformanceId;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{MySql, MySqlPool, QueryBuilder};

use crate::catalogue::CatalogueAway;

/// Rows written in one statement.
const WRITE_AT_ONCE: usize = 500;

/// Why views were not added.
#[derive(Debug, thiserror::Error)]
pub enum NotAdded {
    /// None was: they may be added again.
    #[error("the catalogue is away: {0}")]
    Away(String),
    /// Nobody knows whether some were.
    #[error("the catalogue did not answer: {why}")]
    Unknown {
        /// What went wrong.
        why: String,
        /// How many.
        views: u64,
    },
}

/// Where views are added up.
pub struct ViewsAdded {
    pool: MySqlPool,
    deadline: Duration,
}

impl ViewsAdded {
    /// Prepares it; connects on first use.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(primary_url: &str, deadline: Duration) -> Result<Self, CatalogueAway> {
        let options =
            MySqlConnectOptions::from_str(primary_url).map_err(|e| CatalogueAway(e.to_string()))?;
        let pool = MySqlPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(deadline)
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(options);
        Ok(Self { pool, deadline })
    }

    /// Adds views of an hour that begins at this time, in milliseconds since
    /// the epoch. `views` is in order, whoever adds: two instances that took
    /// rows in another order would wait for one another. Whatever comes of it,
    /// what is left in `views` was surely not added.
    ///
    /// # Errors
    /// See [`NotAdded`].
    pub async fn add(
        &self,
        hour_ms: i64,
        views: &mut Vec<(PerformanceId, u64)>,
    ) -> Result<(), NotAdded> {
        while !views.is_empty() {
            let some = views.len().min(WRITE_AT_ONCE);
            let added = self.add_some(hour_ms, &views[..some]).await;
            if !matches!(added, Err(NotAdded::Away(_))) {
                views.drain(..some);
            }
            added?;
        }
        Ok(())
    }

    async fn add_some(&self, hour_ms: i64, views: &[(PerformanceId, u64)]) -> Result<(), NotAdded> {
        let mut connection =
            self.pool.acquire().await.map_err(|error| NotAdded::Away(error.to_string()))?;
        let mut add = QueryBuilder::<MySql>::new(
            "INSERT INTO performance_demand_hour (performance_id, hour_ms, views) ",
        );
        add.push_values(views, |mut row, (performance, count)| {
            row.push_bind(performance.as_str()).push_bind(hour_ms).push_bind(*count);
        });
        add.push(" ON DUPLICATE KEY UPDATE views = views + VALUES(views)");
        let added = add.build().persistent(false).execute(&mut *connection);
        let unknown = |why| NotAdded::Unknown { why, views: views.iter().map(|(_, n)| n).sum() };
        let not_added = match tokio::time::timeout(self.deadline, added).await {
            Ok(Ok(_)) => return Ok(()),
            // The server said no.
            Ok(Err(error @ sqlx::Error::Database(_))) => NotAdded::Away(error.to_string()),
            Ok(Err(error)) => unknown(error.to_string()),
            Err(_) => unknown(format!("no answer within {:?}", self.deadline)),
        };
        // Left in the middle of an answer, it must not be used again.
        drop(connection.detach());
        Err(not_added)
    }
}
