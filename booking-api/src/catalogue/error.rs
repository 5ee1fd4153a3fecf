//! Why the catalogue did not answer, sorted by what the caller may do.

/// A catalogue call that came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CatalogueError {
    /// It is away or busy, and nothing was written.
    #[error("the catalogue is away: {0}")]
    Unavailable(String),
    /// The commit was sent and no answer came.
    #[error("the catalogue did not answer the commit: {0}")]
    OutcomeUnknown(String),
    /// A row or a statement that should not exist: a bug.
    #[error("the catalogue is not as expected: {0}")]
    Broken(String),
}

/// Two rows with one key.
pub(super) const DUPLICATE: u16 = 1062;
const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// Server errors that go away by themselves: lock waits, deadlocks, killed or
/// read-only or starting servers, tables whose migration has not run yet.
const PASSING: [u16; 12] =
    [1040, 1053, LOCK_WAIT_TIMEOUT, 1213, 1290, 1317, 1146, 1049, 1836, 1927, 3024, 4031];

/// The server's number of an error, where it came from the server.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    error
        .as_database_error()?
        .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map(sqlx::mysql::MySqlDatabaseError::number)
}

/// Whether a row somebody else is writing was waited for in vain.
pub(super) fn waited_in_vain(error: &sqlx::Error) -> bool {
    number(error) == Some(LOCK_WAIT_TIMEOUT)
}

impl CatalogueError {
    /// Sorts an error before which nothing can have been committed.
    pub(super) fn of_read(error: sqlx::Error) -> Self {
        match number(&error) {
            Some(number) if PASSING.contains(&number) => Self::Unavailable(error.to_string()),
            Some(_) => Self::Broken(error.to_string()),
            None => match error {
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::Encode(_)
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::RowNotFound => Self::Broken(error.to_string()),
                other => Self::Unavailable(other.to_string()),
            },
        }
    }

    /// Sorts an error of a statement that commits.
    pub(super) fn of_commit(error: sqlx::Error) -> Self {
        match number(&error) {
            // The server said no: it is rolled back.
            Some(_) => Self::of_read(error),
            None => Self::OutcomeUnknown(error.to_string()),
        }
    }
}
