//! What looking costs: maps, shows and lists through the load balancer, a map
//! while its seats are being taken, and open event streams.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use view_service_client::wire::SeatMap;

use super::costs::{Gathered, Measure, Operation};
use super::place::{Place, Rounds, operations};
use super::stores::redis_bytes;
use super::{BENCH, SETTLED_WITHIN};
use crate::Failure;
use crate::checks::Check;
use crate::house::House;
use crate::http::{Answer, Server};
use crate::live::{Audience, holds_within, take_seats};
use crate::load::{History, Measured, OpenLoop};
use crate::looker::Looker;
use crate::report::Report;
use crate::report::table::figure;

/// As browsers ask.
const BROWSER: &str = "accept-encoding: gzip, deflate, br, zstd\r\n";

/// How often it is looked whether what was sold is on the map.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a held seat adds to a map at most, in bytes.
const OF_A_SEAT_BYTES: usize = 40;

const VIEWS: &str = "view-service";
const BALANCER: &str = "load-balancer";

/// What is asked for.
struct Subject {
    operation: Operation,
    path: String,
    headers: String,
    /// Bytes of its body; 0 where nothing is to have changed.
    bytes: usize,
}

/// Everything that is looked at, in all rounds.
pub(super) async fn run(
    place: &Place<'_>,
    gathered: &mut Gathered,
    rounds: &mut Rounds,
    report: &mut Report,
) -> Result<(), Failure> {
    place.begin().await?;
    let house = House::open(&place.stage, place.balancer, place.options.house).await?;
    let sold = house.sell_half(&place.stage).await?;
    let server = Server::new(place.balancer);
    let map = seen(&server, &house, sold).await?;
    report.add_checks(vec![Check::same(
        format!("{BENCH}: the map has what was sold"),
        map.seats.len(),
        sold,
    )]);
    let url = place.stage.redis_url()?;
    let in_redis = redis_bytes(&url, house.performance.as_str(), sold, SETTLED_WITHIN).await?;
    gathered.note(Measure::RedisHouseBytes, in_redis);
    gathered.note(Measure::RedisTakenBytes, in_redis / as_f64(sold).max(1.0));
    gathered.note(Measure::HouseSeats, f64::from(house.seats));

    let mut faults = Vec::new();
    let mut looked = 0;
    let mut next = 0;
    for _ in 0..place.options.rounds {
        for subject in subjects(&server, &house, gathered).await? {
            let looker = Arc::new(subject.looker(place));
            let loads = place.two_loads(place.options.lookers, &looker).await?;
            looked += judge(&loads.history, subject.operation, &mut faults);
            place.note_half(gathered, subject.operation, &loads.open);
            let name = subject.operation.name();
            eprintln!("{name}: {}/s", figure(loads.closed.per_second));
            let half = loads.open.per_second;
            rounds.add(&format!("{name}, {} callers", place.options.lookers), loads.closed);
            rounds.add(&format!("{name}, half of that, open loop"), loads.open);
            if subject.operation == Operation::Map {
                let (measured, history) =
                    in_sale(place, &house, &subject, half, &mut next, gathered).await?;
                looked += judge(&history, Operation::MapInSale, &mut faults);
                rounds.add(&format!("{}, as often", Operation::MapInSale.name()), measured);
            }
        }
    }
    let name = format!("{BENCH}: every answer is whole");
    report.add_checks(vec![Check::none(name, looked, &faults)]);
    watch(place, &house, &mut next, gathered, rounds, report).await
}

impl Subject {
    fn looker(&self, place: &Place<'_>) -> Looker {
        match self.operation {
            Operation::Unchanged => Looker::unchanged(place.balancer, &self.path, &self.headers),
            _ => Looker::http(place.balancer, &self.path, &self.headers, self.bytes),
        }
    }
}

