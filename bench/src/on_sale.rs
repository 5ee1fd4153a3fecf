//! P5: a crowd buys up a tier in pairs, "pick for me", through lock-service,
//! beside MariaDB's `SKIP LOCKED`. What counts is that every seat goes to
//! exactly one of them, and that hardly a choice is wasted.

use std::sync::Arc;

use local_cluster::NodeKind;
use seat_model::PlanId;

use crate::Failure;
use crate::checks::{Sale, check_sale};
use crate::hall;
use crate::load::{Rush, Rushed, median};
use crate::options::Options;
use crate::orders::{Orders, TIER};
use crate::ours::{Receipt, ThroughLockService};
use crate::peers::{SeatTable, SkipLocked};
use crate::report::table::figure;
use crate::report::{PerProcess, Report, Row, Target};
use crate::stage::Stage;
use crate::truth::{SEATS, Truth};

const BENCH: &str = "on-sale";
const OURS: &str = "lock-service";
const PEER: &str = "MariaDB SKIP LOCKED";

/// Seats each buyer wants.
const EACH: u32 = 2;

/// The node the peer runs on.
const DATABASE: &str = "shard-0";

/// Connections, and requests in flight over all of them, that are tried.
const OUR_SETTINGS: [(usize, usize); 4] = [(1, 128), (2, 256), (2, 1_024), (4, 2_048)];

/// Connections of the peer that are tried, each with one request in flight.
const PEER_SETTINGS: [u32; 4] = [8, 16, 32, 64];

/// A setting is tried with this part of seats and buyers.
const TRIAL_PART: u32 = 5;

/// Choices that somebody else had by then, for each pair that was held: fewer
/// than one in a hundred are wasted.
const WASTED: f64 = 0.01;

/// How large a sale is.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    seats: u32,
    buyers: u64,
}

/// One sale and what is left to check it by.
struct Sold {
    rushed: Rushed,
    orders: Orders,
    receipts: Vec<Receipt>,
    stored: Vec<(String, String)>,
    /// Only lock-service counts them.
    conflicts: f64,
}

struct Round {
    rushed: Rushed,
    wasted: f64,
    valid: bool,
}

/// Runs it.
pub(crate) async fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let stage = Stage::start(options, &[NodeKind::Shard]).await?;
    let truth = Truth::connect(stage.etcd_endpoints()).await?;
    let url = stage.database_url(DATABASE)?;
    let table = SeatTable::create(&url).await?;
    let bench = Bench { stage: &stage, truth: &truth, url: &url, table: &table };
    // An odd seat could never go to a pair.
    let whole = Crowd { seats: options.seats / EACH * EACH, buyers: options.crowd };
    let part = Crowd {
        seats: (whole.seats / TRIAL_PART / EACH * EACH).max(EACH),
        buyers: (whole.buyers / u64::from(TRIAL_PART)).max(1),
    };

    let mut connections = (PEER_SETTINGS[0], f64::INFINITY);
    for (n, count) in (900..).zip(PEER_SETTINGS) {
        let took = bench.peer(n, count, part).await?.rushed.took.as_secs_f64();
        eprintln!("tried {PEER}: {count} connections: {} s", figure(took));
        if took < connections.1 {
            connections = (count, took);
        }
    }
    let mut setting = (OUR_SETTINGS[0], f64::INFINITY);
    for (n, tried) in (900..).zip(OUR_SETTINGS) {
        let took = bench.ours(n, tried, part).await?.rushed.took.as_secs_f64();
        let (clients, at_once) = tried;
        eprintln!("tried {OURS}: {clients} connections, {at_once} in flight: {} s", figure(took));
        if took < setting.1 {
            setting = (tried, took);
        }
    }
    let (mut peer, mut ours) = (Vec::new(), Vec::new());
    for round in 0..u32::from(options.rounds) {
        peer.push(checked(PEER, whole, bench.peer(round, connections.0, whole).await?, report));
        ours.push(checked(OURS, whole, bench.ours(round, setting.0, whole).await?, report));
    }
    report.rows.push(row(PEER, whole.buyers, &peer, &format!("{} connections", connections.0)));
    let (clients, at_once) = setting.0;
    let note = format!(
        "{clients} connections, {at_once} in flight; {} choices wasted a pair",
        figure(wasted(&ours))
    );
    report.rows.push(row(OURS, whole.buyers, &ours, &note));
    report.targets.push(Target {
        id: "P5".to_owned(),
        what: format!(
            "{} buyers, {} seats in pairs: none sold twice, none left over; choices wasted a pair",
            whole.buyers, whole.seats
        ),
        value: wasted(&ours),
        target: WASTED,
        met: wasted(&ours) < WASTED && ours.iter().all(|round| round.valid),
    });
    stage.stop().await
}

