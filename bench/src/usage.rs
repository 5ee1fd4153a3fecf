//! Processor time and memory of processes, read from `/proc`. Must not know
//! what the processes are.

use std::time::Duration;

use serde::Serialize;

/// `USER_HZ`: the unit of times in `/proc/PID/stat`, 100 on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// A process that is watched.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    /// What it is called in the report.
    pub(crate) name: String,
    /// Its process id.
    pub(crate) pid: u32,
}

/// What a process used during a measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Used {
    /// Which process.
    pub(crate) process: String,
    /// Processor time, user and system, in seconds.
    pub(crate) cpu_s: f64,
    /// Resident memory at its end, in MiB.
    pub(crate) rss_mib: u64,
}

/// Processor times at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Sample(Vec<(Watched, Duration)>);

impl Sample {
    /// Looks at the processes, and at this one as `load generator`.
    pub(crate) fn take(processes: &[Watched]) -> Self {
        let own = Watched { name: "load generator".to_owned(), pid: std::process::id() };
        let all = processes.iter().cloned().chain([own]);
        Self(all.map(|p| (p.clone(), cpu(p.pid).unwrap_or_default())).collect())
    }

    /// What each of them has used since.
    pub(crate) fn until_now(&self) -> Vec<Used> {
        let used = |(process, before): &(Watched, Duration)| Used {
            process: process.name.clone(),
            cpu_s: cpu(process.pid).unwrap_or(*before).saturating_sub(*before).as_secs_f64(),
            rss_mib: rss_mib(process.pid).unwrap_or(0),
        };
        self.0.iter().map(used).collect()
    }
}

fn cpu(pid: u32) -> Option<Duration> {
    parse_cpu(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The program's name is in brackets and may hold anything: fields are counted
/// from the last closing one. proc(5): utime is field 14, stime 15.
fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

fn rss_mib(pid: u32) -> Option<u64> {
    rss_bytes(pid).map(|bytes| bytes >> 20)
}

/// Resident memory of a process, in bytes.
pub(crate) fn rss_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_fourteenth_and_fifteenth_field() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 7 8 20 0 1 0 4242 9 9";
        assert_eq!(parse_cpu(stat), Some(Duration::from_secs(2)));
    }

    #[test]
    fn this_process_has_memory() {
        let used = Sample::take(&[]).until_now();
        assert_eq!(used[0].process, "load generator");
        assert!(used[0].rss_mib > 0);
    }
}
