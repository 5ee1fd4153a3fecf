//! From hold to sale: the rules of selling, between lock-service (who may have
//! a seat), the gateway (the money) and the shards (the ledger).
//!
//! Files are use cases: `hold`, `confirm`, `cancel`, `look`, `extend`; what
//! they share is `commit` (the way of pinned seats into the ledger) and
//! `placement` (which shard). Beside the requests run the `reconciler`, which
//! ends what others left, the `relay`, which does what the ledger asks for (what
//! it tells organisers of, `webhooks` sends), and the `sweeper`, which lets go of
//! money that nobody will take; and `analytics`, which counts how performances
//! sell.
//!
//! Architecture invariant: HTTP ends in `routes`, SQL begins in
//! [`crate::store`]; nothing between them knows either.

mod analytics;
mod answer;
mod booking_id;
mod cancel;
mod commit;
mod config;
mod confirm;
mod error;
mod extend;
mod hold;
mod in_flight;
mod keep;
mod look;
mod metrics;
mod organise;
mod payment;
mod placement;
mod qr;
mod reconciler;
mod relay;
mod routes;
mod stuck;
mod sweeper;
mod webhooks;
mod wish;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booking_api_client::Booking;
use lock_service_client::LockClient;
use lock_service_client::wire::BookedSeats;
use seat_model::{BookingId, PerformanceId, ShowId, UserId};
use service_kit::{Background, Process};

use analytics::Analytics;
use answer::Reply;
use booking_id::BookingIds;
use error::{SaleError, of_look, of_read};
use in_flight::InFlight;
use metrics::SaleMetrics;
use payment::Gateway;
use placement::Placements;

use crate::catalogue::{Catalogue, CatalogueError, Performance};
use crate::config::Config;
use crate::store::{LedgerBooking, Shard, ShardMetrics, Shards};

pub(crate) use analytics::AnalyticsConfig;
pub(crate) use config::SaleConfig;
pub(crate) use routes::routes;
pub(crate) use webhooks::{Redelivered, Webhooks, WebhooksConfig};

