//! Telling organisers of bookings: at least once, in order per booking, and
//! never in the way of anything else.
//!
//! The relay only writes rows, in the transaction that completes its own
//! ([`Webhooks::announce`]); the `deliverer` sends them, whenever a receiver
//! takes them. Who is told stands in the catalogue (`subscriptions`).
//!
//! Architecture invariant: nothing that sells waits for anything here.

mod address;
mod config;
mod deliverer;
mod event;
mod metrics;
mod organise;
mod schedule;
mod secret;
mod sender;
mod subscriptions;
mod upkeep;

use std::collections::HashMap;
use std::sync::Arc;

use seat_model::{BookingId, WebhookId};
use service_kit::{Background, Process};

use crate::catalogue::{Catalogue, CatalogueError};
use crate::config::Config;
use crate::store::{LedgerBooking, NewDelivery, OutboxRow, Shard, Shards, StoreError};

use super::SaleStartError;
use metrics::WebhookMetrics;
use secret::Secrets;
use sender::Sender;
use subscriptions::Subscriptions;

pub(crate) use config::WebhooksConfig;
pub(crate) use organise::Redelivered;

/// Everything that telling needs.
pub(crate) struct Parts {
    config: WebhooksConfig,
    catalogue: Catalogue,
    shards: Shards,
    secrets: Secrets,
    subscriptions: Subscriptions,
    sender: Sender,
    metrics: WebhookMetrics,
    background: Background,
}

/// Telling; clones share it.
#[derive(Clone)]
pub(crate) struct Webhooks(Arc<Parts>);

impl std::ops::Deref for Webhooks {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Webhooks {
    /// Puts it together and starts what runs beside the requests.
    pub(super) fn start(
        config: &Config,
        catalogue: Catalogue,
        shards: Shards,
        process: &Process,
    ) -> Result<Self, SaleStartError> {
        let webhooks = &config.webhooks;
        webhooks.check().map_err(SaleStartError::Config)?;
        let started = Self(Arc::new(Parts {
            catalogue,
            secrets: Secrets::new(config.booking_secret.as_bytes()),
            subscriptions: Subscriptions::new(webhooks),
            sender: Sender::new(webhooks).map_err(SaleStartError::Config)?,
            metrics: WebhookMetrics::new(&process.registry)?,
            background: process.background.clone(),
            config: webhooks.clone(),
            shards,
        }));
        started.keep_subscriptions();
        for shard in started.shards.iter() {
            let (this, on) = (started.clone(), shard.clone());
            process
                .background
                .supervise("webhook-deliverer", move || this.clone().deliver_forever(on.clone()));
            let (this, on) = (started.clone(), shard.clone());
            process
                .background
                .supervise("webhook-upkeep", move || this.clone().keep_up_forever(on.clone()));
        }
        Ok(started)
    }

    fn keep_subscriptions(&self) {
        let this = self.clone();
        self.background.supervise("webhooks", move || {
            let this = this.clone();
            async move {
                loop {
                    this.refresh().await?;
                    tokio::time::sleep(this.config.refresh_every()).await;
                }
                #[expect(unreachable_code, reason = "names the type of the error")]
                Ok::<(), CatalogueError>(())
            }
        });
    }

    async fn refresh(&self) -> Result<(), CatalogueError> {
        self.subscriptions.refresh(&self.catalogue, &self.secrets, &self.config).await
    }

    /// What is to be told of those of the outbox rows that are `done`, to be
    /// written in the transaction that completes them. Asks nobody but their
    /// own shard.
    ///
    /// # Errors
    /// See [`StoreError`]; the rows come again.
    pub(super) async fn announce(
        &self,
        shard: &Shard,
        rows: &[OutboxRow],
        done: &[u64],
    ) -> Result<Vec<NewDelivery>, StoreError> {
        let known = self.subscriptions.trusted();
        let heard = |row: &OutboxRow| -> Vec<Option<WebhookId>> {
            let Some(event) = event::of(row) else { return Vec::new() };
            let Some(known) = &known else { return vec![None] };
            let told = known.subscriptions.iter().filter(|one| one.events.contains(&event));
            told.map(|one| Some(one.id.clone())).collect()
        };
        let rows: Vec<&OutboxRow> = rows.iter().filter(|row| done.contains(&row.seq)).collect();
        let mut bookings: Vec<BookingId> =
            rows.iter().filter(|row| !heard(row).is_empty()).map(|row| row.booking).collect();
        bookings.sort_unstable();
        bookings.dedup();
        let bookings: HashMap<BookingId, LedgerBooking> =
            shard.read_many(&bookings).await?.into_iter().map(|row| (row.id, row)).collect();
        let mut told = Vec::new();
        for row in rows {
            let (Some(event), Some(booking)) = (event::of(row), bookings.get(&row.booking)) else {
                continue;
            };
            let body = match event::body(row, event, booking) {
                Ok(body) => body,
                Err(error) => {
                    // A bug. Money and seats must not wait until it is mended.
                    tracing::error!(booking = %row.booking, error, "an event makes no sense");
                    continue;
                }
            };
            for webhook in heard(row) {
                told.push(NewDelivery {
                    webhook,
                    seq: row.seq,
                    booking: row.booking,
                    show: row.show.clone(),
                    event: event.as_str(),
                    message: event::message_id(row),
                    body: body.clone(),
                    at: row.at,
                });
            }
        }
        Ok(told)
    }

    /// The receiver is gone for good: nothing is sent to it any more.
    async fn disable(&self, webhook: &WebhookId) {
        tracing::info!(%webhook, "a receiver answered 410: its webhook is disabled");
        let disabled = async {
            self.catalogue.disable_webhook(webhook).await?;
            self.refresh().await
        };
        if let Err(error) = disabled.await {
            // The next 410 disables it.
            tracing::warn!(%webhook, %error, "a webhook was not disabled");
        }
    }
}
