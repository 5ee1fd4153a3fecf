//! The command line: which benchmarks, how large, how printed. Every size has
//! the value the targets are stated for.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Side-by-side benchmarks, each on a cluster of its own.
#[derive(Debug, Clone, Parser)]
#[command(name = "seatlock bench", version, max_term_width = 100)]
pub(crate) struct Options {
    /// Which benchmarks [default: all].
    #[arg(value_enum)]
    names: Vec<Benchmark>,
    /// How to print the results; with json, what is for people goes to
    /// standard error.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    pub(crate) output: OutputFormat,
    /// The tag of the clusters that are started, one after the other.
    #[arg(long, default_value = "bench")]
    pub(crate) tag: String,
    /// Where clusters live [default: $SEATLOCK_HOME, or .seatlock in the checkout].
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// The etcd to run instead of the one on the path.
    #[arg(long, value_name = "PATH")]
    pub(crate) etcd: Option<PathBuf>,
    /// Members of the etcd cluster.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=5))]
    pub(crate) etcd_members: u16,
    /// Instances of lock-service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    pub(crate) lock_services: u16,
    /// bookings: instances of booking-api, and as many of the peer's front.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    pub(crate) booking_apis: u16,
    /// Rounds; systems take turns in each, and the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub(crate) rounds: u16,
    /// Seconds a measurement lasts, after one fifth of it as warm-up.
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) measure: f64,
    /// holds, capacity: callers at once.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) callers: u32,
    /// hot-seat: buyers of the one seat.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) buyers: u64,
    /// on-sale: buyers, each of whom wants a pair.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) crowd: u64,
    /// on-sale: seats of the tier.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(2..=40_000))]
    pub(crate) seats: u32,
    /// scale: live holds, beside 1,000.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=3_000_000))]
    pub(crate) live: u64,
    /// scale: holds that run out within one second.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) due: u64,
    /// view, live, capacity: seats of the house.
    #[arg(long, default_value_t = 8_897, value_parser = clap::value_parser!(u32).range(20..=40_000))]
    pub(crate) house: u32,
    /// view, capacity: callers at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) lookers: u32,
    /// live, capacity: open event streams.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=9_000))]
    pub(crate) streams: u32,
    /// capacity: a JSON object of inputs that replace those of docs/CAPACITY.md.
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs: Option<PathBuf>,
    /// capacity: what an earlier run printed with `-o json`; nothing is measured,
    /// only the sizing is worked out anew.
    #[arg(long, value_name = "FILE")]
    pub(crate) costs: Option<PathBuf>,
}

/// A benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    /// Single-seat holds beside a lease per hold and beside plain puts.
    Holds,
    /// Everybody wants one seat.
    HotSeat,
    /// A crowd buys up a tier, beside SKIP LOCKED.
    OnSale,
    /// A million live holds beside a thousand; many that run out at once.
    Scale,
    /// Hold and confirm through booking-api, beside plain MySQL.
    Bookings,
    /// Seat maps and shows, beside nginx and Redis with the same bytes.
    View,
    /// Seats are taken before a thousand open event streams.
    Live,
    /// etcd's leader is killed under load.
    Leader,
    /// What each operation costs in each process, and what a seller of a given size needs.
    Capacity,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

impl fmt::Display for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.write_str(name.as_ref().map_or("", |name| name.get_name()))
    }
}

impl Options {
    /// The benchmarks asked for, each once, in the usual order.
    pub(crate) fn benchmarks(&self) -> Vec<Benchmark> {
        let wanted = |b: &&Benchmark| self.names.is_empty() || self.names.contains(b);
        Benchmark::value_variants().iter().filter(wanted).copied().collect()
    }

    /// How long is measured.
    pub(crate) fn measure(&self) -> Duration {
        Duration::from_secs_f64(self.measure)
    }

    /// How long is run before it is measured.
    pub(crate) fn warm_up(&self) -> Duration {
        self.measure() / 5
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be 0.1 to 3600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_every_benchmark() {
        let options = Options::parse_from(["bench"]);
        assert_eq!(options.benchmarks(), Benchmark::value_variants());
        let options = Options::parse_from(["bench", "holds", "holds", "-o", "json"]);
        assert_eq!(options.benchmarks(), [Benchmark::Holds]);
        assert!(Options::try_parse_from(["bench", "--measure", "0"]).is_err());
    }
}
