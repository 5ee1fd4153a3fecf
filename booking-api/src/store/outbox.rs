//! Work that ledger writes leave behind: claimed in order per booking, done at
//! least once by whoever relays it, deleted when done.

use seat_model::{BookingId, PerformanceId, SeatId, ShowId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Executor, Row};
use trace_context::Carried;

use super::connections::on_shard;
use super::deliveries::{NewDelivery, insert_deliveries, transaction};
use super::error::StoreError;
use super::ledger::parsed;
use super::sales::mark_changed;
use super::shard::Shard;

/// These rows and no others. Behind an `IN` a server that sees a small table
/// reads all of it, and locks what it reads: two relays at work on rows of their
/// own would wait for one another.
macro_rules! of_these {
    () => {
        "JSON_TABLE(?, '$[*]' COLUMNS (seq BIGINT UNSIGNED PATH '$')) AS these \
         STRAIGHT_JOIN outbox AS o ON o.seq = these.seq"
    };
}

pub(super) use of_these;

const CLAIMED: &str = concat!(
    "UPDATE ",
    of_these!(),
    " SET o.claimed_until_ms = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) + ?"
);
const LEFT: &str = concat!("SELECT o.seq FROM ", of_these!(), " FOR UPDATE");
const DELETE: &str = concat!("DELETE o FROM ", of_these!());

/// A sale: its money is captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sold {
    /// The gateway's reference.
    pub payment: String,
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub amount: u64,
    /// The request that sold: its ids are in the ledger, and whoever settles
    /// goes on in its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Carried>,
}

/// A cancel: exactly these tickets are refunded and their seats freed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The gateway's reference.
    pub payment: String,
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub amount: u64,
    /// Unique within the payment; a repeated refund has the same.
    pub refund_key: String,
    /// Where the seats are.
    pub performance_id: PerformanceId,
    /// The seats to free.
    pub seats: Vec<SeatId>,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxWork {
    /// Capture.
    Confirmed(Sold),
    /// Refund, and free the seats.
    Cancelled(Refund),
    /// Void whatever was authorised for the booking.
    Aborted,
}

impl OutboxWork {
    /// The request that left it behind, where the ledger knows.
    #[must_use]
    pub const fn trace(&self) -> Option<&Carried> {
        match self {
            Self::Confirmed(sold) => sold.trace.as_ref(),
            Self::Cancelled(_) | Self::Aborted => None,
        }
    }
}

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place in the order.
    pub seq: u64,
    /// Of which booking.
    pub booking: BookingId,
    /// The booking's show.
    pub show: ShowId,
    /// When the ledger was written.
    pub at: Timestamp,
    /// What to do.
    pub work: OutboxWork,
}

/// Only the oldest row of a booking is handed out, and rows exist until they
/// are done: order per booking, whoever relays. Rows that another instance is
/// claiming right now are skipped.
const CLAIM: &str = "SELECT seq, booking_id, show_id, kind, payload, created_at_ms \
     FROM outbox AS o \
     WHERE claimed_until_ms <= CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) \
       AND NOT EXISTS (SELECT 1 FROM outbox AS earlier \
                       WHERE earlier.booking_id = o.booking_id AND earlier.seq < o.seq) \
     ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED";

