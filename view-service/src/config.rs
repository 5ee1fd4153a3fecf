//! The configuration. Every limit of the process stands here.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use service_kit::{ListenConfig, ServiceConfig, TelemetryConfig};

use crate::cache::RedisServers;

/// What the file may say. Only the first seven keys have no default.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The process's own name.
    pub name: String,
    /// Where it answers.
    pub listen: SocketAddr,
    /// Where it reports.
    pub admin_listen: SocketAddr,
    /// lock-service instances: whose change feed is followed.
    #[schemars(length(min = 1))]
    pub lock_services: Vec<String>,
    /// Redis: `{ mode = "single", url = "redis://127.0.0.1:6379" }`, or Sentinels, or a Cluster.
    pub redis: RedisServers,
    /// Replicas of the catalogue, asked first; may be none.
    pub catalogue_replica_urls: Vec<String>,
    /// The catalogue's primary, asked where the replicas are away or do not know yet.
    pub catalogue_primary_url: String,

    /// How long it answers on, no longer ready, when told to stop: longer than the load balancer
    /// takes to see that.
    #[serde(default = "defaults::leave_ms")]
    pub leave_ms: u64,
    /// What Redis keys begin with.
    #[serde(default = "defaults::redis_prefix")]
    pub redis_prefix: String,
    /// How long a view waits for Redis.
    #[serde(default = "defaults::redis_deadline_ms")]
    pub redis_deadline_ms: u64,
    /// How long the projector waits for Redis; writing a large map takes longer.
    #[serde(default = "defaults::redis_write_deadline_ms")]
    pub redis_write_deadline_ms: u64,
    /// How long connecting to Redis may take where no view waits for it.
    #[serde(default = "defaults::redis_connect_deadline_ms")]
    pub redis_connect_deadline_ms: u64,
    /// How long one database may take to answer, connecting included.
    #[serde(default = "defaults::catalogue_deadline_ms")]
    pub catalogue_deadline_ms: u64,
    /// The same for what neither memory nor Redis can answer.
    #[serde(default = "defaults::last_resort_deadline_ms")]
    pub last_resort_deadline_ms: u64,
    /// Connections to each database of the catalogue.
    #[serde(default = "defaults::catalogue_connections")]
    #[schemars(range(min = 1))]
    pub catalogue_connections: u32,
    /// How long a catalogue answer is fresh.
    #[serde(default = "defaults::fresh_ms")]
    pub fresh_ms: u64,
    /// How long a catalogue answer is kept for when the databases are away.
    #[serde(default = "defaults::keep_s")]
    pub keep_s: u64,
    /// Shows kept in memory.
    #[serde(default = "defaults::kept_shows")]
    pub kept_shows: u64,
    /// Pages of lists kept in memory.
    #[serde(default = "defaults::kept_lists")]
    pub kept_lists: u64,
    /// Bytes of seating plans kept in memory, and as many again of what they are sent as.
    #[serde(default = "defaults::kept_plan_bytes")]
    pub kept_plan_bytes: u64,
    /// How long a rendered answer is sent again where nothing has changed.
    #[serde(default = "defaults::answer_fresh_ms")]
    pub answer_fresh_ms: u64,
    /// Bytes of rendered seat maps, shows and lists kept in memory, about.
    #[serde(default = "defaults::kept_answer_bytes")]
    pub kept_answer_bytes: u64,
    /// How often a second the primary may be asked whether a thing that no
    /// replica knows was just made.
    #[serde(default = "defaults::confirmations_per_s")]
    pub confirmations_per_s: u32,
    /// How long something that did not answer is passed over.
    #[serde(default = "defaults::away_for_ms")]
    pub away_for_ms: u64,
    /// The age from which a seat map says that it is stale.
    #[serde(default = "defaults::stale_after_ms")]
    pub stale_after_ms: u64,
    /// A feed that says nothing for so long is left for another instance's; a
    /// living one speaks once a second.
    #[serde(default = "defaults::feed_silence_ms")]
    #[schemars(range(min = 1_100))]
    pub feed_silence_ms: u64,
    /// How long lock-service may take to open a feed or to send a snapshot.
    #[serde(default = "defaults::locks_deadline_ms")]
    pub locks_deadline_ms: u64,
    /// A lower revision confirmed so much later than a higher one means that
    /// etcd began again, not that somebody is behind.
    #[serde(default = "defaults::regressed_after_ms")]
    #[schemars(range(min = 0))]
    pub regressed_after_ms: i64,
    /// Changes that wait to be written to Redis; beyond, everything is written anew.
    #[serde(default = "defaults::write_queue")]
    #[schemars(range(min = 1))]
    pub write_queue: usize,
    /// Changes of a performance kept for `Last-Event-ID`.
    #[serde(default = "defaults::history_events")]
    #[schemars(range(min = 1))]
    pub history_events: usize,
    /// Changes that may wait for a slow reader before it gets a new snapshot.
    #[serde(default = "defaults::event_queue")]
    #[schemars(range(min = 1))]
    pub event_queue: usize,
    /// Event streams open at once.
    #[serde(default = "defaults::event_streams")]
    #[schemars(range(min = 1))]
    pub event_streams: usize,
    /// Whether views are added up for organisers: the account of the primary's
    /// URL must then be allowed to write `performance_demand_hour`.
    #[serde(default = "defaults::count_views")]
    pub count_views: bool,
    /// How often they are added up.
    #[serde(default = "defaults::add_views_every_ms")]
    #[schemars(range(min = 1))]
    pub add_views_every_ms: u64,
    /// Performances whose views may wait to be added up; those of others are lost.
    #[serde(default = "defaults::viewed_performances")]
    #[schemars(range(min = 1))]
    pub viewed_performances: usize,
    /// How often an event stream shows that it lives.
    #[serde(default = "defaults::heartbeat_ms")]
    #[schemars(range(min = 1, max = 15_000))]
    pub heartbeat_ms: u64,
    /// Which requests leave a trace.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

