//! The command line of `seatlock chaos`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Fault runs with a verdict and a report. Exit code 0: pass, 1: a breach,
/// 3: inconclusive, 2: the run could not be made.
#[derive(Debug, Clone, Parser)]
#[command(name = "seatlock chaos", version, max_term_width = 100)]
pub struct Options {
    /// Which scenario (see --list); `nightly`: all in turn until the time is
    /// over; `smoke`: two, short, and two bugs; `planted`: every bug on purpose,
    /// each must be caught; `recheck`: judge an old run again; `score`: tables of
    /// all runs kept.
    #[arg(default_value = "mixed")]
    pub scenario: String,
    /// recheck: the folder of the run; score: the folder of the runs.
    pub folder: Option<PathBuf>,
    /// Every choice comes from it [default: drawn, and printed].
    #[arg(long)]
    pub seed: Option<u64>,
    /// How long faults are made, such as 90s, 5m or 1h [default: the scenario's].
    #[arg(long, value_parser = duration)]
    pub time: Option<Duration>,
    /// Lists the scenarios and the faults.
    #[arg(long)]
    pub list: bool,
    /// Plants bugs in the services (a faulty build): the run must end in a breach.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub plant: Vec<String>,
    /// The tag of the run's cluster, which is started anew and stopped after it.
    #[arg(long, default_value = "chaos")]
    pub tag: String,
    /// Where clusters live [default: $SEATLOCK_HOME, or .seatlock in the checkout].
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
}

/// `90s`, `5m`, `1h`; a number alone is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        other => return Err(format!("{other:?} is not s, m or h")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is not like 90s, 5m or 1h"))?;
    match number.checked_mul(unit).filter(|seconds| (1..=86_400).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("must be a second to a day".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "h", "0s", "-1s", "2d", "25h", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn without_a_word_it_is_the_mixed_scenario() {
        let options = Options::parse_from(["chaos"]);
        assert_eq!(options.scenario, "mixed");
        let options = Options::parse_from(["chaos", "recheck", "runs/7", "--seed", "3"]);
        assert_eq!(options.folder, Some(PathBuf::from("runs/7")));
        assert_eq!(options.seed, Some(3));
    }
}
