//! A turn: one system is brought up, bought from, checked, and cleared away.
//! The others are away meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use local_cluster::NodeKind;

use super::bare::Bare;
use super::buyers::OverHttp;
use super::world::World;
use super::{BENCH, Receipt, Round, SETTLED_WITHIN, Setting, System, TRIAL, Way};
use crate::Failure;
use crate::checks::{Behind, Books, check_behind, check_bookings};
use crate::ledger::Ledger;
use crate::load::{ClosedLoop, History, Holder, Measured, OpenLoop, Outcome};
use crate::options::Options;
use crate::peers::front::{Config, Front};
use crate::peers::{BoxOffice, Tables};
use crate::report::Report;
use crate::stage::Stage;
use crate::truth::{Truth, all_sold};
use crate::usage::Watched;

/// What of Seatlock runs only in its own turn.
const OURS: [NodeKind; 2] = [NodeKind::LockService, NodeKind::BookingApi];

pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    pub(super) stage: &'a Stage,
    pub(super) truth: Truth,
    pub(super) ledger: Ledger,
    /// The servers, for an account that may do anything.
    pub(super) shards: Vec<String>,
    pub(super) tables: Tables,
    pub(super) world: Arc<World>,
}

/// Those who buy from a system that is up, and the fronts that are up for them.
struct Open {
    buyers: Arc<Buyers>,
    fronts: Vec<Front>,
}

enum Buyers {
    OverHttp(OverHttp),
    Bare(Bare),
}

impl Buyers {
    fn receipts(&self) -> Vec<Receipt> {
        match self {
            Self::OverHttp(buyers) => buyers.receipts(),
            Self::Bare(buyers) => buyers.receipts(),
        }
    }
}

impl Holder for Buyers {
    const RESENDABLE: bool = true;

    async fn hold(&self, caller: usize, n: u64) -> Outcome {
        match self {
            Self::OverHttp(buyers) => buyers.hold(caller, n).await,
            Self::Bare(buyers) => buyers.buy(n).await,
        }
    }
}

/// What was asked of a system in a turn.
#[derive(Default)]
struct Asked {
    history: History,
    receipts: Vec<Receipt>,
}

