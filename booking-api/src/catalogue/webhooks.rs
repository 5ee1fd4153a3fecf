//! Webhooks: who wants to be told of bookings. Read from the primary, because
//! one that was just made must be told of the very next booking.

use booking_api_client::WebhookEvent;
use seat_model::{Timestamp, UserId, WebhookId};
use sqlx::mysql::MySqlRow;

use super::keyed::{Begun, StatementError};
use super::performance::{broken, get, id};
use super::{Catalogue, CatalogueError, FirstAnswer, Keyed};

/// A webhook as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookRow {
    /// Drawn.
    pub(crate) webhook_id: WebhookId,
    /// As it was checked when it was made.
    pub(crate) url: String,
    /// What it is told of.
    pub(crate) events: Vec<WebhookEvent>,
    /// Its receiver answered 410 Gone.
    pub(crate) disabled: bool,
    /// When it was made.
    pub(crate) created_at: Timestamp,
}

/// What became of a new webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookWritten {
    /// It is there.
    Done,
    /// There are as many as there may be.
    TooMany,
}

/// What a webhook is, to somebody who has only its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookStanding {
    /// It is sent to.
    Active,
    /// It was, until its receiver said 410.
    Disabled,
    /// It was deleted.
    Deleted,
    /// It never was.
    Unknown,
}

impl Catalogue {
    /// Writes a webhook, unless there are `most` of them already.
    ///
    /// # Errors
    /// See [`CatalogueError`].
    pub(crate) async fn add_webhook(
        &self,
        new: &WebhookRow,
        by: &UserId,
        most: u32,
        first: Option<&FirstAnswer>,
    ) -> Result<Keyed<WebhookWritten>, CatalogueError> {
        let events = serde_json::to_string(&new.events).map_err(broken)?;
        let mut change = match self.begin(first).await? {
            Begun::Fresh(change) => change,
            Begun::Seen(seen) => return Ok(seen.into()),
        };
        let insert = sqlx::query(
            "INSERT INTO webhooks (webhook_id, url, events, state, created_by, created_at_ms) \
             SELECT ?, ?, ?, 'active', ?, ? FROM DUAL \
             WHERE (SELECT COUNT(*) FROM webhooks AS there WHERE there.state <> 'deleted') < ?",
        )
        .bind(new.webhook_id.as_str())
        .bind(&new.url)
        .bind(events)
        .bind(by.as_str())
        .bind(new.created_at.as_millis())
        .bind(most);
        let written = change.execute(insert).await.map_err(StatementError::unexpected)?;
        if written.rows_affected() == 0 {
            // Dropped, the change takes its key back: the request did nothing.
            return Ok(Keyed::Done(WebhookWritten::TooMany));
        }
        change.commit().await?;
        Ok(Keyed::Done(WebhookWritten::Done))
    }

    /// All webhooks that are not deleted, oldest first, at most `most`.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn webhooks(&self, most: u32) -> Result<Vec<WebhookRow>, CatalogueError> {
        let mut leased = self.connection().await?;
        let rows = sqlx::query(
            "SELECT webhook_id, url, events, state, created_at_ms FROM webhooks \
             WHERE state IN ('active', 'disabled') ORDER BY created_at_ms, webhook_id LIMIT ?",
        )
        .bind(most)
        .fetch_all(leased.get()?);
        let rows = self.limited(rows).await;
        leased.read(rows)?.iter().map(read).collect()
    }

    /// What a webhook is.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn webhook_standing(
        &self,
        webhook: &WebhookId,
    ) -> Result<WebhookStanding, CatalogueError> {
        let mut leased = self.connection().await?;
        let row = sqlx::query("SELECT state FROM webhooks WHERE webhook_id = ?")
            .bind(webhook.as_str())
            .fetch_optional(leased.get()?);
        let row = self.limited(row).await;
        let Some(row) = leased.read(row)? else { return Ok(WebhookStanding::Unknown) };
        Ok(match get::<String>(&row, "state")?.as_str() {
            "active" => WebhookStanding::Active,
            "disabled" => WebhookStanding::Disabled,
            _ => WebhookStanding::Deleted,
        })
    }

    /// Marks a webhook deleted; again changes nothing.
    ///
    /// # Errors
    /// See [`CatalogueError`].
    pub(crate) async fn delete_webhook(
        &self,
        webhook: &WebhookId,
        first: Option<&FirstAnswer>,
    ) -> Result<Keyed<()>, CatalogueError> {
        let mut change = match self.begin(first).await? {
            Begun::Fresh(change) => change,
            Begun::Seen(seen) => return Ok(seen.into()),
        };
        let mark = sqlx::query("UPDATE webhooks SET state = 'deleted' WHERE webhook_id = ?")
            .bind(webhook.as_str());
        change.execute(mark).await.map_err(StatementError::unexpected)?;
        change.commit().await?;
        Ok(Keyed::Done(()))
    }

    /// Sends nothing to a webhook any more: its receiver is gone for good.
    ///
    /// # Errors
    /// See [`CatalogueError`]; it may be repeated.
    pub(crate) async fn disable_webhook(&self, webhook: &WebhookId) -> Result<(), CatalogueError> {
        let mut change = match self.begin(None).await? {
            Begun::Fresh(change) => change,
            Begun::Seen(_) => return Err(broken("a change without a key was seen")),
        };
        let mark = sqlx::query(
            "UPDATE webhooks SET state = 'disabled' WHERE webhook_id = ? AND state = 'active'",
        )
        .bind(webhook.as_str());
        change.execute(mark).await.map_err(StatementError::unexpected)?;
        change.commit().await
    }
}

fn read(row: &MySqlRow) -> Result<WebhookRow, CatalogueError> {
    let events: String = get(row, "events")?;
    Ok(WebhookRow {
        webhook_id: id(row, "webhook_id")?,
        url: get(row, "url")?,
        events: serde_json::from_str(&events).map_err(broken)?,
        disabled: get::<String>(row, "state")? == "disabled",
        created_at: Timestamp::from_millis(get(row, "created_at_ms")?),
    })
}
