//! Settlements that the gateway definitely refuses. The outbox row waits for
//! its next try; an entry beside it says why, so that people see it.

use std::time::Duration;

use seat_model::{BookingId, ShowId, Timestamp};
use sqlx::mysql::MySqlRow;
use sqlx::{Executor, QueryBuilder, Row};

use super::connections::on_shard;
use super::error::StoreError;
use super::ledger::parsed;
use super::shard::Shard;

/// Entries listed at once.
const MAX_LISTED: u32 = 1_000;

/// A refused settlement to be held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// Of the outbox row.
    pub seq: u64,
    /// Of which booking.
    pub booking: BookingId,
    /// The booking's show.
    pub show: ShowId,
    /// The outbox row's kind.
    pub kind: &'static str,
    /// Why it was refused.
    pub reason: String,
}

/// A settlement that is stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Of which booking.
    pub booking: BookingId,
    /// The outbox row's kind.
    pub kind: String,
    /// Why it was refused last.
    pub reason: String,
    /// How often it was refused.
    pub attempts: u32,
    /// Since when.
    pub since: Timestamp,
    /// When it is tried again.
    pub retry_at: Timestamp,
}

/// Pauses between tries: doubling from the first to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first refusal.
    pub first: Duration,
    /// Never longer.
    pub longest: Duration,
}

const NOW_MS: &str = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)";

/// Doublings that are counted: beyond them the longest pause is reached anyway.
const MAX_DOUBLINGS: u32 = 20;

const LIST: &str = "SELECT s.booking_id, s.kind, s.reason, s.attempts, s.since_ms, s.retry_at_ms \
     FROM stuck_settlement AS s JOIN outbox AS o ON o.seq = s.seq \
     WHERE s.show_id = ? ORDER BY s.since_ms, s.seq LIMIT ?";

const LIST_ONE: &str = "SELECT s.booking_id, s.kind, s.reason, s.attempts, s.since_ms, \
     s.retry_at_ms FROM stuck_settlement AS s JOIN outbox AS o ON o.seq = s.seq \
     WHERE s.show_id = ? AND s.booking_id = ?";

const RETRY: &str = "UPDATE stuck_settlement AS s JOIN outbox AS o ON o.seq = s.seq \
     SET s.retry_at_ms = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), o.claimed_until_ms = 0 \
     WHERE s.show_id = ? AND s.booking_id = ?";

impl Shard {
    /// Notes refusals and puts the rows off until their next try.
    ///
    /// # Errors
    /// See [`StoreError`]; then the rows come again when their claims run out.
    pub async fn hold_back(
        &self,
        refused: &[HeldBack],
        backoff: Backoff,
    ) -> Result<(), StoreError> {
        if refused.is_empty() {
            return Ok(());
        }
        let ms = |pause: Duration| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 2);
        let (first, longest) = (ms(backoff.first), ms(backoff.longest));
        on_shard!(self.connections, |connection| async {
            connection.execute("START TRANSACTION").await?;
            let mut note = QueryBuilder::new(
                "INSERT INTO stuck_settlement \
                 (seq, booking_id, show_id, kind, reason, attempts, since_ms, retry_at_ms) ",
            );
            note.push_values(refused, |mut row, one| {
                let reason: String = one.reason.chars().take(255).collect();
                row.push_bind(one.seq)
                    .push_bind(one.booking.to_string())
                    .push_bind(one.show.as_str())
                    .push_bind(one.kind)
                    .push_bind(reason)
                    .push("1")
                    .push(NOW_MS)
                    .push(NOW_MS)
                    .push_unseparated(" + ")
                    .push_bind_unseparated(first);
            });
            // Assigned from left to right: the pause is by the tries before.
            note.push(" ON DUPLICATE KEY UPDATE reason = VALUES(reason), retry_at_ms = ");
            note.push(NOW_MS).push(" + LEAST(").push_bind(longest).push(", ").push_bind(first);
            note.push(" * POW(2, LEAST(attempts, ").push_bind(MAX_DOUBLINGS);
            note.push("))), attempts = attempts + 1");
            note.build().persistent(false).execute(&mut *connection).await?;
            let mut put_off = QueryBuilder::new(
                "UPDATE outbox AS o JOIN stuck_settlement AS s ON s.seq = o.seq \
                 SET o.claimed_until_ms = s.retry_at_ms WHERE o.seq IN (",
            );
            let mut list = put_off.separated(", ");
            for one in refused {
                list.push_bind(one.seq);
            }
            put_off.push(")");
            put_off.build().persistent(false).execute(&mut *connection).await?;
            connection.execute("COMMIT").await
        })?;
        Ok(())
    }

    /// What is stuck of a show, the oldest first, at most 1,000.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn stuck(&self, show: &ShowId) -> Result<Vec<Stuck>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| sqlx::query(LIST)
            .bind(show.as_str())
            .bind(MAX_LISTED)
            .fetch_all(connection))?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.nonsense(&error))
    }

    /// Lets a booking's settlement be tried at once; answers it, where it is stuck.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be repeated.
    pub async fn retry_stuck(
        &self,
        show: &ShowId,
        booking: BookingId,
    ) -> Result<Option<Stuck>, StoreError> {
        self.require_migrated()?;
        let row = on_shard!(self.connections, |connection| async {
            let found = sqlx::query(LIST_ONE)
                .bind(show.as_str())
                .bind(booking.to_string())
                .fetch_optional(&mut *connection)
                .await?;
            if found.is_some() {
                let retry = sqlx::query(RETRY).bind(show.as_str()).bind(booking.to_string());
                retry.execute(&mut *connection).await?;
            }
            Ok::<_, sqlx::Error>(found)
        })?;
        row.as_ref().map(read).transpose().map_err(|error| self.nonsense(&error))
    }

    /// Forgets entries whose settlement is done; counts those that are left.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn count_stuck(&self) -> Result<i64, StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| async {
            let forget = "DELETE s FROM stuck_settlement AS s \
                          LEFT JOIN outbox AS o ON o.seq = s.seq WHERE o.seq IS NULL";
            connection.execute(forget).await?;
            sqlx::query_scalar("SELECT COUNT(*) FROM stuck_settlement").fetch_one(connection).await
        })
    }
}

fn read(row: &MySqlRow) -> Result<Stuck, sqlx::Error> {
    Ok(Stuck {
        booking: parsed(row.try_get::<String, _>(0)?)?,
        kind: row.try_get(1)?,
        reason: row.try_get(2)?,
        attempts: row.try_get(3)?,
        since: Timestamp::from_millis(row.try_get(4)?),
        retry_at: Timestamp::from_millis(row.try_get(5)?),
    })
}