mod defaults {
    pub(super) fn redis_prefix() -> String {
        "seatlock:v1".to_owned()
    }
    pub(super) const fn redis_deadline_ms() -> u64 {
        150
    }
    pub(super) const fn redis_write_deadline_ms() -> u64 {
        1_000
    }
    pub(super) const fn redis_connect_deadline_ms() -> u64 {
        1_000
    }
    pub(super) const fn catalogue_deadline_ms() -> u64 {
        500
    }
    pub(super) const fn last_resort_deadline_ms() -> u64 {
        800
    }
    pub(super) const fn catalogue_connections() -> u32 {
        8
    }
    pub(super) const fn fresh_ms() -> u64 {
        1_000
    }
    pub(super) const fn keep_s() -> u64 {
        24 * 3600
    }
    pub(super) const fn kept_shows() -> u64 {
        50_000
    }
    pub(super) const fn kept_lists() -> u64 {
        1_000
    }
    pub(super) const fn kept_plan_bytes() -> u64 {
        256 << 20
    }
    pub(super) const fn answer_fresh_ms() -> u64 {
        1_000
    }
    pub(super) const fn kept_answer_bytes() -> u64 {
        256 << 20
    }
    pub(super) const fn confirmations_per_s() -> u32 {
        50
    }
    pub(super) const fn away_for_ms() -> u64 {
        1_000
    }
    pub(super) const fn stale_after_ms() -> u64 {
        2_000
    }
    pub(super) const fn feed_silence_ms() -> u64 {
        2_500
    }
    pub(super) const fn locks_deadline_ms() -> u64 {
        600
    }
    pub(super) const fn regressed_after_ms() -> i64 {
        3_000
    }
    pub(super) const fn write_queue() -> usize {
        8_192
    }
    pub(super) const fn history_events() -> usize {
        256
    }
    pub(super) const fn event_queue() -> usize {
        128
    }
    pub(super) const fn event_streams() -> usize {
        10_000
    }
    pub(super) const fn leave_ms() -> u64 {
        1_500
    }
    pub(super) const fn count_views() -> bool {
        true
    }
    pub(super) const fn add_views_every_ms() -> u64 {
        5_000
    }
    pub(super) const fn viewed_performances() -> usize {
        10_000
    }
    pub(super) const fn heartbeat_ms() -> u64 {
        10_000
    }
}

impl Config {
    pub(crate) const fn away_for(&self) -> Duration {
        Duration::from_millis(self.away_for_ms)
    }

    pub(crate) const fn answers_fresh_for(&self) -> Duration {
        Duration::from_millis(self.answer_fresh_ms)
    }

    pub(crate) fn add_views_every(&self) -> Duration {
        Duration::from_millis(self.add_views_every_ms.max(10))
    }

    pub(crate) const fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }
}

impl ServiceConfig for Config {
    fn name(&self) -> &str {
        &self.name
    }

    fn listen(&self) -> ListenConfig {
        ListenConfig::new(self.listen, self.admin_listen)
            .leaving_within(Duration::from_millis(self.leave_ms))
            .in_lanes()
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn check(&self) -> Result<(), String> {
        if self.listen == self.admin_listen {
            return Err("listen and admin_listen must differ".to_owned());
        }
        if self.stale_after_ms >= self.feed_silence_ms * 4 {
            return Err("feed_silence_ms must not be far below stale_after_ms".to_owned());
        }
        if self.redis_prefix.contains(['{', '}']) {
            return Err("redis_prefix must have no braces: they say where a key is".to_owned());
        }
        // A view that is not stale must not become so while it is kept.
        if self.answer_fresh_ms > self.stale_after_ms {
            return Err("answer_fresh_ms must not be above stale_after_ms".to_owned());
        }
        Ok(())
    }
}
