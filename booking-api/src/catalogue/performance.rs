//! What booking needs to know of a show's performances, and how it stays known
//! while the catalogue is away.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use seat_model::{Chart, Money, PerformanceId, Plan, PlanId, ShowId, Timestamp, folded};
use sqlx::Row;
use sqlx::mysql::MySqlRow;

use super::{Catalogue, CatalogueError};

/// One performance with everything that is decided by it. Never changes once
/// made; it may disappear.
#[derive(Debug, Clone)]
pub(crate) struct Performance {
    /// Its own id.
    pub(crate) performance_id: PerformanceId,
    /// Where, as the organiser wrote it. Compare with [`Performance::is_at`].
    pub(crate) location: String,
    /// The house.
    pub(crate) venue: String,
    /// When it begins.
    pub(crate) starts_at: Timestamp,
    /// `YYYY-MM-DD` in the venue's time zone.
    pub(crate) local_date: String,
    /// The plan's id, under which lock-service knows it.
    pub(crate) plan_id: PlanId,
    /// The plan itself, to hand to lock-service.
    pub(crate) plan: Arc<Plan>,
    /// The plan made ready for look-ups.
    pub(crate) chart: Arc<Chart>,
    /// By tier; every tier that has seats is there, and all in one currency.
    pub(crate) prices: BTreeMap<String, Money>,
    /// Before it nothing is sold; `None`: at once.
    pub(crate) on_sale_at: Option<Timestamp>,
    /// How long a hold lives, in milliseconds.
    pub(crate) hold_ttl_ms: u64,
    /// How long it may be extended to, from its beginning, in milliseconds.
    pub(crate) hold_max_ms: u64,
    /// Held and bought seats one customer may have.
    pub(crate) max_seats_per_customer: u32,
    /// Whether hand-picked seats that leave a lone one are refused.
    pub(crate) orphan_rule_refuse: bool,
}

impl Performance {
    /// Whether this is the place somebody means, without regard to case,
    /// accents and blanks.
    pub(crate) fn is_at(&self, location: &str) -> bool {
        location_key(&self.location) == location_key(location)
    }
}

/// What locations are compared by.
pub(crate) fn location_key(location: &str) -> String {
    folded(location)
}

/// A show's performances in the order they take place, shared.
pub(super) type Performances = Arc<[Arc<Performance>]>;

impl Catalogue {
    /// The performances of a show in the order they take place; `None`: there
    /// is no such show. What is known is used for about a second without
    /// asking, and for as long as the catalogue is away.
    ///
    /// # Errors
    /// `Unavailable` only for a show this instance has not met before.
    pub(crate) async fn performances_of(
        &self,
        show: &ShowId,
    ) -> Result<Option<Performances>, CatalogueError> {
        self.known.performances(self, show).await
    }

    /// The same, asked of the catalogue now: for what the cache does not show,
    /// because another instance may just have made it. Callers that arrive
    /// together share one query.
    ///
    /// # Errors
    /// `Unavailable` when it does not answer.
    pub(crate) async fn fresh_performances_of(
        &self,
        show: &ShowId,
    ) -> Result<Option<Performances>, CatalogueError> {
        self.known.fresh_performances(self, show).await
    }

    /// Reads a show's performances. Those in `known` are taken over, because
    /// they never change.
    pub(super) async fn load_performances(
        &self,
        show: &ShowId,
        known: &[Arc<Performance>],
    ) -> Result<Option<Performances>, CatalogueError> {
        let mut leased = self.connection().await?;
        let rows = sqlx::query(
            "SELECT p.performance_id, p.location, p.venue, p.starts_at_ms, \
             p.local_date, p.plan_id, p.prices, p.on_sale_at_ms, p.hold_ttl_ms, p.hold_max_ms, \
             p.max_seats_per_customer, p.orphan_rule \
             FROM shows s LEFT JOIN performances p ON p.show_id = s.show_id AND p.deleted = 0 \
             WHERE s.show_id = ? ORDER BY p.starts_at_ms, p.performance_id",
        )
        .bind(show.as_str())
        .fetch_all(leased.get()?);
        let rows = self.limited(rows).await;
        let rows = leased.read(rows)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let known: HashMap<&str, &Arc<Performance>> =
            known.iter().map(|known| (known.performance_id.as_str(), known)).collect();
        let mut performances = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: Option<String> =
                row.try_get("performance_id").map_err(CatalogueError::of_read)?;
            // A show without performances is one row of the outer join.
            let Some(id) = id else { continue };
            let performance = match known.get(id.as_str()) {
                Some(known) => Arc::clone(known),
                None => Arc::new(self.performance_of(row).await?),
            };
            performances.push(performance);
        }
        Ok(Some(performances.into()))
    }

    async fn performance_of(&self, row: &MySqlRow) -> Result<Performance, CatalogueError> {
        let plan_id: PlanId = id(row, "plan_id")?;
        let plan = self.plan(&plan_id).await?.ok_or_else(|| {
            CatalogueError::Broken(format!("a performance has the unknown plan {plan_id}"))
        })?;
        let prices: String = get(row, "prices")?;
        let prices = serde_json::from_str(&prices).map_err(broken)?;
        let orphan_rule: String = get(row, "orphan_rule")?;
        Ok(Performance {
            performance_id: id(row, "performance_id")?,
            location: get(row, "location")?,
            venue: get(row, "venue")?,
            starts_at: Timestamp::from_millis(get(row, "starts_at_ms")?),
            local_date: get(row, "local_date")?,
            plan_id,
            plan: Arc::clone(&plan.plan),
            chart: Arc::clone(&plan.chart),
            prices,
            on_sale_at: get::<Option<i64>>(row, "on_sale_at_ms")?.map(Timestamp::from_millis),
            hold_ttl_ms: get(row, "hold_ttl_ms")?,
            hold_max_ms: get(row, "hold_max_ms")?,
            max_seats_per_customer: get(row, "max_seats_per_customer")?,
            orphan_rule_refuse: orphan_rule == "refuse",
        })
    }
}

/// A column; one of another type is a bug.
pub(super) fn get<'r, T>(row: &'r MySqlRow, column: &'static str) -> Result<T, CatalogueError>
where
    T: sqlx::Decode<'r, sqlx::MySql> + sqlx::Type<sqlx::MySql>,
{
    row.try_get(column).map_err(CatalogueError::of_read)
}

/// A column that holds an id.
pub(super) fn id<T>(row: &MySqlRow, column: &'static str) -> Result<T, CatalogueError>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    get::<String>(row, column)?.try_into().map_err(broken)
}

pub(super) fn broken(error: impl std::fmt::Display) -> CatalogueError {
    CatalogueError::Broken(error.to_string())
}
