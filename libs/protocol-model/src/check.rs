//! Running the checker, and what comes of it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker as _, HasDiscoveries, Model as _};

use crate::model::{SeatProtocol, Step};
use crate::scenario::Scenario;
use crate::state::State;

/// What exploring a scenario came to.
#[derive(Debug)]
pub struct Verdict {
    /// Different states.
    pub states: usize,
    /// Steps that led to them.
    pub steps: usize,
    /// The longest shortest way to a state, in steps.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether there was nothing left to explore.
    pub complete: bool,
    /// Which promises were broken, and how.
    pub broken: Vec<Counterexample>,
    /// The scenario, with what it has seen.
    pub scenario: Scenario,
}

/// A way to a broken promise.
#[derive(Debug)]
pub struct Counterexample {
    /// The promise.
    pub property: &'static str,
    /// Each step, and the state after it.
    pub steps: Vec<(Step, State)>,
    told: String,
}

impl Counterexample {
    fn new(model: &SeatProtocol, property: &'static str, path: Vec<(State, Option<Step>)>) -> Self {
        let (states, taken): (Vec<State>, Vec<Option<Step>>) = path.into_iter().unzip();
        let words: Vec<String> = states
            .iter()
            .zip(&taken)
            .filter_map(|(before, step)| step.map(|step| model.told_in(before, step)))
            .collect();
        let steps: Vec<(Step, State)> =
            taken.into_iter().flatten().zip(states.into_iter().skip(1)).collect();
        let mut told = String::new();
        let mut shown = String::new();
        for (number, ((_, state), words)) in (1..).zip(steps.iter().zip(&words)) {
            told.push_str(&format!("{number:>4}. {words}\n"));
            let now = state.to_string();
            if now != shown {
                told.push_str(&format!("      {now}\n"));
                shown = now;
            }
        }
        Self { property, steps, told }
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is broken after {} steps:", self.property, self.steps.len())?;
        f.write_str(&self.told)
    }
}

/// Explores all of a scenario, breadth first, or until the first promise is
/// broken, or for as long as `at_most`.
#[must_use]
pub fn explore(scenario: Scenario, threads: usize, at_most: Duration) -> Verdict {
    let began = Instant::now();
    let checker = SeatProtocol::new(scenario)
        .checker()
        .threads(threads)
        .timeout(at_most)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let took = began.elapsed();
    let broken: Vec<Counterexample> = checker
        .discoveries()
        .into_iter()
        .map(|(property, path)| Counterexample::new(checker.model(), property, path.into_vec()))
        .collect();
    Verdict {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth().saturating_sub(1),
        took,
        complete: broken.is_empty() && took < at_most,
        broken,
        scenario: checker.model().scenario().clone(),
    }
}

/// The shortest way to break this promise; none if there is none.
///
/// The checker looks at states in the order of their distance, but a block of
/// them at a time, and keeps the last way it found: so it is asked again for a
/// shorter one until there is none.
#[must_use]
pub fn shortest(scenario: impl Fn() -> Scenario, property: &'static str) -> Option<Counterexample> {
    let mut found: Option<Counterexample> = None;
    loop {
        let mut builder = SeatProtocol::new(scenario())
            .checker()
            .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([property])));
        if let Some(found) = &found {
            // The depth of a state is the number of states on the way to it.
            builder = builder.target_max_depth(found.steps.len() + 1);
        }
        let checker = builder.spawn_bfs().join();
        match checker.discovery(property) {
            None => return found,
            Some(path) => {
                found = Some(Counterexample::new(checker.model(), property, path.into_vec()));
            }
        }
    }
}
