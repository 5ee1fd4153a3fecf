//! P4: everybody wants one seat, beside the same on a lease and a transaction
//! each. What counts is how soon everybody has an answer.

use std::sync::Arc;

use crate::Failure;
use crate::checks::check_winner;
use crate::load::{Holder, Rush, Rushed, median};
use crate::options::Options;
use crate::orders::Orders;
use crate::ours::ThroughLockService;
use crate::peers::{self, LeaseLock, Members, Placement};
use crate::report::table::figure;
use crate::report::{PerProcess, Report, Row, Target};
use crate::stage::Stage;
use crate::truth::{SEATS, Truth};

const BENCH: &str = "hot-seat";
const OURS: &str = "lock-service";
const PEER: &str = "etcd lease + txn";

/// Settings of lock-service's buyers that are tried: connections, and requests
/// in flight over all of them.
const OUR_SETTINGS: [(usize, usize); 5] = [(1, 512), (2, 512), (2, 2_048), (4, 2_048), (4, 6_000)];

/// The same for the peer.
const PEER_SETTINGS: [(Placement, usize); 6] = [
    (Placement::Leader(1), 256),
    (Placement::Leader(4), 256),
    (Placement::Leader(4), 1_024),
    (Placement::Spread(6), 256),
    (Placement::Spread(6), 1_024),
    (Placement::Spread(12), 2_048),
];

/// A setting is tried with this part of the buyers.
const TRIAL_PART: u64 = 5;

struct Round {
    rushed: Rushed,
    valid: bool,
}

/// Runs it.
pub(crate) async fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let stage = Stage::start(options, &[]).await?;
    let truth = Truth::connect(stage.etcd_endpoints()).await?;
    let bench = Bench { buyers: options.buyers, stage: &stage, truth: &truth };
    let peer_setting = bench.best_of_peer().await?;
    let our_setting = bench.best_of_ours().await?;
    let (mut peer, mut ours) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let orders = bench.orders(round)?;
        let holder = bench.peer(peer_setting.0, &orders).await?;
        peer.push(bench.round(PEER, holder, peer_setting.1, &orders, report).await?);
        let holder = bench.ours(our_setting.0, &orders).await?;
        ours.push(bench.round(OURS, holder, our_setting.1, &orders, report).await?);
    }
    let setting = |connections: &dyn std::fmt::Display, at_once: usize| {
        format!("connections: {connections}; {at_once} in flight")
    };
    report.rows.push(row(PEER, options.buyers, &peer, &setting(&peer_setting.0, peer_setting.1)));
    report.rows.push(row(OURS, options.buyers, &ours, &setting(&our_setting.0, our_setting.1)));
    let ratio = took(&peer) / took(&ours).max(f64::MIN_POSITIVE);
    report.targets.push(Target {
        id: "P4".to_owned(),
        what: format!(
            "{} buyers, one seat: one winner, everybody answered after {} s, the peer {} s: times \
             sooner",
            options.buyers,
            figure(took(&ours)),
            figure(took(&peer))
        ),
        value: ratio,
        target: 20.0,
        met: ratio >= 20.0 && peer.iter().chain(&ours).all(|round| round.valid),
    });
    stage.stop().await
}

struct Bench<'a> {
    buyers: u64,
    stage: &'a Stage,
    truth: &'a Truth,
}

