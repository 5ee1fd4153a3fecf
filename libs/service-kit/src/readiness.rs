//! What a process needs and whether it has it: the body of `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Clone)]
struct State {
    required: bool,
    /// Somebody has looked, whatever was found.
    looked: bool,
    missing: Option<String>,
}

/// All components of a process. Clones share the same state.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    components: Arc<Mutex<BTreeMap<String, State>>>,
}

/// One thing the process needs; starts out missing.
#[derive(Debug, Clone)]
pub struct Component {
    name: String,
    all: Readiness,
}

impl Readiness {
    /// Registers something without which no request can be served: while it is
    /// missing, `/readyz` answers 503 and the load balancer looks elsewhere.
    #[must_use]
    pub fn required(&self, name: &str) -> Component {
        self.register(name, true)
    }

    /// Registers something without which only part of the work stops.
    /// `/readyz` names it while it is missing, and answers 200 all the same once
    /// somebody has looked: a process that is given requests before it knows
    /// refuses what the one it replaces would have done.
    #[must_use]
    pub fn optional(&self, name: &str) -> Component {
        self.register(name, false)
    }

    fn register(&self, name: &str, required: bool) -> Component {
        let state = State { required, looked: false, missing: Some("starting".to_owned()) };
        self.with(|components| components.insert(name.to_owned(), state));
        Component { name: name.to_owned(), all: self.clone() }
    }

    /// Whether everything required is there, and everything else was looked at.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let fine = |state: &State| state.looked && (!state.required || state.missing.is_none());
        self.with(|all| all.values().all(fine))
    }

    /// The process was told to stop and is no longer to be given requests; those
    /// that still come are answered.
    pub(crate) fn leave(&self) {
        let state = State { required: true, looked: true, missing: Some("leaving".to_owned()) };
        self.with(|components| components.insert("stay".to_owned(), state));
    }

    /// What is missing, and why.
    #[must_use]
    pub fn missing(&self) -> BTreeMap<String, String> {
        self.with(|all| {
            all.iter()
                .filter_map(|(name, state)| Some((name.clone(), state.missing.clone()?)))
                .collect()
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<String, State>) -> T) -> T {
        look(&mut self.components.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Component {
    /// It is there.
    pub fn up(&self) {
        self.set(None);
    }

    /// It is missing; `why` is for operators.
    pub fn down(&self, why: impl Into<String>) {
        self.set(Some(why.into()));
    }

    /// Logs each change once.
    fn set(&self, missing: Option<String>) {
        let before = self.all.with(|all| {
            all.get_mut(&self.name).map(|state| {
                state.looked = true;
                std::mem::replace(&mut state.missing, missing.clone())
            })
        });
        match (before.flatten(), missing) {
            (Some(_), None) => tracing::info!(component = self.name, "is there"),
            (None, Some(why)) => tracing::warn!(component = self.name, why, "is missing"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_required_components_make_a_process_unready() {
        let readiness = Readiness::default();
        let etcd = readiness.required("etcd");
        let replica = readiness.optional("replica");
        assert!(!readiness.is_ready());
        etcd.up();
        assert!(!readiness.is_ready(), "nobody has looked for the replica");
        replica.down("away");
        assert!(readiness.is_ready());
        assert_eq!(readiness.missing().keys().collect::<Vec<_>>(), ["replica"]);
        replica.up();
        etcd.down("cut off");
        assert!(!readiness.is_ready());
        assert_eq!(readiness.missing()["etcd"], "cut off");
        etcd.up();
        readiness.leave();
        assert!(!readiness.is_ready(), "whoever leaves is given nothing any more");
    }
}
