//! P6: the seat map of a large house, half of it sold, and the page of its
//! show, through one view-service, beside nginx that sends the very same bytes
//! as files, and beside Redis that has them under a key. Systems take turns;
//! the same callers ask all of them.

mod rows;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use local_cluster::NodeKind;
use view_service_client::bits::SeatBits;
use view_service_client::wire::SeatMap;

use crate::Failure;
use crate::checks::Check;
use crate::house::House;
use crate::load::{ClosedLoop, Holder, Measured, OpenLoop, Outcome};
use crate::looker::{Looker, Multiplexed};
use crate::options::Options;
use crate::peers::Nginx;
use crate::report::Report;
use crate::report::table::figure;
use crate::stage::Stage;
use crate::usage::Watched;

const BENCH: &str = "view";

/// What sells the house and then only costs processor time.
const SELLERS: [NodeKind; 3] = [NodeKind::BookingApi, NodeKind::PaymentGateway, NodeKind::Shard];

/// Connections to Redis that callers share; 0: one for each.
const REDIS_CONNECTIONS: [usize; 4] = [0, 1, 4, 16];

/// How long a setting is tried at most.
const TRIAL: Duration = Duration::from_secs(1);

/// How long what was sold may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Map,
    PackedMap,
    Bits,
    Show,
}

impl Subject {
    const ALL: [Self; 4] = [Self::Map, Self::PackedMap, Self::Bits, Self::Show];

    const fn name(self) -> &'static str {
        match self {
            Self::Map => "seat map",
            Self::PackedMap => "seat map, as browsers ask",
            Self::Bits => "seat map, two bits a seat",
            Self::Show => "show page",
        }
    }

    /// Its file at the peer, and its key.
    const fn file(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::PackedMap => "packed-map",
            Self::Bits => "bits",
            Self::Show => "show",
        }
    }

    const fn headers(self) -> &'static str {
        match self {
            Self::Map | Self::Show => "",
            Self::PackedMap => "accept-encoding: gzip, deflate, br, zstd\r\n",
            Self::Bits => "accept: application/octet-stream\r\n",
        }
    }

    fn path(self, house: &House) -> String {
        match self {
            Self::Map | Self::PackedMap | Self::Bits => house.seats_path(),
            Self::Show => format!("/v1/show/{}", house.show),
        }
    }
}

/// Who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    ViewService,
    Nginx,
    Redis,
}

impl System {
    const ALL: [Self; 3] = [Self::ViewService, Self::Nginx, Self::Redis];

    const fn name(self) -> &'static str {
        match self {
            Self::ViewService => "view-service",
            Self::Nginx => "nginx, a file",
            Self::Redis => "Redis GET",
        }
    }
}

/// Whoever asks.
enum Lookers {
    One(Looker),
    Sharing(Multiplexed),
}

impl Holder for Lookers {
    async fn hold(&self, caller: usize, n: u64) -> Outcome {
        match self {
            Self::One(looker) => looker.hold(caller, n).await,
            Self::Sharing(looker) => looker.hold(caller, n).await,
        }
    }
}

/// All rounds of one system with one subject.
struct Series {
    subject: Subject,
    system: System,
    bytes: usize,
    note: String,
    closed: Vec<Measured>,
    open: Vec<Measured>,
    valid: bool,
}

struct Bench<'a> {
    options: &'a Options,
    house: &'a House,
    view: SocketAddr,
    nginx: Nginx,
    redis_url: String,
    redis: SocketAddr,
    processes: Vec<Watched>,
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
    ];
    let stage = Stage::start(options, &kinds).await?;
    let house = House::open(&stage, address_of(stage.booking_urls())?, options.house).await?;
    let sold = house.sell_half(&stage).await?;
    let view = address_of(stage.view_urls())?;
    let bodies = bodies(view, &house, sold, report).await?;
    // Nobody buys while people look.
    stage.without(&SELLERS).await?;

    let files: Vec<(&str, &[u8])> =
        Subject::ALL.iter().zip(&bodies).map(|(subject, body)| (subject.file(), &**body)).collect();
    let redis_url = stage.redis_url()?;
    put(&redis_url, &files).await?;
    let nginx = Nginx::start(&files).await?;
    let mut processes = stage.processes()?;
    processes.retain(|process| {
        process.name.starts_with("view-service") || process.name.starts_with("redis")
    });
    processes.extend(nginx.watched());
    let redis = address_of(vec![redis_url.clone()])?;
    let bench = Bench { options, house: &house, view, nginx, redis_url, redis, processes };

    let mut series = Vec::new();
    for (subject, body) in Subject::ALL.into_iter().zip(&bodies) {
        for system in System::ALL {
            series.push(bench.series(subject, system, body.len()).await?);
        }
    }
    for round in 0..options.rounds {
        for (one, connections) in &mut series {
            bench.round(round, one, *connections).await?;
        }
    }
    let series: Vec<Series> = series.into_iter().map(|(one, _)| one).collect();
    rows::add(&series, report);
    bench.nginx.stop().await?;
    stage.stop().await
}

fn address_of(urls: Vec<String>) -> Result<SocketAddr, Failure> {
    let url = urls.first().ok_or("there is no such service")?;
    let address = url.split("://").nth(1).unwrap_or(url);
    Ok(address.trim_end_matches('/').parse()?)
}

