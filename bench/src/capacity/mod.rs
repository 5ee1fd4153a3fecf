//! Capacity: what one operation costs in each kind of process and how many bytes
//! things have, measured on a cluster with everything a request passes; and what
//! a seller of a given size needs by that. What is made of it stands in
//! docs/CAPACITY.md.

mod costs;
mod inputs;
mod look;
mod one_show;
mod parts;
mod place;
mod rates;
mod sell;
mod sizing;
mod stores;
mod tables;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use self::costs::UnitCosts;
use self::inputs::Inputs;
use self::place::{Place, Rounds};
use self::sizing::{Sizing, size};
use crate::Failure;
use crate::options::Options;
use crate::report::Report;

const BENCH: &str = "capacity";

/// Within this after the last answer nothing is left of what stands behind it.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// Holds a second that a house has seats for; a check fails if it is sold out.
const ROOM_FOR_PER_SECOND: f64 = 10_000.0;

/// What was measured, what it was taken with, and what comes of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Capacity {
    inputs: Inputs,
    costs: UnitCosts,
    sizing: Sizing,
}

impl Capacity {
    fn new(inputs: Inputs, costs: UnitCosts) -> Self {
        let sizing = size(&inputs, &costs);
        Self { inputs, costs, sizing }
    }

    /// As tables in Markdown.
    pub(crate) fn text(&self) -> String {
        tables::text(self)
    }
}

/// Runs it.
pub(crate) async fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    // Before anything is measured: a file that cannot be read is known at once.
    let inputs = match &options.inputs {
        Some(path) => read_inputs(path)?,
        None => Inputs::default(),
    };
    let costs = match &options.costs {
        Some(path) => read_costs(path)?,
        None => measured(options, report).await?,
    };
    report.capacity = Some(Capacity::new(inputs, costs));
    Ok(())
}

async fn measured(options: &Options, report: &mut Report) -> Result<UnitCosts, Failure> {
    let place = Place::start(options).await?;
    let mut gathered = place.idle().await?;
    let mut rounds = Rounds::default();
    let programme = sell::open(&place, &mut gathered).await?;
    let show = one_show::open(&place).await?;
    for round in 0..options.rounds {
        eprintln!("round {}", round + 1);
        sell::round(&place, &programme, round, &mut gathered, &mut rounds, report).await?;
        one_show::round(&place, &show, round, &mut gathered, &mut rounds, report).await?;
    }
    look::run(&place, &mut gathered, &mut rounds, report).await?;
    rounds.report(report);
    place.stage.stop().await?;
    Ok(gathered.finish())
}

fn read_inputs(path: &Path) -> Result<Inputs, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    let inputs: Result<Inputs, _> = serde_json::from_str(&text);
    let inputs = inputs.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(inputs.checked().map_err(|error| format!("{}: {error}", path.display()))?)
}

fn read_costs(path: &Path) -> Result<UnitCosts, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    let mut report: serde_json::Value = serde_json::from_str(&text)?;
    let costs = report["capacity"]["costs"].take();
    let costs = serde_json::from_value(costs);
    Ok(costs.map_err(|error| format!("{} has no unit costs: {error}", path.display()))?)
}

/// Seats that are enough for so long.
fn seats_for(time: Duration) -> u32 {
    let seats = time.as_secs_f64() * ROOM_FOR_PER_SECOND;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let seats = seats as u32;
    seats
}
