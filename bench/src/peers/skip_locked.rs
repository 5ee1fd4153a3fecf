//! Pairs held with `SELECT … FOR UPDATE SKIP LOCKED` on MariaDB, bare: no HTTP
//! in front, one stored procedure in one round trip. Its SQL is in
//! `skip_locked.sql`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::mysql::MySqlPoolOptions;
use sqlx::{MySqlPool, Row as _};

use super::lines::Lines;
use crate::Failure;
use crate::load::{Holder, Outcome, Proof};
use crate::orders::{Orders, mix};
use crate::ours::Receipt;

const SQL: &str = include_str!("skip_locked.sql");

/// Far longer than anybody waits: buyers in flight are as many as connections.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one who only met other people's locks waits.
const CROWDED: Duration = Duration::from_millis(2);

/// MariaDB's errors for a deadlock and for a lock not had in time: rolled back.
const ROLLED_BACK: [&str; 2] = ["40001", "HY000"];

/// A database with the peer's table and procedures.
pub(crate) struct SeatTable {
    pool: MySqlPool,
}

impl SeatTable {
    /// Makes table and procedures.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn create(url: &str) -> Result<Self, Failure> {
        let pool = MySqlPoolOptions::new().acquire_timeout(PATIENCE).connect(url).await?;
        for statement in statements() {
            sqlx::raw_sql(statement).execute(&pool).await?;
        }
        Ok(Self { pool })
    }

    /// Puts a performance on sale.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn fill(&self, performance: u32, seats: u32) -> Result<(), Failure> {
        let call = sqlx::query("CALL fill(?, ?)").bind(performance).bind(seats);
        call.execute(&self.pool).await?;
        Ok(())
    }

    /// The seats of a performance that are taken, with their bookings.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn taken(&self, performance: u32) -> Result<Vec<(String, String)>, Failure> {
        let select = "SELECT seat, booking FROM seat WHERE performance = ? AND state = 1";
        let rows = sqlx::query(select).bind(performance).fetch_all(&self.pool).await?;
        let read = |row: &sqlx::mysql::MySqlRow| {
            Ok((row.try_get::<u32, _>(0)?.to_string(), row.try_get::<String, _>(1)?))
        };
        rows.iter().map(read).collect()
    }
}

/// Takes pairs from one performance.
pub(crate) struct SkipLocked {
    lines: Lines,
    orders: Orders,
    performance: u32,
    seats: u32,
    receipts: Mutex<Vec<Receipt>>,
}

impl SkipLocked {
    /// Over so many connections, all opened before anything is measured.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub(crate) async fn new(
        url: &str,
        connections: u32,
        orders: Orders,
        (performance, seats): (u32, u32),
    ) -> Result<Self, Failure> {
        let lines = Lines::open(url, connections).await?;
        Ok(Self { lines, orders, performance, seats, receipts: Mutex::new(Vec::new()) })
    }

    /// The seats that were chosen, by order.
    pub(crate) fn into_receipts(self) -> Vec<Receipt> {
        self.receipts.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pair(&self, n: u64) -> Result<Outcome, sqlx::Error> {
        let start = u32::try_from(mix(n) % u64::from(self.seats.max(1))).unwrap_or(0);
        let mut line = self.lines.take().await?;
        let rows = sqlx::query("CALL hold_pair(?, 1, ?, ?)")
            .bind(self.performance)
            .bind(self.orders.booking(n).to_string())
            .bind(start)
            .fetch_all(&mut *line)
            .await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let one: Option<u32> = row.try_get(0)?;
        let two: Option<u32> = row.try_get(1)?;
        if let (Some(one), Some(two)) = (one, two) {
            let seats = vec![one.to_string(), two.to_string()];
            self.receipts.lock().unwrap_or_else(PoisonError::into_inner).push((n, seats));
            return Ok(Outcome::Taken(Proof { lease: None, revision: None }));
        }
        let left_over: i64 = row.try_get(2)?;
        Ok(if left_over >= 2 { Outcome::Busy(CROWDED) } else { Outcome::Refused })
    }
}

impl Holder for SkipLocked {
    async fn hold(&self, _caller: usize, n: u64) -> Outcome {
        match self.pair(n).await {
            Ok(outcome) => outcome,
            Err(sqlx::Error::Database(error))
                if error.code().is_some_and(|code| ROLLED_BACK.contains(&&*code)) =>
            {
                Outcome::Busy(CROWDED)
            }
            Err(_) => Outcome::Unknown,
        }
    }
}

fn statements() -> impl Iterator<Item = &'static str> {
    SQL.split("\n$$").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_a_table_and_two_procedures() {
        let made = |what: &str| statements().filter(|s| s.contains(what)).count();
        assert_eq!((made("CREATE TABLE"), made("PROCEDURE")), (1, 2));
    }
}
