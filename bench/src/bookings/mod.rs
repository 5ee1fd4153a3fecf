//! P3: hold and confirm, durable, through booking-api, in one call and in two,
//! beside `SKIP LOCKED` on the same two MariaDB servers: behind the same kind of
//! HTTP front, and bare. Systems take turns; each turn is checked and cleared
//! away. booking-api is asked straight, as the peer's front is, and through the
//! load balancer; the straight way is what is compared.

mod bare;
mod buyers;
mod rows;
mod turns;
mod world;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use local_cluster::NodeKind;

pub(crate) use self::buyers::OverHttp;
use self::turns::Bench;
pub(crate) use self::world::{HOUSES, NAMED_TIER, Wares, World, number_of};
use crate::Failure;
use crate::ledger::Ledger;
use crate::load::Measured;
use crate::options::Options;
use crate::peers::Tables;
use crate::report::Report;
use crate::report::table::figure;
use crate::stage::Stage;
use crate::truth::Truth;

const BENCH: &str = "bookings";

/// Shards.
const SHARDS: usize = 2;

/// Within this after the last answer every seat is sold in etcd, and nothing is
/// left in an outbox.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// How long a setting is tried at most.
const TRIAL: Duration = Duration::from_secs(1);

/// Bookings a second that the house has seats for; a check fails if it is
/// sold out.
const ROOM_FOR_PER_SECOND: f64 = 7_000.0;

/// Callers at once that are tried on booking-api.
const OUR_SETTINGS: [Setting; 4] =
    [setting(0, 64), setting(0, 128), setting(0, 256), setting(0, 512)];

/// Connections of the peer's front to each shard, and callers at once.
const FRONT_SETTINGS: [Setting; 5] =
    [setting(4, 64), setting(8, 64), setting(16, 64), setting(16, 128), setting(32, 128)];

/// The same without HTTP: the callers are the load generator's own.
const BARE_SETTINGS: [Setting; 5] =
    [setting(4, 16), setting(8, 32), setting(16, 64), setting(32, 64), setting(32, 128)];

/// How a booking is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `confirm=true`.
    OneCall,
    /// Hold, then confirm.
    TwoCalls,
    /// Hold, and leave it at that. No booking: only its cost is asked for.
    HoldOnly,
}

impl Way {
    /// Those that end with a booking.
    const ALL: [Self; 2] = [Self::OneCall, Self::TwoCalls];
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneCall => "one call",
            Self::TwoCalls => "two calls",
            Self::HoldOnly => "a hold only",
        })
    }
}

/// What somebody who bought was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Which purchase.
    pub(crate) n: u64,
    /// The booking's id.
    pub(crate) booking: String,
    /// Its seats.
    pub(crate) seats: Vec<String>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Straight,
    Balanced,
    Front,
    Bare,
}

impl System {
    const fn name(self) -> &'static str {
        match self {
            Self::Straight => "booking-api",
            Self::Balanced => "booking-api behind the load balancer",
            Self::Front => "SKIP LOCKED behind HTTP",
            Self::Bare => "SKIP LOCKED bare",
        }
    }
}

/// How hard a system is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Setting {
    /// Connections of a peer to each shard.
    connections: u32,
    /// Callers at once.
    callers: usize,
}

const fn setting(connections: u32, callers: usize) -> Setting {
    Setting { connections, callers }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} callers", self.callers)?;
        match self.connections {
            0 => Ok(()),
            connections => write!(f, ", {connections} connections a shard"),
        }
    }
}

/// One system asked in one way, in one round.
struct Round {
    closed: Measured,
    open: Measured,
    /// After which the outboxes were empty when the closed loop had ended.
    drained: Duration,
    valid: bool,
}

/// All rounds of one system asked in one way.
struct Series {
    system: System,
    way: Way,
    setting: Setting,
    rounds: Vec<Round>,
}

/// Runs it.
pub(crate) async fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let apis = usize::from(options.booking_apis);
    let kinds = [
        (NodeKind::Shard, SHARDS),
        (NodeKind::Catalogue, 1),
        (NodeKind::PaymentGateway, 1),
        (NodeKind::BookingApi, apis),
        // The load balancer waits for somebody to look, too.
        (NodeKind::Redis, 1),
        (NodeKind::ViewService, 1),
        (NodeKind::LoadBalancer, 1),
    ];
    let stage = Stage::start_with(options, &kinds).await?;
    // Nobody looks while it is measured.
    stage.without(&[NodeKind::ViewService, NodeKind::Redis]).await?;
    let shards = (0..SHARDS)
        .map(|n| stage.database_url(&format!("shard-{n}")))
        .collect::<Result<Vec<_>, _>>()?;
    let ledger = Ledger::new(shards.clone(), stage.gateway_url()?);
    let world = Arc::new(World::create(&stage, &ledger, Wares::programme(seats(options))).await?);
    let truth = Truth::connect(stage.etcd_endpoints()).await?;
    let tables = Tables::new(&shards);
    let bench = Bench { options, stage: &stage, truth, ledger, shards, tables, world };

    let mut series = Vec::new();
    for system in [System::Straight, System::Front, System::Bare] {
        for way in Way::ALL {
            let setting = best_setting(&bench, system, way).await?;
            let one = |system| Series { system, way, setting, rounds: Vec::new() };
            series.push(one(system));
            if system == System::Straight {
                series.push(one(System::Balanced));
            }
        }
    }
    for round in 0..options.rounds {
        for turn in [&[System::Straight, System::Balanced][..], &[System::Front], &[System::Bare]] {
            let mut takers: Vec<&mut Series> =
                series.iter_mut().filter(|one| turn.contains(&one.system)).collect();
            let run = format!("r{round}");
            let asked: Vec<_> =
                takers.iter().map(|one| (one.system, one.way, one.setting)).collect();
            let rounds = bench.turn(&run, &asked, report).await?;
            for (taker, done) in takers.iter_mut().zip(rounds) {
                eprintln!(
                    "round {}: {}, {}: {}/s, p99 {} ms",
                    round + 1,
                    taker.system.name(),
                    taker.way,
                    figure(done.closed.per_second),
                    figure(done.closed.latency.quantile_ms(0.99))
                );
                taker.rounds.push(done);
            }
        }
    }
    rows::add(&series, report);
    stage.stop().await
}

/// The fastest of a system's settings, each tried for a moment.
async fn best_setting(bench: &Bench<'_>, system: System, way: Way) -> Result<Setting, Failure> {
    let settings: &[Setting] = match system {
        System::Straight | System::Balanced => &OUR_SETTINGS,
        System::Front => &FRONT_SETTINGS,
        System::Bare => &BARE_SETTINGS,
    };
    bench.prepare(system).await?;
    let numbers = Arc::new(AtomicU64::new(0));
    let mut best = (settings[0], 0.0);
    for setting in settings {
        let per_second = bench.try_out(system, way, *setting, &numbers).await?;
        eprintln!("tried {}, {way}: {setting}: {}/s", system.name(), figure(per_second));
        if per_second > best.1 {
            best = (*setting, per_second);
        }
    }
    bench.clear(system).await?;
    Ok(best.0)
}

/// Seats of each tier of each performance: enough for a turn of booking-api,
/// in two ways, straight and through the load balancer, or for the trials.
fn seats(options: &Options) -> u32 {
    let loops = (options.measure() + options.warm_up()).as_secs_f64() * 1.5;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^32")]
    let turn = (loops * 4.0 * ROOM_FOR_PER_SECOND) as u32;
    (turn / (2 * HOUSES)).max(200)
}
