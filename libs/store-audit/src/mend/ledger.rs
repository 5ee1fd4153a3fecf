//! Writes to a shard. Every one locks the show's placement row exclusively and
//! requires its epoch and that it is not frozen (INV-13): commits of the show
//! under way end first, later ones wait.

use lock_service_client::wire::AtFence;
use seat_model::{BookingId, SeatState, ShowId};
use sqlx::{Connection as _, Executor as _, MySqlConnection};

use super::{Mender, Refusal};
use crate::finding::Finding;
use crate::read::{ReadError, now};
use crate::records::SeatKey;

const INSERT_BOOKING: &str = "INSERT INTO booking (id, state, user_id, show_id, performance_id, \
     fence, acquired, first_deadline_ms, body_hash, direct, confirm_key, confirm_hash, payment, \
     currency, written_at_ms) \
     VALUES (?, 'CONFIRMED', ?, ?, ?, ?, ?, ?, ?, FALSE, '', '', '', ?, ?)";

const INSERT_CAPTURE: &str = "INSERT INTO outbox (booking_id, show_id, kind, payload, \
     created_at_ms) VALUES (?, ?, 'confirmed', ?, ?)";

const INSERT_SALE: &str =
    "INSERT INTO seat_sale (performance_id, seat, booking_id) VALUES (?, ?, ?)";

const INSERT_TICKET: &str = "INSERT INTO ticket (booking_id, number, user_id, show_id, \
     performance_id, seat, tier, price, code, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The performance's sales are to be counted again. Marks are told apart by
/// their number; outbox rows never come near the time of day.
const MARK_CHANGED: &str =
    "REPLACE INTO sales_changed (performance_id, show_id, seq) VALUES (?, ?, ?)";

/// What the tickets say, in one statement: exact under the placement row.
const RECOUNT: &str = "INSERT INTO quota (performance_id, user_id, sold) \
     SELECT ?, ?, COUNT(*) FROM ticket \
     WHERE performance_id = ? AND user_id = ? AND state = 'VALID' \
     ON DUPLICATE KEY UPDATE sold = VALUES(sold)";

/// A transaction on the show's shard, under its placement row.
struct Ledger {
    store: String,
    connection: MySqlConnection,
}

impl Ledger {
    fn wrong(&self) -> impl Fn(&dyn std::fmt::Display) -> ReadError + '_ {
        ReadError::of(&self.store)
    }

    async fn run(
        &mut self,
        query: sqlx::query::Query<'_, sqlx::MySql, sqlx::mysql::MySqlArguments>,
    ) -> Result<(), ReadError> {
        let done = query.execute(&mut self.connection).await;
        done.map(drop).map_err(|error| self.wrong()(&error))
    }

    async fn recount(&mut self, performance: &str, user: &str) -> Result<(), ReadError> {
        let query = sqlx::query(RECOUNT).bind(performance).bind(user).bind(performance).bind(user);
        self.run(query).await
    }

    async fn issue(&mut self, ticket: &NewTicket<'_>) -> Result<(), ReadError> {
        let key = ticket.key;
        let query = sqlx::query(INSERT_TICKET)
            .bind(key.value.booking.to_string())
            .bind(ticket.number)
            .bind(key.value.user.as_str())
            .bind(key.value.show.as_str())
            .bind(key.performance.as_str())
            .bind(key.seat.as_str())
            .bind(&key.value.tier)
            .bind(key.value.price)
            .bind(fresh_code())
            .bind(now().as_millis());
        self.run(query).await?;
        let mark = sqlx::query(MARK_CHANGED)
            .bind(key.performance.as_str())
            .bind(key.value.show.as_str())
            .bind(now().as_millis());
        self.run(mark).await
    }

    async fn commit(mut self) -> Result<(), ReadError> {
        let done = self.connection.execute("COMMIT").await.map(drop);
        done.map_err(|error| self.wrong()(&error))?;
        drop(self.connection.close().await);
        Ok(())
    }
}

struct NewTicket<'t> {
    key: &'t SeatKey,
    number: u16,
}

/// The secret that made the lost code is booking-api's; a new one is as good
/// at the door, which reads it from the ledger.
fn fresh_code() -> String {
    use rand::distr::{Alphanumeric, SampleString as _};
    Alphanumeric.sample_string(&mut rand::rng(), 16).to_uppercase()
}

