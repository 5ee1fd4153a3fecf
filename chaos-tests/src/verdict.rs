//! From judgements to one word. Assumptions come first: a run in which nothing
//! was sold, or in which a fault was not made, proves nothing, and is
//! *inconclusive*, never a *pass*. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::checkers::{Judgement, Terms, judge};
use crate::final_state::FinalState;
use crate::history::{Action, FaultSpan, History, Operation, Outcome};

/// The word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing wrong was found, and enough was tried to find it.
    Pass,
    /// A promise was broken.
    Breach,
    /// It proves nothing.
    Inconclusive,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Breach => "breach",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// What must be true of a run before its judgements mean anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumption {
    /// What.
    pub what: String,
    /// Whether it is.
    pub holds: bool,
    /// How it was seen.
    pub seen: String,
}

/// What a run must have done at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtLeast {
    /// Holds that were acknowledged.
    pub holds: usize,
    /// Sales that were acknowledged.
    pub sales: usize,
    /// Faults that were made and healed.
    pub faults: usize,
}

/// All that is said of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// The word.
    pub verdict: Verdict,
    /// First these.
    pub assumptions: Vec<Assumption>,
    /// Then each promise.
    pub judgements: Vec<Judgement>,
    /// Under which terms.
    pub terms: Terms,
}

/// The largest share of unknown outcomes with which a run still says something.
const UNKNOWN_AT_MOST: f64 = 0.5;

/// Judges a run.
#[must_use]
pub fn rule(history: &History, state: &FinalState, at_least: &AtLeast) -> Ruling {
    let terms = terms(history);
    let judgements = judge(history, state, &terms);
    let assumptions = assumptions(history, &judgements, at_least);
    let breached = judgements.iter().any(|judgement| !judgement.breaches.is_empty());
    let verdict = if breached {
        Verdict::Breach
    } else if assumptions.iter().all(|assumption| assumption.holds) {
        Verdict::Pass
    } else {
        Verdict::Inconclusive
    };
    Ruling { verdict, assumptions, judgements, terms }
}

/// What the faults of a run excuse.
#[must_use]
pub fn terms(history: &History) -> Terms {
    let etcd = history.began.versions.get("etcd").map(String::as_str).unwrap_or_default();
    let stopped = history.faults.iter().any(stops_etcd);
    let clocks_off_ms = history.faults.iter().filter(|fault| fault.kind == "clock");
    let clocks_off_ms = clocks_off_ms.filter_map(|fault| offset_in(&fault.name)).max().unwrap_or(0);
    Terms {
        clocks_off_ms,
        holds_may_end_early: stopped && revokes_living_leases(etcd),
        ..Terms::default()
    }
}

/// Whether a member of etcd was made to stand still and went on afterwards.
fn stops_etcd(fault: &FaultSpan) -> bool {
    let still = ["pause", "pause etcd's leader", "cut", "one way", "ring", "slow disk"];
    still.contains(&fault.kind.as_str()) && fault.name.contains("etcd")
}

/// `moved by 60000 ms` in a fault's words.
fn offset_in(name: &str) -> Option<u64> {
    let (_, after) = name.split_once(" by ")?;
    after.trim_start_matches(['-', '+']).split(' ').next()?.parse().ok()
}

/// etcd before 3.4.32 (docs/INVARIANTS.md, known limits).
fn revokes_living_leases(version: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let number = version.split(' ').find(|word| !word.is_empty() && word.chars().all(digits));
    let mut parts = number.unwrap_or_default().split('.').map(|part| part.parse::<u32>());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(3)), Some(Ok(4)), Some(Ok(patch))) => patch < 32,
        (Some(Ok(major)), Some(Ok(minor)), _) => (major, minor) < (3, 4),
        // An unknown version excuses nothing.
        _ => false,
    }
}

