//! P9: the leader of etcd is killed while holds are taken. What counts is the
//! longest time in which nobody got one, and that no answer was wrong.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::checks::{Store, check_holds};
use crate::load::{ClosedLoop, Measured, Stamped, median};
use crate::options::Options;
use crate::orders::Orders;
use crate::ours::ThroughLockService;
use crate::report::table::figure;
use crate::report::{PerProcess, Report, Row, Target};
use crate::stage::Stage;
use crate::truth::{SEATS, Truth};

const BENCH: &str = "leader";
const OURS: &str = "lock-service";

/// Callers: enough to see a gap to the millisecond, few enough that it is not
/// the load that makes it.
const CALLERS: usize = 64;

/// Connections to lock-service.
const CONNECTIONS: usize = 2;

/// How long load runs before the leader is killed.
const BEFORE: Duration = Duration::from_secs(2);

/// How long it runs afterwards.
const AFTER: Duration = Duration::from_secs(8);

/// Seconds after which there are holds again.
const AGAIN_S: f64 = 3.0;

/// A new leader begins every lease anew: it may end later by a whole life.
const LEASES_RENEWED_MS: i64 = 601_000;

struct Round {
    measured: Measured,
    gap: Duration,
    valid: bool,
}

/// Runs it.
pub(crate) async fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    if options.etcd_members < 3 {
        return Err("without three members of etcd nothing goes on when one is killed".into());
    }
    let stage = Stage::start(options, &[]).await?;
    let truth = Truth::connect(stage.etcd_endpoints()).await?;
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        rounds.push(one_round(round, &stage, &truth, report).await?);
    }
    let worst = rounds.iter().map(|round| round.gap.as_secs_f64()).fold(0.0, f64::max);
    let valid = rounds.iter().all(|round| round.valid);
    let over =
        |figure: &dyn Fn(&Round) -> f64| median(&rounds.iter().map(figure).collect::<Vec<f64>>());
    let gaps: Vec<String> = rounds.iter().map(|round| figure(round.gap.as_secs_f64())).collect();
    report.rows.push(Row {
        bench: BENCH.to_owned(),
        load: format!("{CALLERS} callers"),
        system: OURS.to_owned(),
        ops_per_s: over(&|round| round.measured.per_second),
        p50_ms: over(&|round| round.measured.latency.quantile_ms(0.5)),
        p99_ms: over(&|round| round.measured.latency.quantile_ms(0.99)),
        valid,
        rounds: rounds.iter().map(|round| round.measured.per_second).collect(),
        note: format!("longest times without a hold: {} s", gaps.join(", ")),
        used: rounds.last().map(used).unwrap_or_default(),
    });
    report.targets.push(Target {
        id: "P9".to_owned(),
        what: "seconds without a hold after etcd's leader was killed, the worst round".to_owned(),
        value: worst,
        target: AGAIN_S,
        met: valid && worst <= AGAIN_S,
    });
    stage.stop().await
}

async fn one_round(
    round: u16,
    stage: &Stage,
    truth: &Truth,
    report: &mut Report,
) -> Result<Round, Failure> {
    stage.with_lock_service().await?;
    let orders = Orders::new(&format!("leader{round}"), 8)?;
    let ours = ThroughLockService::new(stage.lock_clients(CONNECTIONS)?, orders.clone());
    let holder = Arc::new(Stamped::new(ours));
    let load = ClosedLoop { callers: CALLERS, warm_up: BEFORE / 2, measure: BEFORE / 2 + AFTER };
    let (numbers, processes) = (Arc::new(AtomicU64::new(0)), stage.processes()?);
    let leader = truth.leader().await?;
    let killing = async {
        tokio::time::sleep(BEFORE).await;
        let from = Instant::now();
        let killed = stage.kill_etcd_at(&leader).await;
        killed.map(|node| (from, node))
    };
    let (measured, killed) = tokio::join!(load.run(&holder, &numbers, &processes), killing);
    let (mut measured, (from, node)) = (measured?, killed?);
    let gap = holder.longest_gap(from, from + AFTER.mul_f64(0.95));
    eprintln!("{node} was the leader: {} s without a hold", figure(gap.as_secs_f64()));

    stage.restart(&node).await?;
    let history = std::mem::take(&mut measured.history);
    let seats = truth.seats(SEATS).await?;
    let leases = seats.iter().map(|found| found.lease).collect();
    let lease_ends = truth.lease_ends(leases).await?;
    let store = Store { seats, lease_ends, leases_renewed_ms: LEASES_RENEWED_MS };
    let name = format!("{BENCH}, {OURS}");
    let valid = report.add_checks(check_holds(&name, &orders, &history, &store));
    stage.without_lock_service().await?;
    truth.clear().await?;
    Ok(Round { measured, gap, valid })
}

fn used(round: &Round) -> Vec<PerProcess> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 orders")]
    let orders = round.measured.latency.count() as f64;
    PerProcess::of(round.measured.used.clone(), orders)
}