struct Bench<'a> {
    stage: &'a Stage,
    truth: &'a Truth,
    url: &'a str,
    table: &'a SeatTable,
}

impl Bench<'_> {
    async fn peer(&self, n: u32, connections: u32, crowd: Crowd) -> Result<Sold, Failure> {
        self.stage.without_lock_service().await?;
        self.table.fill(n, crowd.seats).await?;
        let orders = Orders::new(&format!("sale{n}"), 1)?;
        let place = (n, crowd.seats);
        let holder = Arc::new(SkipLocked::new(self.url, connections, orders.clone(), place).await?);
        let rush = Rush { orders: crowd.buyers, at_once: connections as usize };
        let rushed = rush.run(&holder, &self.stage.processes()?).await?;
        let holder = Arc::into_inner(holder).ok_or("a buyer is still there")?;
        let receipts = holder.into_receipts();
        let stored = self.table.taken(n).await?;
        Ok(Sold { rushed, orders, receipts, stored, conflicts: 0.0 })
    }

    async fn ours(
        &self,
        n: u32,
        (clients, at_once): (usize, usize),
        crowd: Crowd,
    ) -> Result<Sold, Failure> {
        self.stage.with_lock_service().await?;
        let plan = PlanId::new(format!("hall-{}", crowd.seats))?;
        let orders = Orders::new(&format!("sale{n}"), 1)?.picking(plan.clone(), EACH);
        let clients = self.stage.lock_clients(clients)?;
        for client in &clients {
            client.put_plan(orders.show(), &plan, &hall::plan(&[(TIER, crowd.seats)])?).await?;
        }
        let before = self.stage.lock_metric("lock_pick_conflicts_total").await?;
        let holder = Arc::new(ThroughLockService::keeping_receipts(clients, orders.clone()));
        let rush = Rush { orders: crowd.buyers, at_once };
        let rushed = rush.run(&holder, &self.stage.processes()?).await?;
        let conflicts = self.stage.lock_metric("lock_pick_conflicts_total").await? - before;
        let holder = Arc::into_inner(holder).ok_or("a buyer is still there")?;
        let receipts = holder.into_receipts();
        let seats = self.truth.seats(SEATS).await?;
        let stored = seats.into_iter().map(|found| (found.seat, found.booking)).collect();
        self.stage.without_lock_service().await?;
        self.truth.clear().await?;
        Ok(Sold { rushed, orders, receipts, stored, conflicts })
    }
}

fn checked(system: &str, crowd: Crowd, sold: Sold, report: &mut Report) -> Round {
    let Sold { rushed, orders, receipts, stored, conflicts } = sold;
    eprintln!("{system}: everybody answered after {} s", figure(rushed.took.as_secs_f64()));
    let sale = Sale {
        seats: crowd.seats as usize,
        each: EACH as usize,
        buyers: usize::try_from(crowd.buyers).unwrap_or(usize::MAX),
        stored,
    };
    let name = format!("{BENCH}, {system}");
    let valid = report.add_checks(check_sale(&name, &orders, &rushed.history, &receipts, &sale));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 pairs")]
    let wasted = conflicts / receipts.len().max(1) as f64;
    Round { rushed, wasted, valid }
}

fn over(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    median(&rounds.iter().map(figure).collect::<Vec<_>>())
}

/// The worst round counts.
fn wasted(rounds: &[Round]) -> f64 {
    rounds.iter().map(|round| round.wasted).fold(0.0, f64::max)
}

fn row(system: &str, buyers: u64, rounds: &[Round], note: &str) -> Row {
    let took = over(rounds, |round| round.rushed.took.as_secs_f64());
    let last = rounds.last().map(|round| &round.rushed);
    Row {
        bench: BENCH.to_owned(),
        load: format!("{buyers} buyers"),
        system: system.to_owned(),
        ops_per_s: over(rounds, |round| round.rushed.per_second()),
        p50_ms: over(rounds, |round| round.rushed.latency.quantile_ms(0.5)),
        p99_ms: over(rounds, |round| round.rushed.latency.quantile_ms(0.99)),
        valid: rounds.iter().all(|round| round.valid),
        rounds: rounds.iter().map(|round| round.rushed.per_second()).collect(),
        note: format!("everybody answered after {} s; {note}", figure(took)),
        used: last.map(PerProcess::of_rush).unwrap_or_default(),
    }
}
