//! The rows of a sale: reading them, and every write but the commit group.

use seat_model::{
    BookingId, Currency, Fence, PerformanceId, SeatId, ShardEpoch, ShowId, Timestamp, UserId,
};
use serde::{Serialize, Serializer};
use sqlx::mysql::MySqlRow;
use sqlx::{Executor, QueryBuilder, Row};

use super::connections::on_shard;
use super::deliveries::transaction;
use super::error::StoreError;
use super::remembered::KeepAnswer;
use super::shard::Shard;

/// A booking about to be written. What a group of them looks like to the
/// procedure `commit_bookings` is this type's JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewBooking {
    /// The booking.
    pub id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// Its show.
    pub show_id: ShowId,
    /// The placement epoch in the seats' values.
    pub epoch: ShardEpoch,
    /// Its performance.
    pub performance_id: PerformanceId,
    /// Of the pinned seats.
    pub fence: Fence,
    /// Of the hold.
    pub acquired: Fence,
    /// The hold's first deadline.
    pub first_deadline_ms: i64,
    /// Hash of the body that asked for the seats.
    pub body_hash: String,
    /// Whether it was asked for with `confirm`.
    #[serde(serialize_with = "as_number")]
    pub direct: bool,
    /// The confirm's Idempotency-Key.
    pub confirm_key: String,
    /// Hash of the confirm's body.
    pub confirm_hash: String,
    /// The gateway's reference of the authorised payment.
    pub payment: String,
    /// The currency of every price.
    pub currency: Currency,
    /// When it is written, milliseconds since the epoch.
    pub at_ms: i64,
    /// How many tickets.
    pub seats: usize,
    /// How many seats the customer may have of the performance.
    pub seats_limit: u32,
    /// The outbox row's payload, [`super::Sold`] as JSON.
    pub payload: String,
    /// The tickets.
    pub tickets: Vec<NewTicket>,
}

/// `JSON_TABLE` turns numbers into truth values on every server; words only on some.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_number<S: Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(u8::from(*value))
}

/// A ticket about to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewTicket {
    /// Unique within the booking: from 1 on along the plan, the next number
    /// exactly where the next seat is a neighbour.
    pub number: u16,
    /// The seat.
    pub seat: SeatId,
    /// Its tier.
    pub tier: String,
    /// Minor units.
    pub price: u64,
    /// Shown at the door.
    pub code: String,
}

impl NewBooking {
    /// The row as it is once it is written.
    #[must_use]
    pub fn into_row(self) -> LedgerBooking {
        LedgerBooking {
            id: self.id,
            state: LedgerState::Confirmed,
            user: self.user_id,
            show: self.show_id,
            performance: self.performance_id,
            fence: self.fence,
            acquired: self.acquired,
            first_deadline: Timestamp::from_millis(self.first_deadline_ms),
            body_hash: self.body_hash,
            direct: self.direct,
            confirm_key: self.confirm_key,
            confirm_hash: self.confirm_hash,
            payment: self.payment,
            currency: self.currency.as_str().to_owned(),
            written_at: Timestamp::from_millis(self.at_ms),
            tickets: self
                .tickets
                .into_iter()
                .map(|ticket| LedgerTicket {
                    number: ticket.number,
                    seat: ticket.seat,
                    tier: ticket.tier,
                    price: ticket.price,
                    valid: true,
                    code: ticket.code,
                })
                .collect(),
        }
    }
}

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

/// The columns that [`read_rows`] reads, in its order.
macro_rules! select_bookings {
    ($from:literal) => {
        concat!(
            "SELECT b.id, b.state, b.user_id, b.show_id, b.performance_id, b.fence, b.acquired, \
             b.first_deadline_ms, b.body_hash, b.direct, b.confirm_key, b.confirm_hash, \
             b.currency, b.written_at_ms, \
             t.number, t.seat, t.tier, t.price, t.state, t.code, b.payment FROM ",
            $from
        )
    };
}

const READ_ONE: &str = select_bookings!(
    "booking b LEFT JOIN ticket t ON t.booking_id = b.id WHERE b.id = ? ORDER BY t.number"
);

const READ_MANY: &str =
    select_bookings!("booking b LEFT JOIN ticket t ON t.booking_id = b.id WHERE b.id IN (");

