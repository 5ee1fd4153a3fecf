//! Where shows are, against the shard map (INV-13).

use std::collections::BTreeSet;

use super::index::Index;
use crate::finding::{Finding, Kind};

pub(super) fn check(index: &Index<'_>, findings: &mut Vec<Finding>) {
    // Without a map nothing is anywhere, which is a finding of its own.
    let Some(placing) = &index.placing else { return };
    for shard in &index.snapshot.shards {
        for row in &shard.bookings {
            if placing.shard(&row.show) != Some(&shard.shard) {
                let named = placing.shard(&row.show).map_or("none", |shard| shard.as_str());
                let sentence = format!(
                    "booking {} of {} is on {}; the map names {named}",
                    row.id, row.show, shard.shard
                );
                findings.push(
                    Finding::new(Kind::BookingMisplaced, sentence)
                        .at(&row.show, &row.performance, [])
                        .of(row.id)
                        .on(&shard.shard),
                );
            }
        }
        let mut placed = BTreeSet::new();
        for row in &shard.placements {
            placed.insert(&row.show);
            let (named, epoch) = (placing.shard(&row.show), placing.epoch(&row.show));
            let (kind, why) = if named != Some(&shard.shard) {
                let named = named.map_or("none", |shard| shard.as_str());
                (Kind::PlacementMisplaced, format!("the map names {named}"))
            } else if row.epoch != epoch {
                let why = format!("it has {}, the map {epoch}", row.epoch);
                (Kind::PlacementEpochWrong, why)
            } else if row.frozen {
                (Kind::PlacementFrozen, "it is frozen, so nothing of it can be sold".to_owned())
            } else {
                continue;
            };
            let sentence = format!("{} is placed on {}: {why}", row.show, shard.shard);
            let mut finding = Finding::new(kind, sentence).on(&shard.shard);
            finding.show = Some(row.show.clone());
            findings.push(finding);
        }
        let sold: BTreeSet<_> = shard.bookings.iter().map(|row| &row.show).collect();
        for show in sold.difference(&placed) {
            let sentence = format!("{show} has bookings on {} and no placement there", shard.shard);
            let mut finding = Finding::new(Kind::PlacementMissing, sentence).on(&shard.shard);
            finding.show = Some((*show).clone());
            findings.push(finding);
        }
    }
}
