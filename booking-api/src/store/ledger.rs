//! The rows of a sale: reading them, and every write but the commit group.

use seat_model::{BookingId, Fence, PerformanceId, SeatId, ShardEpoch, ShowId, Timestamp, UserId};
use sqlx::mysql::MySqlRow;
use sqlx::{Executor, Row};

use super::bookings::{READ_AT_ONCE, READ_ONE, READ_PAGE, read_rows, rows_of};
use super::connections::on_shard;
use super::deliveries::transaction;
use super::error::StoreError;
use super::remembered::KeepAnswer;
use super::shard::Shard;

/// What a booking's row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerState {
    /// Sold.
    Confirmed,
    /// Was sold.
    Cancelled,
    /// A tombstone: it never was and never will be sold.
    Aborted,
}

/// A booking as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerBooking {
    /// The booking.
    pub id: BookingId,
    /// What became of it.
    pub state: LedgerState,
    /// Whose it is.
    pub user: UserId,
    /// Its show.
    pub show: ShowId,
    /// Its performance.
    pub performance: PerformanceId,
    /// Of the pinned seats.
    pub fence: Fence,
    /// Of the hold.
    pub acquired: Fence,
    /// The hold's first deadline.
    pub first_deadline: Timestamp,
    /// Hash of the body that asked for the seats.
    pub body_hash: String,
    /// Whether it was asked for with `confirm`.
    pub direct: bool,
    /// The confirm's Idempotency-Key.
    pub confirm_key: String,
    /// Hash of the confirm's body.
    pub confirm_hash: String,
    /// The gateway's reference of its payment; empty in a tombstone.
    pub payment: String,
    /// Empty in a tombstone.
    pub currency: String,
    /// When the row was written.
    pub written_at: Timestamp,
    /// Every ticket, in the order of their numbers.
    pub tickets: Vec<LedgerTicket>,
}

/// A ticket as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerTicket {
    /// Unique within the booking: from 1 on along the plan, the next number
    /// exactly where the next seat is a neighbour.
    pub number: u16,
    /// The seat.
    pub seat: SeatId,
    /// Its tier.
    pub tier: String,
    /// Minor units.
    pub price: u64,
    /// Not cancelled.
    pub valid: bool,
    /// Shown at the door.
    pub code: String,
}

/// What a tombstone says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The booking that never will be.
    pub id: BookingId,
    /// Whose it would have been.
    pub user: UserId,
    /// Its show.
    pub show: ShowId,
    /// Its performance.
    pub performance: PerformanceId,
    /// The placement epoch in the seats' values.
    pub epoch: ShardEpoch,
    /// Of the pinned seats.
    pub fence: Fence,
    /// Of the hold.
    pub acquired: Fence,
    /// When.
    pub at: Timestamp,
}

/// Where a list of bookings goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListAfter {
    /// Of the last booking seen.
    pub written_at: Timestamp,
    /// The last booking seen.
    pub id: BookingId,
}

/// What was sold of one tier of one performance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierTotals {
    /// The performance.
    pub performance: PerformanceId,
    /// The tier.
    pub tier: String,
    /// Valid tickets.
    pub sold: u64,
    /// Their prices, minor units.
    pub revenue: u64,
    /// Cancelled tickets.
    pub cancelled: u64,
}

const READ_SOLD: &str =
    "SELECT DISTINCT booking_id FROM seat_sale WHERE performance_id = ? LIMIT ?";

const TOTALS: &str = "SELECT t.performance_id, t.tier, \
     CAST(SUM(t.state = 'VALID') AS UNSIGNED), \
     CAST(SUM(IF(t.state = 'VALID', t.price, 0)) AS UNSIGNED), \
     CAST(SUM(t.state = 'CANCELLED') AS UNSIGNED) \
     FROM booking b JOIN ticket t ON t.booking_id = b.id WHERE b.show_id = ? \
     GROUP BY t.performance_id, t.tier";