const READ_PAGE: &str = select_bookings!(
    "(SELECT * FROM booking WHERE user_id = ? AND state <> 'ABORTED' \
       AND (written_at_ms < ? OR (written_at_ms = ? AND id < ?)) \
       ORDER BY written_at_ms DESC, id DESC LIMIT ?) b \
     LEFT JOIN ticket t ON t.booking_id = b.id \
     ORDER BY b.written_at_ms DESC, b.id DESC, t.number"
);

const READ_SOLD: &str =
    "SELECT DISTINCT booking_id FROM seat_sale WHERE performance_id = ? LIMIT ?";

const TOTALS: &str = "SELECT t.performance_id, t.tier, \
     CAST(SUM(t.state = 'VALID') AS UNSIGNED), \
     CAST(SUM(IF(t.state = 'VALID', t.price, 0)) AS UNSIGNED), \
     CAST(SUM(t.state = 'CANCELLED') AS UNSIGNED) \
     FROM booking b JOIN ticket t ON t.booking_id = b.id WHERE b.show_id = ? \
     GROUP BY t.performance_id, t.tier";

impl Shard {
    /// The booking's row with its tickets.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn read(&self, id: BookingId) -> Result<Option<LedgerBooking>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| sqlx::query(READ_ONE)
            .bind(id.to_string())
            .fetch_all(connection))?;
        Ok(self.read_rows(&rows)?.pop())
    }

    /// Some bookings' rows with their tickets; those without a row are left out.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn read_many(&self, ids: &[BookingId]) -> Result<Vec<LedgerBooking>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.require_migrated()?;
        let mut query = QueryBuilder::new(READ_MANY);
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(id.to_string());
        }
        query.push(") ORDER BY b.id, t.number");
        let rows = on_shard!(self.connections, |connection| query
            .build()
            .persistent(false)
            .fetch_all(connection))?;
        self.read_rows(&rows)
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
        tracing::error!(shard = %self.id(), %error, "a row makes no sense");
        StoreError::NotSent { shard: self.id().to_string(), why: error.to_string() }
    }
}

/// Reads text as the type it is.
pub(super) fn parsed<T>(text: String) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(Box::new(error)))
}

fn read_rows(rows: &[MySqlRow]) -> Result<Vec<LedgerBooking>, sqlx::Error> {
    let mut bookings: Vec<LedgerBooking> = Vec::new();
    for row in rows {
        let id: BookingId = parsed(row.try_get::<String, _>(0)?)?;
        if bookings.last().is_none_or(|last| last.id != id) {
            bookings.push(read_booking(id, row)?);
        }
        if let (Some(booking), Some(number)) = (bookings.last_mut(), row.try_get(14)?) {
            booking.tickets.push(LedgerTicket {
                number,
                seat: parsed(row.try_get::<String, _>(15)?)?,
                tier: row.try_get(16)?,
                price: row.try_get(17)?,
                valid: row.try_get::<String, _>(18)? == "VALID",
                code: row.try_get(19)?,
            });
        }
    }
    Ok(bookings)
}

fn read_booking(id: BookingId, row: &MySqlRow) -> Result<LedgerBooking, sqlx::Error> {
    let state = match row.try_get::<String, _>(1)?.as_str() {
        "CONFIRMED" => LedgerState::Confirmed,
        "CANCELLED" => LedgerState::Cancelled,
        "ABORTED" => LedgerState::Aborted,
        other => return Err(sqlx::Error::Decode(format!("a booking is {other:?}").into())),
    };
    Ok(LedgerBooking {
        id,
        state,
        user: parsed(row.try_get::<String, _>(2)?)?,
        show: parsed(row.try_get::<String, _>(3)?)?,
        performance: parsed(row.try_get::<String, _>(4)?)?,
        fence: Fence::from_u64(row.try_get(5)?),
        acquired: Fence::from_u64(row.try_get(6)?),
        first_deadline: Timestamp::from_millis(row.try_get(7)?),
        body_hash: row.try_get(8)?,
        direct: row.try_get(9)?,
        confirm_key: row.try_get(10)?,
        confirm_hash: row.try_get(11)?,
        payment: row.try_get(20)?,
        currency: row.try_get(12)?,
        written_at: Timestamp::from_millis(row.try_get(13)?),
        tickets: Vec::new(),
    })
}
