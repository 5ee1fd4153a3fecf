//! Performances as organisers make and delete them.

use std::collections::BTreeMap;

use booking_api_client::OrphanRule;
use seat_model::{Money, PerformanceId, PlanId, ShowId, Timestamp};

use super::keyed::{Begun, StatementError};
use super::performance::{broken, get, location_key};
use super::{Catalogue, CatalogueError, FirstAnswer, Keyed};

/// A performance to be written; every value checked.
#[derive(Debug, Clone)]
pub(crate) struct NewPerformance {
    /// Drawn.
    pub(crate) performance_id: PerformanceId,
    /// Exists.
    pub(crate) show_id: ShowId,
    /// As people search for it.
    pub(crate) location: String,
    /// The house.
    pub(crate) venue: String,
    /// An IANA name.
    pub(crate) time_zone: String,
    /// When it begins.
    pub(crate) starts_at: Timestamp,
    /// `YYYY-MM-DD` in that time zone.
    pub(crate) local_date: String,
    /// Exists.
    pub(crate) plan_id: PlanId,
    /// By tier.
    pub(crate) prices: BTreeMap<String, Money>,
    /// `None`: at once.
    pub(crate) on_sale_at: Option<Timestamp>,
    /// Milliseconds.
    pub(crate) hold_ttl_ms: u64,
    /// Milliseconds.
    pub(crate) hold_max_ms: u64,
    /// Held and bought.
    pub(crate) max_seats_per_customer: u32,
    /// For hand-picked seats.
    pub(crate) orphan_rule: OrphanRule,
    /// Milliseconds since the epoch.
    pub(crate) created_at_ms: i64,
}

/// What may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletable {
    /// It is there.
    There,
    /// It was deleted before.
    Deleted,
    /// The show has no such performance.
    Unknown,
}

impl Catalogue {
    /// Writes a performance. The show and the plan were found before, and
    /// neither is ever deleted.
    ///
    /// # Errors
    /// See [`CatalogueError`].
    pub(crate) async fn add_performance(
        &self,
        new: &NewPerformance,
        first: Option<&FirstAnswer>,
    ) -> Result<Keyed<()>, CatalogueError> {
        let prices = serde_json::to_string(&new.prices).map_err(broken)?;
        let mut change = match self.begin(first).await? {
            Begun::Fresh(change) => change,
            Begun::Seen(seen) => return Ok(seen.into()),
        };
        let insert = sqlx::query(
            "INSERT INTO performances (performance_id, show_id, location, location_key, venue, \
             time_zone, starts_at_ms, local_date, plan_id, prices, on_sale_at_ms, hold_ttl_ms, \
             hold_max_ms, max_seats_per_customer, orphan_rule, deleted, created_at_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
        )
        .bind(new.performance_id.as_str())
        .bind(new.show_id.as_str())
        .bind(&new.location)
        .bind(location_key(&new.location))
        .bind(&new.venue)
        .bind(&new.time_zone)
        .bind(new.starts_at.as_millis())
        .bind(&new.local_date)
        .bind(new.plan_id.as_str())
        .bind(&prices)
        .bind(new.on_sale_at.map(Timestamp::as_millis))
        .bind(new.hold_ttl_ms)
        .bind(new.hold_max_ms)
        .bind(new.max_seats_per_customer)
        .bind(match new.orphan_rule {
            OrphanRule::Off => "off",
            OrphanRule::Refuse => "refuse",
        })
        .bind(new.created_at_ms);
        change.execute(insert).await.map_err(StatementError::unexpected)?;
        change.commit().await?;
        Ok(Keyed::Done(()))
    }

    /// How many performances a show has that are not deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn count_performances(&self, show: &ShowId) -> Result<u64, CatalogueError> {
        let mut leased = self.connection().await?;
        let row =
            sqlx::query("SELECT COUNT(*) AS n FROM performances WHERE show_id = ? AND deleted = 0")
                .bind(show.as_str())
                .fetch_one(leased.get()?);
        let row = self.limited(row).await;
        let count: i64 = get(&leased.read(row)?, "n")?;
        Ok(count.unsigned_abs())
    }

    /// Whether a performance may be deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn deletable(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
    ) -> Result<Deletable, CatalogueError> {
        let mut leased = self.connection().await?;
        let row = sqlx::query(
            "SELECT deleted FROM performances WHERE performance_id = ? AND show_id = ?",
        )
        .bind(performance.as_str())
        .bind(show.as_str())
        .fetch_optional(leased.get()?);
        let row = self.limited(row).await;
        Ok(match leased.read(row)? {
            None => Deletable::Unknown,
            Some(row) if get::<i8>(&row, "deleted")? == 0 => Deletable::There,
            Some(_) => Deletable::Deleted,
        })
    }

    /// Marks a performance deleted; again changes nothing.
    ///
    /// # Errors
    /// See [`CatalogueError`].
    pub(crate) async fn delete_performance(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
        first: Option<&FirstAnswer>,
    ) -> Result<Keyed<()>, CatalogueError> {
        let mut change = match self.begin(first).await? {
            Begun::Fresh(change) => change,
            Begun::Seen(seen) => return Ok(seen.into()),
        };
        let mark = sqlx::query(
            "UPDATE performances SET deleted = 1 WHERE performance_id = ? AND show_id = ?",
        )
        .bind(performance.as_str())
        .bind(show.as_str());
        change.execute(mark).await.map_err(StatementError::unexpected)?;
        change.commit().await?;
        Ok(Keyed::Done(()))
    }
}
