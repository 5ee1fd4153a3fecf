//! Planted bugs: weaker designs that a *faulty* build can be told to have, so
//! that it is known which checks find them. Without the feature `planted-bugs`
//! none of them is compiled in: asking for one is `false`, and the branch behind
//! it goes.
//!
//! A service declares its bugs with [`planted_bugs!`](crate::planted_bugs!); the
//! variable `PLANTED_BUGS` names those to have, `--list-planted-bugs` lists them.
//!
//! Must not know: what any of them does.

#[cfg(feature = "planted-bugs")]
use std::io::Write as _;
#[cfg(feature = "planted-bugs")]
use std::sync::atomic::{AtomicBool, Ordering};

/// One of them.
#[derive(Debug)]
pub struct Bug {
    #[cfg(feature = "planted-bugs")]
    name: &'static str,
    #[cfg(feature = "planted-bugs")]
    what: &'static str,
    #[cfg(feature = "planted-bugs")]
    planted: AtomicBool,
}

impl Bug {
    /// A bug with a name, and a sentence about what is done wrong.
    #[must_use]
    #[cfg(feature = "planted-bugs")]
    pub const fn new(name: &'static str, what: &'static str) -> Self {
        Self { name, what, planted: AtomicBool::new(false) }
    }

    /// What it is called and what it means are forgotten.
    #[must_use]
    #[cfg(not(feature = "planted-bugs"))]
    pub const fn new(_name: &'static str, _what: &'static str) -> Self {
        Self {}
    }

    /// Whether this process was told to have it.
    #[must_use]
    #[cfg(feature = "planted-bugs")]
    pub fn is_planted(&self) -> bool {
        self.planted.load(Ordering::Relaxed)
    }

    /// Never.
    #[must_use]
    #[inline(always)]
    #[cfg(not(feature = "planted-bugs"))]
    pub const fn is_planted(&self) -> bool {
        false
    }
}

/// All bugs a service can be told to have.
#[derive(Debug)]
pub struct PlantedBugs {
    #[cfg(feature = "planted-bugs")]
    bugs: &'static [&'static Bug],
}

#[cfg(feature = "planted-bugs")]
impl PlantedBugs {
    /// A service without any.
    pub const NONE: &'static Self = &Self { bugs: &[] };

    /// These.
    #[must_use]
    pub const fn new(bugs: &'static [&'static Bug]) -> Self {
        Self { bugs }
    }

    /// Whether the command line asked for the list, and got it.
    pub(crate) fn listed(&self) -> bool {
        let asked = std::env::args_os().skip(1).any(|argument| argument == "--list-planted-bugs");
        let describe = |bug: &&Bug| serde_json::json!({"name": bug.name, "what": bug.what.trim()});
        let list: serde_json::Value = self.bugs.iter().map(describe).collect();
        asked && writeln!(std::io::stdout(), "{list}").is_ok()
    }

    /// Plants what the variable `PLANTED_BUGS` names, with commas between them.
    /// Services share the variable, so a name may be another's.
    pub(crate) fn plant_from_environment(&self) {
        let text = std::env::var("PLANTED_BUGS").unwrap_or_default();
        for name in text.split(',').map(str::trim) {
            for bug in self.bugs.iter().filter(|bug| bug.name == name) {
                bug.planted.store(true, Ordering::Relaxed);
                tracing::warn!(bug = name, "this process is broken on purpose");
            }
        }
    }
}

#[cfg(not(feature = "planted-bugs"))]
impl PlantedBugs {
    /// A service without any.
    pub const NONE: &'static Self = &Self {};

    /// What is in it is forgotten.
    #[must_use]
    pub const fn new(_bugs: &'static [&'static Bug]) -> Self {
        Self {}
    }

    /// No command line asks for them.
    pub(crate) const fn listed(&self) -> bool {
        false
    }

    /// Nothing is planted.
    pub(crate) const fn plant_from_environment(&self) {}
}

/// Declares the bugs that a faulty build of a service can be told to have: for
/// each a sentence that says what it does wrong, and its name.
#[macro_export]
macro_rules! planted_bugs {
    ($($(#[doc = $what:literal])+ $name:ident = $text:literal;)+) => {
        $(
            $(#[doc = $what])+
            pub(crate) static $name: $crate::planted_bugs::Bug =
                $crate::planted_bugs::Bug::new($text, concat!($($what),+));
        )+
        /// All bugs this service can be told to have.
        pub static PLANTED_BUGS: $crate::planted_bugs::PlantedBugs =
            $crate::planted_bugs::PlantedBugs::new(&[$(&$name),+]);
    };
}
