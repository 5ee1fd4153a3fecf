//! People who watch one performance, each on an event stream of their own, while
//! its seats are held one after the other. Knows nothing of what is made of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use local_cluster::Role;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::watcher::{Seen, Watcher};
use crate::Failure;
use crate::house::{House, seat_name};
use crate::load::Latency;
use crate::options::Options;
use crate::stage::Stage;
use crate::usage::{Sample, Used, rss_bytes};

/// Time between holds: twenty a second.
const GAP: Duration = Duration::from_millis(50);

/// Streams that are opened at once.
const OPENING: usize = 50;

/// Within this everybody has seen the last change.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// Holds of a customer, who may have ten seats.
const HOLDS_OF_ONE: u32 = 5;

const TOKEN_TTL: Duration = Duration::from_secs(3_600);

/// A hold, and when.
#[derive(Debug, Clone, Copy)]
struct Taken {
    sent: Instant,
    answered: Instant,
}

/// One round.
pub(crate) struct Round {
    /// Until a change was seen, from before its hold was sent.
    pub(crate) from_sent: Latency,
    /// The same from the hold's answer.
    pub(crate) from_answer: Latency,
    /// Sightings in a second.
    pub(crate) per_second: f64,
    /// From the first hold until all was seen.
    pub(crate) took: Duration,
    /// What each process used meanwhile.
    pub(crate) used: Vec<Used>,
    /// Bytes that a stream sends for a change, comments between them included.
    pub(crate) bytes_each: f64,
}

impl Round {
    /// How often somebody saw a change.
    pub(crate) fn sightings(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let sightings = self.from_sent.count() as f64;
        sightings
    }
}

/// All who watch.
pub(crate) struct Audience {
    streams: u32,
    seen: mpsc::UnboundedReceiver<Seen>,
    watchers: JoinSet<()>,
    /// How much view-service grew for each stream, in bytes.
    pub(crate) bytes_each: u64,
}

impl Audience {
    /// Opens the streams, a few at a time.
    ///
    /// # Errors
    /// When one is refused.
    pub(crate) async fn open(
        options: &Options,
        stage: &Stage,
        house: &House,
        address: SocketAddr,
    ) -> Result<Self, Failure> {
        let processes = stage.processes()?;
        let view = processes.iter().find(|process| process.name.starts_with("view-service"));
        let view = view.ok_or("there is no view-service")?.pid;
        let before = rss_bytes(view).unwrap_or(0);
        let (sender, seen) = mpsc::unbounded_channel();
        let mut watchers = JoinSet::new();
        let path = format!("{}/events", house.seats_path());
        let mut opening = JoinSet::new();
        for _ in 0..options.streams {
            if opening.len() >= OPENING
                && let Some(opened) = opening.join_next().await
            {
                begin(opened??, &sender, &mut watchers);
            }
            let path = path.clone();
            opening.spawn(async move { Watcher::open(address, &path).await });
        }
        while let Some(opened) = opening.join_next().await {
            begin(opened??, &sender, &mut watchers);
        }
        let streams = options.streams;
        let grown = rss_bytes(view).unwrap_or(0).saturating_sub(before);
        let bytes_each = grown / u64::from(streams);
        eprintln!("{streams} streams are open: {bytes_each} bytes of view-service each");
        Ok(Self { streams, seen, watchers, bytes_each })
    }