/// Why selling cannot be set up. Stores that are away are no reason.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaleStartError {
    /// The configuration does not fit together.
    #[error("{0}")]
    Config(String),
    /// A metric could not be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The payment gateway's URL makes no sense.
    #[error(transparent)]
    Gateway(#[from] payment_gateway_client::GatewayError),
    /// The URL of the catalogue makes no sense.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// Everything selling needs.
pub(crate) struct Parts {
    config: SaleConfig,
    ids: BookingIds,
    catalogue: Catalogue,
    locks: LockClient,
    shards: Shards,
    placements: Placements,
    gateway: Gateway,
    webhooks: Webhooks,
    analytics: Analytics,
    in_flight: InFlight,
    background: Background,
    metrics: SaleMetrics,
}

/// Selling; clones share it.
#[derive(Clone)]
pub(crate) struct Sale(Arc<Parts>);

impl std::ops::Deref for Sale {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Sale {
    /// Puts it together and starts what runs beside the requests.
    pub(crate) fn start(
        config: &Config,
        catalogue: Catalogue,
        locks: LockClient,
        process: &Process,
    ) -> Result<Self, SaleStartError> {
        let sale = &config.sale;
        sale.check().map_err(SaleStartError::Config)?;
        let shard_metrics = ShardMetrics::new(&process.registry)?;
        let shards = config
            .shards
            .iter()
            .map(|shard| {
                Shard::start(
                    shard.id.clone(),
                    &shard.url,
                    sale.connections,
                    sale.committer,
                    sale.questions,
                    &shard_metrics,
                    process,
                )
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(SaleStartError::Config)?;
        let shards = Shards::new(shards);
        let webhooks = Webhooks::start(config, catalogue.clone(), shards.clone(), process)?;
        let analytics = Analytics::start(config, shards.clone(), process)?;
        let metrics = SaleMetrics::new(&process.registry)?;
        let gateway = Gateway::new(
            &config.payment_gateway_url,
            sale.payment_timeout(),
            sale.payment_ask_timeout(),
            metrics.clone(),
        )?;
        let started = Self(Arc::new(Parts {
            ids: BookingIds::new(config.booking_secret.as_bytes()),
            catalogue,
            placements: Placements::new(locks.clone(), shards.clone(), metrics.clone()),
            locks,
            gateway,
            webhooks,
            analytics,
            in_flight: InFlight::new(sale.max_in_flight),
            background: process.background.clone(),
            metrics,
            config: sale.clone(),
            shards,
        }));
        started.keep_shard_map();
        started.reconcile();
        started.relay(&shard_metrics);
        started.sweep();
        let (gateway, component) =
            (started.gateway.clone(), process.readiness.optional("payment-gateway"));
        process
            .background
            .supervise("payment-gateway", move || gateway.clone().watch(component.clone()));
        Ok(started)
    }

    /// Telling organisers of bookings.
    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// How performances sell.
    pub(crate) fn analytics(&self) -> &Analytics {
        &self.analytics
    }

    fn keep_shard_map(&self) {
        let sale = self.clone();
        let every = Duration::from_millis(self.config.shard_map_every_ms.max(10));
        self.background.supervise("shard-map", move || {
            let sale = sale.clone();
            async move {
                loop {
                    sale.placements.refresh().await?;
                    tokio::time::sleep(every).await;
                }
                #[expect(unreachable_code, reason = "names the type of the error")]
                Ok::<(), SaleError>(())
            }
        });
    }

    /// Runs work to its end even when the client hangs up, and answers in time:
    /// with what is known so far, once the seats are pinned.
    async fn in_time(
        &self,
        progress: Progress,
        work: impl Future<Output = Result<Reply, SaleError>> + Send + 'static,
    ) -> Result<Reply, SaleError> {
        let task = self.background.finish(work);
        match tokio::time::timeout(self.config.request_deadline(), task).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => Err(SaleError::Broken(error.to_string())),
            Err(_) => match progress.pinned() {
                Some(booking) => Ok(Reply::new(202, booking)),
                None => Err(SaleError::OutcomeUnknown("the deadline passed".into())),
            },
        }
    }

    /// The booking's seats as they are, looked at after the mirror caught up.
    async fn seats_of(
        &self,
        show: &ShowId,
        id: BookingId,
    ) -> Result<Option<BookedSeats>, SaleError> {
        self.locks.booking(show, id).await.map_err(of_look)
    }

    /// The shard a show is on.
    async fn shard_of(&self, show: &ShowId) -> Result<&Shard, SaleError> {
        let place = self.placements.of(show).await?;
        self.shards.get(&place.shard).map_err(|error| of_read(&error))
    }

    /// The booking's row, where its show is.
    async fn row_of(
        &self,
        show: &ShowId,
        id: BookingId,
    ) -> Result<Option<LedgerBooking>, SaleError> {
        self.shard_of(show).await?.read(id).await.map_err(|error| of_read(&error))
    }

    /// The same where the answer does not depend on it: a shard that does not
    /// answer at once is as good as no row.
    async fn glance_at_row(&self, show: &ShowId, id: BookingId) -> Option<LedgerBooking> {
        let row = self.row_of(show, id);
        tokio::time::timeout(self.config.glance_timeout(), row).await.ok()?.ok().flatten()
    }

    /// The performance seats belong to. Gone from the catalogue means that
    /// nobody sells it any more.
    async fn performance_of(
        &self,
        show: &ShowId,
        id: &PerformanceId,
    ) -> Result<Arc<Performance>, SaleError> {
        let find = |all: Option<Arc<[Arc<Performance>]>>| {
            all.and_then(|all| all.iter().find(|one| one.performance_id == *id).cloned())
        };
        if let Some(found) = find(self.catalogue.performances_of(show).await?) {
            return Ok(found);
        }
        find(self.catalogue.fresh_performances_of(show).await?)
            .ok_or(SaleError::Gone("the performance is not sold any more"))
    }

    /// Refuses ids that were not made for this customer and show: nobody
    /// learns whether somebody else has such a booking.
    fn require_own(&self, id: BookingId, user: &UserId, show: &ShowId) -> Result<(), SaleError> {
        if self.ids.verify(id, user, show) {
            Ok(())
        } else {
            Err(SaleError::NotFound("there is no such booking of yours"))
        }
    }
}

/// How far a request got, for the answer at its deadline.
#[derive(Clone, Default)]
struct Progress(Arc<Mutex<Option<Booking>>>);

impl Progress {
    /// The seats are pinned: from here on the answer may be 202.
    fn set_pinned(&self, booking: Booking) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(booking);
    }

    /// Nothing is under way any more.
    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn pinned(&self) -> Option<Booking> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
