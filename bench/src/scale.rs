//! P8: is a hold as fast among a million live holds as among a thousand, and
//! are 50,000 that run out in one second gone soon after (INV-5)?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::Failure;
use crate::checks::{Check, Store, check_holds};
use crate::clock;
use crate::load::{ClosedLoop, History, Measured, OpenLoop, Rush, Rushed, median};
use crate::options::Options;
use crate::orders::Orders;
use crate::ours::ThroughLockService;
use crate::report::table::figure;
use crate::report::{PerProcess, Report, Row, Target};
use crate::stage::Stage;
use crate::truth::{SEATS, Truth};

const BENCH: &str = "scale";
const OURS: &str = "lock-service";

/// Live holds that the many are compared with.
const FEW: u64 = 1_000;

/// Performances the live holds are spread over.
const PERFORMANCES: u32 = 50;

/// Connections, and requests in flight over all of them.
const SETTING: (usize, usize) = (2, 512);

/// Holds that come in a second while the latency is measured: few beside the
/// live ones, and the same both times. Never more than a quarter of what it can
/// do: what is compared is the number of live holds, not how full the queues are.
const PER_SECOND: f64 = 1_000.0;

/// The live holds live this long.
const LIFE_MS: u64 = 4 * 3_600_000;

/// How much slower a hold may be.
const SLOWER: f64 = 1.5;

/// Seconds after which holds that ran out are gone.
const GONE_S: f64 = 5.0;

/// Longest wait for them.
const PATIENCE: Duration = Duration::from_secs(120);

/// Latency among so many live holds.
struct Among {
    live: u64,
    rounds: Vec<Measured>,
    valid: bool,
    db_mib: f64,
}

/// Runs it.
pub(crate) async fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let stage = Stage::start(options, &[]).await?;
    let truth = Truth::connect(stage.etcd_endpoints()).await?;
    stage.with_lock_service().await?;
    let bench = Bench { options, stage: &stage, truth: &truth };
    let rate = (bench.capacity().await? / 4.0).min(PER_SECOND);

    let few = bench.fill("few", FEW.min(options.live), report).await?;
    let few = bench.among(few.latency.count(), rate, report).await?;
    bench.forget("few").await?;
    let filled = bench.fill("many", options.live, report).await?;
    eprintln!("{} live holds after {} s", options.live, figure(filled.took.as_secs_f64()));
    let many = bench.among(options.live, rate, report).await?;

    report.rows.push(row(&few, "before"));
    let note = format!("filled at {}/s", figure(filled.per_second()));
    report.rows.push(row(&many, &note));
    let p50 = quantile(&many, 0.5) / quantile(&few, 0.5).max(f64::MIN_POSITIVE);
    let p99 = quantile(&many, 0.99) / quantile(&few, 0.99).max(f64::MIN_POSITIVE);
    report.targets.push(Target {
        id: "P8".to_owned(),
        what: format!(
            "times the latency among {} live holds that it is among {} (p50 {}, p99 {})",
            many.live,
            few.live,
            figure(p50),
            figure(p99)
        ),
        value: p50.max(p99),
        target: SLOWER,
        met: few.valid && many.valid && p50.max(p99) <= SLOWER,
    });
    bench.run_out(filled.per_second(), report).await?;
    stage.stop().await
}

struct Bench<'a> {
    options: &'a Options,
    stage: &'a Stage,
    truth: &'a Truth,
}

