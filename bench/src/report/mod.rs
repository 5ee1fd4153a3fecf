//! What a run found out, as the contract's JSON has it and as people read it.

pub(crate) mod table;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::capacity::Capacity;
use crate::checks::Check;
use crate::load::{Measured, Rushed, median};
use crate::machine::Machine;
use crate::usage::Used;

/// Everything that is reported.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// On what.
    pub(crate) machine: Machine,
    /// With what.
    pub(crate) versions: BTreeMap<String, String>,
    /// Figures, one row for each system and way of loading it.
    pub(crate) rows: Vec<Row>,
    /// What was aimed at.
    pub(crate) targets: Vec<Target>,
    /// Whether the figures are worth anything.
    pub(crate) checks: Vec<Check>,
    /// Unit costs and the sizing that comes of them, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) capacity: Option<Capacity>,
}

/// The figures of one system in one benchmark; medians over the rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// Which benchmark.
    pub(crate) bench: String,
    /// How it was loaded.
    pub(crate) load: String,
    /// Which system.
    pub(crate) system: String,
    /// Operations a second.
    pub(crate) ops_per_s: f64,
    /// Half of the answers came within.
    pub(crate) p50_ms: f64,
    /// All but one of a hundred came within.
    pub(crate) p99_ms: f64,
    /// Whether every check of this system held.
    pub(crate) valid: bool,
    /// Operations a second of each round.
    pub(crate) rounds: Vec<f64>,
    /// Settings and further figures, for people.
    pub(crate) note: String,
    /// What each process used, in one of the rounds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) used: Vec<PerProcess>,
}

/// What a process used.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PerProcess {
    /// The measurement.
    #[serde(flatten)]
    pub(crate) used: Used,
    /// Processor time for each operation, in microseconds.
    pub(crate) cpu_us_per_op: f64,
}

/// A target and what was reached.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Target {
    /// As in the table of targets.
    pub(crate) id: String,
    /// What is compared with what.
    pub(crate) what: String,
    /// What was reached.
    pub(crate) value: f64,
    /// What was aimed at.
    pub(crate) target: f64,
    /// Whether it was reached, all further conditions included.
    pub(crate) met: bool,
}

impl Report {
    /// Nothing found out yet.
    pub(crate) const fn new(machine: Machine, versions: BTreeMap<String, String>) -> Self {
        Self {
            machine,
            versions,
            rows: Vec::new(),
            targets: Vec::new(),
            checks: Vec::new(),
            capacity: None,
        }
    }

    /// Whether there is nothing to tell.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.checks.is_empty() && self.capacity.is_none()
    }

    /// Whether every check held.
    pub(crate) fn is_valid(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// As the contract has it.
    ///
    /// # Errors
    /// Never for finite figures.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// Adds the checks of one round; one that is there already fails if either
    /// did. Answers whether all of these held.
    pub(crate) fn add_checks(&mut self, checks: Vec<Check>) -> bool {
        let all_ok = checks.iter().all(|check| check.ok);
        for check in checks {
            match self.checks.iter_mut().find(|known| known.name == check.name) {
                Some(known) if known.ok => *known = check,
                Some(_) => {}
                None => self.checks.push(check),
            }
        }
        all_ok
    }
}

impl Row {
    /// Medians over the rounds of one load on one system; what each process
    /// used is that of the round in the middle.
    pub(crate) fn of(
        bench: &str,
        load: &str,
        system: &str,
        valid: bool,
        rounds: &[&Measured],
        note: &str,
    ) -> Self {
        let over = |figure: &dyn Fn(&Measured) -> f64| {
            median(&rounds.iter().map(|round| figure(round)).collect::<Vec<_>>())
        };
        let per_second = over(&|round| round.per_second);
        let distance = |round: &Measured| (round.per_second - per_second).abs();
        let middle = rounds.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let used = middle.map(|round| {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52 orders")]
            let orders = round.latency.count() as f64;
            PerProcess::of(round.used.clone(), orders)
        });
        Self {
            bench: bench.to_owned(),
            load: load.to_owned(),
            system: system.to_owned(),
            ops_per_s: per_second,
            p50_ms: over(&|round| round.latency.quantile_ms(0.5)),
            p99_ms: over(&|round| round.latency.quantile_ms(0.99)),
            valid,
            rounds: rounds.iter().map(|round| round.per_second).collect(),
            note: note.to_owned(),
            used: used.unwrap_or_default(),
        }
    }
}

impl PerProcess {
    /// Divides what was used by the operations it was used for.
    pub(crate) fn of(used: Vec<Used>, operations: f64) -> Vec<Self> {
        let per = |used: Used| Self { cpu_us_per_op: used.cpu_s * 1e6 / operations.max(1.0), used };
        used.into_iter().map(per).collect()
    }

    /// The same for everybody in a rush.
    pub(crate) fn of_rush(rushed: &Rushed) -> Vec<Self> {
        Self::of(rushed.used.clone(), rushed.per_second() * rushed.took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_failed_once_stays_failed() {
        let check = |ok| Check { name: "a".to_owned(), ok, detail: String::new() };
        let mut report = Report::new(crate::machine::look(), BTreeMap::new());
        assert!(report.add_checks(vec![check(true)]));
        assert!(report.is_valid());
        assert!(!report.add_checks(vec![check(false)]));
        assert!(report.add_checks(vec![check(true)]));
        assert!(!report.is_valid());
        assert_eq!(report.checks.len(), 1);
    }
}
