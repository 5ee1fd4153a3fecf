//! How bookings are read: which columns, how rows become bookings, and how
//! many bookings are asked for together.

use std::collections::HashMap;
use std::sync::Arc;

use seat_model::{BookingId, Fence, Timestamp};
use sqlx::mysql::MySqlRow;
use sqlx::{QueryBuilder, Row};

use super::connections::{Connections, on_shard};
use super::error::StoreError;
use super::ledger::{LedgerBooking, LedgerState, LedgerTicket, nonsense, parsed};
use super::questions::{Questions, QuestionsConfig, padded};

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

pub(super) const READ_ONE: &str = select_bookings!(
    "booking b LEFT JOIN ticket t ON t.booking_id = b.id WHERE b.id = ? ORDER BY t.number"
);

const READ_MANY: &str =
    select_bookings!("booking b LEFT JOIN ticket t ON t.booking_id = b.id WHERE b.id IN (");

/// Bookings read by one statement.
pub(super) const READ_AT_ONCE: usize = 64;

/// Bookings asked for by id.
pub(super) type BookingsAsked = Questions<BookingId, Option<LedgerBooking>>;

/// How bookings are asked for together.
pub(super) fn ask_together(
    shard: &str,
    connections: &Connections,
    config: QuestionsConfig,
) -> BookingsAsked {
    let connections = connections.clone();
    let name = shard.to_owned();
    Questions::start(shard, config, move |ids: Arc<[BookingId]>| {
        let (connections, name) = (connections.clone(), name.clone());
        async move {
            let rows = rows_of(&connections, &ids).await?;
            let found = read_rows(&rows).map_err(|error| nonsense(&name, &error))?;
            let found: HashMap<BookingId, LedgerBooking> =
                found.into_iter().map(|row| (row.id, row)).collect();
            Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
        }
    })
}

pub(super) async fn rows_of(
    connections: &Connections,
    ids: &[BookingId],
) -> Result<Vec<MySqlRow>, StoreError> {
    let Some(last) = ids.last() else { return Ok(Vec::new()) };
    let mut query = QueryBuilder::new(READ_MANY);
    let mut list = query.separated(", ");
    for id in ids.iter().chain(std::iter::repeat(last)).take(padded(ids.len())) {
        list.push_bind(id.to_string());
    }
    query.push(") ORDER BY b.id, t.number");
    on_shard!(connections, |connection| query.build().fetch_all(connection))
}

pub(super) const READ_PAGE: &str = select_bookings!(
    "(SELECT * FROM booking WHERE user_id = ? AND state <> 'ABORTED' \
       AND (written_at_ms < ? OR (written_at_ms = ? AND id < ?)) \
       ORDER BY written_at_ms DESC, id DESC LIMIT ?) b \
     LEFT JOIN ticket t ON t.booking_id = b.id \
     ORDER BY b.written_at_ms DESC, b.id DESC, t.number"
);

/// Bookings of rows with these columns, those of one booking beside each other.
pub(super) fn read_rows(rows: &[MySqlRow]) -> Result<Vec<LedgerBooking>, sqlx::Error> {
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
