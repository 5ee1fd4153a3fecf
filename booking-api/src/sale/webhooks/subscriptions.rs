//! Who is told, as this instance knows it: read again every second or so.
//!
//! What was read too long ago decides nothing. Then an event is written
//! without a receiver, and whoever knows the webhooks hands it out: a
//! catalogue that is away delays what organisers are told, and loses none of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use booking_api_client::WebhookEvent;
use seat_model::WebhookId;
use standardwebhooks::Webhook as Signer;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::address::{self, Target};
use super::config::WebhooksConfig;
use super::secret::Secrets;
use crate::catalogue::{Catalogue, CatalogueError, WebhookRow};
use crate::store::Listener;

/// A webhook that is sent to.
pub(super) struct Subscription {
    pub(super) id: WebhookId,
    pub(super) events: Vec<WebhookEvent>,
    /// Where; or why it may not be sent to under today's configuration.
    pub(super) target: Result<Target, &'static str>,
    pub(super) signer: Option<Signer>,
    /// Messages that may be on their way to it at once: one that hangs holds
    /// its own places and nobody else's.
    pub(super) places: Arc<Semaphore>,
}

/// What was read, and when.
pub(super) struct Snapshot {
    pub(super) subscriptions: Vec<Subscription>,
    read_at: Instant,
}

impl Snapshot {
    pub(super) fn get(&self, id: &WebhookId) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| subscription.id == *id)
    }

    pub(super) fn listeners(&self) -> Vec<Listener> {
        let listener = |subscription: &Subscription| Listener {
            webhook: subscription.id.clone(),
            events: subscription.events.iter().map(|event| event.as_str()).collect(),
        };
        self.subscriptions.iter().map(listener).collect()
    }
}

/// The webhooks this instance knows.
pub(super) struct Subscriptions {
    known: ArcSwapOption<Snapshot>,
    places: Mutex<HashMap<WebhookId, Arc<Semaphore>>>,
    trust: Duration,
    at_once: usize,
}

impl Subscriptions {
    pub(super) fn new(config: &WebhooksConfig) -> Self {
        Self {
            known: ArcSwapOption::empty(),
            places: Mutex::default(),
            trust: config.trust(),
            at_once: config.at_once as usize,
        }
    }

    /// What is known, where it was read a short time ago.
    pub(super) fn trusted(&self) -> Option<Arc<Snapshot>> {
        self.known.load_full().filter(|known| known.read_at.elapsed() <= self.trust)
    }

    /// What was read last, however long ago: enough to go on sending by.
    pub(super) fn last(&self) -> Option<Arc<Snapshot>> {
        self.known.load_full()
    }

    /// Reads them again.
    pub(super) async fn refresh(
        &self,
        catalogue: &Catalogue,
        secrets: &Secrets,
        config: &WebhooksConfig,
    ) -> Result<(), CatalogueError> {
        // From before the question: what was made after it may not be in the answer.
        let read_at = Instant::now();
        let rows = catalogue.webhooks(config.max_webhooks).await?;
        let subscriptions: Vec<Subscription> = rows
            .into_iter()
            .filter(|row| !row.disabled)
            .map(|row| self.subscription(row, secrets, config))
            .collect();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|id, _| subscriptions.iter().any(|there| there.id == *id));
        drop(places);
        self.known.store(Some(Arc::new(Snapshot { subscriptions, read_at })));
        Ok(())
    }

    fn subscription(
        &self,
        row: WebhookRow,
        secrets: &Secrets,
        config: &WebhooksConfig,
    ) -> Subscription {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let places = places
            .entry(row.webhook_id.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(self.at_once)));
        Subscription {
            target: address::target(&row.url, config),
            signer: secrets.signer(&row.webhook_id),
            places: Arc::clone(places),
            events: row.events,
            id: row.webhook_id,
        }
    }
}
