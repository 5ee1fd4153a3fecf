//! One run: a cluster, a crowd, faults drawn from a seed, progress demanded
//! after each; then everything is healed, waited for, looked at and judged. It
//! must not know what a fault does or what a promise is.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use local_cluster::ClusterError;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use seat_model::ShardId;

use crate::faults::{Fault, Kind, directed};
use crate::hall::Hall;
use crate::history::{Began, Event, History, Phase, VERSION};
use crate::look;
use crate::planted::Planted;
use crate::recorder::Recorder;
use crate::report;
use crate::scenario::Scenario;
use crate::stage::{Setting, Stage, StageError, other, versions};
use crate::verdict::{Ruling, rule};
use crate::wait::wait_until;
use crate::workload::{Crowd, Customer, Reply, Wish};

/// Customers at once. Few: what is looked for is order, not throughput.
const CUSTOMERS: u32 = 12;

/// Before the first fault.
const WARM_UP: Duration = Duration::from_secs(3);

/// Between the end of a fault and the next one.
const CALM_MS: std::ops::Range<u64> = 500..2_000;

/// How long a healed platform may take to be healthy everywhere.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);

/// How long a purchase is tried for after healing: longer than it may take,
/// so that a late one is told apart from none.
const DEMANDED_FOR: Duration = Duration::from_secs(30);

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct Run {
    /// Which faults.
    pub scenario: &'static Scenario,
    /// Every choice comes from it.
    pub seed: u64,
    /// How long faults are made.
    pub time: Duration,
    /// The cluster.
    pub setting: Setting,
    /// Where everything of the run is written.
    pub folder: PathBuf,
}

/// Names of the files of a run.
pub const HISTORY: &str = "history.ndjson";
/// What the stores held.
pub const FINAL: &str = "final.json";

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    /// What is said of it.
    pub ruling: Ruling,
    /// The report for people.
    pub report: PathBuf,
}

impl Run {
    /// Runs it, and judges.
    ///
    /// # Errors
    /// When the run could not be made: then nothing is known.
    pub async fn go(&self) -> Result<Ran, StageError> {
        fs::create_dir_all(&self.folder).map_err(other)?;
        let mut setting = self.setting.clone();
        setting.faulty |= self.scenario.is_faulty();
        setting.hosts |= self.scenario.has_hosts();
        if self.scenario.has_clocks() {
            let folder = self.folder.join("clocks");
            setting.clocks = Some(std::path::absolute(folder).map_err(other)?);
        }
        let stage = Arc::new(Stage::set(&setting).await?);
        let outcome = self.act(&stage).await;
        let logs = stage.cluster.root().join("logs");
        if outcome.is_ok() {
            copy_logs(&logs, &self.folder.join("logs")).map_err(other)?;
        }
        stage.cluster.down(outcome.is_err()).await?;
        outcome?;
        judge(&self.folder)
    }

    async fn act(&self, stage: &Arc<Stage>) -> Result<(), StageError> {
        let began = Began {
            version: VERSION,
            seed: self.seed,
            scenario: self.scenario.name.to_owned(),
            wall_ms: 0,
            time_s: self.time.as_secs(),
            planted: self.setting.planted.join(","),
            homes: stage.homes(),
            versions: versions(),
        };
        let recorder = Arc::new(Recorder::begin(&self.folder.join(HISTORY), began).map_err(other)?);
        let crowd = Crowd::enter(stage, &recorder, self.seed, CUSTOMERS);
        tokio::time::sleep(WARM_UP).await;
        self.demand(stage, &recorder, 0..=0, Instant::now()).await;
        self.harm(stage, &recorder).await;
        crowd.leave().await;
        recorder.flush().map_err(other)?;
        let state = look::settled(stage).await?;
        let file = File::create(self.folder.join(FINAL)).map_err(other)?;
        serde_json::to_writer(file, &state).map_err(other)
    }

    /// Makes faults until the time is over, or nothing heals any more.
    async fn harm(&self, stage: &Arc<Stage>, recorder: &Recorder) {
        let until = Instant::now() + self.time;
        let mut dice = StdRng::seed_from_u64(self.seed);
        let planted = self.setting.planted.first().and_then(|name| Planted::named(name));
        let mut number = 0;
        while Instant::now() < until {
            let mut faults = match planted {
                Some(planted) => directed(planted, stage),
                None => draw(self.scenario, &mut dice, stage),
            };
            if faults.is_empty() {
                tokio::time::sleep_until(until.into()).await;
                break;
            }
            let (from, to) = self.scenario.lasts_ms;
            let lasts = Duration::from_millis(dice.random_range(from..=to));
            let calm = Duration::from_millis(dice.random_range(CALM_MS));
            let first = number + 1;
            for (kind, fault) in &mut faults {
                number += 1;
                let (what, name) = (kind.name(), fault.name());
                recorder.fault(number, (what, name.as_str()), Phase::Begins, None);
                let made = fault.make(stage).await.err();
                recorder.fault(number, (what, name.as_str()), Phase::Made, made);
            }
            tokio::time::sleep(lasts).await;
            // Healed in the order of making: the second outlives the first.
            for (at, (kind, fault)) in (first..).zip(&mut faults) {
                let (what, name) = (kind.name(), fault.name());
                recorder.fault(at, (what, name.as_str()), Phase::Ends, None);
                let healed = fault.heal(stage).await.err();
                recorder.fault(at, (what, name.as_str()), Phase::Healed, healed);
            }
            let healed = Instant::now();
            self.demand(stage, recorder, first..=number, healed).await;
            if let Err(error) = stage.cluster.wait_healthy(HEALTHY_WITHIN).await {
                not_healthy(stage, recorder, number, &error);
                break;
            }
            tokio::time::sleep(calm).await;
        }
    }

