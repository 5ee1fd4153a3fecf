//! The fold itself. A snapshot is built aside and takes the place of what is
//! known only once it is not older, the first one only once somebody said that
//! it is the newest (INV-11: what was seen sold is not shown free because an
//! instance that is behind said so, and nothing is dated later than it is known
//! to be true).

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use lock_service_client::wire::ChangeLine;
use seat_model::{PerformanceId, PublicSeatState, SeatId, Timestamp};
use view_service_client::wire::SeatChange;

use super::live::{Live, Start, Subscription};
use crate::planted_bugs::VIEW_WITHOUT_REVISION_GUARD;

/// Limits of the projection.
#[derive(Debug, Clone, Copy)]
struct Limits {
    history: usize,
    queue: usize,
    regressed_after_ms: i64,
}

/// What is known of one performance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What the projection had reached.
    pub revision: u64,
    /// The last revision that changed this performance, 0 where none is known.
    pub changed: u64,
    /// When that was last known to be the newest.
    pub as_of: Timestamp,
    /// Seats that are not free.
    pub seats: BTreeMap<SeatId, PublicSeatState>,
}

/// Where a performance stands, without its seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// What the projection has reached.
    pub revision: u64,
    /// The last revision that changed this performance, 0 where none is known.
    pub changed: u64,
    /// Which state of this performance it is: two stands with the same version
    /// have the same seats. Only this process knows the number; 0 is a
    /// performance that nothing is known of, so that all of it is free.
    pub version: u64,
    /// When the revision was last known to be the newest.
    pub as_of: Timestamp,
}

/// One performance for Redis: everything up to `upto`, seat by seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Every change up to and with this revision is in it.
    pub upto: u64,
    /// Seats that are not free, the revision that made them so, and their state.
    pub seats: Vec<(SeatId, u64, PublicSeatState)>,
}

/// What a line of the feed did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing that others need to hear of.
    Quiet,
    /// Some seats changed.
    Changed {
        /// The performance.
        performance: PerformanceId,
        /// The revision that changed them.
        revision: u64,
        /// The seats.
        seats: BTreeMap<SeatId, PublicSeatState>,
    },
    /// Known to be the newest.
    Reached {
        /// Up to and with.
        revision: u64,
        /// As of.
        as_of: Timestamp,
    },
    /// A snapshot took the place of what was known: write everything anew.
    Replaced {
        /// Whether revisions went back: another cell, or one that was restored.
        regressed: bool,
    },
}

/// The feed must be opened anew, from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the feed stands before what is known, and that for too long to be a delay")]
pub struct Refused;

#[derive(Debug)]
struct Taken {
    revision: u64,
    state: PublicSeatState,
}

#[derive(Debug)]
struct Performance {
    seats: BTreeMap<SeatId, Taken>,
    changed: u64,
    version: u64,
    live: Live,
}

impl Performance {
    fn new(resumable_from: u64) -> Self {
        Self { seats: BTreeMap::new(), changed: 0, version: 0, live: Live::new(resumable_from) }
    }
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    /// Everything up to here was received; a later resume begins here. One
    /// below `revision` while more lines of that revision may follow.
    complete_to: u64,
    /// The newest revision that somebody vouched for, and when. Changes are heard
    /// of before anybody vouches for them, so `revision` is often a little later.
    confirmed: u64,
    /// `None` before the first snapshot that somebody vouched for, and nobody is
    /// told anything then.
    as_of: Option<Timestamp>,
    /// Performances that were never mentioned did not change after this.
    loaded_at: u64,
    /// How often any performance changed here.
    versions: u64,
    performances: HashMap<PerformanceId, Performance>,
    staged: Option<Staged>,
}

#[derive(Debug, Default)]
struct Staged {
    revision: u64,
    complete_to: u64,
    complete: bool,
    /// The first time that somebody vouched for it.
    vouched_at: Option<Timestamp>,
    seats: HashMap<PerformanceId, BTreeMap<SeatId, Taken>>,
}

/// The projection. Readers share it with the one follower that feeds it.
#[derive(Debug)]
pub struct Projection {
    state: RwLock<State>,
    limits: Limits,
}

