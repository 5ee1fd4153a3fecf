//! One database of the catalogue: its SQL, a deadline and a breaker.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use seat_model::{IdError, Money, PerformanceId, PlanId, ShowId, Timestamp};
use service_kit::clock;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlRow};
use sqlx::{MySql, MySqlPool, QueryBuilder, Row};
use view_service_client::wire::Source;

use crate::breaker::Breaker;
use crate::catalogue::filter::ListQuery;
use crate::catalogue::record::{PerformanceRecord, ShowRecord};
use crate::metrics::{Layer, Metrics};

/// No database of the catalogue answered.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the catalogue is away: {0}")]
pub struct CatalogueAway(pub(super) String);

/// A row that is no record: somebody else's bug, told once in the log.
#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error("an id in the catalogue: {0}")]
    Id(#[from] IdError),
    #[error("prices in the catalogue: {0}")]
    Prices(#[from] serde_json::Error),
}

/// A replica or the primary.
pub struct Database {
    pool: MySqlPool,
    /// None: asked whatever happened a moment ago.
    breaker: Option<Breaker>,
    deadline: Duration,
    source: Source,
    metrics: Metrics,
}

impl Database {
    /// Prepares a database; connects on first use.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(
        url: &str,
        source: Source,
        connections: u32,
        deadline: Duration,
        away_for: Duration,
        metrics: Metrics,
    ) -> Result<Self, CatalogueAway> {
        let options =
            MySqlConnectOptions::from_str(url).map_err(|e| CatalogueAway(e.to_string()))?;
        let pool = MySqlPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(deadline)
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(options);
        let layer = if source == Source::Primary { Layer::Primary } else { Layer::Replica };
        let breaker = Some(Breaker::new(away_for, metrics.breaker(layer)));
        Ok(Self { pool, breaker, deadline, source, metrics })
    }

    /// The same database for those who have nobody else to ask: without a
    /// breaker, and with a deadline of their own. A machine that was busy for a
    /// moment must not make a view fail that nothing else can answer.
    #[must_use]
    pub fn last_resort(&self, deadline: Duration) -> Self {
        Self {
            pool: self.pool.clone(),
            breaker: None,
            deadline,
            source: self.source,
            metrics: self.metrics.clone(),
        }
    }

    /// Which it is.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// Whether it answers and has its tables: asked whatever happened a moment
    /// ago. One who asks this again and again closes the breaker without anybody
    /// who looks having to try.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), CatalogueAway> {
        self.attempt(async {
            sqlx::query("SELECT 1 FROM shows LIMIT 1").fetch_optional(&self.pool).await?;
            Ok(())
        })
        .await
    }

    /// Shows with all of their performances, in the order of the ids given.
    ///
    /// # Errors
    /// When it is away.
    pub async fn shows(&self, ids: &[ShowId]) -> Result<Vec<ShowRecord>, CatalogueAway> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.run(async {
            let read_at = clock::now();
            let mut select = QueryBuilder::<MySql>::new("SELECT show_id, name FROM shows WHERE ");
            among(&mut select, ids);
            let rows = select.build().fetch_all(&self.pool).await?;
            let mut shows = HashMap::with_capacity(rows.len());
            for row in rows {
                let show_id = ShowId::new(row.try_get::<String, _>("show_id")?)?;
                let name = row.try_get("name")?;
                let show =
                    ShowRecord { show_id: show_id.clone(), name, performances: vec![], read_at };
                shows.insert(show_id, show);
            }
            let mut select = QueryBuilder::<MySql>::new(
                "SELECT show_id, performance_id, location, location_key, venue, time_zone, \
                 starts_at_ms, local_date, plan_id, prices, on_sale_at_ms \
                 FROM performances WHERE deleted = 0 AND ",
            );
            among(&mut select, ids);
            select.push(" ORDER BY show_id, starts_at_ms, performance_id");
            for row in select.build().fetch_all(&self.pool).await? {
                let show_id = ShowId::new(row.try_get::<String, _>("show_id")?)?;
                if let Some(show) = shows.get_mut(&show_id) {
                    show.performances.push(performance(&row)?);
                }
            }
            Ok(ids.iter().filter_map(|id| shows.remove(id)).collect())
        })
        .await
    }

    /// The shows of a page, and one more where there is a next page.
    ///
    /// # Errors
    /// When it is away.
    pub async fn page(&self, query: &ListQuery) -> Result<Vec<ShowId>, CatalogueAway> {
        self.run(async {
            let mut select = QueryBuilder::<MySql>::new("SELECT s.show_id FROM shows s WHERE ");
            match &query.after {
                Some(after) => select.push("s.show_id > ").push_bind(after.0.as_str().to_owned()),
                None => select.push("TRUE"),
            };
            if let Some(part) = &query.name_part {
                // INSTR knows no wildcards: what people type is what is looked for.
                select.push(" AND (INSTR(s.name_key, ").push_bind(part.folded.clone());
                select.push(") > 0 OR INSTR(s.name_key, ").push_bind(part.lower.clone());
                select.push(") > 0)");
            }
            select.push(
                " AND EXISTS (SELECT 1 FROM performances p \
                 WHERE p.show_id = s.show_id AND p.deleted = 0",
            );
            if let Some(date) = &query.filter.date {
                select.push(" AND p.local_date = ").push_bind(date.clone());
            }
            if let Some(place) = &query.filter.location {
                select.push(" AND p.location_key IN (").push_bind(place.folded.clone());
                select.push(", ").push_bind(place.lower.clone()).push(")");
            }
            let rows = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
            select.push(") ORDER BY s.show_id LIMIT ").push_bind(rows);
            let rows = select.build().fetch_all(&self.pool).await?;
            rows.iter().map(|row| Ok(ShowId::new(row.try_get::<String, _>("show_id")?)?)).collect()
        })
        .await
    }

    /// A plan's body as it was stored.
    ///
    /// # Errors
    /// When it is away.
    pub async fn plan(&self, id: &PlanId) -> Result<Option<Bytes>, CatalogueAway> {
        self.run(async {
            let row = sqlx::query("SELECT body FROM plans WHERE plan_id = ?")
                .bind(id.as_str())
                .fetch_optional(&self.pool)
                .await?;
            let body = row.map(|row| row.try_get::<String, _>("body")).transpose()?;
            Ok(body.map(Bytes::from))
        })
        .await
    }

    /// A plan's body and who said so.
    ///
    /// # Errors
    /// When it is away.
    pub async fn plan_and_source(
        &self,
        id: &PlanId,
    ) -> Result<(Option<Bytes>, Source), CatalogueAway> {
        Ok((self.plan(id).await?, self.source))
    }

    async fn run<T>(
        &self,
        ask: impl Future<Output = Result<T, RowError>>,
    ) -> Result<T, CatalogueAway> {
        if self.breaker.as_ref().is_some_and(|breaker| !breaker.may_try()) {
            return Err(CatalogueAway("it did not answer a moment ago".to_owned()));
        }
        let answered = self.attempt(ask).await;
        self.metrics.asked_catalogue(self.source, answered.is_ok());
        answered
    }

    async fn attempt<T>(
        &self,
        ask: impl Future<Output = Result<T, RowError>>,
    ) -> Result<T, CatalogueAway> {
        let away = match tokio::time::timeout(self.deadline, ask).await {
            Ok(Ok(answer)) => {
                if let Some(breaker) = &self.breaker {
                    breaker.succeeded();
                }
                return Ok(answer);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", self.deadline.as_millis()),
        };
        if let Some(breaker) = &self.breaker {
            breaker.failed();
        }
        Err(CatalogueAway(away))
    }
}

fn among(select: &mut QueryBuilder<MySql>, ids: &[ShowId]) {
    select.push("show_id IN (");
    let mut list = select.separated(", ");
    for id in ids {
        list.push_bind(id.as_str().to_owned());
    }
    select.push(")");
}

fn performance(row: &MySqlRow) -> Result<PerformanceRecord, RowError> {
    let prices: String = row.try_get("prices")?;
    let prices: BTreeMap<String, Money> = serde_json::from_str(&prices)?;
    let on_sale_at: Option<i64> = row.try_get("on_sale_at_ms")?;
    Ok(PerformanceRecord {
        performance_id: PerformanceId::new(row.try_get::<String, _>("performance_id")?)?,
        location: row.try_get("location")?,
        location_key: row.try_get("location_key")?,
        venue: row.try_get("venue")?,
        time_zone: row.try_get("time_zone")?,
        starts_at: Timestamp::from_millis(row.try_get("starts_at_ms")?),
        local_date: row.try_get("local_date")?,
        plan_id: PlanId::new(row.try_get::<String, _>("plan_id")?)?,
        prices,
        on_sale_at: on_sale_at.map(Timestamp::from_millis),
    })
}
