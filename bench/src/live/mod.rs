//! P7: a thousand people watch one performance through the load balancer while
//! its seats are held one after the other through booking-api. How long until
//! everybody has seen each? Counted from the moment before the hold is sent,
//! and, beside it, from its answer.

mod audience;
mod watcher;

use local_cluster::NodeKind;

pub(crate) use self::audience::{Audience, Round, holds_within, take_seats};
use crate::Failure;
use crate::checks::Check;
use crate::house::House;
use crate::load::{Latency, median};
use crate::options::Options;
use crate::report::table::figure;
use crate::report::{PerProcess, Report, Row, Target};
use crate::stage::Stage;

const BENCH: &str = "live";

/// Milliseconds within which all but one of a hundred see a change.
const P99_MS: f64 = 150.0;

/// Runs it.
pub(crate) async fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let kinds = [
        NodeKind::Shard,
        NodeKind::Catalogue,
        NodeKind::PaymentGateway,
        NodeKind::BookingApi,
        NodeKind::Redis,
        NodeKind::ViewService,
        NodeKind::LoadBalancer,
    ];
    let stage = Stage::start(options, &kinds).await?;
    let balancer = stage.base_url();
    let address = balancer.split("://").nth(1).unwrap_or_default().trim_end_matches('/').parse()?;
    let house = House::open(&stage, address, options.house).await?;
    // What everybody is sent first is as large as in the middle of a sale.
    house.sell_half(&stage).await?;

    let mut audience = Audience::open(options, &stage, &house, address).await?;
    let mut rounds = Vec::new();
    let mut faults = Vec::new();
    let mut next = 0;
    for round in 0..options.rounds {
        let done = audience.round(options, &stage, &house, &mut next, &mut faults).await?;
        eprintln!(
            "round {}: seen {} ms after it was sent, p99 {} ms",
            round + 1,
            figure(done.from_sent.quantile_ms(0.5)),
            figure(done.from_sent.quantile_ms(0.99))
        );
        rounds.push(done);
    }
    if audience.has_lost_one() {
        faults.push("a stream ended".to_owned());
    }
    let valid = report.add_checks(vec![Check::none(
        format!("{BENCH}: everybody saw every hold once"),
        next as usize * options.streams as usize,
        &faults,
    )]);
    add_rows(options, &rounds, audience.bytes_each, valid, report);
    audience.close().await;
    stage.stop().await
}

/// One of a round's two latencies.
type OfRound = fn(&Round) -> &Latency;

fn add_rows(options: &Options, rounds: &[Round], bytes: u64, valid: bool, report: &mut Report) {
    let ways: [(&str, OfRound); 2] = [
        ("from before the hold is sent", |round| &round.from_sent),
        ("from the hold's answer", |round| &round.from_answer),
    ];
    for (way, latency) in ways {
        let over = |part: f64| {
            median(&rounds.iter().map(|round| latency(round).quantile_ms(part)).collect::<Vec<_>>())
        };
        let worst = rounds.iter().map(|round| latency(round).quantile_ms(1.0)).fold(0.0, f64::max);
        let per_second: Vec<f64> = rounds.iter().map(|round| round.per_second).collect();
        report.rows.push(Row {
            bench: BENCH.to_owned(),
            load: format!("{} streams, {way}", options.streams),
            system: "view-service behind the load balancer".to_owned(),
            ops_per_s: median(&per_second),
            p50_ms: over(0.5),
            p99_ms: over(0.99),
            valid,
            rounds: per_second,
            note: format!(
                "sightings a second; the last one {} ms; {bytes} bytes of view-service a stream",
                figure(worst)
            ),
            used: if way.starts_with("from before") {
                let last = rounds.last();
                last.map(|round| PerProcess::of(round.used.clone(), round.sightings()))
                    .unwrap_or_default()
            } else {
                Vec::new()
            },
        });
    }
    let value =
        median(&rounds.iter().map(|round| round.from_sent.quantile_ms(0.99)).collect::<Vec<_>>());
    report.targets.push(Target {
        id: "P7".to_owned(),
        what: format!(
            "ms from before a hold is sent until it is seen on {} streams, p99, at most",
            options.streams
        ),
        value,
        target: P99_MS,
        met: valid && value < P99_MS,
    });
}
