//! What is reported of bookings: a row for each system, way and load, and the
//! ratios of P3.

use super::{BENCH, Series, System, Way};
use crate::load::{Measured, median};
use crate::report::table::figure;
use crate::report::{Report, Row, Target};

/// How many times the peer behind HTTP, and how many times the bare one.
const BEHIND_HTTP: f64 = 4.0;
const BARE: f64 = 1.0;

/// Adds all of it.
pub(super) fn add(series: &[Series], report: &mut Report) {
    for one in series {
        let valid = is_valid(one);
        let note = match one.system {
            System::Straight | System::Balanced => {
                let drained = one.rounds.iter().map(|round| round.drained.as_secs_f64());
                let worst = drained.fold(0.0, f64::max);
                format!("outboxes empty {} s later", figure(worst))
            }
            System::Front | System::Bare => {
                format!("{} connections a shard", one.setting.connections)
            }
        };
        let closed: Vec<&Measured> = one.rounds.iter().map(|round| &round.closed).collect();
        let open: Vec<&Measured> = one.rounds.iter().map(|round| &round.open).collect();
        let load = format!("{}, {} callers", one.way, one.setting.callers);
        report.rows.push(Row::of(BENCH, &load, one.system.name(), valid, &closed, &note));
        let load = format!("{}, half of that, open loop", one.way);
        report.rows.push(Row::of(BENCH, &load, one.system.name(), valid, &open, ""));
    }
    for way in Way::ALL {
        add_target(series, way, ("P3a", System::Front, BEHIND_HTTP), report);
        add_target(series, way, ("P3b", System::Bare, BARE), report);
    }
}

fn add_target(
    series: &[Series],
    way: Way,
    (id, peer, target): (&str, System, f64),
    report: &mut Report,
) {
    let find = |system| series.iter().find(|one| one.system == system && one.way == way);
    let (Some(ours), Some(peer)) = (find(System::Straight), find(peer)) else { return };
    let value = per_second(ours) / per_second(peer).max(f64::MIN_POSITIVE);
    report.targets.push(Target {
        id: id.to_owned(),
        what: format!("bookings in {way} beside {}, times as many a second", peer.system.name()),
        value,
        target,
        met: is_valid(ours) && is_valid(peer) && value >= target,
    });
}

fn per_second(series: &Series) -> f64 {
    let rounds: Vec<f64> = series.rounds.iter().map(|round| round.closed.per_second).collect();
    median(&rounds)
}

fn is_valid(series: &Series) -> bool {
    series.rounds.iter().all(|round| round.valid)
}