impl Bench<'_> {
    /// Brings a system up as if nothing had ever been sold.
    pub(super) async fn prepare(&self, system: System) -> Result<(), Failure> {
        match system {
            System::Straight | System::Balanced => self.stage.with(&OURS).await,
            System::Front | System::Bare => {
                self.stage.without(&OURS).await?;
                let shards = self.world.performances.iter().map(|performance| performance.shard);
                self.tables.create(&self.shards, shards, self.world.seats).await
            }
        }
    }

    /// Takes a system away with all that it sold.
    pub(super) async fn clear(&self, system: System) -> Result<(), Failure> {
        if matches!(system, System::Straight | System::Balanced) {
            self.stage.without(&OURS).await?;
            self.truth.clear().await?;
            self.ledger.clear().await?;
        }
        Ok(())
    }

    /// Throughput of a short try.
    pub(super) async fn try_out(
        &self,
        system: System,
        way: Way,
        setting: Setting,
        numbers: &Arc<AtomicU64>,
    ) -> Result<f64, Failure> {
        let run = format!("t{}", setting.callers);
        let measure = TRIAL.min(self.options.measure());
        let load = ClosedLoop { measure, ..self.closed(setting) };
        let open = self.open(system, way, setting, &run).await?;
        let measured = load.run(&open.buyers, numbers, &[]).await?;
        open.close().await?;
        self.ledger.drained(SETTLED_WITHIN).await?;
        Ok(measured.per_second)
    }

    /// One round of systems that share a turn, with the checks at its end.
    pub(super) async fn turn(
        &self,
        run: &str,
        takers: &[(System, Way, Setting)],
        report: &mut Report,
    ) -> Result<Vec<Round>, Failure> {
        let Some((first, ..)) = takers.first().copied() else { return Ok(Vec::new()) };
        self.prepare(first).await?;
        let numbers = Arc::new(AtomicU64::new(0));
        let mut asked = Asked::default();
        let mut rounds = Vec::new();
        for (system, way, setting) in takers.iter().copied() {
            let open = self.open(system, way, setting, run).await?;
            let mut processes = self.stage.processes()?;
            processes.extend(open.watched());
            let round = self.round(&open.buyers, setting, &numbers, &processes, &mut asked);
            rounds.push(round.await?);
            asked.receipts.append(&mut open.buyers.receipts());
            open.close().await?;
        }
        let valid = self.check(first, run, &asked, report).await?;
        for round in &mut rounds {
            round.valid = valid;
        }
        self.clear(first).await?;
        Ok(rounds)
    }

    async fn open(
        &self,
        system: System,
        way: Way,
        setting: Setting,
        run: &str,
    ) -> Result<Open, Failure> {
        let over_http = |servers: &[SocketAddr]| {
            Buyers::OverHttp(OverHttp::new(self.world.clone(), servers, run, way))
        };
        let mut fronts = Vec::new();
        let buyers = match system {
            System::Straight => over_http(&addresses(&self.stage.booking_urls())?),
            System::Balanced => over_http(&addresses(&[self.stage.base_url()])?),
            System::Front => {
                let config = self.front_config(setting);
                for _ in 0..self.options.booking_apis {
                    fronts.push(Front::start(&config).await?);
                }
                over_http(&fronts.iter().map(|front| front.address).collect::<Vec<_>>())
            }
            System::Bare => {
                let (connections, seats) = (setting.connections, self.world.seats);
                let office = BoxOffice::open(&self.tables.urls, connections, seats).await?;
                Buyers::Bare(Bare::new(self.world.clone(), office, run, way))
            }
        };
        Ok(Open { buyers: Arc::new(buyers), fronts })
    }

    fn front_config(&self, setting: Setting) -> Config {
        let performances = self.world.performances.iter();
        Config {
            jwt_secret: self.stage.jwt_secret().to_owned(),
            shards: self.tables.urls.clone(),
            // As many in all as were asked for, however many fronts share them.
            connections: setting.connections.div_ceil(u32::from(self.options.booking_apis)),
            seats: self.world.seats,
            performances: performances
                .map(|one| (one.show.clone(), one.id.clone(), one.shard))
                .collect(),
        }
    }

    fn closed(&self, setting: Setting) -> ClosedLoop {
        ClosedLoop {
            callers: setting.callers,
            warm_up: self.options.warm_up(),
            measure: self.options.measure(),
        }
    }

    /// Throughput, then latency at half of it.
    async fn round(
        &self,
        buyers: &Arc<Buyers>,
        setting: Setting,
        numbers: &Arc<AtomicU64>,
        processes: &[Watched],
        asked: &mut Asked,
    ) -> Result<Round, Failure> {
        let mut closed = self.closed(setting).run(buyers, numbers, processes).await?;
        let drained = self.ledger.drained(SETTLED_WITHIN).await?;
        let half = OpenLoop {
            per_second: closed.per_second / 2.0,
            warm_up: self.options.warm_up(),
            measure: self.options.measure(),
        };
        let mut open = half.run(buyers, numbers, processes).await?;
        for part in [&mut closed, &mut open] {
            let part: &mut Measured = part;
            asked.history.join(std::mem::take(&mut part.history));
        }
        Ok(Round { closed, open, drained: drained.unwrap_or(SETTLED_WITHIN), valid: false })
    }

    async fn check(
        &self,
        system: System,
        run: &str,
        asked: &Asked,
        report: &mut Report,
    ) -> Result<bool, Failure> {
        let name = format!("{BENCH}, {}", system.name());
        let books = |sold| Books {
            world: &self.world,
            run,
            receipts: &asked.receipts,
            history: &asked.history,
            sold,
        };
        if matches!(system, System::Front | System::Bare) {
            let called = |n: usize| self.world.performances.get(n).map(|one| one.id.clone());
            let sold = self.tables.sold(|n| called(n).unwrap_or_default()).await?;
            return Ok(report.add_checks(check_bookings(&name, &books(&sold))));
        }
        let drained = self.ledger.drained(SETTLED_WITHIN).await?;
        let (finished, seats) = self.truth.seats_when(SETTLED_WITHIN, all_sold).await?;
        let sold = self.ledger.sold().await?;
        let captured = self.ledger.captured(&sold).await?;
        let behind = Behind {
            seats: &seats,
            finished,
            drained,
            within: SETTLED_WITHIN,
            captured: &captured,
        };
        let mut checks = check_bookings(&name, &books(&sold));
        checks.extend(check_behind(&name, &books(&sold), &behind));
        Ok(report.add_checks(checks))
    }
}

impl Open {
    fn watched(&self) -> impl Iterator<Item = Watched> {
        self.fronts.iter().enumerate().filter_map(|(n, front)| front.watched(n))
    }

    async fn close(self) -> Result<(), Failure> {
        for front in self.fronts {
            front.stop().await?;
        }
        Ok(())
    }
}

fn addresses(urls: &[String]) -> Result<Vec<SocketAddr>, Failure> {
    let parse = |url: &String| Ok(url.strip_prefix("http://").unwrap_or(url).parse()?);
    urls.iter().map(parse).collect()
}