impl Mender<'_> {
    /// Begins a transaction where the map says the show is. Dropping it rolls back.
    async fn ledger(&self, show: &ShowId) -> Result<Ledger, Refusal> {
        let placing = self.placing()?;
        let id = placing.shard(show).ok_or_else(|| Refusal::because("the map is empty"))?;
        let connection = self.stores.shard(id)?.connect().await?;
        let mut ledger = Ledger { store: id.to_string(), connection };
        let begun = ledger.connection.execute("START TRANSACTION").await.map(drop);
        begun.map_err(|error| ledger.wrong()(&error))?;
        let placed: Option<(u64, bool)> =
            sqlx::query_as("SELECT epoch, frozen FROM placement WHERE show_id = ? FOR UPDATE")
                .bind(show.as_str())
                .fetch_optional(&mut ledger.connection)
                .await
                .map_err(|error| ledger.wrong()(&error))?;
        match placed {
            Some((epoch, false)) if epoch == placing.epoch(show).get() => Ok(ledger),
            _ => Err(Refusal::because("the show is not placed there under the map's epoch")),
        }
    }

    /// The tombstone of step 6. Refused where a row is there already.
    pub(super) async fn tombstone(&self, show: &ShowId, at: &AtFence) -> Result<(), Refusal> {
        let seats = self.seats_of(at.booking);
        let first = seats.first().ok_or_else(|| Refusal::because("its seats are gone"))?;
        let placing = self.placing()?;
        let id = placing.shard(show).ok_or_else(|| Refusal::because("the map is empty"))?;
        let mut connection = self.stores.shard(id)?.connect().await?;
        // A procedure of the ledger: locks the placement, requires the epoch.
        sqlx::query("CALL tombstone_booking(?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(at.booking.to_string())
            .bind(first.value.user.as_str())
            .bind(show.as_str())
            .bind(first.performance.as_str())
            .bind(placing.epoch(show).get())
            .bind(at.fence.get())
            .bind(self.fence(first.create_revision).get())
            .bind("{}")
            .bind(now().as_millis())
            .execute(&mut connection)
            .await
            .map_err(|error| ReadError::of(id.as_str())(&error))?;
        drop(connection.close().await);
        Ok(())
    }

    /// Loss of a shard's tail: the `sold` values are what is left of an
    /// acknowledged booking (INV-2). The primary keys refuse what is not lost.
    pub(super) async fn write_booking(&self, finding: &Finding) -> Result<String, Refusal> {
        let booking = finding.booking.ok_or_else(|| Refusal::because("it names no booking"))?;
        let seats = self.seats_of(booking);
        let first = *seats.first().ok_or_else(|| Refusal::because("its seats are gone"))?;
        if seats.iter().any(|key| key.value.state != SeatState::Sold) {
            return Err(Refusal::because("others of its seats are not sold"));
        }
        let value = &first.value;
        // A seat is written sold by a compare with what it was confirmed at.
        let pinned = if value.from_revision > 0 { value.from_revision } else { first.mod_revision };
        let catalogue = &self.snapshot.catalogue;
        let currency = catalogue.performances.get(&first.performance);
        let currency = currency.map_or("", |row| row.currency.as_str());
        let mut ledger = self.ledger(&value.show).await?;
        let query = sqlx::query(INSERT_BOOKING)
            .bind(booking.to_string())
            .bind(value.user.as_str())
            .bind(value.show.as_str())
            .bind(first.performance.as_str())
            .bind(self.fence(pinned).get())
            .bind(self.fence(first.create_revision).get())
            .bind(value.first_deadline_ms)
            .bind(&value.body_hash)
            .bind(currency)
            .bind(now().as_millis());
        ledger.run(query).await?;
        for (key, number) in numbered(self, &seats) {
            ledger.run(insert_sale(key, booking)).await?;
            ledger.issue(&NewTicket { key, number }).await?;
        }
        ledger.recount(first.performance.as_str(), value.user.as_str()).await?;
        // The money may not have been taken yet when the tail was lost. Which
        // payment it is, the outbox's relay asks the gateway.
        let amount: u64 = seats.iter().map(|key| key.value.price).sum();
        let sold = serde_json::json!({"payment": "", "currency": currency, "amount": amount});
        let capture = sqlx::query(INSERT_CAPTURE)
            .bind(booking.to_string())
            .bind(value.show.as_str())
            .bind(sold.to_string())
            .bind(now().as_millis());
        ledger.run(capture).await?;
        ledger.commit().await?;
        Ok(format!("booking {booking} was written into the ledger again from etcd's sold values"))
    }

    /// etcd and the sale's primary key agree on whose seat it is.
    pub(super) async fn issue_ticket(&self, finding: &Finding) -> Result<String, Refusal> {
        let booking = finding.booking.ok_or_else(|| Refusal::because("it names no booking"))?;
        let performance = self.performance(finding)?;
        let seats = self.seats_of(booking);
        let key = *seats
            .iter()
            .find(|key| key.performance == *performance && finding.seats.contains(&key.seat))
            .ok_or_else(|| Refusal::because("etcd has it no more"))?;
        let mut ledger = self.ledger(&key.value.show).await?;
        let (others, sale): (Option<u16>, Option<String>) = sqlx::query_as(
            "SELECT (SELECT CAST(MAX(number) AS UNSIGNED) FROM ticket WHERE booking_id = ?), \
             (SELECT booking_id FROM seat_sale WHERE performance_id = ? AND seat = ?)",
        )
        .bind(booking.to_string())
        .bind(performance.as_str())
        .bind(key.seat.as_str())
        .fetch_one(&mut ledger.connection)
        .await
        .map_err(|error| ledger.wrong()(&error))?;
        if sale != Some(booking.to_string()) {
            return Err(Refusal::because("the sale is not this booking's any more"));
        }
        // Not the next number: that would say that the seats are neighbours.
        let number = others.map_or(1, |last| last.saturating_add(2));
        ledger.issue(&NewTicket { key, number }).await?;
        ledger.recount(performance.as_str(), key.value.user.as_str()).await?;
        ledger.commit().await?;
        Ok("its ticket was issued again, with a new code, from etcd's sold value".to_owned())
    }

    pub(super) async fn write_sale(&self, finding: &Finding) -> Result<String, Refusal> {
        let (Some(show), Some(booking)) = (&finding.show, finding.booking) else {
            return Err(Refusal::because("it names no booking"));
        };
        let performance = self.performance(finding)?;
        let mut ledger = self.ledger(show).await?;
        for seat in &finding.seats {
            let valid: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM ticket \
                 WHERE performance_id = ? AND seat = ? AND state = 'VALID'",
            )
            .bind(performance.as_str())
            .bind(seat.as_str())
            .fetch_one(&mut ledger.connection)
            .await
            .map_err(|error| ledger.wrong()(&error))?;
            if valid != 1 {
                return Err(Refusal::because(format!("{valid} valid tickets are for this seat")));
            }
            let query = sqlx::query(INSERT_SALE)
                .bind(performance.as_str())
                .bind(seat.as_str())
                .bind(booking.to_string());
            ledger.run(query).await?;
        }
        ledger.commit().await?;
        Ok("its sale was written again".to_owned())
    }

    pub(super) async fn recount(&self, finding: &Finding) -> Result<String, Refusal> {
        let performance = self.performance(finding)?;
        let show = finding.show.as_ref().or_else(|| {
            let row = self.snapshot.catalogue.performances.get(performance);
            row.map(|row| &row.show)
        });
        let show = show.ok_or_else(|| Refusal::because("nobody knows its show"))?;
        let mut ledger = self.ledger(show).await?;
        let users: Vec<String> = sqlx::query_scalar(
            "SELECT user_id FROM quota WHERE performance_id = ? UNION \
             SELECT user_id FROM ticket WHERE performance_id = ?",
        )
        .bind(performance.as_str())
        .bind(performance.as_str())
        .fetch_all(&mut ledger.connection)
        .await
        .map_err(|error| ledger.wrong()(&error))?;
        for user in &users {
            ledger.recount(performance.as_str(), user).await?;
        }
        ledger.commit().await?;
        Ok("counted again from the valid tickets".to_owned())
    }
}

