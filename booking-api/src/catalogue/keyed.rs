//! Changes and the answers remembered with them: a call's first answer is
//! written in the transaction of its change, so that both are there or neither
//! (INV-8).

use std::time::Duration;

use sqlx::mysql::{MySqlArguments, MySqlQueryResult};
use sqlx::query::Query;
use sqlx::{Executor, MySql};
use tokio::time::Instant;

use super::error::{DUPLICATE, number, waited_in_vain};
use super::performance::get;
use super::{Catalogue, CatalogueError, Leased};

/// How many forgotten keys are deleted in one statement.
const FORGET_AT_ONCE: u32 = 1000;

/// Whose key it is: two customers may use the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope(String);

impl Scope {
    /// The bearer of a token.
    pub(crate) fn user(user: &seat_model::UserId) -> Self {
        Self(format!("user:{user}"))
    }

    /// Somebody who signs up, and has no id yet.
    pub(crate) fn email(email_key: &str) -> Self {
        Self(format!("email:{email_key}"))
    }
}

/// An answer to remember, together with what it is the answer to.
#[derive(Debug, Clone)]
pub(crate) struct FirstAnswer {
    /// Whose key.
    pub(crate) scope: Scope,
    /// The `Idempotency-Key`.
    pub(crate) key: String,
    /// A keyed digest of route and body.
    pub(crate) fingerprint: [u8; 32],
    /// The answer.
    pub(crate) answer: StoredAnswer,
    /// Milliseconds since the epoch.
    pub(crate) now_ms: i64,
}

/// Status and body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredAnswer {
    /// HTTP status.
    pub(crate) status: u16,
    /// JSON text.
    pub(crate) body: String,
}

/// What became of a change under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keyed<T> {
    /// It was made now.
    Done(T),
    /// It was made before, and this was said.
    Replay(StoredAnswer),
    /// The key belongs to another request.
    OtherRequest,
    /// The same key is being worked on.
    InFlight,
}

/// What the key said before anything was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Replay(StoredAnswer),
    OtherRequest,
    InFlight,
}

impl<T> From<Seen> for Keyed<T> {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::Replay(answer) => Self::Replay(answer),
            Seen::OtherRequest => Self::OtherRequest,
            Seen::InFlight => Self::InFlight,
        }
    }
}

/// How a change may begin.
pub(super) enum Begun {
    /// Nobody used the key; an open transaction.
    Fresh(Change),
    /// The key was used.
    Seen(Seen),
}

/// An open transaction with a deadline. Dropped, it closes its connection, and
/// the server rolls back.
pub(super) struct Change {
    leased: Leased,
    deadline: Instant,
}

/// Why a statement inside a change failed; nothing of the change stays.
#[derive(Debug)]
pub(super) enum StatementError {
    /// A primary or unique key is taken.
    Duplicate,
    /// Somebody else holds the row, and went on holding it.
    Busy,
    /// Anything else.
    Other(CatalogueError),
}

impl StatementError {
    /// For statements that can meet no duplicate.
    pub(super) fn unexpected(self) -> CatalogueError {
        match self {
            Self::Duplicate => CatalogueError::Broken("an id was drawn twice".into()),
            Self::Busy => CatalogueError::Unavailable("a row stayed locked".into()),
            Self::Other(error) => error,
        }
    }
}

impl Change {
    /// Runs one statement.
    pub(super) async fn execute(
        &mut self,
        statement: Query<'_, MySql, MySqlArguments>,
    ) -> Result<MySqlQueryResult, StatementError> {
        let connection = self.leased.get().map_err(StatementError::Other)?;
        match tokio::time::timeout_at(self.deadline, statement.execute(connection)).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) if number(&error) == Some(DUPLICATE) => Err(StatementError::Duplicate),
            Ok(Err(error)) if waited_in_vain(&error) => Err(StatementError::Busy),
            Ok(Err(error)) => Err(StatementError::Other(CatalogueError::of_read(error))),
            // The commit was not sent: without it nothing stays.
            Err(_) => Err(StatementError::Other(CatalogueError::Unavailable(
                "the change did not finish in time".into(),
            ))),
        }
    }

    /// Commits. From here on the outcome may stay unknown.
    pub(super) async fn commit(mut self) -> Result<(), CatalogueError> {
        let connection = self.leased.get()?;
        match tokio::time::timeout_at(self.deadline, connection.execute("COMMIT")).await {
            Ok(Ok(_)) => {
                self.leased.give_back();
                Ok(())
            }
            Ok(Err(error)) => Err(CatalogueError::of_commit(error)),
            Err(_) => Err(CatalogueError::OutcomeUnknown("no answer in time".into())),
        }
    }
}

