//! Events on their way to webhooks: written with the outbox row they come
//! from, claimed in order per booking, sent at least once by whoever claimed
//! them, deleted when they were accepted.
//!
//! Every time here is the database's own clock; instances may disagree about
//! theirs. Must not know: HTTP, urls, secrets, what an event says.

use std::collections::BTreeMap;

use seat_model::{BookingId, ShowId, Timestamp, WebhookId};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{Executor, QueryBuilder, Row};

use super::connections::on_shard;
use super::error::StoreError;
use super::ledger::parsed;
use super::shard::Shard;

/// The shard's clock, in milliseconds since the epoch.
macro_rules! now_ms {
    () => {
        "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
    };
}
pub(super) use now_ms;

/// Runs statements on a connection as one transaction, and leaves none open:
/// the next user's START TRANSACTION would commit half of it.
macro_rules! transaction {
    ($connection:ident, $work:block) => {{
        $connection.execute("START TRANSACTION").await?;
        let ended: Result<_, sqlx::Error> = async { $work }.await;
        let end = if ended.is_ok() { "COMMIT" } else { "ROLLBACK" };
        $connection.execute(end).await?;
        ended
    }};
}
pub(super) use transaction;

/// An event to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// To whom; `None`: not known yet, [`Shard::hand_out_deliveries`] will say.
    pub webhook: Option<WebhookId>,
    /// Of the outbox row: its place in the order.
    pub seq: u64,
    /// Of which booking.
    pub booking: BookingId,
    /// The booking's show.
    pub show: ShowId,
    /// The event's name, at most 32 bytes.
    pub event: &'static str,
    /// The same over all attempts, at most 80 bytes.
    pub message: String,
    /// What is sent.
    pub body: String,
    /// When it happened.
    pub at: Timestamp,
}

/// Who wants to be told of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Who.
    pub webhook: WebhookId,
    /// Of events with these names.
    pub events: Vec<&'static str>,
}

/// What waits for one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDeliveries {
    /// Which; `None`: not known yet for whom.
    pub webhook: Option<WebhookId>,
    /// The first is due in so many milliseconds; negative: since so long.
    pub in_ms: i64,
}

/// A delivery that is this instance's to send, for as long as its claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// To whom.
    pub webhook: WebhookId,
    /// Its place in the order.
    pub seq: u64,
    /// Of which booking.
    pub booking: BookingId,
    /// The same over all attempts.
    pub message: String,
    /// What is sent.
    pub body: String,
    /// Attempts that failed before.
    pub attempts: u16,
    /// How long it has been tried, in milliseconds.
    pub age_ms: i64,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// The receiver has it.
    Accepted,
    /// It is tried again.
    Retry {
        /// In so many milliseconds.
        after_ms: i64,
        /// What the receiver answered, where it answered.
        status: Option<u16>,
        /// For organisers, at most 160 bytes.
        why: String,
    },
    /// It is given up.
    Dead {
        /// What the receiver answered, where it answered.
        status: Option<u16>,
        /// For organisers, at most 160 bytes.
        why: String,
    },
}

/// A claimed delivery and how its attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledDelivery {
    /// To whom.
    pub webhook: WebhookId,
    /// Its place in the order.
    pub seq: u64,
    /// Of which booking.
    pub booking: BookingId,
    /// Attempts that had failed before: whoever overran a claim does not
    /// count an attempt twice.
    pub attempts: u16,
    /// How it ended.
    pub end: DeliveryEnd,
}

/// Loosely scanned: one step of the index for each webhook, however much waits.
const DUE: &str = concat!(
    "SELECT webhook_id, MIN(due_at_ms) - ",
    now_ms!(),
    " FROM webhook_delivery WHERE state = 'waiting' GROUP BY webhook_id"
);

/// The next of each booking: one that waits, claimed or not, keeps every later
/// one back. So does one whose receivers are not known yet.
const CLAIM: &str = concat!(
    "SELECT seq, booking_id, message_id, body, attempts, ",
    now_ms!(),
    " - since_ms FROM webhook_delivery AS d \
     WHERE state = 'waiting' AND webhook_id = ? AND due_at_ms <= ",
    now_ms!(),
    " AND NOT EXISTS (SELECT 1 FROM webhook_delivery AS earlier \
                      WHERE earlier.booking_id = d.booking_id \
                        AND earlier.webhook_id IN ('', d.webhook_id) \
                        AND earlier.state = 'waiting' AND earlier.seq < d.seq) \
     ORDER BY due_at_ms, seq LIMIT ? FOR UPDATE SKIP LOCKED"
);

const UNADDRESSED: &str = "SELECT seq, booking_id, show_id, event, message_id, body, event_at_ms \
     FROM webhook_delivery WHERE webhook_id = '' ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED";