fn insert_sale<'q>(
    key: &'q SeatKey,
    booking: BookingId,
) -> sqlx::query::Query<'q, sqlx::MySql, sqlx::mysql::MySqlArguments> {
    sqlx::query(INSERT_SALE)
        .bind(key.performance.as_str())
        .bind(key.seat.as_str())
        .bind(booking.to_string())
}

/// Seats in plan order with their ticket numbers: the next number exactly
/// where the next seat is a neighbour.
fn numbered<'k>(mender: &Mender<'_>, seats: &[&'k SeatKey]) -> Vec<(&'k SeatKey, u16)> {
    let chart = seats.first().and_then(|key| mender.snapshot.catalogue.chart(&key.performance));
    let mut seats: Vec<&SeatKey> = seats.to_vec();
    if let Some(chart) = chart {
        seats.sort_by_key(|key| chart.index_of(&key.seat));
    }
    let mut number = 0;
    let mut last: Option<&SeatKey> = None;
    seats
        .into_iter()
        .map(|key| {
            let neighbour = last.is_none_or(|last| {
                chart.is_some_and(|chart| chart.next_to_each_other([&last.seat, &key.seat]))
            });
            number += if neighbour { 1 } else { 2 };
            last = Some(key);
            (key, number)
        })
        .collect()
}