impl Projection {
    /// An empty projection. `history` changes a performance are kept for those
    /// who come back, `queue` may wait for a slow watcher.
    #[must_use]
    pub fn new(history: usize, queue: usize, regressed_after_ms: i64) -> Self {
        Self {
            state: RwLock::new(State::default()),
            limits: Limits { history, queue, regressed_after_ms },
        }
    }

    /// Where a feed should be resumed; 0 for a snapshot.
    pub fn resume_from(&self) -> u64 {
        self.read(|state| if state.as_of.is_some() { state.complete_to } else { 0 })
    }

    /// Revision and age of the whole; `None` before the first snapshot.
    pub fn reached(&self) -> Option<(u64, Timestamp)> {
        self.read(|state| state.as_of.map(|as_of| (state.revision, as_of)))
    }

    /// What is known of a performance; `None` before the first snapshot.
    pub fn known(&self, performance: &PerformanceId) -> Option<Known> {
        self.read(|state| state.as_of.map(|as_of| state.known(as_of, performance)))
    }

    /// The last revision that changed a performance; 0 where none is known.
    pub fn changed(&self, performance: &PerformanceId) -> u64 {
        self.read(|state| state.performances.get(performance).map_or(0, |found| found.changed))
    }

    /// Where a performance stands; `None` before the first snapshot.
    pub fn stand(&self, performance: &PerformanceId) -> Option<Stand> {
        self.read(|state| {
            let found = state.performances.get(performance);
            state.as_of.map(|as_of| state.stand(as_of, found))
        })
    }

