//! A program that carries a host's packets late: the kernel hands it each one
//! that comes in (netfilter's queue), and it lets each go after a while of its
//! own, so that some overtake others. It runs on that host, as a second self of
//! `seatlock chaos`, until it is killed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, ErrorKind, Write as _};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use nfq::{Message, Queue, Verdict};
use rand::Rng as _;

/// Set in the program that carries: from and up to how many milliseconds late.
const CARRY: &str = "SEATLOCK_CHAOS_CARRY";

/// The line it says once the kernel hands it packets.
pub(crate) const READY: &str = "ready";

/// The number of the queue; each host counts its own.
pub(crate) const QUEUE: u16 = 0;

/// Packets that wait at once; the kernel drops what comes beyond.
const MOST_WAITING: u32 = 8_192;

/// Bytes of each that are copied out of the kernel: none of them is looked at.
const COPIED: u16 = 64;

/// How exactly a packet's time is kept.
const TICK: Duration = Duration::from_millis(1);

/// What the variable is set to, with its name.
pub(crate) fn order(late_ms: &RangeInclusive<u64>) -> (&'static str, String) {
    (CARRY, format!("{} {}", late_ms.start(), late_ms.end()))
}

/// Whether this process is to carry, and how late; `None` where it is not, or
/// where what it was told cannot be read.
#[must_use]
pub fn asked() -> Option<RangeInclusive<u64>> {
    let told = std::env::var(CARRY).ok()?;
    let (from, to) = told.split_once(' ')?;
    Some(from.parse().ok()?..=to.parse().ok()?)
}

/// Carries until the process ends.
///
/// # Errors
/// When the kernel does not hand packets to this process.
pub async fn carry(late_ms: &RangeInclusive<u64>) -> io::Result<Infallible> {
    let mut queue = Queue::open()?;
    queue.bind(QUEUE)?;
    queue.set_copy_range(QUEUE, COPIED)?;
    queue.set_recv_gso(QUEUE, true)?;
    queue.set_queue_max_len(QUEUE, MOST_WAITING)?;
    queue.set_nonblocking(true);
    writeln!(io::stdout(), "{READY}")?;
    let mut dice = rand::rng();
    let mut waiting: BTreeMap<(Instant, u64), Message> = BTreeMap::new();
    let mut number = 0;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        while let Some(packet) = next(&mut queue)? {
            number += 1;
            let late = Duration::from_millis(dice.random_range(late_ms.clone()));
            waiting.insert((Instant::now() + late, number), packet);
        }
        let now = Instant::now();
        while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= now) {
            let mut packet = first.remove();
            packet.set_verdict(Verdict::Accept);
            queue.verdict(packet)?;
        }
    }
}

fn next(queue: &mut Queue) -> io::Result<Option<Message>> {
    match queue.recv() {
        Ok(packet) => Ok(Some(packet)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
