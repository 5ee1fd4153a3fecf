//! Builds the service: every part once, what runs beside the requests, and the routes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use lock_service_client::{LockClient, LockClientConfig, LockError};
use service_kit::{Component, Process, clock};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use view_service_client::wire::Source;

use crate::cache::{CacheAway, Deadlines, Link, LinkConfig, RecordStore, SeatStore};
use crate::catalogue::{Catalogue, CatalogueAway, Database, ViewsAdded};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::projection::Projection;
use crate::projector::{Follower, Writer};
use crate::seating::{Seating, SeatingLimits};
use crate::viewed::Viewed;
use crate::views::{self, Pages, Plans, SeatMaps};

/// How often the parts are asked whether they are there.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What every request may use.
pub(crate) struct App {
    /// What is put on.
    pub(crate) catalogue: Catalogue,
    /// Which seats are taken.
    pub(crate) seating: Seating,
    /// Seat maps, rendered.
    pub(crate) seat_maps: SeatMaps,
    /// Shows and lists, rendered.
    pub(crate) pages: Pages,
    /// Seating plans, as they are sent.
    pub(crate) plans: Plans,
    pub(crate) metrics: Metrics,
    /// How often performances were looked at.
    pub(crate) viewed: Arc<Viewed>,
    /// Places for event streams.
    pub(crate) event_streams: Arc<Semaphore>,
    /// How often an event stream shows that it lives.
    pub(crate) heartbeat: Duration,
    /// Ends event streams when the process stops.
    pub(crate) shutdown: CancellationToken,
}