impl Shard {
    /// For whom something waits, and how soon.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is written.
    pub async fn due_deliveries(&self) -> Result<Vec<DueDeliveries>, StoreError> {
        self.require_migrated()?;
        let rows =
            on_shard!(self.connections, |connection| sqlx::query(DUE).fetch_all(connection))?;
        rows.iter()
            .map(|row| Ok(DueDeliveries { webhook: webhook(row, 0)?, in_ms: row.try_get(1)? }))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.nonsense(&error))
    }

    /// Claims due deliveries of one webhook for `claim_ms`. Whoever does not
    /// settle one by then may see it sent twice, under the same message id.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing but claims is written.
    pub async fn claim_deliveries(
        &self,
        webhook: &WebhookId,
        limit: u32,
        claim_ms: i64,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        self.require_migrated()?;
        let rows = on_shard!(self.connections, |connection| async {
            transaction!(connection, {
                let rows = sqlx::query(CLAIM)
                    .bind(webhook.as_str())
                    .bind(limit)
                    .fetch_all(&mut *connection)
                    .await?;
                if !rows.is_empty() {
                    let mut claim = QueryBuilder::new(concat!(
                        "UPDATE webhook_delivery SET claimed = TRUE, due_at_ms = ",
                        now_ms!(),
                        " + "
                    ));
                    claim.push_bind(claim_ms).push(" WHERE webhook_id = ");
                    claim.push_bind(webhook.as_str()).push(" AND seq IN (");
                    let mut list = claim.separated(", ");
                    for row in &rows {
                        list.push_bind(row.try_get::<u64, _>(0)?);
                    }
                    claim.push(")");
                    claim.build().persistent(false).execute(&mut *connection).await?;
                }
                Ok(rows)
            })
        })?;
        rows.iter()
            .map(|row| {
                Ok(ClaimedDelivery {
                    webhook: webhook.clone(),
                    seq: row.try_get(0)?,
                    booking: parsed(row.try_get::<String, _>(1)?)?,
                    message: row.try_get(2)?,
                    body: row.try_get(3)?,
                    attempts: row.try_get(4)?,
                    age_ms: row.try_get(5)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.nonsense(&error))
    }

    /// Writes how attempts ended, all or none. What comes next of a booking is
    /// due at once when its turn has come, and waits along otherwise.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be repeated.
    pub async fn settle_deliveries(&self, settled: &[SettledDelivery]) -> Result<(), StoreError> {
        if settled.is_empty() {
            return Ok(());
        }
        self.require_migrated()?;
        on_shard!(self.connections, |connection| async {
            transaction!(connection, {
                let mut accepted: BTreeMap<&WebhookId, Vec<&SettledDelivery>> = BTreeMap::new();
                for one in settled {
                    match &one.end {
                        DeliveryEnd::Accepted => {
                            accepted.entry(&one.webhook).or_default().push(one);
                        }
                        DeliveryEnd::Retry { after_ms, status, why } => {
                            postpone(connection, one, *after_ms, *status, why).await?;
                        }
                        DeliveryEnd::Dead { status, why } => {
                            give_up(connection, one, *status, why).await?;
                            free_next(connection, &one.webhook, &[one]).await?;
                        }
                    }
                }
                for (webhook, done) in accepted {
                    let mut delete =
                        QueryBuilder::new("DELETE FROM webhook_delivery WHERE webhook_id = ");
                    delete.push_bind(webhook.as_str()).push(" AND seq IN (");
                    let mut list = delete.separated(", ");
                    for one in &done {
                        list.push_bind(one.seq);
                    }
                    delete.push(")");
                    delete.build().persistent(false).execute(&mut *connection).await?;
                    free_next(connection, webhook, &done).await?;
                }
                Ok(())
            })
        })
    }

    /// Addresses events whose receivers were not known when they were written;
    /// answers how many events were.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be repeated.
    pub async fn hand_out_deliveries(
        &self,
        listeners: &[Listener],
        limit: u32,
    ) -> Result<usize, StoreError> {
        self.require_migrated()?;
        on_shard!(self.connections, |connection| async {
            transaction!(connection, {
                let rows = sqlx::query(UNADDRESSED).bind(limit).fetch_all(&mut *connection).await?;
                let mut addressed = Vec::new();
                for row in &rows {
                    let event: String = row.try_get(3)?;
                    for listener in listeners {
                        let Some(event) = listener.events.iter().find(|name| **name == event)
                        else {
                            continue;
                        };
                        addressed.push(NewDelivery {
                            webhook: Some(listener.webhook.clone()),
                            seq: row.try_get(0)?,
                            booking: parsed(row.try_get::<String, _>(1)?)?,
                            show: parsed(row.try_get::<String, _>(2)?)?,
                            event,
                            message: row.try_get(4)?,
                            body: row.try_get(5)?,
                            at: Timestamp::from_millis(row.try_get(6)?),
                        });
                    }
                }
                insert_deliveries(connection, &addressed.iter().collect::<Vec<_>>()).await?;
                if !rows.is_empty() {
                    let mut delete = QueryBuilder::new(
                        "DELETE FROM webhook_delivery WHERE webhook_id = '' AND seq IN (",
                    );
                    let mut list = delete.separated(", ");
                    for row in &rows {
                        list.push_bind(row.try_get::<u64, _>(0)?);
                    }
                    delete.push(")");
                    delete.build().persistent(false).execute(&mut *connection).await?;
                }
                Ok(rows.len())
            })
        })
    }
}

/// Rows written in one statement.
const INSERT_AT_ONCE: usize = 500;

/// Writes deliveries inside a transaction; one that is there stays as it is.
pub(super) async fn insert_deliveries(
    connection: &mut MySqlConnection,
    new: &[&NewDelivery],
) -> Result<(), sqlx::Error> {
    for some in new.chunks(INSERT_AT_ONCE) {
        let mut insert = QueryBuilder::new(
            "INSERT IGNORE INTO webhook_delivery (webhook_id, seq, booking_id, show_id, event, \
             message_id, body, event_at_ms, due_at_ms, since_ms) ",
        );
        insert.push_values(some, |mut row, one| {
            row.push_bind(one.webhook.as_ref().map_or("", WebhookId::as_str))
                .push_bind(one.seq)
                .push_bind(one.booking.to_string())
                .push_bind(one.show.as_str())
                .push_bind(one.event)
                .push_bind(one.message.as_str())
                .push_bind(one.body.as_str())
                .push_bind(one.at.as_millis())
                .push(now_ms!())
                .push(now_ms!());
        });
        insert.build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn postpone(
    connection: &mut MySqlConnection,
    one: &SettledDelivery,
    after_ms: i64,
    status: Option<u16>,
    why: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(concat!(
        "UPDATE webhook_delivery SET claimed = FALSE, attempts = attempts + 1, \
         last_status = ?, last_error = ?, due_at_ms = ",
        now_ms!(),
        " + ? WHERE webhook_id = ? AND seq = ? AND state = 'waiting' AND attempts = ?"
    ))
    .bind(status)
    .bind(why)
    .bind(after_ms)
    .bind(one.webhook.as_str())
    .bind(one.seq)
    .bind(one.attempts)
    .execute(&mut *connection)
    .await?;
    // Looked at again and again they would only be found to be kept back.
    sqlx::query(concat!(
        "UPDATE webhook_delivery SET due_at_ms = GREATEST(due_at_ms, ",
        now_ms!(),
        " + ?) WHERE booking_id = ? AND webhook_id = ? AND state = 'waiting' AND seq > ? \
         AND NOT claimed"
    ))
    .bind(after_ms)
    .bind(one.booking.to_string())
    .bind(one.webhook.as_str())
    .bind(one.seq)
    .execute(connection)
    .await
    .map(drop)
}

async fn give_up(
    connection: &mut MySqlConnection,
    one: &SettledDelivery,
    status: Option<u16>,
    why: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(concat!(
        "UPDATE webhook_delivery SET claimed = FALSE, attempts = attempts + 1, state = 'dead', \
         last_status = ?, last_error = ?, due_at_ms = ",
        now_ms!(),
        " WHERE webhook_id = ? AND seq = ? AND state = 'waiting' AND attempts = ?"
    ))
    .bind(status)
    .bind(why)
    .bind(one.webhook.as_str())
    .bind(one.seq)
    .bind(one.attempts)
    .execute(connection)
    .await
    .map(drop)
}

/// What waited behind these is due now.
async fn free_next(
    connection: &mut MySqlConnection,
    webhook: &WebhookId,
    done: &[&SettledDelivery],
) -> Result<(), sqlx::Error> {
    let mut free =
        QueryBuilder::new(concat!("UPDATE webhook_delivery SET due_at_ms = ", now_ms!()));
    free.push(" WHERE state = 'waiting' AND NOT claimed AND webhook_id = ");
    free.push_bind(webhook.as_str()).push(" AND booking_id IN (");
    let mut list = free.separated(", ");
    for one in done {
        list.push_bind(one.booking.to_string());
    }
    free.push(")");
    free.build().persistent(false).execute(connection).await.map(drop)
}

/// An empty name: not known yet for whom.
pub(super) fn webhook(row: &MySqlRow, column: usize) -> Result<Option<WebhookId>, sqlx::Error> {
    let text: String = row.try_get(column)?;
    if text.is_empty() { Ok(None) } else { parsed(text).map(Some) }
}