    /// Holds seats one after the other and waits until all of them were seen by
    /// all; goes on behind hold number `next`.
    ///
    /// # Errors
    /// When a hold is refused, or the house is too small.
    pub(crate) async fn round(
        &mut self,
        options: &Options,
        stage: &Stage,
        house: &House,
        next: &mut u32,
        faults: &mut Vec<String>,
    ) -> Result<Round, Failure> {
        let first = *next;
        let holds = holds_within(options.measure(), house, first)?;
        let processes = stage.processes()?;
        let before = Sample::take(&processes);
        let began = Instant::now();
        let taking = take(stage, house, first, holds);
        let watching = watch(&mut self.seen, first, holds, self.streams);
        let (taken, (seen, bytes)) = tokio::join!(taking, watching);
        let taken = taken?;
        *next += holds;
        let took = began.elapsed();
        let used = before.until_now();
        let (mut from_sent, mut from_answer) = (Latency::new(), Latency::new());
        let wanted = self.streams as usize;
        for (hold, moments) in taken.iter().zip(&seen) {
            if moments.len() != wanted {
                faults.push(format!("a hold was seen {} times, not {wanted}", moments.len()));
            }
            for at in moments {
                from_sent.record(at.saturating_duration_since(hold.sent));
                from_answer.record(at.saturating_duration_since(hold.answered));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (sightings, bytes) = (from_sent.count() as f64, bytes as f64);
        Ok(Round {
            from_sent,
            from_answer,
            per_second: sightings / took.as_secs_f64(),
            took,
            used,
            bytes_each: bytes / sightings.max(1.0),
        })
    }

    /// Whether a stream has ended, which none should.
    pub(crate) fn has_lost_one(&mut self) -> bool {
        self.watchers.try_join_next().is_some()
    }

    /// Sends everybody home.
    pub(crate) async fn close(mut self) {
        self.watchers.shutdown().await;
    }
}

fn begin(watcher: Watcher, seen: &mpsc::UnboundedSender<Seen>, watchers: &mut JoinSet<()>) {
    watchers.spawn(watcher.watch(seen.clone()));
}

/// How many holds fit into a time, from hold number `first` on.
///
/// # Errors
/// When the house has no seat left for one.
pub(crate) fn holds_within(time: Duration, house: &House, first: u32) -> Result<u32, Failure> {
    let holds = (time.as_secs_f64() / GAP.as_secs_f64()).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^32")]
    let holds = (holds as u32).min((house.seats / 2).saturating_sub(first));
    if holds == 0 {
        return Err("the house is too small for so many rounds".into());
    }
    Ok(holds)
}

/// The seats that are held are those between the sold ones.
const fn seat_of(hold: u32) -> u32 {
    hold * 2 + 1
}

/// Takes holds of one seat each, twenty a second, and says how long that took.
///
/// # Errors
/// When one is refused.
pub(crate) async fn take_seats(
    stage: &Stage,
    house: &House,
    first: u32,
    holds: u32,
) -> Result<Duration, Failure> {
    let began = Instant::now();
    take(stage, house, first, holds).await?;
    Ok(began.elapsed())
}

async fn take(stage: &Stage, house: &House, first: u32, holds: u32) -> Result<Vec<Taken>, Failure> {
    let mut taken = Vec::new();
    let mut every = tokio::time::interval(GAP);
    for hold in first..first + holds {
        let customer = format!("live-{}", hold / HOLDS_OF_ONE);
        let token = stage.token(&customer, Role::Customer, TOKEN_TTL)?;
        let seats = [seat_name(seat_of(hold))];
        every.tick().await;
        let sent = Instant::now();
        house.take(&token, &format!("live-{hold}"), &seats, false).await?;
        taken.push(Taken { sent, answered: Instant::now() });
    }
    Ok(taken)
}

/// When each hold was seen, until all were seen by all or it takes too long; and
/// the bytes that came meanwhile.
async fn watch(
    seen: &mut mpsc::UnboundedReceiver<Seen>,
    first: u32,
    holds: u32,
    streams: u32,
) -> (Vec<Vec<Instant>>, usize) {
    let mut moments = vec![Vec::new(); holds as usize];
    let mut bytes = 0;
    let mut left = holds as usize * streams as usize;
    while left > 0 {
        let Ok(Some(one)) = tokio::time::timeout(SEEN_WITHIN, seen.recv()).await else { break };
        bytes += one.bytes;
        let hold = (one.seat / 2).checked_sub(first).map(|hold| hold as usize);
        if let Some(place) = hold.and_then(|hold| moments.get_mut(hold)) {
            place.push(one.at);
            left = left.saturating_sub(1);
        }
    }
    (moments, bytes)
}
