//! What a run acts on: a cluster of its own with short lives and short waits,
//! and small halls on every shard that customers fight for. It must not know
//! what is broken, or what must be true.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use booking_api_client::{BookingClient, CallError, ShowCreate};
use local_cluster::hosts::Hosts;
use local_cluster::{
    ClusterError, NodeKind, Profile, Role, StartedCluster, Topology, programs, service,
};
use payment_gateway_client::{GatewayClient, wire::Payment};
use seat_model::{ShardId, ShowId};
use store_audit::{Scope, Stores};
use view_service_client::ViewClient;

use crate::faults;
use crate::hall::{CROWD_TTL, HOLD_TTL, Hall, PICKED, crowd_plan, performance, plan};
use crate::workload::Habits;

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The public API, while the halls were made.
    #[error("{what}: {source}")]
    Call {
        /// What was being done.
        what: String,
        /// What it said.
        source: CallError,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

pub(crate) fn other(error: impl Display) -> StageError {
    StageError::Other(error.to_string())
}

/// Longer than any run.
const TOKENS: Duration = Duration::from_secs(6 * 3600);

/// What a seat costs, in cents.
const PRICES: [(&str, u64); 3] = [("Hot", 9_000), ("Groups", 6_000), (PICKED, 4_500)];

/// Halls on each shard.
const PER_SHARD: usize = 2;

/// Shows are made until every shard has its halls; more than this would be a
/// ring that never names one of them.
const SHOWS_AT_MOST: usize = 40;

/// The cluster and the halls of a run.
pub struct Stage {
    /// The cluster.
    pub cluster: StartedCluster,
    /// Some on every shard.
    pub halls: Vec<Hall>,
    /// Views through the load balancer.
    pub(crate) views: ViewClient,
    /// Where the files are that move the clocks of services.
    pub(crate) clocks: Option<PathBuf>,
    /// What customers do beside what is drawn.
    pub(crate) habits: Habits,
    client: BookingClient,
}

/// How a run's cluster differs from the usual one.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Its tag.
    pub tag: String,
    /// Where clusters live.
    pub home: Option<PathBuf>,
    /// Whether services with fail points are started.
    pub faulty: bool,
    /// Weaker designs that are planted.
    pub planted: Vec<String>,
    /// Whether every node gets a host of its own.
    pub hosts: bool,
    /// Where the files are that move the clocks of services, if they can be.
    pub clocks: Option<PathBuf>,
    /// What customers do beside what is drawn.
    pub habits: Habits,
}

/// The cluster of a run: reconciled and swept sooner than in production, so
/// that a run need not last for hours.
#[must_use]
pub fn topology(setting: &Setting) -> Topology {
    let sale = toml::toml! {
        confirming_for_ms = 3000
        committer = { wait_max_ms = 500 }
        connections = { acquire_timeout_ms = 500, statement_timeout_ms = 1500 }
        sweep_every_ms = 1000
        sweep_older_than_ms = 9500
        stuck_retry_first_ms = 500
        stuck_retry_max_ms = 2000
    };
    // The run is its own witness: what only watches would cost time.
    let mut topology = Topology::new(setting.tag.clone(), Profile::Ha)
        .only(|kind| !kind.is_watcher())
        .with_override(NodeKind::BookingApi, "sale", toml::Value::Table(sale));
    topology.home.clone_from(&setting.home);
    topology.hosts = setting.hosts.then(Hosts::default);
    topology.faulty = setting.faulty || !setting.planted.is_empty();
    if !setting.planted.is_empty() {
        let planted = setting.planted.join(",");
        for kind in NodeKind::ALL.into_iter().filter(|kind| kind.has_faulty_build()) {
            topology = topology.with_variable(kind, "PLANTED_BUGS", planted.clone());
        }
    }
    topology
}

