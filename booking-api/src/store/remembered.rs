//! Answers that leave no other trace in the ledger, kept so that a replay gets
//! the same: declined payments, released holds, extensions under a key.
//!
//! Best effort by design: what must never be lost stands in a booking's own
//! row. Rows are kept for a day.

use std::collections::HashMap;
use std::sync::Arc;

use seat_model::{Timestamp, UserId};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{QueryBuilder, Row};

use super::connections::{Connections, on_shard};
use super::error::StoreError;
use super::ledger::nonsense;
use super::questions::{Questions, QuestionsConfig, padded};
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

/// A request whose answer may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RequestName {
    user: String,
    scope: String,
    key: String,
}

/// Answers asked for by their requests.
pub(super) type AnswersAsked = Questions<RequestName, Option<Remembered>>;

/// How kept answers are asked for together.
pub(super) fn ask_together(
    shard: &str,
    connections: &Connections,
    config: QuestionsConfig,
) -> AnswersAsked {
    let connections = connections.clone();
    let name = shard.to_owned();
    Questions::start(shard, config, move |requests: Arc<[RequestName]>| {
        let (connections, name) = (connections.clone(), name.clone());
        async move {
            let rows = rows_of(&connections, &requests).await?;
            let found: HashMap<RequestName, Remembered> = rows
                .iter()
                .map(kept)
                .collect::<Result<_, _>>()
                .map_err(|error| nonsense(&name, &error))?;
            Ok(requests.iter().map(|request| found.get(request).cloned()).collect())
        }
    })
}

async fn rows_of(
    connections: &Connections,
    requests: &[RequestName],
) -> Result<Vec<MySqlRow>, StoreError> {
    let Some(last) = requests.last() else { return Ok(Vec::new()) };
    let mut query = QueryBuilder::new(
        "SELECT user_id, scope, request_key, body_hash, status, body FROM remembered_answer WHERE ",
    );
    // Not a list of rows after IN: MariaDB finds those by reading the table.
    let mut list = query.separated(" OR ");
    let padding = std::iter::repeat(last);
    for request in requests.iter().chain(padding).take(padded(requests.len())) {
        list.push("(user_id = ")
            .push_bind_unseparated(request.user.as_str())
            .push_unseparated(" AND scope = ")
            .push_bind_unseparated(request.scope.as_str())
            .push_unseparated(" AND request_key = ")
            .push_bind_unseparated(request.key.as_str())
            .push_unseparated(")");
    }
    on_shard!(connections, |connection| query.build().fetch_all(connection))
}

fn kept(row: &MySqlRow) -> Result<(RequestName, Remembered), sqlx::Error> {
    let request =
        RequestName { user: row.try_get(0)?, scope: row.try_get(1)?, key: row.try_get(2)? };
    let answer =
        Remembered { body_hash: row.try_get(3)?, status: row.try_get(4)?, body: row.try_get(5)? };
    Ok((request, answer))
}

impl Shard {
    /// The answer given to this customer for this request before; asked along
    /// with others.
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
        let request =
            RequestName { user: user.to_string(), scope: scope.to_owned(), key: key.to_owned() };
        self.answers.ask(request).await
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