impl Bench<'_> {
    fn ours(&self, orders: &Orders) -> Result<Arc<ThroughLockService>, Failure> {
        let clients = self.stage.lock_clients(SETTING.0)?;
        Ok(Arc::new(ThroughLockService::new(clients, orders.clone())))
    }

    /// Holds a second, as fast as it goes.
    async fn capacity(&self) -> Result<f64, Failure> {
        let orders = Orders::new("capacity", PERFORMANCES)?;
        let (callers, measure) = (self.options.callers as usize, self.options.measure());
        let load = ClosedLoop { callers, warm_up: self.options.warm_up(), measure };
        let numbers = Arc::new(AtomicU64::new(0));
        let measured = load.run(&self.ours(&orders)?, &numbers, &[]).await?;
        self.forget("capacity").await?;
        Ok(measured.per_second)
    }

    /// Removes the holds of one name behind lock-service's back, as if they had
    /// run out.
    async fn forget(&self, name: &str) -> Result<(), Failure> {
        self.truth.delete_seats(&format!("{SEATS}{name}-")).await
    }

    async fn fill(&self, name: &str, live: u64, report: &mut Report) -> Result<Rushed, Failure> {
        let orders = Orders::new(name, PERFORMANCES)?.living(LIFE_MS);
        let rush = Rush { orders: live, at_once: SETTING.1 };
        let rushed = rush.run(&self.ours(&orders)?, &[]).await?;
        self.check("the live holds", &orders, &rushed.history, report).await?;
        Ok(rushed)
    }

    /// Latency at the rate, some rounds of it, each cleared away.
    async fn among(&self, live: u64, rate: f64, report: &mut Report) -> Result<Among, Failure> {
        let mut rounds = Vec::new();
        let mut valid = true;
        let processes = self.stage.processes()?;
        for round in 0..self.options.rounds {
            let name = format!("among{live}r{round}");
            let orders = Orders::new(&name, PERFORMANCES)?;
            let load = OpenLoop {
                per_second: rate,
                warm_up: self.options.warm_up(),
                measure: self.options.measure(),
            };
            let numbers = Arc::new(AtomicU64::new(0));
            let mut measured = load.run(&self.ours(&orders)?, &numbers, &processes).await?;
            let history = std::mem::take(&mut measured.history);
            valid &= self.check("among live holds", &orders, &history, report).await?;
            eprintln!("among {live}: p99 {} ms", figure(measured.latency.quantile_ms(0.99)));
            self.forget(&name).await?;
            rounds.push(measured);
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
        let db_mib = self.truth.db_bytes().await?.0 as f64 / f64::from(1 << 20);
        Ok(Among { live, rounds, valid, db_mib })
    }

    async fn check(
        &self,
        what: &str,
        orders: &Orders,
        history: &History,
        report: &mut Report,
    ) -> Result<bool, Failure> {
        let seats = self.truth.seats(&format!("{SEATS}{}-", orders.show())).await?;
        let leases = seats.iter().map(|found| found.lease).collect();
        let lease_ends = self.truth.lease_ends(leases).await?;
        let store = Store { seats, lease_ends, leases_renewed_ms: 0 };
        let name = format!("{BENCH}, {what}");
        Ok(report.add_checks(check_holds(&name, orders, history, &store)))
    }

    /// Many holds due in one second, and when the last of them is gone.
    async fn run_out(&self, per_second: f64, report: &mut Report) -> Result<(), Failure> {
        let due = self.options.due;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 holds")]
        let filling = Duration::from_secs_f64(due as f64 / per_second.max(1.0));
        // Time to take them, as much again, and some to look at them all.
        let ahead = filling * 2 + Duration::from_secs(10);
        let from = clock::now_ms() + i64::try_from(ahead.as_millis())?;
        let orders = Orders::new("due", PERFORMANCES)?.due_in_the_second(from);
        let prefix = format!("{SEATS}due-");
        let rush = Rush { orders: due, at_once: SETTING.1 };
        let rushed = rush.run(&self.ours(&orders)?, &[]).await?;
        let seats = self.truth.seats(&prefix).await?;
        let looked = clock::now_ms();
        if looked >= from {
            return Err("the holds ran out before all of them were taken".into());
        }
        let deadlines: BTreeMap<String, i64> = seats
            .iter()
            .filter_map(|found| {
                Some((format!("{}/{}", found.performance, found.seat), found.deadline_ms?))
            })
            .collect();
        let before = self.stage.processes()?;
        let used = crate::usage::Sample::take(&before);
        let gone = self.truth.watch_them_go(&prefix, deadlines.len(), PATIENCE).await?;
        let used = used.until_now();

        let mut early = Vec::new();
        let mut last = from;
        for (seat, at) in &gone {
            last = last.max(*at);
            let left = deadlines.get(seat).map_or(0, |deadline| deadline - at);
            if left > 0 {
                early.push(format!("{seat} went {left} ms before its deadline"));
            }
        }
        let name = |what: &str| format!("{BENCH}, holds due in one second: {what}");
        let taken = rushed.history.taken.len();
        let valid = report.add_checks(vec![
            Check::same(name("all of them were taken"), taken, usize::try_from(due)?),
            Check::same(name("all of them were in etcd"), deadlines.len(), taken),
            Check::same(name("all of them are gone"), gone.len(), deadlines.len()),
            Check::none(name("none went before its deadline"), gone.len(), &early),
        ]);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand milliseconds")]
        let seconds = (last - from) as f64 / 1000.0;
        let per_second = per_second_of(gone.len(), seconds);
        let after = |part: f64| gone_after(&gone, from, part);
        report.rows.push(Row {
            bench: BENCH.to_owned(),
            load: format!("{due} running out"),
            system: OURS.to_owned(),
            ops_per_s: per_second,
            p50_ms: after(0.5),
            p99_ms: after(0.99),
            valid,
            rounds: vec![per_second],
            note: format!("{due} holds gone {} s after the second began", figure(seconds)),
            used: PerProcess::of(used, gone.len().max(1) as f64),
        });
        report.targets.push(Target {
            id: "P8-expiry".to_owned(),
            what: format!("seconds after which {due} holds due in one second are gone"),
            value: seconds,
            target: GONE_S,
            met: valid && seconds <= GONE_S,
        });
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 holds")]
fn per_second_of(holds: usize, seconds: f64) -> f64 {
    holds as f64 / seconds.max(0.001)
}

/// Milliseconds after `from` by which this part was gone.
fn gone_after(gone: &[(String, i64)], from: i64, part: f64) -> f64 {
    let mut after: Vec<i64> = gone.iter().map(|(_, at)| at - from).collect();
    after.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index within the list"
    )]
    let index = (after.len().saturating_sub(1) as f64 * part) as usize;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand milliseconds")]
    after.get(index).map_or(0.0, |at| *at as f64)
}

