//! P1 and P2: single-seat holds through lock-service over HTTP, beside a lease
//! and a transaction for each hold, and beside unconditional puts, straight on
//! the same etcd. Systems take turns; each round is checked and cleared away.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::Failure;
use crate::checks::{Store, check_holds};
use crate::load::{ClosedLoop, Holder, Measured, OpenLoop, median};
use crate::options::Options;
use crate::orders::Orders;
use crate::ours::ThroughLockService;
use crate::peers::{self, LeaseLock, Members, Placement, PlainPut};
use crate::report::table::figure;
use crate::report::{Report, Row, Target};
use crate::stage::Stage;
use crate::truth::{SEATS, Truth};

const BENCH: &str = "holds";

/// Performances the holds of a round are spread over: the run of one show.
const PERFORMANCES: u32 = 8;

/// Numbers of connections to lock-service that are tried.
const OUR_CONNECTIONS: [usize; 3] = [1, 2, 4];

/// How long a setting is tried at most.
const TRIAL: Duration = Duration::from_secs(1);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    LeaseLock,
    PlainPut,
    LockService,
}

impl System {
    const ALL: [Self; 3] = [Self::LeaseLock, Self::PlainPut, Self::LockService];

    const fn name(self) -> &'static str {
        match self {
            Self::LeaseLock => "etcd lease + txn",
            Self::PlainPut => "etcd plain put",
            Self::LockService => "lock-service",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::LeaseLock | Self::PlainPut => peers::PREFIX,
            Self::LockService => SEATS,
        }
    }
}

/// One round of one system.
struct Round {
    closed: Measured,
    open: Measured,
    bytes_per_hold: f64,
    valid: bool,
}

/// Runs it.
pub(crate) async fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let stage = Stage::start(options, &[]).await?;
    let truth = Truth::connect(stage.etcd_endpoints()).await?;
    let bench = Bench { options, stage: &stage, truth: &truth };
    let placements = [
        bench.best_placement(System::LeaseLock).await?,
        bench.best_placement(System::PlainPut).await?,
    ];
    let connections = bench.best_connections().await?;
    let mut rounds: [Vec<Round>; 3] = Default::default();
    for round in 0..options.rounds {
        for (system, rounds) in System::ALL.into_iter().zip(&mut rounds) {
            let orders = Orders::new(&format!("h{round}"), PERFORMANCES)?;
            let done = match system {
                System::LeaseLock => {
                    let members = bench.members(placements[0]).await?;
                    let peer = LeaseLock::new(members, orders.clone());
                    bench.round(system, peer, &orders, report).await?
                }
                System::PlainPut => {
                    let members = bench.members(placements[1]).await?;
                    let peer = PlainPut::new(members, orders.clone());
                    bench.round(system, peer, &orders, report).await?
                }
                System::LockService => {
                    stage.with_lock_service().await?;
                    let clients = stage.lock_clients(connections)?;
                    let ours = ThroughLockService::new(clients, orders.clone());
                    bench.round(system, ours, &orders, report).await?
                }
            };
            eprintln!(
                "round {}: {}: {}/s, p99 {} ms",
                round + 1,
                system.name(),
                figure(done.closed.per_second),
                figure(done.closed.latency.quantile_ms(0.99))
            );
            rounds.push(done);
        }
    }
    let settings = [
        placements[0].to_string(),
        placements[1].to_string(),
        format!("{connections} to lock-service"),
    ];
    for ((system, rounds), setting) in System::ALL.into_iter().zip(&rounds).zip(settings) {
        add_rows(system, rounds, options.callers, &setting, report);
    }
    add_targets(&rounds, report);
    stage.stop().await
}

struct Bench<'a> {
    options: &'a Options,
    stage: &'a Stage,
    truth: &'a Truth,
}

