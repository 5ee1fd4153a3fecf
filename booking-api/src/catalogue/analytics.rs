//! How performances sell: sales that are written over as a whole, demand that
//! is added up. Nobody who sells reads or waits for any of it.
//!
//! Must not know: where the numbers come from, who looks at them.

use seat_model::{PerformanceId, SeatId, Timestamp};
use sqlx::QueryBuilder;
use sqlx::mysql::MySqlRow;

use super::keyed::{Begun, Change, StatementError};
use super::performance::{broken, get, id};
use super::{Catalogue, CatalogueError};
use crate::store::SalesHour;

/// Rows written in one statement.
pub(crate) const WRITE_AT_ONCE: usize = 500;

/// Rows deleted in one statement.
const FORGET_AT_ONCE: u32 = 1_000;

/// How sought after a performance was; gathered, so never quite exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// People who asked for its seat map.
    pub(crate) views: u64,
    /// Times that seats were taken.
    pub(crate) holds: u64,
    /// Seats that were taken.
    pub(crate) seats_held: u64,
    /// Holds that their customers gave back.
    pub(crate) released: u64,
    /// Requests that got no seats because others had them.
    pub(crate) refused: u64,
}

/// Demand of one performance in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemandRow {
    /// Which performance.
    pub(crate) performance: PerformanceId,
    /// When the hour begins, in milliseconds since the epoch.
    pub(crate) hour_ms: i64,
    /// What to add. Views are not: view-service adds those.
    pub(crate) demand: Demand,
}

/// How often a seat was wanted while somebody else had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConflictRow {
    /// Which performance.
    pub(crate) performance: PerformanceId,
    /// The seat.
    pub(crate) seat: SeatId,
    /// What to add.
    pub(crate) conflicts: u64,
}

/// When, and after which mark, sales were counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The shard they were read from.
    pub(crate) shard: String,
    /// The mark that was seen before.
    pub(crate) seq: u64,
    /// When; what was sold later may be missing.
    pub(crate) at: Timestamp,
}

/// From one hour to another: the beginnings of hours in milliseconds since the
/// epoch, `to` itself left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hours {
    /// The first.
    pub(crate) from: i64,
    /// The first that is none of them.
    pub(crate) to: i64,
}

/// What is known of some hours of a performance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AnalyticsHours {
    /// In order; hours without sales and cancels are left out.
    pub(crate) sales: Vec<SalesHour>,
    /// In order; hours without demand are left out.
    pub(crate) demand: Vec<(i64, Demand)>,
    /// All sales before the first hour, in one.
    pub(crate) before: SalesHour,
}