    /// Which states these performances are in, as one number: as long as it
    /// stays the same, so do their seats.
    pub fn version_of<'p>(&self, performances: impl Iterator<Item = &'p PerformanceId>) -> u64 {
        self.read(|state| {
            let version = |id| state.performances.get(id).map_or(0, |found| found.version);
            performances.map(version).fold(0, |all: u64, one| {
                // Order and place count, as in every polynomial hash.
                all.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(one)
            })
        })
    }

    /// Looks at a performance's taken seats in place; `None` before the first
    /// snapshot. Whoever writes waits meanwhile.
    pub fn look<T>(
        &self,
        performance: &PerformanceId,
        look: impl FnOnce(Stand, &mut dyn Iterator<Item = (&SeatId, PublicSeatState)>) -> T,
    ) -> Option<T> {
        self.read(|state| {
            let found = state.performances.get(performance);
            let seats = found.into_iter().flat_map(|found| &found.seats);
            let mut seats = seats.map(|(seat, taken)| (seat, taken.state));
            state.as_of.map(|as_of| look(state.stand(as_of, found), &mut seats))
        })
    }

    /// Every performance that was ever mentioned.
    pub fn performances(&self) -> Vec<PerformanceId> {
        self.read(|state| state.performances.keys().cloned().collect())
    }

    /// A performance for Redis; `None` before the first snapshot.
    pub fn export(&self, performance: &PerformanceId) -> Option<Exported> {
        self.read(|state| {
            state.as_of.map(|_| Exported {
                upto: state.complete_to,
                seats: state.performances.get(performance).map_or_else(Vec::new, |found| {
                    let seats = found.seats.iter();
                    seats.map(|(seat, taken)| (seat.clone(), taken.revision, taken.state)).collect()
                }),
            })
        })
    }

    /// A watcher's place, after the event it saw last; `None` before the first snapshot.
    pub fn watch(&self, performance: &PerformanceId, last: Option<u64>) -> Option<Subscription> {
        let queue = self.limits.queue;
        self.write(|state| {
            state.as_of?;
            let known_up_to = state.revision;
            let (loaded_at, versions) = (state.loaded_at, state.versions);
            let entry = state.performances.entry(performance.clone()).or_insert_with(|| {
                // Above every version that it had before it was forgotten.
                Performance { version: versions, ..Performance::new(loaded_at) }
            });
            let receiver = entry.live.watch(queue);
            let version = entry.version;
            // An id from the future is another instance's, which was ahead, or
            // another cell's: either way this one cannot tell what is missing.
            let resumed =
                last.filter(|last| *last <= known_up_to).and_then(|last| entry.live.since(last));
            let start = resumed.map_or(Start::Snapshot, Start::Resume);
            Some(Subscription { start, version, receiver })
        })
    }

    /// Takes in one line of the feed.
    ///
    /// # Errors
    /// [`Refused`] when the feed stands before what is known.
    pub fn apply(&self, line: ChangeLine) -> Result<Step, Refused> {
        let limits = self.limits;
        self.write(|state| match line {
            ChangeLine::Snapshot { revision } => {
                state.staged = Some(Staged { revision, ..Staged::default() });
                Ok(Step::Quiet)
            }
            ChangeLine::Seats { performance, revision, seats } => {
                Ok(state.seats(performance, revision, seats, limits))
            }
            ChangeLine::SnapshotEnd { revision } => {
                if let Some(staged) = &mut state.staged {
                    staged.revision = staged.revision.max(revision);
                    staged.complete_to = staged.complete_to.max(revision);
                    staged.complete = true;
                }
                Ok(state.replace(None, limits).unwrap_or(Step::Quiet))
            }
            ChangeLine::Progress { revision, as_of } => state.progress(revision, as_of, limits),
        })
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn stand(&self, as_of: Timestamp, found: Option<&Performance>) -> Stand {
        Stand {
            revision: self.revision,
            changed: found.map_or(0, |found| found.changed),
            version: found.map_or(0, |found| found.version),
            as_of,
        }
    }

    fn known(&self, as_of: Timestamp, performance: &PerformanceId) -> Known {
        let found = self.performances.get(performance);
        Known {
            revision: self.revision,
            changed: found.map_or(0, |found| found.changed),
            as_of,
            seats: found.map_or_else(BTreeMap::new, |found| {
                found.seats.iter().map(|(seat, taken)| (seat.clone(), taken.state)).collect()
            }),
        }
    }

    fn seats(
        &mut self,
        performance: PerformanceId,
        revision: u64,
        mut seats: BTreeMap<SeatId, PublicSeatState>,
        limits: Limits,
    ) -> Step {
        if let Some(staged) = &mut self.staged {
            if staged.complete {
                staged.complete_to = staged.complete_to.max(revision.saturating_sub(1));
                staged.revision = staged.revision.max(revision);
            }
            take(staged.seats.entry(performance).or_default(), revision, &mut seats);
            return Step::Quiet;
        }
        let Some(as_of) = self.as_of else { return Step::Quiet };
        let loaded_at = self.loaded_at;
        self.revision = self.revision.max(revision);
        self.complete_to = self.complete_to.max(revision.saturating_sub(1));
        let entry = self
            .performances
            .entry(performance.clone())
            .or_insert_with(|| Performance::new(loaded_at));
        take(&mut entry.seats, revision, &mut seats);
        if seats.is_empty() {
            return Step::Quiet;
        }
        entry.changed = entry.changed.max(revision);
        self.versions += 1;
        entry.version = self.versions;
        let change = SeatChange { revision, as_of, seats: seats.clone() };
        entry.live.tell(change, entry.version, limits.history);
        Step::Changed { performance, revision, seats }
    }

    fn progress(
        &mut self,
        revision: u64,
        as_of: Timestamp,
        limits: Limits,
    ) -> Result<Step, Refused> {
        if let Some(staged) = &mut self.staged {
            staged.revision = staged.revision.max(revision);
            staged.complete_to = staged.complete_to.max(revision);
            staged.vouched_at.get_or_insert(as_of);
            return Ok(self.replace(Some((revision, as_of)), limits).unwrap_or(Step::Quiet));
        }
        let Some(known) = self.as_of else { return Ok(Step::Quiet) };
        if revision < self.confirmed && !VIEW_WITHOUT_REVISION_GUARD.is_planted() {
            let began_again = as_of > known.plus_millis(limits.regressed_after_ms);
            return if began_again { Err(Refused) } else { Ok(Step::Quiet) };
        }
        // Everything up to it was heard. What was heard beyond it does not make
        // what is known any older.
        self.confirmed = revision;
        self.revision = self.revision.max(revision);
        self.complete_to = self.complete_to.max(revision);
        self.as_of = Some(known.max(as_of));
        Ok(Step::Reached { revision, as_of })
    }

    /// Whether etcd began again: a revision below what was vouched for was
    /// confirmed so much later that this is no delay, or the snapshot has been the
    /// newest for as long and does not reach what is known.
    fn began_again(&self, staged: &Staged, word: (u64, Timestamp), limits: Limits) -> bool {
        let late = |known: Option<Timestamp>| {
            known.is_some_and(|known| word.1 > known.plus_millis(limits.regressed_after_ms))
        };
        word.0 < self.confirmed && late(self.as_of) || late(staged.vouched_at)
    }

    /// Lets a complete snapshot take the place of what is known, if it may; `word`
    /// is the revision that was just vouched for, and when.
    fn replace(&mut self, word: Option<(u64, Timestamp)>, limits: Limits) -> Option<Step> {
        let staged = self.staged.as_ref().filter(|staged| staged.complete)?;
        let loaded = self.as_of.is_some();
        let older = loaded && staged.revision < self.revision;
        let regressed = older && !VIEW_WITHOUT_REVISION_GUARD.is_planted();
        if regressed && !word.is_some_and(|word| self.began_again(staged, word, limits)) {
            return None;
        }
        // INV-11: what was known keeps its date until somebody vouches for more,
        // and before that there is no date at all.
        let known = self.as_of.filter(|_| !regressed).map(|as_of| (self.confirmed, as_of));
        let (confirmed, as_of) = match (known, word) {
            (Some(known), Some(word)) => (known.0.max(word.0), known.1.max(word.1)),
            (known, word) => known.or(word)?,
        };
        let mut staged = self.staged.take()?;
        if !loaded {
            self.loaded_at = staged.complete_to;
        }
        // Whoever was known and is not in the snapshot has only free seats now.
        for performance in self.performances.keys() {
            staged.seats.entry(performance.clone()).or_default();
        }
        for (performance, seats) in staged.seats {
            let loaded_at = self.loaded_at;
            let entry =
                self.performances.entry(performance).or_insert_with(|| Performance::new(loaded_at));
            let told = difference(&entry.seats, &seats);
            entry.seats = seats;
            if regressed || !told.is_empty() {
                entry.changed = staged.revision;
                self.versions += 1;
                entry.version = self.versions;
            }
            if regressed {
                entry.live.reset(staged.revision);
            } else if !told.is_empty() && loaded {
                let change = SeatChange { revision: staged.revision, as_of, seats: told };
                entry.live.tell(change, entry.version, limits.history);
            }
        }
        self.performances.retain(|_, entry| !entry.seats.is_empty() || entry.live.is_watched());
        if regressed || !loaded {
            self.loaded_at = staged.complete_to;
        } else {
            // A performance that was dropped just now changed as late as this.
            self.loaded_at = self.loaded_at.max(staged.complete_to);
        }
        self.revision = staged.revision;
        self.complete_to = staged.complete_to;
        self.confirmed = confirmed;
        self.as_of = Some(as_of);
        Some(Step::Replaced { regressed })
    }
}

