//! Users. Their passwords arrive here hashed.

use seat_model::UserId;

use super::keyed::{Begun, StatementError};
use super::performance::{get, id};
use super::{Catalogue, CatalogueError, FirstAnswer, Keyed};

/// A user to be written; every value checked.
#[derive(Clone)]
pub(crate) struct NewUser {
    /// Drawn.
    pub(crate) user_id: UserId,
    /// As given.
    pub(crate) name: String,
    /// As given.
    pub(crate) phone: String,
    /// As given.
    pub(crate) address: String,
    /// As given.
    pub(crate) email: String,
    /// Lower case.
    pub(crate) email_key: String,
    /// argon2id, PHC form.
    pub(crate) password_hash: String,
    /// What their tokens say.
    pub(crate) role: &'static str,
    /// Milliseconds since the epoch.
    pub(crate) created_at_ms: i64,
}

/// What logging in needs.
#[derive(Clone)]
pub(crate) struct StoredUser {
    /// The subject of the token.
    pub(crate) user_id: UserId,
    /// argon2id, PHC form.
    pub(crate) password_hash: String,
    /// `customer`, `organiser` or `admin`.
    pub(crate) role: String,
}

/// What became of signing up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserWritten {
    /// There is a user now.
    Done,
    /// The address belongs to another one.
    EmailTaken,
}

impl Catalogue {
    /// Writes a user.
    ///
    /// # Errors
    /// See [`CatalogueError`].
    pub(crate) async fn add_user(
        &self,
        user: &NewUser,
        first: Option<&FirstAnswer>,
    ) -> Result<Keyed<UserWritten>, CatalogueError> {
        let mut change = match self.begin(first).await? {
            Begun::Fresh(change) => change,
            Begun::Seen(seen) => return Ok(seen.into()),
        };
        let insert = sqlx::query(
            "INSERT INTO users (user_id, name, phone, address, email, email_key, password_hash, \
             role, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(user.user_id.as_str())
        .bind(&user.name)
        .bind(&user.phone)
        .bind(&user.address)
        .bind(&user.email)
        .bind(&user.email_key)
        .bind(&user.password_hash)
        .bind(user.role)
        .bind(user.created_at_ms);
        match change.execute(insert).await {
            Ok(_) => change.commit().await?,
            // The id is drawn from 128 bits: it is the address.
            Err(StatementError::Duplicate) => return Ok(Keyed::Done(UserWritten::EmailTaken)),
            Err(error) => return Err(error.unexpected()),
        }
        Ok(Keyed::Done(UserWritten::Done))
    }

    /// A user by the lower-case address.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn user_by_email(
        &self,
        email_key: &str,
    ) -> Result<Option<StoredUser>, CatalogueError> {
        let mut leased = self.connection().await?;
        let row = sqlx::query("SELECT user_id, password_hash, role FROM users WHERE email_key = ?")
            .bind(email_key)
            .fetch_optional(leased.get()?);
        let row = self.limited(row).await;
        let Some(row) = leased.read(row)? else { return Ok(None) };
        Ok(Some(StoredUser {
            user_id: id(&row, "user_id")?,
            password_hash: get(&row, "password_hash")?,
            role: get(&row, "role")?,
        }))
    }
}