impl Bench<'_> {
    fn closed_loop(&self) -> ClosedLoop {
        ClosedLoop {
            callers: self.options.callers as usize,
            warm_up: self.options.warm_up(),
            measure: self.options.measure(),
        }
    }

    async fn members(&self, placement: Placement) -> Result<Members, Failure> {
        self.stage.without_lock_service().await?;
        let leader = self.truth.leader().await?;
        Members::connect(&self.stage.etcd_endpoints(), &leader, placement).await
    }

    /// Throughput of a short try, cleared away after.
    async fn try_out<H: Holder>(&self, holder: H) -> Result<f64, Failure> {
        let measure = TRIAL.min(self.options.measure());
        let trial = ClosedLoop { measure, ..self.closed_loop() };
        let numbers = Arc::new(AtomicU64::new(0));
        let per_second = trial.run(&Arc::new(holder), &numbers, &[]).await?.per_second;
        self.stage.without_lock_service().await?;
        self.truth.clear().await?;
        Ok(per_second)
    }

    async fn best_placement(&self, system: System) -> Result<Placement, Failure> {
        let mut best = (Placement::CANDIDATES[0], 0.0);
        for placement in Placement::CANDIDATES {
            let members = self.members(placement).await?;
            let orders = Orders::new("trial", PERFORMANCES)?;
            let per_second = match system {
                System::PlainPut => self.try_out(PlainPut::new(members, orders)).await?,
                _ => self.try_out(LeaseLock::new(members, orders)).await?,
            };
            eprintln!("tried {}: {placement}: {}/s", system.name(), figure(per_second));
            if per_second > best.1 {
                best = (placement, per_second);
            }
        }
        Ok(best.0)
    }

    async fn best_connections(&self) -> Result<usize, Failure> {
        let mut best = (OUR_CONNECTIONS[0], 0.0);
        for count in OUR_CONNECTIONS {
            self.stage.with_lock_service().await?;
            let clients = self.stage.lock_clients(count)?;
            let orders = Orders::new("trial", PERFORMANCES)?;
            let per_second = self.try_out(ThroughLockService::new(clients, orders)).await?;
            eprintln!("tried lock-service: {count} connections: {}/s", figure(per_second));
            if per_second > best.1 {
                best = (count, per_second);
            }
        }
        Ok(best.0)
    }

    /// Throughput, then latency at half of it, then the checks.
    async fn round<H: Holder>(
        &self,
        system: System,
        holder: H,
        orders: &Orders,
        report: &mut Report,
    ) -> Result<Round, Failure> {
        let holder = Arc::new(holder);
        let numbers = Arc::new(AtomicU64::new(0));
        let processes = self.stage.processes()?;
        let (_, before) = self.truth.db_bytes().await?;
        let mut closed = self.closed_loop().run(&holder, &numbers, &processes).await?;
        let (_, after) = self.truth.db_bytes().await?;
        let half = OpenLoop {
            per_second: closed.per_second / 2.0,
            warm_up: self.options.warm_up(),
            measure: self.options.measure(),
        };
        let mut open = half.run(&holder, &numbers, &processes).await?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes and holds")]
        let bytes_per_hold = (after - before) as f64 / closed.history.taken.len().max(1) as f64;

        let mut history = std::mem::take(&mut closed.history);
        history.join(std::mem::take(&mut open.history));
        let seats = self.truth.seats(system.prefix()).await?;
        // Only lock-service shares leases; a peer's are named by its answers.
        let with_deadline = seats.iter().filter(|found| found.deadline_ms.is_some());
        let leases = with_deadline.map(|found| found.lease).collect();
        let lease_ends = self.truth.lease_ends(leases).await?;
        let store = Store { seats, lease_ends, leases_renewed_ms: 0 };
        let name = format!("{BENCH}, {}", system.name());
        let valid = report.add_checks(check_holds(&name, orders, &history, &store));
        self.stage.without_lock_service().await?;
        self.truth.clear().await?;
        Ok(Round { closed, open, bytes_per_hold, valid })
    }
}

fn over(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    median(&rounds.iter().map(figure).collect::<Vec<_>>())
}

fn add_rows(system: System, rounds: &[Round], callers: u32, setting: &str, report: &mut Report) {
    let valid = rounds.iter().all(|round| round.valid);
    let bytes = over(rounds, |round| round.bytes_per_hold);
    type Part = fn(&Round) -> &Measured;
    let ways: [(String, Part); 2] = [
        (format!("{callers} callers"), |round| &round.closed),
        ("half of that, open loop".to_owned(), |round| &round.open),
    ];
    let note = format!("connections: {setting}; {} bytes of etcd a hold", figure(bytes));
    for (load, part) in ways {
        let rounds: Vec<&Measured> = rounds.iter().map(part).collect();
        report.rows.push(Row::of(BENCH, &load, system.name(), valid, &rounds, &note));
    }
}

fn add_targets(rounds: &[Vec<Round>; 3], report: &mut Report) {
    let [lease_lock, plain_put, ours] = rounds;
    let valid = rounds.iter().flatten().all(|round| round.valid);
    let per_second = |rounds: &[Round]| over(rounds, |round| round.closed.per_second);
    let p99 = |rounds: &[Round]| over(rounds, |round| round.closed.latency.quantile_ms(0.99));
    let ratio = |peer: &[Round]| per_second(ours) / per_second(peer).max(f64::MIN_POSITIVE);
    let lower = p99(ours) < p99(lease_lock);
    report.targets.push(Target {
        id: "P1".to_owned(),
        what: format!(
            "holds beside a lease and a transaction each, times its throughput, at a lower p99 \
             ({} ms, the peer {} ms)",
            figure(p99(ours)),
            figure(p99(lease_lock))
        ),
        value: ratio(lease_lock),
        target: 10.0,
        met: valid && lower && ratio(lease_lock) >= 10.0,
    });
    report.targets.push(Target {
        id: "P2".to_owned(),
        what: "holds beside unconditional puts, times their throughput".to_owned(),
        value: ratio(plain_put),
        target: 1.0,
        met: valid && ratio(plain_put) >= 1.0,
    });
}
