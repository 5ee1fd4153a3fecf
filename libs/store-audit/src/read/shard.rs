//! One shard: its rows, all as of one moment.

use std::time::Duration;

use seat_model::{Fence, ShardEpoch, ShardId};
use sqlx::mysql::MySqlRow;
use sqlx::{Connection as _, Executor as _, MySqlConnection, QueryBuilder, Row as _};

use super::{CALL, ReadError, Scope};
use crate::records::{
    BookingRow, LedgerState, OutboxRow, PlacementRow, QuotaRow, SaleRow, ShardRows, TicketRow,
};

/// How long reading a whole shard may take: one that hangs must not hang us.
const ALL_ROWS: Duration = Duration::from_secs(120);

/// A shard, by its name in the map.
pub(crate) struct ShardReader {
    pub(crate) id: ShardId,
    url: String,
}

impl ShardReader {
    pub(crate) fn new(id: ShardId, url: &str) -> Self {
        Self { id, url: url.to_owned() }
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Result<MySqlConnection, ReadError> {
        let wrong = ReadError::of(self.id.as_str());
        match tokio::time::timeout(CALL, MySqlConnection::connect(&self.url)).await {
            Ok(connected) => connected.map_err(|error| wrong(&error)),
            Err(late) => Err(wrong(&late)),
        }
    }

    /// The rows of all performances, or of some; placements and outbox whole.
    pub(crate) async fn read(&self, scope: &Scope) -> Result<ShardRows, ReadError> {
        let mut connection = self.connect().await?;
        let wrong = ReadError::of(self.id.as_str());
        let rows = tokio::time::timeout(ALL_ROWS, self.rows(&mut connection, scope)).await;
        let rows = rows.map_err(|late| wrong(&late))?.map_err(|error| wrong(&error))?;
        // It was only read from: closing it politely may fail as it likes.
        drop(connection.close().await);
        Ok(rows)
    }

    /// Gives every placement this epoch. Waits for the commits under way, which
    /// hold their placement rows; later ones under an older epoch are refused.
    pub(crate) async fn raise_placements(&self, epoch: u64) -> Result<(), ReadError> {
        let mut connection = self.connect().await?;
        let raised = sqlx::query("UPDATE placement SET epoch = ? WHERE epoch < ?")
            .bind(epoch)
            .bind(epoch)
            .execute(&mut connection)
            .await;
        raised.map_err(|error| ReadError::of(self.id.as_str())(&error))?;
        drop(connection.close().await);
        Ok(())
    }

    async fn rows(
        &self,
        connection: &mut MySqlConnection,
        scope: &Scope,
    ) -> Result<ShardRows, sqlx::Error> {
        connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
        let placements = all(connection, "SELECT show_id, epoch, frozen FROM placement").await?;
        let outbox = all(
            connection,
            "SELECT seq, booking_id, show_id, kind, created_at_ms FROM outbox ORDER BY seq",
        )
        .await?;
        let bookings = some(
            connection,
            "SELECT id, state, user_id, show_id, performance_id, fence, acquired, \
             first_deadline_ms, body_hash, written_at_ms FROM booking",
            scope,
        )
        .await?;
        let tickets = some(
            connection,
            "SELECT booking_id, number, user_id, performance_id, seat, tier, price, state \
             FROM ticket",
            scope,
        )
        .await?;
        let sales =
            some(connection, "SELECT performance_id, seat, booking_id FROM seat_sale", scope)
                .await?;
        let quotas =
            some(connection, "SELECT performance_id, user_id, sold FROM quota", scope).await?;
        connection.execute("ROLLBACK").await?;
        Ok(ShardRows {
            shard: self.id.clone(),
            placements: read(&placements, placement)?,
            bookings: read(&bookings, booking)?,
            tickets: read(&tickets, ticket)?,
            sales: read(&sales, sale)?,
            quotas: read(&quotas, quota)?,
            outbox: read(&outbox, work)?,
        })
    }
}

async fn all(
    connection: &mut MySqlConnection,
    sql: &'static str,
) -> Result<Vec<MySqlRow>, sqlx::Error> {
    sqlx::query(sql).fetch_all(connection).await
}

async fn some(
    connection: &mut MySqlConnection,
    sql: &'static str,
    scope: &Scope,
) -> Result<Vec<MySqlRow>, sqlx::Error> {
    let Some(only) = scope.performances() else { return all(connection, sql).await };
    if only.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(sql);
    query.push(" WHERE performance_id IN (");
    let mut list = query.separated(", ");
    for performance in only {
        list.push_bind(performance.as_str());
    }
    query.push(")");
    query.build().persistent(false).fetch_all(connection).await
}

fn read<T>(
    rows: &[MySqlRow],
    one: fn(&MySqlRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, sqlx::Error> {
    rows.iter().map(one).collect()
}

/// Reads text as the type it is.
fn text<T>(row: &MySqlRow, column: usize) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(Box::new(error)))
}

fn placement(row: &MySqlRow) -> Result<PlacementRow, sqlx::Error> {
    Ok(PlacementRow {
        show: text(row, 0)?,
        epoch: ShardEpoch::from_u64(row.try_get(1)?),
        frozen: row.try_get(2)?,
    })
}

fn booking(row: &MySqlRow) -> Result<BookingRow, sqlx::Error> {
    let state = match row.try_get::<String, _>(1)?.as_str() {
        "CONFIRMED" => LedgerState::Confirmed,
        "CANCELLED" => LedgerState::Cancelled,
        "ABORTED" => LedgerState::Aborted,
        other => return Err(sqlx::Error::Decode(format!("a booking is {other:?}").into())),
    };
    Ok(BookingRow {
        id: text(row, 0)?,
        state,
        user: text(row, 2)?,
        show: text(row, 3)?,
        performance: text(row, 4)?,
        fence: Fence::from_u64(row.try_get(5)?),
        acquired: Fence::from_u64(row.try_get(6)?),
        first_deadline_ms: row.try_get(7)?,
        body_hash: row.try_get(8)?,
        written_at_ms: row.try_get(9)?,
    })
}

fn ticket(row: &MySqlRow) -> Result<TicketRow, sqlx::Error> {
    Ok(TicketRow {
        booking: text(row, 0)?,
        number: row.try_get(1)?,
        user: text(row, 2)?,
        performance: text(row, 3)?,
        seat: text(row, 4)?,
        tier: row.try_get(5)?,
        price: row.try_get(6)?,
        valid: row.try_get::<String, _>(7)? == "VALID",
    })
}

fn sale(row: &MySqlRow) -> Result<SaleRow, sqlx::Error> {
    Ok(SaleRow { performance: text(row, 0)?, seat: text(row, 1)?, booking: text(row, 2)? })
}

fn quota(row: &MySqlRow) -> Result<QuotaRow, sqlx::Error> {
    Ok(QuotaRow { performance: text(row, 0)?, user: text(row, 1)?, sold: row.try_get(2)? })
}

fn work(row: &MySqlRow) -> Result<OutboxRow, sqlx::Error> {
    Ok(OutboxRow {
        seq: row.try_get(0)?,
        booking: text(row, 1)?,
        show: text(row, 2)?,
        kind: row.try_get(3)?,
        created_at_ms: row.try_get(4)?,
    })
}
