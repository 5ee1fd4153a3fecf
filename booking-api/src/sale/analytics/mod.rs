//! How performances sell, for organisers: sales as the ledger has them
//! (`counting`), demand as the answers show it (`demand`), both in the
//! catalogue, where whoever asks is in nobody's way.
//!
//! Architecture invariant: nothing that sells waits for anything here. What
//! runs has connections of its own, and what is noted during a request is
//! noted in memory.

mod config;
mod counting;
mod demand;
mod looking;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use service_kit::{Background, Process, clock};

use super::SaleStartError;
use crate::catalogue::{Catalogue, CatalogueError};
use crate::config::{CatalogueConfig, Config};
use crate::store::Shards;

use demand::Noted;
use metrics::AnalyticsMetrics;

pub(crate) use config::AnalyticsConfig;

/// How often old performances are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Everything that counting needs.
pub(crate) struct Parts {
    config: AnalyticsConfig,
    /// Not the one that sells: with connections of its own.
    catalogue: Catalogue,
    shards: Shards,
    demand: Noted,
    metrics: AnalyticsMetrics,
    background: Background,
}

/// Counting; clones share it.
#[derive(Clone)]
pub(crate) struct Analytics(Arc<Parts>);

impl std::ops::Deref for Analytics {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Analytics {
    /// Puts it together and starts what runs beside the requests.
    pub(super) fn start(
        config: &Config,
        shards: Shards,
        process: &Process,
    ) -> Result<Self, SaleStartError> {
        let analytics = &config.analytics;
        let own = CatalogueConfig {
            max_connections: analytics.max_connections,
            query_timeout_ms: analytics.query_timeout_ms,
            ..config.catalogue.clone()
        };
        let metrics = AnalyticsMetrics::new(&process.registry)?;
        let started = Self(Arc::new(Parts {
            catalogue: Catalogue::new(&config.catalogue_url, &own)?,
            shards,
            demand: Noted::new(analytics, metrics.lost.clone()),
            metrics,
            background: process.background.clone(),
            config: analytics.clone(),
        }));
        for shard in started.shards.iter() {
            let (this, on) = (started.clone(), shard.clone());
            process
                .background
                .supervise("sales-counted", move || this.clone().count_forever(on.clone()));
        }
        // Not supervised: at the end it writes what is left.
        process.background.finish(started.clone().write_demand_to_the_end());
        started.forget_old();
        Ok(started)
    }

    /// What requests note.
    pub(super) fn demand(&self) -> &Noted {
        &self.demand
    }

    fn forget_old(&self) {
        let this = self.clone();
        self.background.supervise("analytics-forgotten", move || {
            let this = this.clone();
            async move {
                loop {
                    tokio::time::sleep(FORGET_EVERY).await;
                    let before_ms = clock::now().as_millis().saturating_sub(this.config.keep_ms());
                    while this.catalogue.forget_analytics(before_ms).await? {}
                }
                #[expect(unreachable_code, reason = "names the type of the error")]
                Ok::<(), CatalogueError>(())
            }
        });
    }
}
