//! Passwords: argon2id, off the request threads, few at a time, and with the
//! same work for an address that nobody has.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use tokio::sync::Semaphore;

use crate::config::AccountsConfig;

/// Compared with where there is no user, so that the time of an answer does
/// not say who has an account.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_now("nobody's password").ok());

/// Why a password was neither hashed nor compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PasswordError {
    /// Too many are waiting; nothing was done.
    #[error("too many passwords are being checked")]
    Busy,
    /// A stored hash is no hash, or hashing failed: a bug.
    #[error("a password could not be hashed or compared: {0}")]
    Broken(String),
}

/// Hashes and compares.
#[derive(Clone)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    wait: Duration,
}

impl Passwords {
    /// With the bounds of the configuration.
    pub(crate) fn new(config: &AccountsConfig) -> Self {
        // Made now, or the first unknown address would take twice as long.
        LazyLock::force(&NOBODY);
        Self {
            turns: Arc::new(Semaphore::new(config.max_hashing)),
            wait: Duration::from_millis(config.hashing_wait_ms),
        }
    }

    /// The hash to store.
    pub(crate) async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.take_turn(move || hash_now(&password)).await
    }

    /// Whether this is the password. Without a stored hash: the same work, and no.
    pub(crate) async fn matches(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        self.take_turn(move || {
            let there = stored.is_some();
            let Some(stored) = stored.or_else(|| NOBODY.clone()) else {
                return Err(PasswordError::Broken("no hash to compare with".into()));
            };
            let stored = PasswordHash::new(&stored)
                .map_err(|error| PasswordError::Broken(error.to_string()))?;
            let same = Argon2::default().verify_password(password.as_bytes(), &stored).is_ok();
            Ok(same && there)
        })
        .await
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = tokio::time::timeout(self.wait, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn
            .map_err(|_| PasswordError::Busy)?
            .map_err(|error| PasswordError::Broken(error.to_string()))?;
        tokio::task::spawn_blocking(move || {
            // Kept until the work is done, even when nobody waits for it any more.
            let _turn = turn;
            work()
        })
        .await
        .map_err(|error| PasswordError::Broken(error.to_string()))?
    }
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    let salt = SaltString::generate(&mut OsRng);
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| PasswordError::Broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_user_matches() {
        let passwords = Passwords::new(&AccountsConfig::default());
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.matches("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.matches("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.matches("nobody's password".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_crowd_waits_its_turn_and_is_told_when_it_is_too_long() {
        let config = AccountsConfig { hashing_wait_ms: 1, ..AccountsConfig::default() };
        let passwords = Passwords::new(&config);
        let _all = passwords.turns.acquire_many(2).await.unwrap();
        assert_eq!(passwords.hash("password".into()).await, Err(PasswordError::Busy));
    }
}
