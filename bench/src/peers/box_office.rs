//! Bookings with `SELECT … FOR UPDATE SKIP LOCKED` on the shards' own MariaDB
//! servers, in a database beside the ledger. Its SQL is in `booking.sql`; who
//! calls it, over HTTP or bare, is none of its affair.

use sqlx::mysql::MySqlRow;
use sqlx::{Connection as _, MySqlConnection, Row as _};

use super::lines::Lines;
use crate::Failure;
use crate::ledger::{Sold, everywhere, read_row, read_seat};
use crate::orders::{PRICE, mix};

const SQL: &str = include_str!("booking.sql");

/// The database beside the ledger's.
const DATABASE: &str = "peer";

/// The states of a seat and of a booking.
const HELD: u8 = 1;
const SOLD: u8 = 2;

/// MariaDB's errors for a deadlock and for a lock not had in time: rolled back.
const ROLLED_BACK: [&str; 2] = ["40001", "HY000"];

/// A seat that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// On which shard.
    pub(crate) shard: usize,
    /// The performance's number.
    pub(crate) performance: u32,
    /// The seat, or any of the first tier.
    pub(crate) seat: Option<u32>,
    /// Who asks.
    pub(crate) customer: &'a str,
    /// Under which key.
    pub(crate) key: &'a str,
    /// Sold at once, or held.
    pub(crate) confirm: bool,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The seat with this number.
    Seat(u32),
    /// No seat, or no such hold.
    Nothing,
    /// Nothing happened: a deadlock. It may be asked again.
    RolledBack,
}

/// Connections to all shards.
pub(crate) struct BoxOffice {
    shards: Vec<Lines>,
    seats: u32,
}

/// The id of a customer's booking under a key.
pub(crate) fn booking_id(customer: &str, key: &str) -> [u8; 16] {
    let bytes = customer.bytes().chain([0]).chain(key.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ((u128::from(mix(hash)) << 64) | u128::from(mix(!hash))).to_be_bytes()
}

impl BoxOffice {
    /// Opens so many connections to each shard.
    ///
    /// # Errors
    /// When a server refuses one.
    pub(crate) async fn open(urls: &[String], each: u32, seats: u32) -> Result<Self, sqlx::Error> {
        let mut shards = Vec::new();
        for url in urls {
            shards.push(Lines::open(url, each).await?);
        }
        Ok(Self { shards, seats })
    }

    /// Holds or sells a seat. The same again under the same key answers the same.
    ///
    /// # Errors
    /// What became of it is not known.
    pub(crate) async fn take(&self, wanted: &Wanted<'_>) -> Result<Ended, sqlx::Error> {
        let id = booking_id(wanted.customer, wanted.key);
        let state = if wanted.confirm { SOLD } else { HELD };
        let call = match wanted.seat {
            Some(seat) => sqlx::query("CALL take_seat(?, ?, ?, ?, ?, ?, ?)")
                .bind(wanted.performance)
                .bind(seat),
            None => {
                // The id is as good as drawn.
                let start = low(&id) % u64::from(self.seats.max(1));
                sqlx::query("CALL take_any(?, 1, ?, ?, ?, ?, ?, ?)")
                    .bind(wanted.performance)
                    .bind(u32::try_from(start).unwrap_or(0))
            }
        };
        let call = call
            .bind(state)
            .bind(&id[..])
            .bind(wanted.customer)
            .bind(wanted.key)
            .bind(u32::try_from(PRICE).unwrap_or(u32::MAX));
        let mut line = self.shards[wanted.shard].take().await?;
        ended(call.fetch_all(&mut *line).await)
    }

    /// Turns a hold into a sale; answers also the performance's number.
    ///
    /// # Errors
    /// What became of it is not known.
    pub(crate) async fn confirm(
        &self,
        shard: usize,
        id: [u8; 16],
        customer: &str,
    ) -> Result<(Ended, u32), sqlx::Error> {
        let call = sqlx::query("CALL confirm(?, ?)").bind(&id[..]).bind(customer);
        let mut line = self.shards[shard].take().await?;
        let rows = call.fetch_all(&mut *line).await;
        let row = rows.as_ref().ok().and_then(|rows| rows.first());
        let performance = row.and_then(|row| row.try_get::<Option<u32>, _>(1).ok().flatten());
        Ok((ended(rows)?, performance.unwrap_or(0)))
    }
}

fn low(id: &[u8; 16]) -> u64 {
    id.iter().fold(0, |low, byte| (low << 8) | u64::from(*byte))
}

fn ended(rows: Result<Vec<MySqlRow>, sqlx::Error>) -> Result<Ended, sqlx::Error> {
    match rows {
        Ok(rows) => {
            let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
            Ok(row.try_get::<Option<u32>, _>(0)?.map_or(Ended::Nothing, Ended::Seat))
        }
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| ROLLED_BACK.contains(&&*code)) =>
        {
            Ok(Ended::RolledBack)
        }
        Err(error) => Err(error),
    }
}

