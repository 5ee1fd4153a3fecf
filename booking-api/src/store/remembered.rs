//! Answers that leave no other trace in the ledger, kept so that a replay gets
//! the same: declined payments, released holds, extensions under a key.
//!
//! Best effort by design: what must never be lost stands in a booking's own
//! row. Rows are kept for a day.

use seat_model::{Timestamp, UserId};
use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use super::connections::on_shard;
use super::error::StoreError;
use super::shard::Shard;

/// An answer given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Hash of the request's body.
    pub body_hash: String,
    /// The HTTP status.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
}

/// An answer to keep in the transaction of its change, made from what the
/// change left.
pub struct KeepAnswer<'a, R> {
    /// Whose request.
    pub user: &'a UserId,
    /// Which call.
    pub scope: &'a str,
    /// Under which key.
    pub key: &'a str,
    /// The answer's body, JSON; its status is 200.
    pub body: &'a (dyn Fn(&R) -> String + Sync),
    /// When.
    pub at: Timestamp,
}

impl<R> KeepAnswer<'_, R> {
    /// Writes it inside a transaction. Where the key was answered before, that
    /// answer stays.
    pub(super) async fn write(
        &self,
        connection: &mut MySqlConnection,
        row: &R,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT IGNORE INTO remembered_answer \
             (user_id, scope, request_key, body_hash, status, body, at_ms) \
             VALUES (?, ?, ?, '', 200, ?, ?)",
        )
        .bind(self.user.as_str())
        .bind(self.scope)
        .bind(self.key)
        .bind((self.body)(row))
        .bind(self.at.as_millis())
        .execute(connection)
        .await
        .map(drop)
    }
}

/// Rows deleted by one [`Shard::forget_before`].
const FORGET_AT_ONCE: u32 = 1_000;

impl Shard {
    /// The answer given to this customer for this request before.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn recall(
        &self,
        user: &UserId,
        scope: &str,
        key: &str,
    ) -> Result<Option<Remembered>, StoreError> {
        self.require_migrated()?;
        let row = on_shard!(self.connections, |connection| sqlx::query(
            "SELECT body_hash, status, body FROM remembered_answer \
             WHERE user_id = ? AND scope = ? AND request_key = ?"
        )
        .bind(user.as_str())
        .bind(scope)
        .bind(key)
        .fetch_all(connection))?;
        row.first()
            .map(|row| {
                Ok(Remembered {
                    body_hash: row.try_get(0)?,
                    status: row.try_get(1)?,
                    body: row.try_get(2)?,
                })
            })
            .transpose()
            .map_err(|error| self.nonsense(&error))
    }

    /// Keeps an answer; the first one stays. Whether this is the first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn remember(
        &self,
        user: &UserId,
        scope: &str,
        key: &str,
        answer: &Remembered,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.require_migrated()?;
        let kept = on_shard!(self.connections, |connection| sqlx::query(
            "INSERT IGNORE INTO remembered_answer \
             (user_id, scope, request_key, body_hash, status, body, at_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        .bind(user.as_str())
        .bind(scope)
        .bind(key)
        .bind(&answer.body_hash)
        .bind(answer.status)
        .bind(&answer.body)
        .bind(at.as_millis())
        .execute(connection))?;
        Ok(kept.rows_affected() > 0)
    }

    /// Forgets answers older than this, a bounded number at once.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_before(&self, before: Timestamp) -> Result<(), StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| sqlx::query(
            "DELETE FROM remembered_answer WHERE at_ms < ? LIMIT ?"
        )
        .bind(before.as_millis())
        .bind(FORGET_AT_ONCE)
        .execute(connection))?;
        Ok(())
    }
}