/// Applies a change and leaves in `seats` only what was news.
fn take(
    known: &mut BTreeMap<SeatId, Taken>,
    revision: u64,
    seats: &mut BTreeMap<SeatId, PublicSeatState>,
) {
    seats.retain(|seat, state| {
        let newer = known.get(seat).is_some_and(|taken| taken.revision >= revision);
        if newer && !VIEW_WITHOUT_REVISION_GUARD.is_planted() {
            return false;
        }
        if *state == PublicSeatState::Free {
            known.remove(seat).is_some()
        } else {
            let taken = Taken { revision, state: *state };
            known.insert(seat.clone(), taken).is_none_or(|before| before.state != *state)
        }
    });
}

fn difference(
    before: &BTreeMap<SeatId, Taken>,
    after: &BTreeMap<SeatId, Taken>,
) -> BTreeMap<SeatId, PublicSeatState> {
    let freed = before
        .keys()
        .filter(|seat| !after.contains_key(*seat))
        .map(|seat| (seat.clone(), PublicSeatState::Free));
    let taken = after
        .iter()
        .filter(|(seat, taken)| before.get(*seat).is_none_or(|was| was.state != taken.state))
        .map(|(seat, taken)| (seat.clone(), taken.state));
    freed.chain(taken).collect()
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
