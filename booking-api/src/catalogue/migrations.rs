//! Brings a database's tables up to date, by one instance at a time.
//!
//! sqlx's own lock is not used: it asks for `GET_LOCK(…, -1)`, which MariaDB
//! refuses with a warning that sqlx ignores. This one is bounded, and its
//! answer is looked at.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Connection, MySqlConnection};

use super::{Catalogue, CatalogueError};

/// How long a migration may take, waiting for another instance included.
const DEADLINE: Duration = Duration::from_secs(60);

/// Seconds to wait for the instance that migrates right now.
const LOCK_WAIT_S: u32 = 20;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/catalogue");

impl Catalogue {
    /// Makes or updates the catalogue's tables.
    ///
    /// # Errors
    /// `Unavailable` while the server is away or another instance is at it;
    /// `Broken` when the tables are newer or others than this program's.
    pub(crate) async fn migrate(&self) -> Result<(), CatalogueError> {
        tokio::time::timeout(DEADLINE, migrate(&self.connect, &MIGRATIONS, "seatlock-catalogue"))
            .await
            .map_err(|_| CatalogueError::Unavailable("migrating took too long".into()))?
    }
}

/// Runs migrations on a connection of their own, under a named lock of the server.
async fn migrate(
    connect: &MySqlConnectOptions,
    migrations: &'static Migrator,
    lock: &'static str,
) -> Result<(), CatalogueError> {
    let mut connection = connect.connect().await.map_err(CatalogueError::of_read)?;
    let locked: Option<i64> = sqlx::query_scalar("SELECT CAST(GET_LOCK(?, ?) AS SIGNED)")
        .bind(lock)
        .bind(LOCK_WAIT_S)
        .fetch_one(&mut connection)
        .await
        .map_err(CatalogueError::of_read)?;
    if locked != Some(1) {
        return Err(CatalogueError::Unavailable("another instance is migrating".into()));
    }
    let mut ran = run(&mut connection, migrations).await;
    if let Err(MigrateError::Dirty(_)) = ran {
        // An instance died in the middle. MySQL commits each CREATE TABLE by
        // itself, and every statement of ours may run twice, so: run it again.
        sqlx::query("DELETE FROM _sqlx_migrations WHERE success = FALSE")
            .execute(&mut connection)
            .await
            .map_err(CatalogueError::of_read)?;
        ran = run(&mut connection, migrations).await;
    }
    // Closing the connection gives the lock back.
    let closed = connection.close().await;
    ran.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            CatalogueError::of_read(error)
        }
        other => CatalogueError::Broken(other.to_string()),
    })?;
    closed.map_err(CatalogueError::of_read)
}

async fn run(
    connection: &mut MySqlConnection,
    migrations: &'static Migrator,
) -> Result<(), MigrateError> {
    let mut migrations =
        Migrator { migrations: migrations.migrations.clone(), ..Migrator::DEFAULT };
    migrations.set_locking(false);
    migrations.run_direct(None, connection, false).await
}
