//! What Redis shows, against etcd as of the same revision (INV-11).
//!
//! Both say at which revision they were read. A seat is compared only where
//! Redis claims to know of its last change, and has heard of no later one.

use std::collections::{BTreeMap, BTreeSet};

use seat_model::{PerformanceId, PublicSeatState, SeatId};

use super::index::Index;
use crate::finding::{Finding, Kind, Remedy};
use crate::records::{Projected, SeatKey};

pub(super) fn check(index: &Index<'_>, findings: &mut Vec<Finding>) {
    let Some(projection) = &index.snapshot.projection else { return };
    let Some(reached) = projection.reached else {
        let sentence = "Redis has no projection of the seats";
        let finding = Finding::new(Kind::ViewIncomplete, sentence);
        findings.push(finding.mended_by(Remedy::RefreshViews));
        return;
    };
    let mut taken: BTreeMap<&PerformanceId, BTreeMap<&SeatId, &SeatKey>> = BTreeMap::new();
    for key in &index.snapshot.cell.seats {
        taken.entry(&key.performance).or_default().insert(&key.seat, key);
    }
    let unknown = Projected::default();
    let performances: BTreeSet<&PerformanceId> =
        taken.keys().copied().chain(projection.performances.keys()).collect();
    for performance in performances {
        let shown = projection.performances.get(performance).unwrap_or(&unknown);
        if !shown.whole && shown.listed {
            let sentence = format!("Redis does not have the whole map of {performance}");
            let mut finding = Finding::new(Kind::ViewIncomplete, sentence);
            finding.performance = Some(performance.clone());
            findings.push(finding.mended_by(Remedy::RefreshViews));
            continue;
        }
        let none = BTreeMap::new();
        let taken = taken.get(performance).unwrap_or(&none);
        compare_map(index, performance, taken, shown, reached, findings);
    }
}

fn compare_map(
    index: &Index<'_>,
    performance: &PerformanceId,
    taken: &BTreeMap<&SeatId, &SeatKey>,
    shown: &Projected,
    reached: u64,
    findings: &mut Vec<Finding>,
) {
    let revision = index.snapshot.cell.revision;
    let mut hidden = Vec::new();
    let mut differs = Vec::new();
    let seats: BTreeSet<&SeatId> = taken.keys().copied().chain(shown.seats.keys()).collect();
    for seat in seats {
        let key = taken.get(seat);
        let (heard, shows) = shown.seats.get(seat).copied().unwrap_or((0, PublicSeatState::Free));
        // When a free seat was freed is not known: only who has read everything knows.
        let must_know = key.map_or(revision, |key| key.mod_revision);
        if heard > revision || reached < must_know {
            continue;
        }
        let is = key.map_or(PublicSeatState::Free, |key| key.value.state.into());
        if is == PublicSeatState::Sold && shows == PublicSeatState::Free {
            hidden.push(seat.clone());
        } else if is != shows {
            differs.push(seat.clone());
        }
    }
    let finding = |kind, seats: Vec<SeatId>, what: &str| {
        let names: Vec<&str> = seats.iter().map(SeatId::as_str).collect();
        let sentence = format!("Redis shows {} of {performance} {what}", names.join(", "));
        let mut finding = Finding::new(kind, sentence);
        finding.performance = Some(performance.clone());
        finding.seats = seats;
        finding.mended_by(Remedy::RefreshViews)
    };
    if !hidden.is_empty() {
        findings.push(finding(Kind::SoldShownFree, hidden, "as free; it is sold"));
    }
    if !differs.is_empty() {
        findings.push(finding(Kind::ViewDiffers, differs, "otherwise than etcd has it"));
    }
}
