//! The score: what all runs that are kept come to together, from their
//! reports, as the tables of docs/CHAOS.md. Runs with a planted bug are counted
//! apart: they are about the judges.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

/// Runs taken together.
#[derive(Debug, Default)]
pub struct Score {
    seeds: BTreeSet<u64>,
    runs: u64,
    fault_seconds: u64,
    requests: u64,
    ok: u64,
    unknown: u64,
    sold: u64,
    verdicts: BTreeMap<String, u64>,
    by_kind: BTreeMap<String, OfKind>,
    versions: BTreeSet<String>,
    /// By planted bug: the promises whose judges found it.
    planted: BTreeMap<String, BTreeSet<String>>,
}

/// Faults of one kind.
#[derive(Debug, Default)]
struct OfKind {
    made: u64,
    /// The longest time without a hold on any shard, and on one of them.
    anywhere_ms: u64,
    on_a_shard_ms: u64,
    /// The longest until a purchase succeeded on every shard again.
    again_ms: u64,
}

impl Score {
    /// Of every run in the folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let mut score = Self::default();
        for entry in fs::read_dir(folder)? {
            let Ok(text) = fs::read_to_string(entry?.path().join("report.json")) else { continue };
            if let Ok(report) = serde_json::from_str(&text) {
                score.add(&report);
            }
        }
        Ok(score)
    }

    fn add(&mut self, report: &Value) {
        let began = &report["began"];
        let planted = began["planted"].as_str().unwrap_or_default();
        if !planted.is_empty() {
            let by = self.planted.entry(planted.to_owned()).or_default();
            let judgements = report["judgements"].as_array().into_iter().flatten();
            by.extend(judgements.filter_map(|judgement| {
                let found = !judgement["breaches"].as_array()?.is_empty();
                found.then(|| judgement["about"].as_str().unwrap_or_default().to_owned())
            }));
            return;
        }
        self.runs += 1;
        self.seeds.extend(began["seed"].as_u64());
        self.fault_seconds += number(&began["time_s"]);
        let figures = &report["figures"];
        let total = &figures["total"];
        let (ok, unknown) = (number(&total["ok"]), number(&total["unknown"]));
        self.requests += ok + unknown + number(&total["refused"]);
        self.ok += ok;
        self.unknown += unknown;
        self.sold += number(&figures["sold"]);
        let verdict = report["verdict"].as_str().unwrap_or("unreadable").to_owned();
        *self.verdicts.entry(verdict).or_default() += 1;
        for (name, version) in began["versions"].as_object().into_iter().flatten() {
            self.versions.insert(format!("{name}: {}", version.as_str().unwrap_or_default()));
        }
        for fault in report["faults"].as_array().into_iter().flatten() {
            if fault["made_ns"].is_null() {
                continue;
            }
            let kind = fault["kind"].as_str().unwrap_or_default().to_owned();
            let of_kind = self.by_kind.entry(kind).or_default();
            of_kind.made += 1;
            let gaps = figures["gaps"].as_array().into_iter().flatten();
            for gap in gaps.filter(|gap| gap["fault"] == fault["number"]) {
                of_kind.anywhere_ms = of_kind.anywhere_ms.max(number(&gap["anywhere_ms"]));
                let shards = gap["by_shard_ms"].as_object().into_iter().flatten();
                let shard = shards.map(|(_, ms)| number(ms)).max().unwrap_or(0);
                of_kind.on_a_shard_ms = of_kind.on_a_shard_ms.max(shard);
            }
            let demanded = report["demanded"].as_array().into_iter().flatten();
            for one in demanded.filter(|one| one["after_fault"] == fault["number"]) {
                of_kind.again_ms = of_kind.again_ms.max(number(&one["after_ms"]));
            }
        }
    }

    /// As tables in Markdown.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut text = String::new();
        let verdicts = self.verdicts.iter().map(|(word, count)| format!("{count} {word}"));
        let share = permille(self.unknown, self.requests);
        let _ = write!(
            text,
            "| | |\n| --- | --- |\n\
             | Runs, with seeds of their own | {}, {} |\n\
             | Minutes of faults | {} |\n\
             | Faults made and healed | {} |\n\
             | Requests; answered ok; bookings sold | {}; {}; {} |\n\
             | Outcome never told to the customer | {} ({share} ‰) |\n\
             | Verdicts | {} |\n\
             | Versions | {} |\n\n",
            self.runs,
            self.seeds.len(),
            self.fault_seconds / 60,
            self.by_kind.values().map(|of_kind| of_kind.made).sum::<u64>(),
            self.requests,
            self.ok,
            self.sold,
            self.unknown,
            verdicts.collect::<Vec<_>>().join(", "),
            self.versions.iter().cloned().collect::<Vec<_>>().join("; "),
        );
        text.push_str(
            "| Fault | Made | Longest without any hold, s | … on one shard, s | Longest until \
             sold again everywhere, s |\n| --- | --- | --- | --- | --- |\n",
        );
        for (kind, of_kind) in &self.by_kind {
            let OfKind { made, anywhere_ms, on_a_shard_ms, again_ms } = of_kind;
            let _ = writeln!(
                text,
                "| {kind} | {made} | {} | {} | {} |",
                seconds(*anywhere_ms),
                seconds(*on_a_shard_ms),
                seconds(*again_ms)
            );
        }
        text.push_str("\n| Planted bug | Caught by |\n| --- | --- |\n");
        for (name, by) in &self.planted {
            let by = by.iter().cloned().collect::<Vec<_>>().join(", ");
            let by = if by.is_empty() { "nobody" } else { by.as_str() };
            let _ = writeln!(text, "| `{name}` | {by} |");
        }
        text
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn permille(part: u64, whole: u64) -> String {
    let tenths = part * 10_000 / whole.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1_000, ms % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_are_added_up_and_planted_bugs_kept_apart() {
        let run = |planted: &str, verdict: &str, breaches: Value| {
            json!({
                "began": {"seed": 7, "time_s": 60, "planted": planted, "versions": {}},
                "verdict": verdict,
                "judgements": [{"about": "INV-2", "breaches": breaches}],
                "figures": {"total": {"ok": 8, "refused": 1, "unknown": 1}, "sold": 3,
                    "gaps": [{"fault": 1, "anywhere_ms": 1_900, "by_shard_ms": {"shard-0": 2_500}}]},
                "faults": [{"number": 1, "kind": "kill", "made_ns": 5}],
                "demanded": [{"after_fault": 1, "after_ms": 700}],
            })
        };
        let mut score = Score::default();
        score.add(&run("", "pass", json!([])));
        score.add(&run("", "pass", json!([])));
        score.add(&run("some-bug", "breach", json!(["lost"])));
        let text = score.tables();
        assert!(text.contains("| Minutes of faults | 2 |"), "{text}");
        assert!(text.contains("| Verdicts | 2 pass |"), "{text}");
        assert!(text.contains("(100.0 ‰)"), "{text}");
        assert!(text.contains("| kill | 2 | 1.9 | 2.5 | 0.7 |"), "{text}");
        assert!(text.contains("| `some-bug` | INV-2 |"), "{text}");
    }
}