/// What view-service sends of each subject, once all that was sold is in it.
async fn bodies(
    view: SocketAddr,
    house: &House,
    sold: usize,
    report: &mut Report,
) -> Result<Vec<Vec<u8>>, Failure> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let fetch = async |subject: Subject| -> Result<Vec<u8>, Failure> {
        let mut request = http.get(format!("http://{view}{}", subject.path(house)));
        for line in subject.headers().lines() {
            if let Some((name, value)) = line.split_once(": ") {
                request = request.header(name, value);
            }
        }
        Ok(request.send().await?.error_for_status()?.bytes().await?.to_vec())
    };
    let began = std::time::Instant::now();
    let map = loop {
        let body = fetch(Subject::Map).await?;
        let map: SeatMap = serde_json::from_slice(&body)?;
        if map.seats.len() == sold || began.elapsed() > SEEN_WITHIN {
            break map;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let bits = SeatBits::decode(&fetch(Subject::Bits).await?)?;
    report.add_checks(vec![
        Check::same(format!("{BENCH}: the map has what was sold"), map.seats.len(), sold),
        Check::same(
            format!("{BENCH}: so have its two bits a seat"),
            usize::try_from(map.seats_total - u64::from(bits.seats_available))?,
            sold,
        ),
    ]);
    let mut all = Vec::new();
    for subject in Subject::ALL {
        all.push(fetch(subject).await?);
    }
    Ok(all)
}

async fn put(url: &str, files: &[(&str, &[u8])]) -> Result<(), Failure> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    for (name, bytes) in files {
        redis::cmd("SET").arg(key(name)).arg(*bytes).exec_async(&mut connection).await?;
    }
    Ok(())
}

fn key(name: &str) -> String {
    format!("bench:{name}")
}

impl Bench<'_> {
    /// Callers of a system, and the settings to print.
    async fn lookers(
        &self,
        subject: Subject,
        system: System,
        bytes: usize,
        connections: usize,
    ) -> Result<Arc<Lookers>, Failure> {
        let looker = match system {
            System::ViewService => {
                let path = subject.path(self.house);
                Lookers::One(Looker::http(self.view, &path, subject.headers(), bytes))
            }
            System::Nginx => {
                let path = format!("/{}", subject.file());
                Lookers::One(Looker::http(self.nginx.address, &path, subject.headers(), bytes))
            }
            System::Redis if connections == 0 => {
                Lookers::One(Looker::redis(self.redis, &key(subject.file()), bytes))
            }
            System::Redis => {
                let key = key(subject.file());
                let shared = Multiplexed::connect(&self.redis_url, connections, &key, bytes);
                Lookers::Sharing(shared.await?)
            }
        };
        Ok(Arc::new(looker))
    }

    fn closed(&self, measure: Duration) -> ClosedLoop {
        let callers = self.options.lookers as usize;
        ClosedLoop { callers, warm_up: measure / 5, measure }
    }

    /// An empty series, with the number of connections that is best for it.
    async fn series(
        &self,
        subject: Subject,
        system: System,
        bytes: usize,
    ) -> Result<(Series, usize), Failure> {
        let mut best = (0, 0.0);
        if system == System::Redis {
            for connections in REDIS_CONNECTIONS {
                let lookers = self.lookers(subject, system, bytes, connections).await?;
                let measure = TRIAL.min(self.options.measure());
                let numbers = Arc::new(AtomicU64::new(0));
                let tried = self.closed(measure).run(&lookers, &numbers, &[]).await?;
                if tried.per_second > best.1 {
                    best = (connections, tried.per_second);
                }
            }
        }
        let note = match (system, best.0) {
            (System::Redis, 0) => format!("{bytes} bytes; a connection a caller"),
            (System::Redis, shared) => format!("{bytes} bytes; {shared} shared connections"),
            _ => format!("{bytes} bytes"),
        };
        let (closed, open) = (Vec::new(), Vec::new());
        Ok((Series { subject, system, bytes, note, closed, open, valid: true }, best.0))
    }

    async fn round(
        &self,
        round: u16,
        series: &mut Series,
        connections: usize,
    ) -> Result<(), Failure> {
        let (subject, system) = (series.subject, series.system);
        let lookers = self.lookers(subject, system, series.bytes, connections).await?;
        let numbers = Arc::new(AtomicU64::new(0));
        let measure = self.options.measure();
        let mut closed = self.closed(measure).run(&lookers, &numbers, &self.processes).await?;
        let half = OpenLoop {
            per_second: (closed.per_second / 2.0).max(1.0),
            warm_up: self.options.warm_up(),
            measure,
        };
        let mut open = half.run(&lookers, &numbers, &self.processes).await?;
        eprintln!(
            "round {}: {}, {}: {}/s, p99 at half of it {} ms",
            round + 1,
            subject.name(),
            system.name(),
            figure(closed.per_second),
            figure(open.latency.quantile_ms(0.99))
        );
        for measured in [&mut closed, &mut open] {
            let history = std::mem::take(&mut measured.history);
            series.valid &= history.not_applied.is_empty()
                && history.unknown.is_empty()
                && !history.taken.is_empty();
        }
        series.closed.push(closed);
        series.open.push(open);
        Ok(())
    }
}