impl Bench<'_> {
    fn orders(&self, round: u16) -> Result<Orders, Failure> {
        Ok(Orders::new(&format!("hot{round}"), 1)?.for_one_seat())
    }

    async fn peer(&self, placement: Placement, orders: &Orders) -> Result<LeaseLock, Failure> {
        self.stage.without_lock_service().await?;
        let leader = self.truth.leader().await?;
        let members = Members::connect(&self.stage.etcd_endpoints(), &leader, placement).await?;
        Ok(LeaseLock::new(members, orders.clone()))
    }

    async fn ours(&self, clients: usize, orders: &Orders) -> Result<ThroughLockService, Failure> {
        self.stage.with_lock_service().await?;
        Ok(ThroughLockService::new(self.stage.lock_clients(clients)?, orders.clone()))
    }

    /// Seconds until a part of the crowd was answered; cleared away after.
    async fn try_out<H: Holder>(&self, holder: H, at_once: usize) -> Result<f64, Failure> {
        let rush = Rush { orders: (self.buyers / TRIAL_PART).max(1), at_once };
        let rushed = rush.run(&Arc::new(holder), &[]).await?;
        self.stage.without_lock_service().await?;
        self.truth.clear().await?;
        Ok(rushed.took.as_secs_f64())
    }

    async fn best_of_peer(&self) -> Result<(Placement, usize), Failure> {
        let mut best = (PEER_SETTINGS[0], f64::INFINITY);
        for (placement, at_once) in PEER_SETTINGS {
            let holder = self.peer(placement, &self.orders(999)?).await?;
            let took = self.try_out(holder, at_once).await?;
            eprintln!("tried {PEER}: {placement}, {at_once} in flight: {} s", figure(took));
            if took < best.1 {
                best = ((placement, at_once), took);
            }
        }
        Ok(best.0)
    }

    async fn best_of_ours(&self) -> Result<(usize, usize), Failure> {
        let mut best = (OUR_SETTINGS[0], f64::INFINITY);
        for (clients, at_once) in OUR_SETTINGS {
            let holder = self.ours(clients, &self.orders(999)?).await?;
            let took = self.try_out(holder, at_once).await?;
            eprintln!(
                "tried {OURS}: {clients} connections, {at_once} in flight: {} s",
                figure(took)
            );
            if took < best.1 {
                best = ((clients, at_once), took);
            }
        }
        Ok(best.0)
    }

    async fn round<H: Holder>(
        &self,
        system: &str,
        holder: H,
        at_once: usize,
        orders: &Orders,
        report: &mut Report,
    ) -> Result<Round, Failure> {
        let rush = Rush { orders: self.buyers, at_once };
        let rushed = rush.run(&Arc::new(holder), &self.stage.processes()?).await?;
        eprintln!("{system}: everybody answered after {} s", figure(rushed.took.as_secs_f64()));
        let prefix = if system == OURS { SEATS } else { peers::PREFIX };
        let seats = self.truth.seats(prefix).await?;
        let name = format!("{BENCH}, {system}");
        let checks = check_winner(&name, orders, self.buyers, &rushed.history, &seats);
        let valid = report.add_checks(checks);
        self.stage.without_lock_service().await?;
        self.truth.clear().await?;
        Ok(Round { rushed, valid })
    }
}

fn over(rounds: &[Round], figure: impl Fn(&Rushed) -> f64) -> f64 {
    median(&rounds.iter().map(|round| figure(&round.rushed)).collect::<Vec<_>>())
}

fn took(rounds: &[Round]) -> f64 {
    over(rounds, |rushed| rushed.took.as_secs_f64())
}

fn row(system: &str, buyers: u64, rounds: &[Round], setting: &str) -> Row {
    let last = rounds.last().map(|round| &round.rushed);
    Row {
        bench: BENCH.to_owned(),
        load: format!("{buyers} buyers"),
        system: system.to_owned(),
        ops_per_s: over(rounds, Rushed::per_second),
        p50_ms: over(rounds, |rushed| rushed.latency.quantile_ms(0.5)),
        p99_ms: over(rounds, |rushed| rushed.latency.quantile_ms(0.99)),
        valid: rounds.iter().all(|round| round.valid),
        rounds: rounds.iter().map(|round| round.rushed.per_second()).collect(),
        note: format!("everybody answered after {} s; {setting}", figure(took(rounds))),
        used: last.map(PerProcess::of_rush).unwrap_or_default(),
    }
}
