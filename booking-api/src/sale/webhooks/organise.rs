//! What organisers do with webhooks, between the catalogue, which knows them,
//! and the shards, where their deliveries wait.

use booking_api_client::{Deliveries, Delivery, DeliveryState, WebhookEvent};
use seat_model::{ShardId, UserId, WebhookId};

use super::super::error::{SaleError, of_read};
use super::{Webhooks, address};
use crate::catalogue::{CatalogueError, WebhookStanding};
use crate::store::{DeliveryRow, KeepAnswer, Remembered, StoreError};

/// The answer to a delivery that is sent again.
pub(crate) enum Redelivered {
    /// As it is now.
    Now(Box<Delivery>),
    /// As it was when it was first asked for under the same key; JSON.
    Before(String),
}

impl Webhooks {
    /// How many webhooks there may be.
    pub(crate) fn most(&self) -> u32 {
        self.config.max_webhooks
    }

    /// Whether a url may be sent to; answers it as it will be shown.
    ///
    /// # Errors
    /// What is wrong with it, for the organiser.
    pub(crate) fn check_url(&self, text: &str) -> Result<String, &'static str> {
        address::target(text, &self.config).map(|target| String::from(target.url))
    }

    /// The secret of a webhook, as its owner is shown it.
    pub(crate) fn secret(&self, webhook: &WebhookId) -> String {
        self.secrets.shown(webhook)
    }

    /// Reads the webhooks again now: this instance just changed them.
    ///
    /// # Errors
    /// `Unavailable`; they are read again soon anyway.
    pub(crate) async fn reread(&self) -> Result<(), CatalogueError> {
        self.refresh().await
    }

    /// One page of a webhook's deliveries: shard by shard, in each the oldest
    /// event first. A shard that is away makes it impossible: part of the list
    /// would look like all of it.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none of ours, `ShardAway`.
    pub(crate) async fn deliveries(
        &self,
        webhook: &WebhookId,
        state: DeliveryState,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Deliveries, SaleError> {
        let nonsense = || {
            SaleError::Invalid(vec![seat_model::FieldError::new("cursor", "is not one of ours")])
        };
        let after = cursor.map(|text| parse(text).ok_or_else(nonsense)).transpose()?;
        let mut page: Vec<(ShardId, DeliveryRow)> = Vec::new();
        let whole = limit as usize + 1;
        for shard in self.shards.iter() {
            let after = match &after {
                Some((_, on)) if shard.id() < on => continue,
                Some((seq, on)) if shard.id() == on => *seq,
                Some(_) | None => 0,
            };
            let Ok(left @ 1..) = u32::try_from(whole.saturating_sub(page.len())) else { break };
            let dead = state == DeliveryState::Dead;
            let rows = shard.list_deliveries(webhook, dead, after, left).await;
            let rows = rows.map_err(|error| match error {
                StoreError::NotSent { shard, .. } | StoreError::Unknown { shard, .. } => {
                    SaleError::ShardAway(shard)
                }
                other => other.into(),
            })?;
            page.extend(rows.into_iter().map(|row| (shard.id().clone(), row)));
        }
        let more = page.len() >= whole;
        page.truncate(limit as usize);
        let next_cursor = page.last().filter(|_| more).map(|(on, row)| name(on, row.seq));
        let deliveries =
            page.iter().map(|(on, row)| shown(on, row)).collect::<Result<_, SaleError>>()?;
        Ok(Deliveries { deliveries, next_cursor })
    }

    /// Sends a delivery again, with all its attempts before it. Under a key it
    /// is done once, and the answer kept with it (INV-8).
    ///
    /// # Errors
    /// `NotFound`, `Invalid` where the webhook is disabled, `Unavailable`.
    pub(crate) async fn redeliver(
        &self,
        user: &UserId,
        webhook: &WebhookId,
        delivery: &str,
        key: Option<&str>,
    ) -> Result<Redelivered, SaleError> {
        match self.catalogue.webhook_standing(webhook).await? {
            WebhookStanding::Active => {}
            WebhookStanding::Disabled => {
                return Err(SaleError::Invalid(vec![seat_model::FieldError::new(
                    "webhookId",
                    "is disabled: its receiver answered 410; make a new webhook",
                )]));
            }
            WebhookStanding::Deleted | WebhookStanding::Unknown => {
                return Err(SaleError::NotFound("there is no such webhook"));
            }
        }
        let unknown = || SaleError::NotFound("the webhook has no such delivery");
        let (seq, on) = parse(delivery).ok_or_else(unknown)?;
        let shard = self.shards.get(&on).map_err(|_| unknown())?;
        let scope = format!("redeliver/{webhook}/{delivery}");
        if let Some(key) = key {
            let before = shard.recall(user, &scope, key).await.map_err(|error| of_read(&error))?;
            if let Some(Remembered { body, .. }) = before {
                return Ok(Redelivered::Before(body));
            }
        }
        let body = |row: &DeliveryRow| {
            let answer = shown(&on, row).ok().and_then(|shown| serde_json::to_string(&shown).ok());
            answer.unwrap_or_default()
        };
        let keep = key.map(|key| KeepAnswer {
            user,
            scope: &scope,
            key,
            body: &body,
            at: service_kit::clock::now(),
        });
        let row = shard.redeliver(webhook, seq, keep).await?.ok_or_else(unknown)?;
        Ok(Redelivered::Now(Box::new(shown(&on, &row)?)))
    }
}

/// A delivery's name, and a cursor: its place, and the shard it is on.
fn name(shard: &ShardId, seq: u64) -> String {
    format!("{seq}-{shard}")
}

fn parse(name: &str) -> Option<(u64, ShardId)> {
    let (seq, shard) = name.split_once('-')?;
    let parsed: u64 = seq.parse().ok()?;
    (parsed.to_string() == seq).then_some(())?;
    Some((parsed, ShardId::new(shard).ok()?))
}

fn shown(shard: &ShardId, row: &DeliveryRow) -> Result<Delivery, SaleError> {
    Ok(Delivery {
        delivery_id: name(shard, row.seq),
        message_id: row.message.clone(),
        event: WebhookEvent::from_wire(&row.event)
            .ok_or_else(|| SaleError::Broken(format!("an event is {:?}", row.event)))?,
        booking_id: row.booking,
        state: if row.dead { DeliveryState::Dead } else { DeliveryState::Waiting },
        attempts: row.attempts.into(),
        event_at: row.at,
        next_attempt_at: (!row.dead).then_some(row.due_at),
        last_status: row.last_status,
        last_error: row.last_error.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_named_in_one_way_only() {
        let shard = ShardId::new("shard-0").unwrap();
        assert_eq!(parse(&name(&shard, 17)), Some((17, shard)));
        for bad in ["", "17", "-shard-0", "017-shard-0", "x-shard-0", "17-", "17-Shard"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
