//! Deliveries to webhooks as organisers and housekeeping see them: listed,
//! counted, sent again, thrown away.

use seat_model::{BookingId, Timestamp, WebhookId};
use sqlx::mysql::MySqlRow;
use sqlx::{Executor, Row};

use super::connections::on_shard;
use super::deliveries::{now_ms, transaction, webhook};
use super::error::StoreError;
use super::ledger::parsed;
use super::remembered::KeepAnswer;
use super::shard::Shard;

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its place in the order; unique for its webhook on this shard.
    pub seq: u64,
    /// Of which booking.
    pub booking: BookingId,
    /// The event's name.
    pub event: String,
    /// The same over all attempts.
    pub message: String,
    /// Given up.
    pub dead: bool,
    /// Attempts that failed.
    pub attempts: u16,
    /// When it happened.
    pub at: Timestamp,
    /// The next attempt, or when it was given up.
    pub due_at: Timestamp,
    /// What the receiver last answered, where it answered.
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// How many deliveries of one webhook are waiting, or dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryCount {
    /// Which; `None`: not known yet for whom.
    pub webhook: Option<WebhookId>,
    /// Given up, or waiting.
    pub dead: bool,
    /// How many.
    pub count: i64,
}

macro_rules! select_deliveries {
    ($rest:literal) => {
        concat!(
            "SELECT seq, booking_id, event, message_id, state, attempts, event_at_ms, due_at_ms, \
             last_status, last_error FROM webhook_delivery ",
            $rest
        )
    };
}

/// Rows changed by one statement of housekeeping.
const AT_ONCE: u32 = 1_000;

impl Shard {
    /// Deliveries of a webhook after this place, in their order.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn list_deliveries(
        &self,
        webhook: &WebhookId,
        dead: bool,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| sqlx::query(select_deliveries!(
            "WHERE webhook_id = ? AND state = ? AND seq > ? ORDER BY seq LIMIT ?"
        ))
        .bind(webhook.as_str())
        .bind(state(dead))
        .bind(after)
        .bind(limit)
        .fetch_all(connection))?;
        rows.iter()
            .map(read)
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.nonsense(&error))
    }

    /// Makes a delivery due now, with all its attempts before it; one that is
    /// just being sent stays as it is. Answers what it became; `None`: there
    /// is none of this name.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be repeated.
    pub async fn redeliver(
        &self,
        webhook: &WebhookId,
        seq: u64,
        keep: Option<KeepAnswer<'_, DeliveryRow>>,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| async {
            transaction!(connection, {
                sqlx::query(concat!(
                    "UPDATE webhook_delivery SET state = 'waiting', attempts = 0, since_ms = ",
                    now_ms!(),
                    ", due_at_ms = ",
                    now_ms!(),
                    " WHERE webhook_id = ? AND seq = ? AND (state = 'dead' OR NOT claimed)"
                ))
                .bind(webhook.as_str())
                .bind(seq)
                .execute(&mut *connection)
                .await?;
                let row =
                    sqlx::query(select_deliveries!("WHERE webhook_id = ? AND seq = ? FOR UPDATE"))
                        .bind(webhook.as_str())
                        .bind(seq)
                        .fetch_optional(&mut *connection)
                        .await?;
                let Some(row) = row.as_ref().map(read).transpose()? else { return Ok(None) };
                if let Some(keep) = keep {
                    keep.write(connection, &row).await?;
                }
                Ok(Some(row))
            })
        })
    }

    /// How many deliveries there are, by webhook and state.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn count_deliveries(&self) -> Result<Vec<DeliveryCount>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| sqlx::query(
            "SELECT webhook_id, state = 'dead', COUNT(*) FROM webhook_delivery \
             GROUP BY state, webhook_id"
        )
        .fetch_all(connection))?;
        rows.iter()
            .map(|row| {
                let dead: i64 = row.try_get(1)?;
                Ok(DeliveryCount {
                    webhook: webhook(row, 0)?,
                    dead: dead != 0,
                    count: row.try_get(2)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.nonsense(&error))
    }

    /// Gives up the oldest that wait for a webhook, at most so many; answers
    /// how many it were. One that is just being sent is left to whoever sends
    /// it: what its receiver answers is worth more than this reason.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be repeated.
    pub async fn bury_deliveries(
        &self,
        webhook: &WebhookId,
        most: i64,
        why: &str,
    ) -> Result<u64, StoreError> {
        self.require_migrated()?;
        let buried = on_shard!(self.connections, |connection| sqlx::query(concat!(
            "UPDATE webhook_delivery SET state = 'dead', claimed = FALSE, last_error = ?, \
             due_at_ms = ",
            now_ms!(),
            " WHERE webhook_id = ? AND state = 'waiting' AND (NOT claimed OR due_at_ms <= ",
            now_ms!(),
            ") ORDER BY seq LIMIT ?"
        ))
        .bind(why)
        .bind(webhook.as_str())
        .bind(most.min(i64::from(AT_ONCE)))
        .execute(connection))?;
        Ok(buried.rows_affected())
    }

    /// Throws dead deliveries of a webhook away: those given up longer than
    /// `kept_ms` ago, and the `excess` oldest; some at once.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be repeated.
    pub async fn drop_dead_deliveries(
        &self,
        webhook: &WebhookId,
        kept_ms: i64,
        excess: i64,
    ) -> Result<(), StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| sqlx::query(concat!(
            "DELETE FROM webhook_delivery WHERE webhook_id = ? AND state = 'dead' \
             AND due_at_ms < ",
            now_ms!(),
            " - ? ORDER BY due_at_ms LIMIT ?"
        ))
        .bind(webhook.as_str())
        .bind(kept_ms)
        .bind(AT_ONCE)
        .execute(connection))?;
        if excess <= 0 {
            return Ok(());
        }
        on_shard!(self.connections, |connection| sqlx::query(
            "DELETE FROM webhook_delivery WHERE webhook_id = ? AND state = 'dead' \
             ORDER BY due_at_ms LIMIT ?"
        )
        .bind(webhook.as_str())
        .bind(excess.min(i64::from(AT_ONCE)))
        .execute(connection))?;
        Ok(())
    }

    /// Throws away whatever there is for a webhook that is no more, some at once.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be repeated.
    pub async fn drop_deliveries(&self, webhook: &WebhookId) -> Result<(), StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| sqlx::query(
            "DELETE FROM webhook_delivery WHERE webhook_id = ? LIMIT ?"
        )
        .bind(webhook.as_str())
        .bind(AT_ONCE)
        .execute(connection))?;
        Ok(())
    }
}

fn state(dead: bool) -> &'static str {
    if dead { "dead" } else { "waiting" }
}

fn read(row: &MySqlRow) -> Result<DeliveryRow, sqlx::Error> {
    Ok(DeliveryRow {
        seq: row.try_get(0)?,
        booking: parsed(row.try_get::<String, _>(1)?)?,
        event: row.try_get(2)?,
        message: row.try_get(3)?,
        dead: row.try_get::<String, _>(4)? == "dead",
        attempts: row.try_get(5)?,
        at: Timestamp::from_millis(row.try_get(6)?),
        due_at: Timestamp::from_millis(row.try_get(7)?),
        last_status: row.try_get(8)?,
        last_error: row.try_get(9)?,
    })
}