impl Stage {
    /// Starts the cluster anew and makes its halls.
    ///
    /// # Errors
    /// See [`StageError`].
    pub async fn set(setting: &Setting) -> Result<Self, StageError> {
        if let Ok(leftover) = StartedCluster::attach(setting.home.clone(), &setting.tag) {
            leftover.down(false).await?;
        }
        let mut topology = topology(setting);
        if let Some(folder) = &setting.clocks {
            topology = faults::clock::prepare(topology, folder).map_err(other)?;
        }
        if let Some((program, source)) = service::stale_programs(&topology).first() {
            let (program, source) = (program.display(), source.display());
            let build = if topology.faulty { service::BUILD_FAULTY } else { service::BUILD };
            return Err(other(format!("{program} is older than {source}; build it with: {build}")));
        }
        if let Some(hosts) = &topology.hosts {
            hosts.make(&topology).map_err(other)?;
        }
        let cluster = StartedCluster::up(topology).await?;
        let organiser = cluster.mint_token("organiser", Role::Organiser, TOKENS)?;
        let client = BookingClient::new(&cluster.base_url(), Some(organiser)).map_err(other)?;
        let views = ViewClient::new(&cluster.base_url(), Duration::from_secs(5)).map_err(other)?;
        let (clocks, habits) = (setting.clocks.clone(), setting.habits);
        let mut stage = Self { cluster, halls: Vec::new(), views, clocks, habits, client };
        if let Err(error) = stage.make_halls().await {
            stage.cluster.down(true).await?;
            return Err(error);
        }
        Ok(stage)
    }

    async fn make_halls(&mut self) -> Result<(), StageError> {
        self.halls = self.halls_on_each_shard("chaos", PER_SHARD, HOLD_TTL).await?;
        Ok(())
    }

    /// New halls that nobody else sells, so many on each shard, whose holds
    /// live so long. Their shows are called `name` and a number.
    ///
    /// # Errors
    /// See [`StageError`].
    pub async fn halls_on_each_shard(
        &self,
        name: &str,
        per_shard: usize,
        hold_ttl: Duration,
    ) -> Result<Vec<Hall>, StageError> {
        let plan = serde_json::to_vec(&plan()).map_err(other)?;
        let plan = self.client.import_plan(plan, None).await.map_err(call("a plan"))?;
        let plan = plan.body.plan_id;
        let shards = self.cluster.topology().of_kind(NodeKind::Shard);
        let shards: Vec<ShardId> = shards
            .map(|node| ShardId::new(node.name.as_str()))
            .collect::<Result<_, _>>()
            .map_err(other)?;
        let mut halls: Vec<Hall> = Vec::new();
        for number in 0..SHOWS_AT_MOST {
            let count = |shard: &ShardId| halls.iter().filter(|hall| hall.shard == *shard).count();
            if shards.iter().all(|shard| count(shard) >= per_shard) {
                return Ok(halls);
            }
            let show = ShowId::new(format!("{name}-{number}")).map_err(other)?;
            let create = ShowCreate { show_id: Some(show.clone()), name: show.to_string() };
            self.client.create_show(&create, None).await.map_err(call("a show"))?;
            let shard = self.shard_of(&show).await?;
            if count(&shard) >= per_shard {
                continue;
            }
            let create = performance(&plan, hold_ttl, &PRICES).map_err(other)?;
            let made = self.client.create_performance(&show, &create, None).await;
            let performance = made.map_err(call("a performance"))?.body.performance_id;
            halls.push(Hall { show, performance, shard });
        }
        Err(other("the shard map never names one of the shards"))
    }

    /// One hall more, for a crowd that nobody else meets.
    pub(crate) async fn crowded_hall(&self, number: u32) -> Result<Hall, StageError> {
        let plan = serde_json::to_vec(&crowd_plan()).map_err(other)?;
        let plan = self.client.import_plan(plan, None).await.map_err(call("a plan"))?;
        let show = ShowId::new(format!("crowd-{number}")).map_err(other)?;
        let create = ShowCreate { show_id: Some(show.clone()), name: format!("Crowd {number}") };
        self.client.create_show(&create, None).await.map_err(call("a show"))?;
        let create = performance(&plan.body.plan_id, CROWD_TTL, &[(PICKED, 4_500)]);
        let create = create.map_err(other)?;
        let made = self.client.create_performance(&show, &create, None).await;
        let performance = made.map_err(call("a performance"))?.body.performance_id;
        let shard = self.shard_of(&show).await?;
        Ok(Hall { show, performance, shard })
    }

