//! Builds the service: the cell's clients, the mirror and the loops that keep
//! it current, the use cases, the routes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use service_kit::Process;
use tokio::sync::Semaphore;

use crate::combiner::{BatchLimits, Combiner, CombinerLimits};
use crate::config::{Config, ms};
use crate::crowd::Crowd;
use crate::engine::{self, Engine};
use crate::etcd::{Etcd, EtcdLimits};
use crate::freshness::Freshness;
use crate::leases::{LeaseLimits, Leases};
use crate::metrics::Metrics;
use crate::mirror::{self, CatchUp, Mirror};
use crate::picks::Plans;
use crate::routes::{self, App};
use crate::space::{self, Space};

/// Why the service could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An endpoint is not a URL.
    #[error("etcd_endpoints: {0}")]
    Endpoint(String),
    /// Two metrics of one name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Builds the router and starts what runs beside it. Does not wait for etcd:
/// until it answers, requests are answered 503 and `/readyz` says why.
///
/// # Errors
/// See [`StartError`].
pub async fn start(config: Config, process: Process) -> Result<Router, StartError> {
    let Config { bounds, timing, etcd_endpoints, .. } = config;
    let Process { readiness, registry, background } = process;
    let metrics = Metrics::new(&registry)?;
    let limits = EtcdLimits {
        call: ms(timing.etcd_call_ms),
        connect: ms(timing.etcd_connect_ms),
        max_sends: bounds.max_sends,
    };
    let freshness = Arc::new(Freshness::new(ms(timing.fresh_ms)));
    let etcd = Etcd::new(&etcd_endpoints, limits, freshness.clone(), metrics.clone())
        .await
        .map_err(StartError::Endpoint)?;
    let (combiner, combining) = Combiner::new(
        etcd.clone(),
        CombinerLimits {
            waiting: bounds.max_waiting,
            under_way: bounds.max_batches,
            batch: BatchLimits { transactions: bounds.max_batch, bytes: bounds.max_batch_bytes },
        },
        metrics.clone(),
    );
    let mirror = Mirror::new(bounds.change_history, metrics.clone());
    let (catch_up, reader) = CatchUp::new(
        mirror.clone(),
        etcd.clone(),
        bounds.max_in_flight,
        ms(timing.operation_ms),
        metrics.clone(),
    );
    let lease_limits = LeaseLimits {
        max_keys: bounds.max_keys_per_lease,
        max_open: bounds.max_open_leases,
        lead: ms(timing.lease_lead_ms),
        lag: ms(timing.lease_lag_ms),
        max_grants: bounds.max_lease_grants,
        max_lanes: bounds.max_lease_lanes,
        ahead: ms(timing.lease_ahead_ms),
        idle: ms(timing.lease_idle_ms),
    };
    let leases = Leases::new(
        etcd.clone(),
        lease_limits,
        ms(timing.operation_ms),
        background.clone(),
        metrics.clone(),
    );
    let space = Arc::new(Space::new(bounds.space_quota_bytes, bounds.max_space_percent));
    background.supervise("space", {
        let (etcd, metrics, space) = (etcd.clone(), metrics.clone(), space.clone());
        let every = ms(timing.space_every_ms);
        move || {
            let (etcd, metrics, space) = (etcd.clone(), metrics.clone(), space.clone());
            async move {
                space::watch(&space, &etcd, &metrics, every).await;
                Ok::<(), Infallible>(())
            }
        }
    });
    let engine = Arc::new(Engine {
        etcd: etcd.clone(),
        combiner,
        mirror: mirror.clone(),
        catch_up: catch_up.clone(),
        leases,
        crowd: Crowd::new(metrics.clone()),
        plans: Plans::new(bounds.max_plans),
        background: background.clone(),
        metrics,
        bounds,
        timing,
        answered: AtomicU64::new(0),
        space: space.clone(),
        freshness,
    });

    // It ends when nobody can send any more, so that what drains is answered.
    drop(tokio::spawn(combining));
    let shutdown = background.shutdown();
    drop(background.finish(async move {
        tokio::select! {
            () = reader => {}
            () = shutdown.cancelled() => {}
        }
    }));
    background.supervise("mirror", {
        let (mirror, etcd) = (mirror.clone(), etcd.clone());
        let deadline = ms(timing.operation_ms);
        move || {
            let (mirror, etcd) = (mirror.clone(), etcd.clone());
            async move {
                // Before the first listing, so that the mirror never has seats
                // without the epoch that belongs to their fences. Only then: a
                // cell that had an epoch and has none was lost, and must not
                // begin again at the first.
                if mirror.revision() == 0 {
                    engine::shards::ensure_epoch(&etcd, deadline).await?;
                }
                mirror::follow(mirror, etcd).await
            }
        }
    });
    let component = readiness.required("etcd");
    background.supervise("pulse", move || {
        let pulse = mirror::pulse(
            mirror.clone(),
            catch_up.clone(),
            component.clone(),
            ms(timing.pulse_ms),
            ms(timing.stale_after_ms),
        );
        async move {
            pulse.await;
            Ok::<(), Infallible>(())
        }
    });
    background.supervise("leases", {
        let engine = engine.clone();
        move || {
            let engine = engine.clone();
            async move {
                engine::keep_leases_ahead(engine).await;
                Ok::<(), Infallible>(())
            }
        }
    });
    background.supervise("expire", {
        let engine = engine.clone();
        move || {
            let engine = engine.clone();
            async move {
                engine::expire(engine).await;
                Ok::<(), Infallible>(())
            }
        }
    });

    let places = Arc::new(Semaphore::new(bounds.max_in_flight));
    let feeds = Arc::new(Semaphore::new(bounds.max_feed_clients));
    Ok(routes::router(App { engine, places, feeds }))
}
