//! Open connections to one MariaDB server, each used by one caller at a time.
//! Not sqlx's pool, which asks the server after every use whether it is still
//! there: a round trip more for each statement, and a peer must not pay for it.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use sqlx::{Connection as _, MySqlConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

/// So many connections.
pub(crate) struct Lines {
    idle: Mutex<Vec<MySqlConnection>>,
    places: Semaphore,
}

impl Lines {
    /// Opens all of them.
    ///
    /// # Errors
    /// When the server refuses one.
    pub(crate) async fn open(url: &str, count: u32) -> Result<Self, sqlx::Error> {
        let mut idle = Vec::new();
        for _ in 0..count {
            idle.push(MySqlConnection::connect(url).await?);
        }
        let places = Semaphore::new(idle.len());
        Ok(Self { idle: Mutex::new(idle), places })
    }

    /// The one used last; waits for its turn when all are in use.
    ///
    /// # Errors
    /// Never: as many are lent out as there are.
    pub(crate) async fn take(&self) -> Result<Line<'_>, sqlx::Error> {
        let place = self.places.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let line = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Line { line: Some(line.ok_or(sqlx::Error::PoolClosed)?), lines: self, _place: place })
    }
}

/// A connection in use; given back at its end. Must not be dropped within a
/// statement.
pub(crate) struct Line<'l> {
    line: Option<MySqlConnection>,
    lines: &'l Lines,
    _place: SemaphorePermit<'l>,
}

impl Deref for Line<'_> {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        self.line.as_ref().expect("it is given back only when dropped")
    }
}

impl DerefMut for Line<'_> {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        self.line.as_mut().expect("it is given back only when dropped")
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            self.lines.idle.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }
}