    /// Where a show is placed, read from the shards themselves.
    async fn shard_of(&self, show: &ShowId) -> Result<ShardId, StageError> {
        let stores = self.stores().await?;
        let snapshot = stores.look(&Scope::Everything).await.map_err(other)?;
        let placed = snapshot
            .shards
            .iter()
            .find(|shard| shard.placements.iter().any(|placement| placement.show == *show));
        placed.map(|shard| shard.shard.clone()).ok_or_else(|| other("a show has no shard"))
    }

    /// Readers of all stores.
    pub(crate) async fn stores(&self) -> Result<Stores, StageError> {
        Stores::new(&self.cluster.store_addresses()).await.map_err(other)
    }

    /// A customer's client.
    pub(crate) fn customer(&self, user: &str) -> Result<BookingClient, StageError> {
        let token = self.cluster.mint_token(user, Role::Customer, TOKENS)?;
        Ok(self.client.as_user(token))
    }

    /// The payment gateway, past booking-api.
    pub(crate) fn gateway(&self) -> Result<GatewayClient, StageError> {
        let url = self.cluster.service_urls(NodeKind::PaymentGateway).into_iter().next();
        let url = url.ok_or_else(|| other("there is no payment gateway"))?;
        GatewayClient::new(&url, Duration::from_secs(10)).map_err(other)
    }

    /// The gateway's own ledger.
    pub(crate) async fn payments(&self) -> Result<Vec<Payment>, StageError> {
        let gateway = self.gateway()?;
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = gateway.payments(after.as_ref(), 500).await.map_err(other)?;
            all.extend(page.payments);
            after = page.next_after;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// The shard of each show.
    pub(crate) fn homes(&self) -> BTreeMap<ShowId, ShardId> {
        self.halls.iter().map(|hall| (hall.show.clone(), hall.shard.clone())).collect()
    }

    /// One hall on each shard.
    pub(crate) fn one_of_each_shard(&self) -> BTreeMap<ShardId, Hall> {
        self.halls.iter().map(|hall| (hall.shard.clone(), hall.clone())).collect()
    }
}

/// What an error of the public API was about.
fn call(what: &str) -> impl FnOnce(CallError) -> StageError {
    let what = what.to_owned();
    move |source| StageError::Call { what, source }
}

/// Which programs run, by name.
#[must_use]
pub fn versions() -> BTreeMap<String, String> {
    let tools = [
        ("etcd", programs::ETCD),
        ("mariadb", programs::MARIADB),
        ("redis", programs::REDIS),
        ("haproxy", programs::HAPROXY),
    ];
    let mut versions: BTreeMap<String, String> = tools
        .into_iter()
        .filter_map(|(name, tool)| {
            Some((name.to_owned(), version(&tool.find()?, tool.version_arg)))
        })
        .collect();
    versions.insert("seatlock".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    versions.insert("kernel".to_owned(), kernel.trim().to_owned());
    versions
}

/// The first line with a number that a program prints.
fn version(program: &std::path::Path, argument: &str) -> String {
    let output = std::process::Command::new(program)
        .arg(argument)
        .stdin(std::process::Stdio::null())
        .output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let line = text.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()));
    line.unwrap_or("unknown").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_bug_is_told_to_the_faulty_services_alone() {
        let setting = Setting {
            tag: "t".to_owned(),
            planted: vec!["acknowledge-before-commit".to_owned()],
            ..Setting::default()
        };
        let topology = topology(&setting);
        assert!(topology.faulty);
        assert_eq!(topology.variables.len(), 3);
        assert!(super::topology(&Setting::default()).variables.is_empty());
    }
}