impl Shard {
    /// Claims the oldest work for `claim_ms`; whoever does not finish it by
    /// then may see it done twice, which every receiver tolerates.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing but claims is written.
    pub async fn claim_outbox(
        &self,
        limit: u32,
        claim_ms: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| async {
            connection.execute("START TRANSACTION").await?;
            let rows = sqlx::query(CLAIM).bind(limit).fetch_all(&mut *connection).await?;
            if !rows.is_empty() {
                let seqs =
                    rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<u64>, _>>()?;
                let claim = sqlx::query(CLAIMED).bind(numbers(&seqs)).bind(claim_ms);
                claim.execute(&mut *connection).await?;
            }
            connection.execute("COMMIT").await?;
            Ok::<_, sqlx::Error>(rows)
        })?;
        rows.iter()
            .map(|row| {
                let payload: String = row.try_get(4)?;
                let decode = |error: serde_json::Error| sqlx::Error::Decode(Box::new(error));
                let work = match row.try_get::<String, _>(3)?.as_str() {
                    "confirmed" => {
                        OutboxWork::Confirmed(serde_json::from_str(&payload).map_err(decode)?)
                    }
                    "cancelled" => {
                        OutboxWork::Cancelled(serde_json::from_str(&payload).map_err(decode)?)
                    }
                    "aborted" => OutboxWork::Aborted,
                    other => return Err(sqlx::Error::Decode(format!("work {other:?}").into())),
                };
                Ok(OutboxRow {
                    seq: row.try_get(0)?,
                    booking: parsed(row.try_get::<String, _>(1)?)?,
                    show: parsed(row.try_get::<String, _>(2)?)?,
                    at: Timestamp::from_millis(row.try_get(5)?),
                    work,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.nonsense(&error))
    }

    /// Deletes work that is done, and in the same transaction writes what is
    /// to be told of it, and whose sales are to be counted again: both are on
    /// their way exactly if the rows are gone.
    ///
    /// # Errors
    /// See [`StoreError`]; it is done again later.
    pub async fn complete_outbox(
        &self,
        done: &[u64],
        tell: &[NewDelivery],
    ) -> Result<(), StoreError> {
        if done.is_empty() {
            return Ok(());
        }
        on_shard!(self.connections, |connection| async {
            transaction!(connection, {
                // Another instance whose turn it was, too, may have been first;
                // what it told of may even have arrived by now.
                let look = sqlx::query(LEFT).bind(numbers(done));
                let mut left = std::collections::HashSet::with_capacity(done.len());
                for row in look.fetch_all(&mut *connection).await? {
                    left.insert(row.try_get::<u64, _>(0)?);
                }
                let tell: Vec<&NewDelivery> =
                    tell.iter().filter(|new| left.contains(&new.seq)).collect();
                mark_changed(connection, done).await?;
                insert_deliveries(connection, &tell).await?;
                let delete = sqlx::query(DELETE).bind(numbers(done));
                delete.execute(&mut *connection).await.map(drop)
            })
        })
    }

    /// How much work waits.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn outbox_backlog(&self) -> Result<i64, StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| sqlx::query_scalar("SELECT COUNT(*) FROM outbox")
            .fetch_one(connection))
    }
}

/// As JSON, in order: two relays that want the same rows wait for the first.
pub(super) fn numbers(seqs: &[u64]) -> String {
    let mut seqs = seqs.to_vec();
    seqs.sort_unstable();
    serde_json::Value::from(seqs).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a version before sales carried a trace reads.
    #[derive(Debug, PartialEq, Deserialize)]
    struct SoldBefore {
        payment: String,
        currency: String,
        amount: u64,
    }

    const BEFORE: &str = r#"{"payment":"pay_1","currency":"EUR","amount":9000}"#;

    #[test]
    fn work_that_a_version_before_left_behind_is_done() {
        let sold: Sold = serde_json::from_str(BEFORE).unwrap();
        assert_eq!((sold.amount, &sold.trace), (9000, &None));
        assert_eq!(serde_json::to_string(&sold).unwrap(), BEFORE);
        let refund = r#"{"payment":"pay_1","currency":"EUR","amount":4500,"refund_key":"v2",
            "performance_id":"p-1","seats":["S-A-1"]}"#;
        let refund: Refund = serde_json::from_str(refund).unwrap();
        assert_eq!((refund.amount, refund.seats.len()), (4500, 1));
    }

    #[test]
    fn a_version_before_does_our_work_without_what_it_does_not_know() {
        let trace = Carried {
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            request_id: "r-1".to_owned(),
            tracestate: None,
        };
        let sold: Sold = serde_json::from_str(BEFORE).unwrap();
        let ours = serde_json::to_value(Sold { trace: Some(trace), ..sold }).unwrap();
        assert_eq!(ours["trace"]["request_id"], json!("r-1"));
        let read: SoldBefore = serde_json::from_value(ours).unwrap();
        let wanted = ("pay_1".to_owned(), "EUR".to_owned(), 9000);
        assert_eq!((read.payment, read.currency, read.amount), wanted);
    }
}