impl Catalogue {
    /// When a performance's sales were counted last; `None`: never.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn sales_counted(
        &self,
        performance: &PerformanceId,
    ) -> Result<Option<Counted>, CatalogueError> {
        let mut leased = self.connection().await?;
        let row = sqlx::query(
            "SELECT shard, seq, counted_at_ms FROM performance_sales WHERE performance_id = ?",
        )
        .bind(performance.as_str())
        .fetch_optional(leased.get()?);
        let row = self.limited(row).await;
        let Some(row) = leased.read(row)? else { return Ok(None) };
        Ok(Some(Counted {
            shard: get(&row, "shard")?,
            seq: get(&row, "seq")?,
            at: Timestamp::from_millis(get(&row, "counted_at_ms")?),
        }))
    }

    /// Writes the sales of a performance over, as `read` finds them. It is
    /// asked only once the performance is this caller's alone: two that count
    /// at once would otherwise write in another order than they read.
    ///
    /// # Errors
    /// The caller's own, or a [`CatalogueError`], after which it may be
    /// repeated; an unknown outcome does no harm.
    pub(crate) async fn write_sales<E: From<CatalogueError>>(
        &self,
        performance: &PerformanceId,
        counted: &Counted,
        read: impl Future<Output = Result<Vec<SalesHour>, E>>,
    ) -> Result<(), E> {
        let mut change = self.begin_unkeyed().await?;
        let own = sqlx::query(
            "INSERT INTO performance_sales (performance_id, shard, seq, counted_at_ms) \
             VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE \
             shard = VALUES(shard), seq = VALUES(seq), counted_at_ms = VALUES(counted_at_ms)",
        )
        .bind(performance.as_str())
        .bind(&counted.shard)
        .bind(counted.seq)
        .bind(counted.at.as_millis());
        change.execute(own).await.map_err(StatementError::unexpected)?;
        let hours = read.await?;
        let clear = sqlx::query("DELETE FROM performance_sales_hour WHERE performance_id = ?")
            .bind(performance.as_str());
        change.execute(clear).await.map_err(StatementError::unexpected)?;
        for some in hours.chunks(WRITE_AT_ONCE) {
            let mut insert = QueryBuilder::new(
                "INSERT INTO performance_sales_hour (performance_id, hour_ms, bookings, tickets, \
                 revenue, cancels, cancelled_tickets, refunded) ",
            );
            insert.push_values(some, |mut row, hour| {
                row.push_bind(performance.as_str())
                    .push_bind(hour.hour_ms)
                    .push_bind(hour.bookings)
                    .push_bind(hour.tickets)
                    .push_bind(hour.revenue)
                    .push_bind(hour.cancels)
                    .push_bind(hour.cancelled_tickets)
                    .push_bind(hour.refunded);
            });
            let insert = insert.build().persistent(false);
            change.execute(insert).await.map_err(StatementError::unexpected)?;
        }
        Ok(change.commit().await?)
    }

    /// Adds demand up; at most [`WRITE_AT_ONCE`] rows, in one order whoever
    /// adds, or two instances would wait for one another.
    ///
    /// # Errors
    /// After `Unavailable` nothing was added.
    pub(crate) async fn add_demand(&self, rows: &[DemandRow]) -> Result<(), CatalogueError> {
        let mut change = self.begin_unkeyed().await?;
        let mut add = QueryBuilder::new(
            "INSERT INTO performance_demand_hour \
             (performance_id, hour_ms, holds, seats_held, released, refused) ",
        );
        add.push_values(rows, |mut row, one| {
            row.push_bind(one.performance.as_str())
                .push_bind(one.hour_ms)
                .push_bind(one.demand.holds)
                .push_bind(one.demand.seats_held)
                .push_bind(one.demand.released)
                .push_bind(one.demand.refused);
        });
        add.push(
            " ON DUPLICATE KEY UPDATE holds = holds + VALUES(holds), \
             seats_held = seats_held + VALUES(seats_held), \
             released = released + VALUES(released), refused = refused + VALUES(refused)",
        );
        let add = add.build().persistent(false);
        change.execute(add).await.map_err(StatementError::unexpected)?;
        change.commit().await
    }

    /// Adds conflicts up; see [`Catalogue::add_demand`].
    ///
    /// # Errors
    /// After `Unavailable` nothing was added.
    pub(crate) async fn add_conflicts(&self, rows: &[ConflictRow]) -> Result<(), CatalogueError> {
        let mut change = self.begin_unkeyed().await?;
        let mut add =
            QueryBuilder::new("INSERT INTO seat_conflicts (performance_id, seat, conflicts) ");
        add.push_values(rows, |mut row, one| {
            row.push_bind(one.performance.as_str())
                .push_bind(one.seat.as_str())
                .push_bind(one.conflicts);
        });
        add.push(" ON DUPLICATE KEY UPDATE conflicts = conflicts + VALUES(conflicts)");
        let add = add.build().persistent(false);
        change.execute(add).await.map_err(StatementError::unexpected)?;
        change.commit().await
    }

    /// What is known of some hours of a performance.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn analytics_hours(
        &self,
        performance: &PerformanceId,
        hours: Hours,
    ) -> Result<AnalyticsHours, CatalogueError> {
        let mut leased = self.connection().await?;
        let connection = leased.get()?;
        let asked = self.limited(async {
            // In one statement: a count that comes between must not be in one
            // half of it only.
            let sales = sqlx::query(
                "SELECT CAST(IF(hour_ms < ?, -1, hour_ms) AS SIGNED) AS in_hour_ms, \
                 CAST(SUM(bookings) AS UNSIGNED) AS bookings, \
                 CAST(SUM(tickets) AS UNSIGNED) AS tickets, \
                 CAST(SUM(revenue) AS UNSIGNED) AS revenue, \
                 CAST(SUM(cancels) AS UNSIGNED) AS cancels, \
                 CAST(SUM(cancelled_tickets) AS UNSIGNED) AS cancelled_tickets, \
                 CAST(SUM(refunded) AS UNSIGNED) AS refunded \
                 FROM performance_sales_hour WHERE performance_id = ? AND hour_ms < ? \
                 GROUP BY in_hour_ms ORDER BY in_hour_ms",
            )
            .bind(hours.from)
            .bind(performance.as_str())
            .bind(hours.to)
            .fetch_all(&mut *connection)
            .await?;
            let demand = sqlx::query(
                "SELECT hour_ms, views, holds, seats_held, released, refused \
                 FROM performance_demand_hour \
                 WHERE performance_id = ? AND hour_ms >= ? AND hour_ms < ? ORDER BY hour_ms",
            )
            .bind(performance.as_str())
            .bind(hours.from)
            .bind(hours.to)
            .fetch_all(&mut *connection)
            .await?;
            Ok((sales, demand))
        });
        let asked = asked.await;
        let (sales, demand) = leased.read(asked)?;
        let mut known = AnalyticsHours::default();
        for row in &sales {
            let hour = sales_hour(row)?;
            if hour.hour_ms < 0 {
                known.before = hour;
            } else {
                known.sales.push(hour);
            }
        }
        for row in &demand {
            known.demand.push((get(row, "hour_ms")?, demand_of(row)?));
        }
        Ok(known)
    }

    /// The seats most often wanted in vain, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn seat_conflicts(
        &self,
        performance: &PerformanceId,
        limit: u32,
    ) -> Result<Vec<(SeatId, u64)>, CatalogueError> {
        let mut leased = self.connection().await?;
        let rows = sqlx::query(
            "SELECT seat, conflicts FROM seat_conflicts WHERE performance_id = ? \
             ORDER BY conflicts DESC, seat LIMIT ?",
        )
        .bind(performance.as_str())
        .bind(limit)
        .fetch_all(leased.get()?);
        let rows = self.limited(rows).await;
        let rows = leased.read(rows)?;
        rows.iter().map(|row| Ok((id(row, "seat")?, get(row, "conflicts")?))).collect()
    }

    /// Forgets what is known of performances that began before this time, some
    /// rows of each kind at once; answers whether there may be more.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn forget_analytics(&self, before_ms: i64) -> Result<bool, CatalogueError> {
        let mut more = false;
        for forget in [
            "DELETE FROM performance_sales WHERE performance_id IN \
             (SELECT performance_id FROM performances WHERE starts_at_ms < ?) LIMIT ?",
            "DELETE FROM performance_sales_hour WHERE performance_id IN \
             (SELECT performance_id FROM performances WHERE starts_at_ms < ?) LIMIT ?",
            "DELETE FROM performance_demand_hour WHERE performance_id IN \
             (SELECT performance_id FROM performances WHERE starts_at_ms < ?) LIMIT ?",
            "DELETE FROM seat_conflicts WHERE performance_id IN \
             (SELECT performance_id FROM performances WHERE starts_at_ms < ?) LIMIT ?",
        ] {
            let mut leased = self.connection().await?;
            let asked = sqlx::query(forget).bind(before_ms).bind(FORGET_AT_ONCE);
            let forgotten = self.limited(asked.execute(leased.get()?)).await;
            more |= leased.read(forgotten)?.rows_affected() == u64::from(FORGET_AT_ONCE);
        }
        Ok(more)
    }

    async fn begin_unkeyed(&self) -> Result<Change, CatalogueError> {
        match self.begin(None).await? {
            Begun::Fresh(change) => Ok(change),
            Begun::Seen(_) => Err(broken("a change without a key was seen")),
        }
    }
}

fn sales_hour(row: &MySqlRow) -> Result<SalesHour, CatalogueError> {
    Ok(SalesHour {
        hour_ms: get(row, "in_hour_ms")?,
        bookings: get(row, "bookings")?,
        tickets: get(row, "tickets")?,
        revenue: get(row, "revenue")?,
        cancels: get(row, "cancels")?,
        cancelled_tickets: get(row, "cancelled_tickets")?,
        refunded: get(row, "refunded")?,
    })
}

fn demand_of(row: &MySqlRow) -> Result<Demand, CatalogueError> {
    Ok(Demand {
        views: get(row, "views")?,
        holds: get(row, "holds")?,
        seats_held: get(row, "seats_held")?,
        released: get(row, "released")?,
        refused: get(row, "refused")?,
    })
}
