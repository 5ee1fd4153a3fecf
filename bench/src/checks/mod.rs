//! Whether results are results: what was answered, held against what is in the
//! store. Pure: must not know how either was come by.

mod bookings;
mod holds;
mod sale;
mod winner;

pub(crate) use bookings::{Behind, Books, check_behind, check_bookings};
pub(crate) use holds::{Store, check_holds};
pub(crate) use sale::{Sale, check_sale};
use serde::Serialize;
pub(crate) use winner::check_winner;

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What is promised.
    pub(crate) name: String,
    /// Whether it was kept.
    pub(crate) ok: bool,
    /// How many cases were looked at, or what was wrong.
    pub(crate) detail: String,
}

impl Check {
    /// Kept when two counts are the same.
    pub(crate) fn same(name: impl Into<String>, found: usize, wanted: usize) -> Self {
        let detail = format!("{found}, should be {wanted}");
        Self { name: name.into(), ok: found == wanted, detail }
    }

    /// Kept when there is no fault; a few faults are named.
    pub(crate) fn none(name: impl Into<String>, looked_at: usize, faults: &[String]) -> Self {
        let detail = match faults {
            [] => format!("{looked_at} looked at"),
            some => {
                let first: Vec<&str> = some.iter().take(3).map(String::as_str).collect();
                format!("{} of {looked_at} wrong: {}", some.len(), first.join("; "))
            }
        };
        Self { name: name.into(), ok: faults.is_empty(), detail }
    }
}