    /// INV-12: a purchase on every shard, all shards at once.
    async fn demand(
        &self,
        stage: &Arc<Stage>,
        recorder: &Recorder,
        after: std::ops::RangeInclusive<u32>,
        healed: Instant,
    ) {
        let shards = stage.one_of_each_shard();
        let bought = shards.iter().map(|(shard, hall)| {
            let number = *after.end();
            async move { (shard.clone(), buys(stage, recorder, hall, number, healed).await) }
        });
        let bought: Vec<(ShardId, Result<u64, String>)> =
            futures_util::future::join_all(bought).await;
        for after_fault in after {
            for (shard, bought) in &bought {
                let shard = shard.clone();
                let (after_ms, last) = match bought {
                    Ok(after_ms) => (Some(*after_ms), String::new()),
                    Err(last) => (None, last.clone()),
                };
                recorder.write(Event::Progress { after_fault, shard, after_ms, last });
            }
        }
    }
}

/// Nothing heals any more: no shard can be said to have recovered.
fn not_healthy(stage: &Stage, recorder: &Recorder, after_fault: u32, error: &ClusterError) {
    for shard in stage.one_of_each_shard().into_keys() {
        let last = error.to_string();
        recorder.write(Event::Progress { after_fault, shard, after_ms: None, last });
    }
}

/// Buys one seat, by new customers until one succeeds; how long it took.
async fn buys(
    stage: &Stage,
    recorder: &Recorder,
    hall: &Hall,
    number: u32,
    healed: Instant,
) -> Result<u64, String> {
    let client = recorder.next_client();
    let tries = std::cell::Cell::new(0);
    wait_until(DEMANDED_FOR, || async {
        tries.set(tries.get() + 1);
        let name = format!("again-{number}-{}-{}", hall.shard, tries.get());
        let customer = Customer::new(stage, recorder, hall, client, &name, None);
        let customer = customer.ok_or_else(|| "no customer".to_owned())?;
        match customer.book_once("again", &Wish::Best(1)).await {
            Reply::Done(told) if told.status == 201 => {
                let after = u64::try_from(healed.elapsed().as_millis()).unwrap_or(u64::MAX);
                // So that a long run does not sell the hall out.
                customer.cancel(told.booking).await;
                Ok(after)
            }
            Reply::Done(told) => Err(format!("status {}", told.status)),
            Reply::Refused(code) => Err(code),
            Reply::Unknown => Err("no answer".to_owned()),
        }
    })
    .await
}

/// One fault, or as many as the scenario allows, of different kinds; none
/// where it has none.
fn draw(scenario: &Scenario, dice: &mut StdRng, stage: &Stage) -> Vec<(Kind, Fault)> {
    if scenario.kinds.is_empty() {
        return Vec::new();
    }
    let count = dice.random_range(1..=scenario.at_once.max(1));
    let several: Vec<Kind> = if scenario.kinds.len() >= count {
        scenario.kinds.choose_multiple(dice, count).copied().collect()
    } else {
        scenario.kinds.to_vec()
    };
    several.into_iter().filter_map(|kind| Some((kind, Fault::draw(kind, dice, stage)?))).collect()
}

/// Judges what is in a run's folder: just made, or old.
///
/// # Errors
/// When there is no run in it.
pub fn judge(folder: &Path) -> Result<Ran, StageError> {
    let open = |name: &str| {
        let path = folder.join(name);
        File::open(&path).map_err(|error| other(format!("{}: {error}", path.display())))
    };
    let history = History::read(BufReader::new(open(HISTORY)?)).map_err(other)?;
    let state = serde_json::from_reader(BufReader::new(open(FINAL)?)).map_err(other)?;
    let at_least = Scenario::named(&history.began.scenario)
        .map(|scenario| scenario.at_least(Duration::from_secs(history.began.time_s)))
        .ok_or_else(|| other(format!("there is no scenario {}", history.began.scenario)))?;
    let ruling = rule(&history, &state, &at_least);
    let report = report::write(folder, &history, &ruling).map_err(other)?;
    Ok(Ran { ruling, report })
}

fn copy_logs(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
