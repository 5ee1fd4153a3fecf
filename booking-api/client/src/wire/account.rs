//! Users and sessions.

use seat_model::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// `POST /v1/users`: somebody signs up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    /// 1–200 characters.
    pub name: String,
    /// Digits, blanks and `+ - ( ) . /`, with 5 to 20 digits.
    pub phone: String,
    /// 1–500 characters.
    pub address: String,
    /// Names the user at the door; compared without regard to case.
    pub email: String,
    /// 8–128 characters; kept only as an argon2id hash.
    pub password: String,
}

impl std::fmt::Debug for UserCreate {
    /// Without the password, which must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserCreate").field("email", &self.email).finish_non_exhaustive()
    }
}

/// A user as answered; the password never is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// The subject of this user's tokens.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub user_id: UserId,
    /// As given.
    pub name: String,
    /// As given.
    pub phone: String,
    /// As given.
    pub address: String,
    /// As given.
    pub email: String,
}

/// `POST /v1/sessions`: a user logs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionCreate {
    /// Compared without regard to case.
    pub email: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for SessionCreate {
    /// Without the password, which must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionCreate").field("email", &self.email).finish_non_exhaustive()
    }
}

/// A bearer token and how long it is good.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// For `Authorization: Bearer`.
    pub token: String,
    /// From then on it is refused.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
    /// Whose it is.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub user_id: UserId,
}

impl std::fmt::Debug for Session {
    /// Without the token, which must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}
