//! P7: a thousand people watch one performance through the load balancer while
//! its seats are held one after the other through booking-api. How long until
//! everybody has seen each? Counted from the moment before the hold is sent,
//! and, beside it, from its answer.

mod watcher;

use std::time::{Duration, Instant};

use local_cluster::{NodeKind, Role};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::watcher::{Seen, Watcher};
use crate::Failure;
use crate::checks::Check;
use crate::house::{House, seat_name};
use crate::load::{Latency, median};
use crate::options::Options;
use crate::report::table::figure;
use crate::report::{PerProcess, Report, Row, Target};
use crate::stage::Stage;
use crate::usage::{Sample, rss_bytes};

const BENCH: &str = "live";

/// Milliseconds within which all but one of a hundred see a change.
const P99_MS: f64 = 150.0;

/// Time between holds: twenty a second.
const GAP: Duration = Duration::from_millis(50);

/// Streams that are opened at once.
const OPENING: usize = 50;

/// Within this everybody has seen the last change.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// Holds of a customer, who may have ten seats.
const HOLDS_OF_ONE: u32 = 5;

const TOKEN_TTL: Duration = Duration::from_secs(3_600);

/// A hold, and when.
#[derive(Debug, Clone, Copy)]
struct Taken {
    sent: Instant,
    answered: Instant,
}

/// One round.
struct Round {
    from_sent: Latency,
    from_answer: Latency,
    per_second: f64,
    used: Vec<PerProcess>,
}

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

    let processes = stage.processes()?;
    let view = processes.iter().find(|process| process.name.starts_with("view-service"));
    let view = view.ok_or("there is no view-service")?.pid;
    let before = rss_bytes(view).unwrap_or(0);
    let (sender, mut seen) = mpsc::unbounded_channel();
    let mut watchers = JoinSet::new();
    let path = format!("{}/events", house.seats_path());
    let mut opening = JoinSet::new();
    for _ in 0..options.streams {
        if opening.len() >= OPENING
            && let Some(opened) = opening.join_next().await
        {
            begin(opened??, &sender, &mut watchers);
        }
        let path = path.clone();
        opening.spawn(async move { Watcher::open(address, &path).await });
    }
    while let Some(opened) = opening.join_next().await {
        begin(opened??, &sender, &mut watchers);
    }
    drop(sender);
    let bytes = rss_bytes(view).unwrap_or(0).saturating_sub(before) / u64::from(options.streams);
    eprintln!("{} streams are open: {bytes} bytes of view-service each", options.streams);

    let mut rounds = Vec::new();
    let mut faults = Vec::new();
    let mut next = 0;
    for round in 0..options.rounds {
        let done = one_round(options, &stage, &house, &mut next, &mut seen, &mut faults).await?;
        eprintln!(
            "round {}: seen {} ms after it was sent, p99 {} ms",
            round + 1,
            figure(done.from_sent.quantile_ms(0.5)),
            figure(done.from_sent.quantile_ms(0.99))
        );
        rounds.push(done);
    }
    faults.extend(watchers.try_join_next().map(|_| "a stream ended".to_owned()));
    let valid = report.add_checks(vec![Check::none(
        format!("{BENCH}: everybody saw every hold once"),
        next as usize * options.streams as usize,
        &faults,
    )]);
    add_rows(options, &rounds, bytes, valid, report);
    watchers.shutdown().await;
    stage.stop().await
}

fn begin(watcher: Watcher, seen: &mpsc::UnboundedSender<Seen>, watchers: &mut JoinSet<()>) {
    watchers.spawn(watcher.watch(seen.clone()));
}

/// Holds seats one after the other and waits until all of them were seen by all.
async fn one_round(
    options: &Options,
    stage: &Stage,
    house: &House,
    next: &mut u32,
    seen: &mut mpsc::UnboundedReceiver<Seen>,
    faults: &mut Vec<String>,
) -> Result<Round, Failure> {
    let first = *next;
    let holds = (options.measure().as_secs_f64() / GAP.as_secs_f64()).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^32")]
    let holds = (holds as u32).min((house.seats / 2).saturating_sub(first));
    if holds == 0 {
        return Err("the house is too small for so many rounds".into());
    }
    let processes = stage.processes()?;
    let before = Sample::take(&processes);
    let began = Instant::now();
    let taking = take(stage, house, first, holds);
    let watching = watch(seen, first, holds, options.streams);
    let (taken, seen) = tokio::join!(taking, watching);
    let taken = taken?;
    *next += holds;
    let took = began.elapsed();
    let used = before.until_now();
    let (mut from_sent, mut from_answer) = (Latency::new(), Latency::new());
    let wanted = options.streams as usize;
    for (hold, moments) in taken.iter().zip(&seen) {
        if moments.len() != wanted {
            faults.push(format!("a hold was seen {} times, not {wanted}", moments.len()));
        }
        for at in moments {
            from_sent.record(at.saturating_duration_since(hold.sent));
            from_answer.record(at.saturating_duration_since(hold.answered));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let sightings = from_sent.count() as f64;
    Ok(Round {
        from_sent,
        from_answer,
        per_second: sightings / took.as_secs_f64(),
        used: PerProcess::of(used, sightings),
    })
}

/// The seats that are held are those between the sold ones.
const fn seat_of(hold: u32) -> u32 {
    hold * 2 + 1
}

async fn take(stage: &Stage, house: &House, first: u32, holds: u32) -> Result<Vec<Taken>, Failure> {
    let mut taken = Vec::new();
    let mut every = tokio::time::interval(GAP);
    for hold in first..first + holds {
        let customer = format!("live-{}", hold / HOLDS_OF_ONE);
        let token = stage.token(&customer, Role::Customer, TOKEN_TTL)?;
        let seats = [seat_name(seat_of(hold))];
        every.tick().await;
        let sent = Instant::now();
        house.take(&token, &format!("live-{hold}"), &seats, false).await?;
        taken.push(Taken { sent, answered: Instant::now() });
    }
    Ok(taken)
}

/// When each hold was seen, until all were seen by all or it takes too long.
async fn watch(
    seen: &mut mpsc::UnboundedReceiver<Seen>,
    first: u32,
    holds: u32,
    streams: u32,
) -> Vec<Vec<Instant>> {
    let mut moments = vec![Vec::new(); holds as usize];
    let mut left = holds as usize * streams as usize;
    while left > 0 {
        let Ok(Some(one)) = tokio::time::timeout(SEEN_WITHIN, seen.recv()).await else { break };
        let hold = (one.seat / 2).checked_sub(first).map(|hold| hold as usize);
        if let Some(place) = hold.and_then(|hold| moments.get_mut(hold)) {
            place.push(one.at);
            left = left.saturating_sub(1);
        }
    }
    moments
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
                rounds.last().map(|round| round.used.clone()).unwrap_or_default()
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