/// Why the service cannot be built; all of it is a wrong configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `redis`.
    #[error("redis: {0}")]
    Redis(#[from] CacheAway),
    /// `catalogue_replica_urls` or `catalogue_primary_url`.
    #[error("catalogue: {0}")]
    Catalogue(#[from] CatalogueAway),
    /// `lock_services`.
    #[error("lock_services: {0}")]
    Locks(#[from] LockError),
    /// Two metrics of one name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Builds the service. Nothing needs to be there yet: the parts are looked for
/// in the background, and requests are answered by those that are found.
///
/// # Errors
/// When the configuration names something that cannot be.
pub async fn build(config: Config, process: Process) -> Result<Router, StartError> {
    let metrics = Metrics::new(&process.registry)?;
    let link = |deadline_ms| {
        Link::new(
            &LinkConfig {
                servers: config.redis.clone(),
                prefix: config.redis_prefix.clone(),
                deadlines: Deadlines {
                    call: Duration::from_millis(deadline_ms),
                    connect: Duration::from_millis(config.redis_connect_deadline_ms),
                },
                away_for: config.away_for(),
            },
            metrics.clone(),
        )
        .map(Arc::new)
    };
    let reading = link(config.redis_deadline_ms)?;
    // Writing has a connection of its own: a large map on its way must not
    // make those wait who look.
    let writing = link(config.redis_write_deadline_ms)?;

    let projection = Arc::new(Projection::new(
        config.history_events,
        config.event_queue,
        config.regressed_after_ms,
    ));
    let read_store = SeatStore::new(&reading, config.regressed_after_ms);
    project(&config, &process, &projection, &writing, &metrics)?;

    let locks = LockClient::new(LockClientConfig {
        instances: config.lock_services.clone(),
        try_timeout: Duration::from_millis(config.locks_deadline_ms),
        away_for: config.away_for(),
    })?;
    let records = RecordStore::new(Arc::clone(&reading), Duration::from_secs(config.keep_s));
    let catalogue = catalogue(&config, &process, records, &metrics)?;
    let viewed = count_views(&config, &process, &metrics)?;
    let app = Arc::new(App {
        catalogue,
        viewed,
        seating: Seating::new(
            read_store.clone(),
            Arc::clone(&projection),
            locks,
            SeatingLimits {
                locks_deadline: Duration::from_millis(config.locks_deadline_ms),
                stale_after: Duration::from_millis(config.stale_after_ms),
                away_for: config.away_for(),
                regressed_after_ms: config.regressed_after_ms,
            },
            &metrics,
        ),
        seat_maps: SeatMaps::new(config.kept_answer_bytes / 2, config.answers_fresh_for()),
        pages: Pages::new(config.kept_answer_bytes / 2, config.answers_fresh_for()),
        plans: Plans::new(config.kept_plan_bytes),
        metrics,
        event_streams: Arc::new(Semaphore::new(config.event_streams)),
        heartbeat: config.heartbeat(),
        shutdown: process.background.shutdown(),
    });
    watch(&app, &process, reading, read_store);
    Ok(views::router(app))
}

fn project(
    config: &Config,
    process: &Process,
    projection: &Arc<Projection>,
    writing: &Arc<Link>,
    metrics: &Metrics,
) -> Result<(), StartError> {
    let (steps, heard) = mpsc::channel(config.write_queue);
    let component = process.readiness.optional("change-feed");
    let follower = Arc::new(Follower::new(config, Arc::clone(projection), steps, component)?);
    process.background.supervise("change-feed", move || {
        let follower = Arc::clone(&follower);
        async move { follower.follow().await }
    });
    let store = SeatStore::new(writing, config.regressed_after_ms);
    let writer =
        Writer::new(&store, Arc::clone(projection), config.stale_after_ms, metrics.clone());
    // Ends when the follower does.
    process.background.finish(writer.run(heard));
    Ok(())
}

fn count_views(
    config: &Config,
    process: &Process,
    metrics: &Metrics,
) -> Result<Arc<Viewed>, StartError> {
    let most = if config.count_views { config.viewed_performances } else { 0 };
    let viewed = Arc::new(Viewed::new(most, metrics.views_lost.clone()));
    if config.count_views {
        let deadline = Duration::from_millis(config.catalogue_deadline_ms);
        let to = ViewsAdded::new(&config.catalogue_primary_url, deadline)?;
        let (every, shutdown) = (config.add_views_every(), process.background.shutdown());
        // Not supervised: at the end it adds up what is left.
        process.background.finish(Arc::clone(&viewed).add_up(to, every, shutdown));
    }
    Ok(viewed)
}

fn catalogue(
    config: &Config,
    process: &Process,
    records: RecordStore,
    metrics: &Metrics,
) -> Result<Catalogue, StartError> {
    let database = |url: &str, source| {
        Database::new(
            url,
            source,
            config.catalogue_connections,
            Duration::from_millis(config.catalogue_deadline_ms),
            config.away_for(),
            metrics.clone(),
        )
    };
    let replicas = config.catalogue_replica_urls.iter();
    let replicas =
        replicas.map(|url| database(url, Source::Replica)).collect::<Result<Vec<_>, _>>()?;
    let primary = database(&config.catalogue_primary_url, Source::Primary)?;
    Ok(Catalogue::new(config, replicas, primary, records, process.background.clone()))
}

/// Keeps asking the parts whether they are there: readiness names those that
/// are not, and their breakers close again without a request having to wait.
fn watch(app: &Arc<App>, process: &Process, redis: Arc<Link>, store: SeatStore) {
    let data = process.readiness.required("data");
    data.down("neither the projection nor the catalogue was read yet");
    let mut parts: Vec<Component> = Vec::new();
    for (index, database) in app.catalogue.databases().enumerate() {
        let name = match database.source() {
            Source::Primary => "catalogue-primary".to_owned(),
            _ => format!("catalogue-replica-{index}"),
        };
        parts.push(process.readiness.optional(&name));
    }
    let redis_part = process.readiness.optional("redis");
    let app = Arc::clone(app);
    let parts: Arc<[Component]> = parts.into();
    process.background.supervise("parts", move || {
        let (app, parts, redis) = (Arc::clone(&app), Arc::clone(&parts), Arc::clone(&redis));
        let (data, redis_part, store) = (data.clone(), redis_part.clone(), store.clone());
        async move {
            let mut every = tokio::time::interval(ASK_EVERY);
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                every.tick().await;
                let databases: Vec<&Database> = app.catalogue.databases().collect();
                let pings = databases.iter().map(|database| database.ping());
                let (pings, pong) =
                    tokio::join!(futures_util::future::join_all(pings), redis.ping());
                for (part, ping) in parts.iter().zip(&pings) {
                    say(part, ping);
                }
                say(&redis_part, &pong);
                let reached = app.seating.projection().reached();
                // Once something could be read, something can be answered:
                // what was read is kept.
                if reached.is_some() || pings.iter().any(Result::is_ok) {
                    data.up();
                }
                if let Some((revision, as_of)) = reached {
                    let stored = store.projected().await.ok().flatten();
                    let behind = stored.map_or(revision, |s| revision.saturating_sub(s.revision));
                    let age = (clock::now().as_millis() - as_of.as_millis()).max(0);
                    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
                    app.metrics.revision.set(number(revision));
                    app.metrics.lag_revisions.set(number(behind));
                    app.metrics.lag_ms.set(age);
                }
            }
            #[expect(unreachable_code, reason = "the loop ends with the process only")]
            Ok::<(), std::convert::Infallible>(())
        }
    });
}

fn say<E: std::fmt::Display>(part: &Component, answered: &Result<(), E>) {
    match answered {
        Ok(()) => part.up(),
        Err(away) => part.down(away.to_string()),
    }
}