impl Shard {
    /// The booking's row with its tickets; asked along with others.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn read(&self, id: BookingId) -> Result<Option<LedgerBooking>, StoreError> {
        self.require_migrated()?;
        self.bookings.ask(id).await
    }

    /// Some bookings' rows with their tickets; those without a row are left out.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn read_many(&self, ids: &[BookingId]) -> Result<Vec<LedgerBooking>, StoreError> {
        self.require_migrated()?;
        let mut bookings = Vec::new();
        for some in ids.chunks(READ_AT_ONCE) {
            let rows = rows_of(&self.connections, some).await?;
            bookings.append(&mut read_rows(&rows).map_err(|error| self.nonsense(&error))?);
        }
        Ok(bookings)
    }

    /// A customer's bookings that were confirmed once, newest first, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn list(
        &self,
        user: &UserId,
        after: Option<ListAfter>,
        limit: u32,
    ) -> Result<Vec<LedgerBooking>, StoreError> {
        self.require_migrated()?;
        let (at, id) = after.map_or((i64::MAX, String::new()), |after| {
            (after.written_at.as_millis(), after.id.to_string())
        });
        let rows = on_shard!(self.connections, |connection| sqlx::query(READ_PAGE)
            .bind(user.as_str())
            .bind(at)
            .bind(at)
            .bind(id)
            .bind(limit)
            .fetch_all(connection))?;
        self.read_rows(&rows)
    }

    /// Writes a tombstone and the void that goes with it.
    ///
    /// # Errors
    /// `Refused(DuplicateBooking)` where a row is there already. `Unknown` and
    /// `Deadlock`: touch nothing, try again later.
    pub async fn tombstone(&self, stone: &Tombstone) -> Result<(), StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| sqlx::query(
            "CALL tombstone_booking(?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        .bind(stone.id.to_string())
        .bind(stone.user.as_str())
        .bind(stone.show.as_str())
        .bind(stone.performance.as_str())
        .bind(stone.epoch.get())
        .bind(stone.fence.get())
        .bind(stone.acquired.get())
        .bind("{}")
        .bind(stone.at.as_millis())
        .execute(connection))?;
        Ok(())
    }

    /// Cancels the ticket with this number, or every ticket; answers how many
    /// this call changed. Repeating it changes nothing more (INV-7).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn cancel(
        &self,
        id: BookingId,
        show: &ShowId,
        epoch: ShardEpoch,
        number: Option<u16>,
        at: Timestamp,
    ) -> Result<i64, StoreError> {
        self.require_migrated()?;
        let row = on_shard!(self.connections, |connection| sqlx::query(
            "CALL cancel_tickets(?, ?, ?, ?, ?)"
        )
        .bind(id.to_string())
        .bind(show.as_str())
        .bind(epoch.get())
        .bind(number)
        .bind(at.as_millis())
        .fetch_all(connection))?;
        row.first()
            .map(|row| row.try_get(0))
            .transpose()
            .map(Option::unwrap_or_default)
            .map_err(|error| self.nonsense(&error))
    }

    /// The same, and keeps the answer in the same transaction: a repetition is
    /// told what the first one was (INV-8). The booking as it is after it;
    /// `None`: there is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn cancel_and_keep(
        &self,
        id: BookingId,
        show: &ShowId,
        epoch: ShardEpoch,
        number: Option<u16>,
        keep: KeepAnswer<'_, LedgerBooking>,
    ) -> Result<Option<LedgerBooking>, StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| async {
            transaction!(connection, {
                sqlx::query("CALL cancel_within(?, ?, ?, ?, ?, @changed)")
                    .bind(id.to_string())
                    .bind(show.as_str())
                    .bind(epoch.get())
                    .bind(number)
                    .bind(keep.at.as_millis())
                    .execute(&mut *connection)
                    .await?;
                let rows =
                    sqlx::query(READ_ONE).bind(id.to_string()).fetch_all(&mut *connection).await?;
                let row = read_rows(&rows)?.pop();
                if let Some(row) = &row {
                    keep.write(connection, row).await?;
                }
                Ok(row)
            })
        })
    }

    /// Ends the sale of a performance.
    ///
    /// # Errors
    /// `Refused(TicketsLive)` unless `even_if_sold`.
    pub async fn close_performance(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
        epoch: ShardEpoch,
        even_if_sold: bool,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| sqlx::query(
            "CALL close_performance(?, ?, ?, ?, ?)"
        )
        .bind(show.as_str())
        .bind(performance.as_str())
        .bind(epoch.get())
        .bind(even_if_sold)
        .bind(at.as_millis())
        .execute(connection))?;
        Ok(())
    }

    /// Bookings of a performance that still have sold seats, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn sold_bookings(
        &self,
        performance: &PerformanceId,
        limit: u32,
    ) -> Result<Vec<BookingId>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| sqlx::query(READ_SOLD)
            .bind(performance.as_str())
            .bind(limit)
            .fetch_all(connection))?;
        rows.iter()
            .map(|row| parsed(row.try_get::<String, _>(0)?))
            .collect::<Result<_, _>>()
            .map_err(|error| self.nonsense(&error))
    }

    /// Places a new show here; nothing where it is placed already.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be repeated.
    pub async fn place(&self, show: &ShowId, epoch: ShardEpoch) -> Result<(), StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| sqlx::query(
            "INSERT IGNORE INTO placement (show_id, epoch, frozen) VALUES (?, ?, FALSE)"
        )
        .bind(show.as_str())
        .bind(epoch.get())
        .execute(connection))?;
        Ok(())
    }

    /// Whether any show is placed here.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn has_shows(&self) -> Result<bool, StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM placement)"
        )
        .fetch_one(connection))
    }

    /// What was sold of a show, by performance and tier.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn totals(&self, show: &ShowId) -> Result<Vec<TierTotals>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| sqlx::query(TOTALS)
            .bind(show.as_str())
            .fetch_all(connection))?;
        rows.iter()
            .map(|row| {
                Ok(TierTotals {
                    performance: parsed(row.try_get::<String, _>(0)?)?,
                    tier: row.try_get(1)?,
                    sold: row.try_get(2)?,
                    revenue: row.try_get(3)?,
                    cancelled: row.try_get(4)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.nonsense(&error))
    }

    /// Asks the shard for nothing, to see whether it answers.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        on_shard!(self.connections, |connection| connection.execute("SELECT 1"))?;
        Ok(())
    }

    fn read_rows(&self, rows: &[MySqlRow]) -> Result<Vec<LedgerBooking>, StoreError> {
        read_rows(rows).map_err(|error| self.nonsense(&error))
    }

    /// A row that does not fit its types: nothing was written by reading it.
    pub(super) fn nonsense(&self, error: &sqlx::Error) -> StoreError {
        nonsense(self.id().as_str(), error)
    }
}

pub(super) fn nonsense(shard: &str, error: &sqlx::Error) -> StoreError {
    tracing::error!(shard, %error, "a row makes no sense");
    StoreError::NotSent { shard: shard.to_owned(), why: error.to_string() }
}

/// Reads text as the type it is.
pub(super) fn parsed<T>(text: String) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(Box::new(error)))
}