/// The map once all that was sold is on it, or as it is when that takes too long.
async fn seen(server: &Server, house: &House, sold: usize) -> Result<SeatMap, Failure> {
    let began = Instant::now();
    loop {
        let answer = get(server, &house.seats_path(), "").await?;
        let map: SeatMap = serde_json::from_slice(&answer.body)?;
        if map.seats.len() == sold || began.elapsed() > SETTLED_WITHIN {
            return Ok(map);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn get(server: &Server, path: &str, headers: &str) -> Result<Answer, Failure> {
    let answer = server.get(path, headers).await;
    let answer = answer.map_err(|error| format!("{error:?} to GET {path}"))?;
    if !matches!(answer.status, 200 | 304) {
        return Err(format!("{} to GET {path}", answer.status).into());
    }
    Ok(answer)
}

/// What is asked for in a round, with the sizes it has by then; notes what it
/// weighs on the way.
async fn subjects(
    server: &Server,
    house: &House,
    gathered: &mut Gathered,
) -> Result<Vec<Subject>, Failure> {
    let map = house.seats_path();
    let forms = [
        (Measure::MapPlainBytes, ""),
        (Measure::MapGzipBytes, "accept-encoding: gzip\r\n"),
        (Measure::MapBitsBytes, "accept: application/octet-stream\r\n"),
    ];
    for (measure, headers) in forms {
        gathered.note(measure, weight(&get(server, &map, headers).await?));
    }
    let show = format!("/v1/show/{}", house.show);
    let whole = [
        (Operation::Map, Measure::MapBrotliBytes, map.clone()),
        (Operation::Show, Measure::ShowBytes, show),
        (Operation::List, Measure::ListBytes, "/v1/shows?limit=20".to_owned()),
    ];
    let mut subjects = Vec::new();
    let mut tag = None;
    for (operation, measure, path) in whole {
        let answer = get(server, &path, BROWSER).await?;
        gathered.note(measure, weight(&answer));
        if operation == Operation::Map {
            tag.clone_from(&answer.etag);
        }
        let (headers, bytes) = (BROWSER.to_owned(), answer.body.len());
        subjects.push(Subject { operation, path, headers, bytes });
    }
    let tag = tag.ok_or("a seat map has no validator")?;
    let headers = format!("{BROWSER}if-none-match: {tag}\r\n");
    let answer = get(server, &map, &headers).await?;
    gathered.note(Measure::UnchangedBytes, weight(&answer));
    // Before the map, in whose turn seats are taken.
    let unchanged = Subject { operation: Operation::Unchanged, path: map, headers, bytes: 0 };
    subjects.insert(0, unchanged);
    Ok(subjects)
}

/// All bytes of an answer.
fn weight(answer: &Answer) -> f64 {
    as_f64(answer.head_bytes + answer.body.len())
}

fn as_f64(of: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let of = of as f64;
    of
}

/// The map is looked at as often as before, while twenty of its seats are taken
/// in a second: what that adds is its rendering, once for each of them.
async fn in_sale(
    place: &Place<'_>,
    house: &House,
    subject: &Subject,
    per_second: f64,
    next: &mut u32,
    gathered: &mut Gathered,
) -> Result<(Measured, History), Failure> {
    let (warm_up, measure) = (place.options.warm_up(), place.options.measure());
    let holds = holds_within(warm_up + measure, house, *next)?;
    let looker = subject.looker(place).tolerating(OF_A_SEAT_BYTES * holds as usize);
    let (looker, numbers) = (Arc::new(looker), Arc::new(AtomicU64::new(0)));
    let processes = place.stage.processes()?;
    let looking = OpenLoop { per_second: per_second.max(1.0), warm_up, measure };
    let looking = looking.run(&looker, &numbers, &processes);
    let taking = take_seats(&place.stage, house, *next, holds);
    let (measured, took) = tokio::join!(looking, taking);
    let (mut measured, took) = (measured?, took?);
    *next += holds;
    place.note_half(gathered, Operation::MapInSale, &measured);
    let changes = f64::from(holds) * measure.as_secs_f64() / took.as_secs_f64().max(0.001);
    let more = gathered.latest_cpu(Operation::MapInSale, VIEWS)
        - gathered.latest_cpu(Operation::Map, VIEWS);
    gathered.note(Measure::RenderUs, more.max(0.0) * operations(&measured) / changes.max(1.0));
    let history = std::mem::take(&mut measured.history);
    Ok((measured, history))
}

/// How many answers there were; a fault where some were not whole.
fn judge(history: &History, operation: Operation, faults: &mut Vec<String>) -> usize {
    let broken = history.not_applied.len() + history.unknown.len();
    if broken > 0 {
        faults.push(format!("{broken} of {}", operation.name()));
    }
    history.taken.len() + broken
}

/// Seats are taken before open event streams.
async fn watch(
    place: &Place<'_>,
    house: &House,
    next: &mut u32,
    gathered: &mut Gathered,
    rounds: &mut Rounds,
    report: &mut Report,
) -> Result<(), Failure> {
    let options = place.options;
    let mut audience = Audience::open(options, &place.stage, house, place.balancer).await?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    gathered.note(Measure::ViewStreamBytes, audience.bytes_each as f64);
    let mut faults = Vec::new();
    let first = *next;
    for _ in 0..options.rounds {
        let round = audience.round(options, &place.stage, house, next, &mut faults).await?;
        // The others take the holds, which are counted elsewhere.
        let carries = |name: &str| name.starts_with(VIEWS) || name.starts_with(BALANCER);
        let carriers: Vec<_> =
            round.used.iter().filter(|used| carries(&used.process)).cloned().collect();
        gathered.note_cpu(Operation::Sighting, &carriers, round.took, round.sightings());
        gathered.note(Measure::EventBytes, round.bytes_each);
        eprintln!("changes on streams: {}/s", figure(round.per_second));
        let load = format!("{} streams, twenty changes a second", options.streams);
        rounds.add_other(&load, round.per_second, round.from_sent, round.used);
    }
    if audience.has_lost_one() {
        faults.push("a stream ended".to_owned());
    }
    let name = format!("{BENCH}: everybody who watches saw every hold once");
    let sightings = (*next - first) as usize * options.streams as usize;
    report.add_checks(vec![Check::none(name, sightings, &faults)]);
    audience.close().await;
    Ok(())
}
