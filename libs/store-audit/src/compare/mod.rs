//! The comparison: a snapshot in, findings out. Pure.
//!
//! Every rule stands for itself and looks only at what must agree at the
//! moment it was read. Stores are read one after the other, so on a busy
//! cluster a finding of one look is a suspicion; `audit` looks again.

mod cell;
mod index;
mod ledger;
mod money;
mod placements;
mod views;

use crate::finding::Finding;
use crate::records::Snapshot;
use index::Index;

/// What a comparison tolerates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long past its deadline a hold may be there, in milliseconds.
    pub hold_grace_ms: i64,
    /// How old an outbox row may be, in milliseconds.
    pub outbox_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        // INV-5 says deadline + 2 s; the third is for clocks and for the read itself.
        Self { hold_grace_ms: 3_000, outbox_ms: 30_000 }
    }
}

/// Compares all stores with one another.
#[must_use]
pub fn compare(snapshot: &Snapshot, limits: &Limits) -> Vec<Finding> {
    let index = Index::new(snapshot);
    let mut findings = Vec::new();
    cell::check(&index, limits, &mut findings);
    ledger::check(&index, limits, &mut findings);
    money::check(&index, &mut findings);
    placements::check(&index, &mut findings);
    views::check(&index, &mut findings);
    findings.sort_by(|a, b| {
        (a.standing, a.kind, &a.performance, &a.seats, a.booking).cmp(&(
            b.standing,
            b.kind,
            &b.performance,
            &b.seats,
            b.booking,
        ))
    });
    findings
}
