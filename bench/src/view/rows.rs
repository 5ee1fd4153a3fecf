//! What is reported of views: a row for each subject, system and load, and P6.

use super::{BENCH, Series, Subject, System};
use crate::checks::Check;
use crate::load::{Measured, median};
use crate::report::{Report, Row, Target};

/// How many times nginx.
const BESIDE_NGINX: f64 = 0.7;

/// All but one of a hundred are answered within this at half load.
const P99_MS: f64 = 2.0;

/// Adds all of it.
pub(super) fn add(series: &[Series], report: &mut Report) {
    for one in series {
        let (subject, system) = (one.subject.name(), one.system.name());
        let name = format!("{BENCH}, {system}: every answer is a whole {subject}");
        let closed: Vec<&Measured> = one.closed.iter().collect();
        let open: Vec<&Measured> = one.open.iter().collect();
        let answers: u64 = closed.iter().chain(&open).map(|round| round.latency.count()).sum();
        let detail = format!("{answers} in the measured time");
        report.add_checks(vec![Check { name, ok: one.valid, detail }]);
        let row = |load: &str, rounds: &[&Measured], note: &str| {
            Row::of(BENCH, &format!("{subject}{load}"), system, one.valid, rounds, note)
        };
        report.rows.push(row("", &closed, &one.note));
        report.rows.push(row(", half of that, open loop", &open, ""));
    }
    for subject in Subject::ALL {
        add_targets(series, subject, report);
    }
}

fn add_targets(series: &[Series], subject: Subject, report: &mut Report) {
    let find = |system| series.iter().find(|one| one.subject == subject && one.system == system);
    let (Some(ours), Some(nginx)) = (find(System::ViewService), find(System::Nginx)) else {
        return;
    };
    let value = per_second(ours) / per_second(nginx).max(f64::MIN_POSITIVE);
    let name = subject.name();
    report.targets.push(Target {
        id: "P6".to_owned(),
        what: format!("{name}: times as many a second as nginx"),
        value,
        target: BESIDE_NGINX,
        met: ours.valid && nginx.valid && value >= BESIDE_NGINX,
    });
    let tails: Vec<f64> = ours.open.iter().map(|round| round.latency.quantile_ms(0.99)).collect();
    let value = median(&tails);
    report.targets.push(Target {
        id: "P6".to_owned(),
        what: format!("{name}: p99 in ms at half load, at most"),
        value,
        target: P99_MS,
        met: ours.valid && value < P99_MS,
    });
}

fn per_second(series: &Series) -> f64 {
    let rounds: Vec<f64> = series.closed.iter().map(|round| round.per_second).collect();
    median(&rounds)
}
