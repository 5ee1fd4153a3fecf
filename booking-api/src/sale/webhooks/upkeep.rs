//! Keeps the deliveries of a shard within their bounds, and ends those of
//! webhooks that are no more.

use std::collections::HashMap;
use std::time::Duration;

use seat_model::WebhookId;

use super::Webhooks;
use crate::catalogue::WebhookStanding;
use crate::store::{Shard, StoreError};

/// How often a shard's deliveries are looked through.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    waiting: i64,
    dead: i64,
}

impl Webhooks {
    pub(super) async fn keep_up_forever(self, shard: Shard) -> Result<(), StoreError> {
        loop {
            self.keep_up(&shard).await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn keep_up(&self, shard: &Shard) -> Result<(), StoreError> {
        let mut counts: HashMap<WebhookId, Counts> = HashMap::new();
        let (mut all, mut unaddressed) = (Counts::default(), 0);
        for found in shard.count_deliveries().await? {
            let Some(webhook) = found.webhook else {
                unaddressed += found.count;
                continue;
            };
            let counted = counts.entry(webhook).or_default();
            if found.dead {
                counted.dead += found.count;
                all.dead += found.count;
            } else {
                counted.waiting += found.count;
                all.waiting += found.count;
            }
        }
        let name = shard.id().as_str();
        self.metrics.deliveries.with_label_values(&[name, "waiting"]).set(all.waiting);
        self.metrics.deliveries.with_label_values(&[name, "dead"]).set(all.dead);
        self.metrics.unaddressed.with_label_values(&[name]).set(unaddressed);
        let known = self.subscriptions.last();
        for (webhook, counted) in counts {
            if known.as_ref().is_some_and(|known| known.get(&webhook).is_some()) {
                self.within_bounds(shard, &webhook, counted).await?;
                continue;
            }
            // Unknown here may be merely newer than what this instance read.
            match self.catalogue.webhook_standing(&webhook).await {
                Ok(WebhookStanding::Active) => {}
                Ok(WebhookStanding::Deleted | WebhookStanding::Unknown) => {
                    shard.drop_deliveries(&webhook).await?;
                }
                Ok(WebhookStanding::Disabled) => {
                    shard.bury_deliveries(&webhook, i64::MAX, "the webhook is disabled").await?;
                    self.within_bounds(shard, &webhook, Counts { waiting: 0, ..counted }).await?;
                }
                Err(error) => tracing::debug!(%error, "deliveries wait for the catalogue"),
            }
        }
        Ok(())
    }

    async fn within_bounds(
        &self,
        shard: &Shard,
        webhook: &WebhookId,
        counted: Counts,
    ) -> Result<(), StoreError> {
        let too_many = counted.waiting - self.config.max_waiting;
        if too_many > 0 {
            let buried = shard.bury_deliveries(webhook, too_many, "too many waited for it").await?;
            tracing::warn!(%webhook, buried, "a webhook is sent more than it takes");
        }
        if counted.dead > 0 {
            let excess = counted.dead - self.config.max_dead;
            shard.drop_dead_deliveries(webhook, self.config.keep_dead_ms, excess).await?;
        }
        Ok(())
    }
}