/// The tables and procedures on each shard, for whoever prepares and checks.
pub(crate) struct Tables {
    /// The peer's database on each shard.
    pub(crate) urls: Vec<String>,
}

impl Tables {
    /// At these servers, by URLs that name another database.
    pub(crate) fn new(shards: &[String]) -> Self {
        let beside = |url: &String| {
            let server = url.rsplit_once('/').map_or(url.as_str(), |(server, _)| server);
            format!("{server}/{DATABASE}")
        };
        Self { urls: shards.iter().map(beside).collect() }
    }

    /// Makes all of it anew, with performances on their shards.
    ///
    /// # Errors
    /// When a server refuses.
    pub(crate) async fn create(
        &self,
        shards: &[String],
        performances: impl Iterator<Item = usize> + Clone,
        seats: u32,
    ) -> Result<(), Failure> {
        for (shard, (server, url)) in shards.iter().zip(&self.urls).enumerate() {
            let mut connection = MySqlConnection::connect(server).await?;
            for what in ["DROP DATABASE IF EXISTS peer", "CREATE DATABASE peer"] {
                sqlx::raw_sql(what).execute(&mut connection).await?;
            }
            let mut connection = MySqlConnection::connect(url).await?;
            for statement in statements() {
                sqlx::raw_sql(statement).execute(&mut connection).await?;
            }
            for (number, on) in (0_u32..).zip(performances.clone()) {
                if on == shard {
                    let fill = sqlx::query("CALL fill(?, ?)").bind(number).bind(seats);
                    fill.execute(&mut connection).await?;
                }
            }
        }
        Ok(())
    }

    /// Everything that was sold, in the words of the ledger; `name` says what a
    /// performance is called.
    ///
    /// # Errors
    /// When a server does not answer.
    pub(crate) async fn sold(&self, name: impl Fn(usize) -> String) -> Result<Sold, Failure> {
        let named = |number: &str| number.parse().map_or_else(|_| number.to_owned(), &name);
        let mut sold = Sold::default();
        let select = "SELECT LOWER(HEX(id)), state = 2, customer, request_key, \
                      CAST(performance AS CHAR) FROM booking";
        for (shard, row) in everywhere(&self.urls, select).await? {
            let mut row = read_row(shard, &row)?;
            row.performance = named(&row.performance);
            sold.rows.push(row);
        }
        let select = "SELECT CAST(performance AS CHAR), CONCAT('S-', seat), \
                      LOWER(HEX(booking)) FROM seat WHERE state = 2";
        for (shard, row) in everywhere(&self.urls, select).await? {
            let mut seat = read_seat(shard, &row)?;
            seat.performance = named(&seat.performance);
            sold.sales.push(seat);
        }
        // A booking says which seat it is for: the nearest thing to a ticket.
        let select = "SELECT CAST(performance AS CHAR), CONCAT('S-', seat), LOWER(HEX(id)) \
                      FROM booking WHERE state = 2";
        for (shard, row) in everywhere(&self.urls, select).await? {
            let mut seat = read_seat(shard, &row)?;
            seat.performance = named(&seat.performance);
            sold.tickets.push(seat);
        }
        Ok(sold)
    }
}

fn statements() -> impl Iterator<Item = &'static str> {
    SQL.split("\n$$").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_two_tables_and_four_procedures() {
        let made = |what: &str| statements().filter(|s| s.contains(what)).count();
        assert_eq!((made("CREATE TABLE"), made("PROCEDURE")), (2, 4));
    }

    #[test]
    fn an_id_is_made_of_both_customer_and_key() {
        let ids = [booking_id("a", "bc"), booking_id("ab", "c"), booking_id("a", "bd")];
        assert_eq!(ids[0], booking_id("a", "bc"));
        assert!(ids[0] != ids[1] && ids[0] != ids[2]);
    }
}