fn assumptions(history: &History, judgements: &[Judgement], at_least: &AtLeast) -> Vec<Assumption> {
    let mut all = Vec::new();
    let mut assume = |what: &str, holds: bool, seen: String| {
        all.push(Assumption { what: what.to_owned(), holds, seen });
    };
    let ok = |wanted: fn(&Action) -> bool| {
        let operations = history.operations.iter().filter(|operation| wanted(&operation.action));
        operations.filter(|operation| operation.told_booking().is_some()).count()
    };
    let holds = ok(|action| matches!(action, Action::Book { .. }));
    assume(
        "enough was held",
        holds >= at_least.holds,
        format!("{holds} holds acknowledged, {} needed", at_least.holds),
    );
    let sales =
        ok(|action| matches!(action, Action::Confirm { .. } | Action::Book { buy: true, .. }));
    assume(
        "enough was sold",
        sales >= at_least.sales,
        format!("{sales} sales acknowledged, {} needed", at_least.sales),
    );
    let whole = |fault: &&FaultSpan| {
        fault.failed.is_none() && fault.made_ns.is_some() && fault.healed_ns.is_some()
    };
    let broken: Vec<String> = history
        .faults
        .iter()
        .filter(|fault| !whole(fault))
        .map(|fault| format!("{}: {}", fault.name, fault.failed.as_deref().unwrap_or("not healed")))
        .collect();
    let made = history.faults.len() - broken.len();
    assume(
        "enough faults were made and healed",
        made >= at_least.faults && made >= broken.len(),
        format!("{made} of {} were {}", history.faults.len(), broken.join("; ")),
    );
    let open = open_at_once(&history.operations);
    assume(
        "each customer has one open request at a time",
        open.is_empty(),
        open.first().cloned().unwrap_or_else(|| "no two overlap".to_owned()),
    );
    let unknown = history.operations.iter().filter(|o| o.outcome == Outcome::Unknown).count();
    #[expect(clippy::cast_precision_loss, reason = "a share of far fewer than 2^52")]
    let share = unknown as f64 / history.operations.len().max(1) as f64;
    assume(
        "most outcomes are known",
        share <= UNKNOWN_AT_MOST,
        format!("{unknown} of {} are not", history.operations.len()),
    );
    let idle: Vec<&str> = judgements
        .iter()
        .filter(|judgement| judgement.checked == 0)
        .map(|judgement| judgement.about.as_str())
        .collect();
    assume("every judge had something to look at", idle.is_empty(), idle.join(", "));
    let undecided: Vec<&str> =
        judgements.iter().flat_map(|judgement| &judgement.undecided).map(String::as_str).collect();
    assume("everything could be decided", undecided.is_empty(), undecided.join("; "));
    all
}

/// Customers whose next request began before the last one ended.
fn open_at_once(operations: &[Operation]) -> Vec<String> {
    let mut last: BTreeMap<u32, &Operation> = BTreeMap::new();
    let mut faults = Vec::new();
    for operation in operations {
        if let Some(before) = last.insert(operation.client, operation)
            && before.end_ns.is_none_or(|end| end > operation.start_ns)
        {
            let (first, second) = (before.op, operation.op);
            faults.push(format!("{} sent {second} during {first}", operation.client));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::history::{Began, VERSION};

    fn history() -> History {
        let began = Began {
            version: VERSION,
            seed: 1,
            scenario: "calm".to_owned(),
            wall_ms: 0,
            time_s: 1,
            planted: String::new(),
            homes: BTreeMap::new(),
            versions: BTreeMap::from([("etcd".to_owned(), "etcd Version: 3.4.23".to_owned())]),
        };
        History {
            began,
            operations: Vec::new(),
            faults: Vec::new(),
            demanded: Vec::new(),
            outside_contract: Vec::new(),
            end_ns: 0,
        }
    }

    fn fault(kind: &str, name: &str) -> FaultSpan {
        FaultSpan {
            number: 1,
            name: name.to_owned(),
            kind: kind.to_owned(),
            begins_ns: 1,
            made_ns: Some(2),
            ends_ns: Some(3),
            healed_ns: Some(4),
            failed: None,
        }
    }

    const NOTHING: AtLeast = AtLeast { holds: 0, sales: 0, faults: 0 };

    #[test]
    fn a_run_in_which_nothing_happened_is_not_a_pass() {
        let ruling = rule(&history(), &FinalState::default(), &NOTHING);
        assert_eq!(ruling.verdict, Verdict::Inconclusive);
    }

    #[test]
    fn a_run_whose_faults_were_not_made_is_inconclusive() {
        let mut history = history();
        history.faults.push(FaultSpan { made_ns: None, ..fault("kill", "kill redis") });
        let all = assumptions(&history, &[], &AtLeast { faults: 1, ..NOTHING });
        let faults = all.iter().find(|one| one.what.contains("fault")).unwrap();
        assert!(!faults.holds, "{faults:?}");
    }

    #[test]
    fn a_breach_is_a_breach_even_where_little_was_tried() {
        let mut history = history();
        history.outside_contract.push("request 1: no body".into());
        assert_eq!(rule(&history, &FinalState::default(), &NOTHING).verdict, Verdict::Breach);
    }

    #[test]
    fn only_an_old_etcd_that_stood_still_excuses_a_lost_hold() {
        let mut stood_still = history();
        stood_still.faults.push(fault("pause", "pause etcd-1"));
        assert!(terms(&stood_still).holds_may_end_early);
        stood_still.began.versions.insert("etcd".into(), "etcd Version: 3.5.21".into());
        assert!(!terms(&stood_still).holds_may_end_early);
        let mut killed = history();
        killed.faults.push(fault("kill", "kill etcd-1"));
        assert!(!terms(&killed).holds_may_end_early);
    }

    #[test]
    fn a_clock_that_was_moved_excuses_as_much() {
        let mut history = history();
        history.faults.push(fault("clock", "move the clock of booking-api-0 by -60000 ms"));
        assert_eq!(terms(&history).clocks_off_ms, 60_000);
    }
}
