//! What was sold of a performance, hour by hour, from the ledger's own rows;
//! and the marks that say whose sales changed since they were last counted.
//!
//! Must not know: where the counts go, and who looks at them.

use seat_model::{PerformanceId, ShowId};
use sqlx::Row;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::connections::on_shard;
use super::error::StoreError;
use super::ledger::parsed;
use super::outbox::{numbers, of_these};
use super::shard::Shard;

/// A mark: the sales of a performance changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedSales {
    /// Of which.
    pub performance: PerformanceId,
    /// Its show.
    pub show: ShowId,
    /// The outbox row that said so, or a time; no two marks have the same.
    pub seq: u64,
}

/// What happened in one hour. Amounts are minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SalesHour {
    /// When the hour begins, in milliseconds since the epoch.
    pub hour_ms: i64,
    /// Bookings that were confirmed.
    pub bookings: u64,
    /// Their tickets, those cancelled since included.
    pub tickets: u64,
    /// What those tickets cost.
    pub revenue: u64,
    /// Bookings that were cancelled, whole or in part.
    pub cancels: u64,
    /// Tickets that were cancelled, whenever they were sold.
    pub cancelled_tickets: u64,
    /// What those tickets cost.
    pub refunded: u64,
}

/// Both halves in one statement, or a ticket could be cancelled between them.
const BY_HOUR: &str = "SELECT in_hour * 3600000, CAST(SUM(bookings) AS UNSIGNED), \
     CAST(SUM(tickets) AS UNSIGNED), CAST(SUM(revenue) AS UNSIGNED), \
     CAST(SUM(cancels) AS UNSIGNED), CAST(SUM(cancelled_tickets) AS UNSIGNED), \
     CAST(SUM(refunded) AS UNSIGNED) \
     FROM (SELECT CAST(t.created_at_ms DIV 3600000 AS SIGNED) AS in_hour, \
             COUNT(DISTINCT t.booking_id) AS bookings, COUNT(*) AS tickets, \
             SUM(t.price) AS revenue, 0 AS cancels, 0 AS cancelled_tickets, 0 AS refunded \
           FROM booking b JOIN ticket t ON t.booking_id = b.id \
           WHERE b.show_id = ? AND b.performance_id = ? GROUP BY in_hour \
           UNION ALL \
           SELECT CAST(COALESCE(t.cancelled_at_ms, t.created_at_ms) DIV 3600000 AS SIGNED) \
             AS in_hour, 0, 0, 0, COUNT(DISTINCT t.booking_id), COUNT(*), SUM(t.price) \
           FROM booking b JOIN ticket t ON t.booking_id = b.id \
           WHERE b.show_id = ? AND b.performance_id = ? AND t.state = 'CANCELLED' \
           GROUP BY in_hour) AS changes \
     GROUP BY in_hour ORDER BY in_hour";

impl Shard {
    /// Performances whose sales changed since they were counted, those that
    /// wait longest first.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn changed_sales(&self, limit: u32) -> Result<Vec<ChangedSales>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| sqlx::query(
            "SELECT performance_id, show_id, seq FROM sales_changed ORDER BY seq LIMIT ?"
        )
        .bind(limit)
        .fetch_all(connection))?;
        rows.iter()
            .map(|row| {
                Ok(ChangedSales {
                    performance: parsed(row.try_get::<String, _>(0)?)?,
                    show: parsed(row.try_get::<String, _>(1)?)?,
                    seq: row.try_get(2)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.nonsense(&error))
    }

    /// How many performances' sales are to be counted again.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn count_changed_sales(&self) -> Result<i64, StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| sqlx::query_scalar(
            "SELECT COUNT(*) FROM sales_changed"
        )
        .fetch_one(connection))
    }

    /// What was sold and cancelled of a performance, in the order of the
    /// hours; those in which nothing happened are left out.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn sales_by_hour(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
    ) -> Result<Vec<SalesHour>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| sqlx::query(BY_HOUR)
            .bind(show.as_str())
            .bind(performance.as_str())
            .bind(show.as_str())
            .bind(performance.as_str())
            .fetch_all(connection))?;
        rows.iter()
            .map(read)
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.nonsense(&error))
    }

    /// Takes a mark away, unless there is a newer one.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be repeated.
    pub async fn sales_are_counted(&self, seen: &ChangedSales) -> Result<(), StoreError> {
        on_shard!(self.connections, |connection| sqlx::query(
            "DELETE FROM sales_changed WHERE performance_id = ? AND seq = ?"
        )
        .bind(seen.performance.as_str())
        .bind(seen.seq)
        .execute(connection))?;
        Ok(())
    }
}

fn read(row: &MySqlRow) -> Result<SalesHour, sqlx::Error> {
    Ok(SalesHour {
        hour_ms: row.try_get(0)?,
        bookings: row.try_get(1)?,
        tickets: row.try_get(2)?,
        revenue: row.try_get(3)?,
        cancels: row.try_get(4)?,
        cancelled_tickets: row.try_get(5)?,
        refunded: row.try_get(6)?,
    })
}

/// Other names inside: a column of both tables would mean neither. Always in one
/// order: two relays that marked the same two performances the other way round
/// would wait for one another.
const MARK: &str = concat!(
    "INSERT INTO sales_changed (performance_id, show_id, seq) \
     SELECT changed_performance, changed_show, last_seq FROM (\
       SELECT b.performance_id AS changed_performance, b.show_id AS changed_show, \
         MAX(o.seq) AS last_seq FROM ",
    of_these!(),
    " JOIN booking AS b ON b.id = o.booking_id WHERE o.kind <> 'aborted' \
       GROUP BY b.performance_id, b.show_id) AS changed ORDER BY changed_performance \
     ON DUPLICATE KEY UPDATE seq = VALUES(seq)"
);

/// Marks the performances of outbox rows that are about to be deleted.
pub(super) async fn mark_changed(
    connection: &mut MySqlConnection,
    done: &[u64],
) -> Result<(), sqlx::Error> {
    sqlx::query(MARK).bind(numbers(done)).execute(connection).await.map(drop)
}