impl Catalogue {
    /// Opens a change; where there is a key, claims it first. A second request
    /// under the same key waits on its row, briefly.
    pub(super) async fn begin(&self, first: Option<&FirstAnswer>) -> Result<Begun, CatalogueError> {
        let mut leased = self.connection().await?;
        let deadline = Instant::now() + self.config.query_timeout();
        let begun = tokio::time::timeout_at(deadline, leased.get()?.execute("START TRANSACTION"));
        match begun.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(CatalogueError::of_read(error)),
            Err(_) => return Err(CatalogueError::Unavailable("no answer in time".into())),
        }
        let mut change = Change { leased, deadline };
        let Some(first) = first else { return Ok(Begun::Fresh(change)) };
        let claim = sqlx::query(
            "INSERT INTO idempotency_keys \
             (scope, idem_key, fingerprint, status, answer, created_at_ms) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&first.scope.0)
        .bind(&first.key)
        .bind(&first.fingerprint[..])
        .bind(first.answer.status)
        .bind(&first.answer.body)
        .bind(first.now_ms);
        match change.execute(claim).await {
            Ok(_) => Ok(Begun::Fresh(change)),
            Err(StatementError::Duplicate) => {
                let seen = self.seen(&first.scope, &first.key, &first.fingerprint).await?;
                // Gone between the two statements: forgotten just now.
                Ok(Begun::Seen(seen.unwrap_or(Seen::InFlight)))
            }
            Err(StatementError::Busy) => Ok(Begun::Seen(Seen::InFlight)),
            Err(StatementError::Other(error)) => Err(error),
        }
    }

    async fn seen(
        &self,
        scope: &Scope,
        key: &str,
        fingerprint: &[u8; 32],
    ) -> Result<Option<Seen>, CatalogueError> {
        let mut leased = self.connection().await?;
        let row = sqlx::query(
            "SELECT fingerprint, status, answer FROM idempotency_keys \
             WHERE scope = ? AND idem_key = ?",
        )
        .bind(&scope.0)
        .bind(key)
        .fetch_optional(leased.get()?);
        let row = self.limited(row).await;
        let Some(row) = leased.read(row)? else { return Ok(None) };
        let stored: Vec<u8> = get(&row, "fingerprint")?;
        if stored != fingerprint {
            return Ok(Some(Seen::OtherRequest));
        }
        let answer = StoredAnswer { status: get(&row, "status")?, body: get(&row, "answer")? };
        Ok(Some(Seen::Replay(answer)))
    }

    /// What a key said before, without changing anything: so that a replay
    /// needs nothing but the catalogue.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn first_answer(
        &self,
        scope: &Scope,
        key: &str,
        fingerprint: &[u8; 32],
    ) -> Result<Option<Keyed<()>>, CatalogueError> {
        Ok(self.seen(scope, key, fingerprint).await?.map(Keyed::from))
    }

    /// Forgets keys made before this time, some at once; answers whether there
    /// may be more.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn forget_keys(&self, before_ms: i64) -> Result<bool, CatalogueError> {
        let mut leased = self.connection().await?;
        let forget = sqlx::query(
            "DELETE FROM idempotency_keys WHERE created_at_ms < ? \
             ORDER BY created_at_ms, scope, idem_key LIMIT ?",
        )
        .bind(before_ms)
        .bind(FORGET_AT_ONCE)
        .execute(leased.get()?);
        let forgotten = self.limited(forget).await;
        Ok(leased.read(forgotten)?.rows_affected() == u64::from(FORGET_AT_ONCE))
    }
}

/// How long a key is remembered.
pub(crate) const REMEMBER_KEYS: Duration = Duration::from_secs(24 * 3600);
