//! Where all of it is measured: one cluster with everything a request passes,
//! asked through its load balancer; and what the phases of a round share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use local_cluster::NodeKind;

use super::BENCH;
use super::costs::{Gathered, Operation};
use crate::Failure;
use crate::ledger::Ledger;
use crate::load::{ClosedLoop, History, Holder, Latency, Measured, OpenLoop};
use crate::options::Options;
use crate::report::{Report, Row};
use crate::stage::Stage;
use crate::truth::Truth;
use crate::usage::{Sample, Used};

/// What knows what was sold: begun anew for each phase, so that it forgets.
const SELLERS: [NodeKind; 3] = [NodeKind::LockService, NodeKind::BookingApi, NodeKind::ViewService];

/// Shards.
const SHARDS: usize = 2;

const SYSTEM: &str = "Seatlock behind the load balancer";

/// The cluster.
pub(super) struct Place<'a> {
    pub(super) options: &'a Options,
    pub(super) stage: Stage,
    pub(super) truth: Truth,
    pub(super) ledger: Ledger,
    /// The shards' servers, for an account that may do anything.
    pub(super) shards: Vec<String>,
    /// The load balancer.
    pub(super) balancer: SocketAddr,
}

/// As fast as it goes, then at half of that.
pub(super) struct TwoLoads {
    pub(super) closed: Measured,
    pub(super) open: Measured,
    /// Of both.
    pub(super) history: History,
}

impl<'a> Place<'a> {
    /// Starts it.
    pub(super) async fn start(options: &'a Options) -> Result<Self, Failure> {
        let kinds = [
            (NodeKind::Shard, SHARDS),
            (NodeKind::Catalogue, 1),
            (NodeKind::PaymentGateway, 1),
            (NodeKind::BookingApi, usize::from(options.booking_apis)),
            (NodeKind::Redis, 1),
            (NodeKind::ViewService, 1),
            (NodeKind::LoadBalancer, 1),
        ];
        let stage = Stage::start_with(options, &kinds).await?;
        let shards = (0..SHARDS)
            .map(|n| stage.database_url(&format!("shard-{n}")))
            .collect::<Result<Vec<_>, _>>()?;
        let url = stage.base_url();
        let balancer = url.split("://").nth(1).unwrap_or_default().trim_end_matches('/').parse()?;
        let truth = Truth::connect(stage.etcd_endpoints()).await?;
        let ledger = Ledger::new(shards.clone(), stage.gateway_url()?);
        Ok(Self { options, stage, truth, ledger, shards, balancer })
    }

    /// What the cluster uses while nobody asks for anything.
    pub(super) async fn idle(&self) -> Result<Gathered, Failure> {
        tokio::time::sleep(self.options.warm_up()).await;
        let before = Sample::take(&self.stage.processes()?);
        tokio::time::sleep(self.options.measure()).await;
        Ok(Gathered::beside_idle(&before.until_now(), self.options.measure()))
    }

    /// Begins a phase, as if nothing had ever been sold.
    pub(super) async fn begin(&self) -> Result<(), Failure> {
        self.stage.without(&SELLERS).await?;
        self.truth.clear().await?;
        self.ledger.clear().await?;
        self.stage.with(&SELLERS).await
    }

    /// Throughput, and then the cost at half of it: nobody should run a machine
    /// at its limit, and batches are smaller below it.
    pub(super) async fn two_loads<H: Holder>(
        &self,
        callers: u32,
        holder: &Arc<H>,
    ) -> Result<TwoLoads, Failure> {
        let numbers = Arc::new(AtomicU64::new(0));
        let (warm_up, measure) = (self.options.warm_up(), self.options.measure());
        let closed = ClosedLoop { callers: callers as usize, warm_up, measure };
        let mut closed = closed.run(holder, &numbers, &[]).await?;
        // What a crowd left behind is no part of what comes after it.
        self.ledger.drained(super::SETTLED_WITHIN).await?;
        let half = OpenLoop { per_second: (closed.per_second / 2.0).max(1.0), warm_up, measure };
        let mut open = half.run(holder, &numbers, &self.stage.processes()?).await?;
        let mut history = std::mem::take(&mut closed.history);
        history.join(std::mem::take(&mut open.history));
        Ok(TwoLoads { closed, open, history })
    }

    /// Notes what half of the throughput cost.
    pub(super) fn note_half(&self, gathered: &mut Gathered, operation: Operation, of: &Measured) {
        gathered.note_cpu(operation, &of.used, self.options.measure(), operations(of));
    }
}

/// How many there were in a measurement.
pub(super) fn operations(measured: &Measured) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let operations = measured.latency.count() as f64;
    operations
}

/// The rounds of each load, in the order in which loads were first measured.
#[derive(Default)]
pub(super) struct Rounds(Vec<(String, Vec<Measured>)>);

impl Rounds {
    /// Adds a round.
    pub(super) fn add(&mut self, load: &str, measured: Measured) {
        match self.0.iter_mut().find(|(known, _)| known == load) {
            Some((_, rounds)) => rounds.push(measured),
            None => self.0.push((load.to_owned(), vec![measured])),
        }
    }

    /// Adds a round that is no loop's.
    pub(super) fn add_other(
        &mut self,
        load: &str,
        per_second: f64,
        latency: Latency,
        used: Vec<Used>,
    ) {
        let history = History::default();
        self.add(load, Measured { per_second, latency, history, used });
    }

    /// A row for each load.
    pub(super) fn report(&self, report: &mut Report) {
        let valid = report.is_valid();
        for (load, rounds) in &self.0 {
            let rounds: Vec<&Measured> = rounds.iter().collect();
            report.rows.push(Row::of(BENCH, load, SYSTEM, valid, &rounds, ""));
        }
    }
}

/// How much longer than its measurement a load may run, in seconds: callers
/// that are still served when the time is over, and an open loop's tail.
pub(super) fn longest(options: &Options) -> Duration {
    (options.warm_up() + options.measure()).mul_f64(1.5)
}
