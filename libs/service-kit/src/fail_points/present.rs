//! Fail points of a faulty build. They are armed by the variable `FAILPOINTS`
//! (`name=actions;name=actions`) and, while the process runs, on the admin port:
//! `GET /fail-points` lists them with how often each was reached,
//! `PUT /fail-points/{name}` with the actions as its body arms one.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Path;
use axum::routing::{get, put};
use axum::{Json, Router};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::action::{Action, translate};

/// One place.
#[derive(Debug)]
pub struct Point {
    name: &'static str,
    what: &'static str,
    may_lose: bool,
    reached: AtomicU64,
}

impl Point {
    const fn new(name: &'static str, what: &'static str, may_lose: bool) -> Self {
        Self { name, what, may_lose, reached: AtomicU64::new(0) }
    }

    /// Does what it was told; whether to lose what is at hand.
    async fn reach(&self) -> bool {
        self.reached.fetch_add(1, Ordering::Relaxed);
        let Some(action) = told(self.name) else { return false };
        tracing::warn!(point = self.name, ?action, "a fail point");
        match action {
            Action::Abort => std::process::abort(),
            Action::Pause(pause) => {
                tokio::time::sleep(pause).await;
                false
            }
            Action::Lose => true,
        }
    }

    fn arm(&self, actions: &str) -> Result<(), String> {
        let refused = |why| format!("fail point {}: {why}", self.name);
        fail::cfg(self.name, &translate(actions, self.may_lose).map_err(refused)?).map_err(refused)
    }

    fn described(&self) -> Value {
        json!({
            "name": self.name,
            "what": self.what.trim(),
            "may_lose": self.may_lose,
            "reached": self.reached.load(Ordering::Relaxed),
        })
    }
}

fn told(name: &str) -> Option<Action> {
    fail::fail_point!(name, |action: Option<String>| Action::read(&action?));
    None
}

/// A place between two steps.
#[derive(Debug)]
pub struct Step(Point);

impl Step {
    /// A place with a name, and a sentence about what was done and what was not.
    #[must_use]
    pub const fn new(name: &'static str, what: &'static str) -> Self {
        Self(Point::new(name, what, false))
    }

    /// For the list.
    pub const fn point(&'static self) -> &'static Point {
        &self.0
    }

    /// Aborts or pauses here when it was told to.
    pub async fn reach(&'static self) {
        self.0.reach().await;
    }
}

/// A place where an answer has come, or a message is about to be sent.
#[derive(Debug)]
pub struct Answer(Point);

impl Answer {
    /// A place with a name, and a sentence about what was done and what was not.
    #[must_use]
    pub const fn new(name: &'static str, what: &'static str) -> Self {
        Self(Point::new(name, what, true))
    }

    /// For the list.
    pub const fn point(&'static self) -> &'static Point {
        &self.0
    }

    /// Aborts or pauses here when it was told to; whether it is to be treated
    /// as lost.
    pub async fn is_lost(&'static self) -> bool {
        self.0.reach().await
    }
}

/// All fail points of a service.
#[derive(Debug)]
pub struct FailPoints(&'static [&'static Point]);

impl FailPoints {
    /// A service without any.
    pub const NONE: &'static Self = &Self(&[]);

    /// These.
    #[must_use]
    pub const fn new(points: &'static [&'static Point]) -> Self {
        Self(points)
    }

    fn described(&self) -> Value {
        self.0.iter().map(|point| point.described()).collect()
    }

    fn arm(&self, name: &str, actions: &str) -> Result<(), String> {
        let point = self.0.iter().find(|point| point.name == name);
        point.ok_or_else(|| format!("there is no fail point {name:?}"))?.arm(actions)
    }

    /// Whether the command line asked for the list, and got it.
    pub(crate) fn listed(&self) -> bool {
        let asked = std::env::args_os().skip(1).any(|argument| argument == "--list-fail-points");
        asked && writeln!(std::io::stdout(), "{}", self.described()).is_ok()
    }

    /// Arms what the variable `FAILPOINTS` names: a name that does not exist is
    /// an error, or a test would pass that has tested nothing.
    pub(crate) fn arm_from_environment(&self) -> Result<(), String> {
        let text = std::env::var("FAILPOINTS").unwrap_or_default();
        for order in text.split(';').map(str::trim).filter(|order| !order.is_empty()) {
            let (name, actions) =
                order.split_once('=').ok_or_else(|| format!("{order:?}: not name=actions"))?;
            self.arm(name.trim(), actions.trim())?;
        }
        Ok(())
    }

    /// Routes of the admin port.
    pub(crate) fn add_routes(&'static self, admin: Router) -> Router {
        let arm = move |Path(name): Path<String>, actions: String| async move {
            match self.arm(&name, actions.trim()) {
                Ok(()) => (StatusCode::NO_CONTENT, String::new()),
                Err(why) => (StatusCode::BAD_REQUEST, why),
            }
        };
        admin
            .route("/fail-points", get(move || async move { Json(self.described()) }))
            .route("/fail-points/{name}", put(arm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::fail_points! {
        /// Nothing was done.
        Step BEFORE = "before";
        /// Something came.
        Answer AFTER = "after";
    }

    #[tokio::test]
    async fn a_point_does_what_it_is_told_as_often_as_it_is_told() {
        assert!(!AFTER.is_lost().await);
        FAIL_POINTS.arm("after", "1*off->1*lose").unwrap();
        assert_eq!(
            [AFTER.is_lost().await, AFTER.is_lost().await, AFTER.is_lost().await],
            [false, true, false]
        );
        FAIL_POINTS.arm("before", "1*pause(1)").unwrap();
        BEFORE.reach().await;
        let described = FAIL_POINTS.described();
        assert_eq!(
            described[0],
            json!({"name": "before", "what": "Nothing was done.",
            "may_lose": false, "reached": 1})
        );
        assert_eq!(described[1]["reached"], 4);
    }

    #[test]
    fn only_what_exists_is_armed_and_only_answers_are_lost() {
        assert!(FAIL_POINTS.arm("nowhere", "abort").unwrap_err().contains("nowhere"));
        assert!(FAIL_POINTS.arm("before", "lose").unwrap_err().contains("before"));
    }
}