fn quantile(among: &Among, part: f64) -> f64 {
    median(&among.rounds.iter().map(|m| m.latency.quantile_ms(part)).collect::<Vec<_>>())
}

fn row(among: &Among, note: &str) -> Row {
    let per_second: Vec<f64> = among.rounds.iter().map(|m| m.per_second).collect();
    let used = among.rounds.last().map(|measured| {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 orders")]
        let orders = measured.latency.count() as f64;
        PerProcess::of(measured.used.clone(), orders)
    });
    Row {
        bench: BENCH.to_owned(),
        load: format!("among {} live", among.live),
        system: OURS.to_owned(),
        ops_per_s: median(&per_second),
        p50_ms: quantile(among, 0.5),
        p99_ms: quantile(among, 0.99),
        valid: among.valid,
        rounds: per_second,
        note: format!("etcd's file has {} MiB; {note}", figure(among.db_mib)),
        used: used.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_gone_when_its_last_one_is() {
        let gone: Vec<(String, i64)> = (0..=100).map(|n| (n.to_string(), 5_000 + n)).collect();
        assert!((gone_after(&gone, 5_000, 0.5) - 50.0).abs() < f64::EPSILON);
        assert!((gone_after(&gone, 5_000, 1.0) - 100.0).abs() < f64::EPSILON);
        assert!(gone_after(&[], 0, 0.5).abs() < f64::EPSILON);
    }
}
