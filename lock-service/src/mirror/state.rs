//! What the mirror knows: every seat that is not free, by performance, by
//! booking and by customer, as of one revision. Pure: changes go in, what the
//! public will notice comes out.
//!
//! Must not know: how changes arrive, who asks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lock_service_client::wire::{PerformanceCounts, ShardMap, VersionedShardMap};
use seat_model::{BookingId, PerformanceId, PublicSeatState, SeatId, SeatState, UserId};
use seat_picker::{Prepared, SeatSet};

use super::charts::Charts;
use crate::etcd::{Listing, WatchEvent};
use crate::keys::{self, Key};
use crate::record::{BookingSeen, SeatRecord, SeatSeen};
use crate::transaction::Kv;

/// Seats of one performance that look different since a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The revision that changed them.
    pub revision: u64,
    /// The performance.
    pub performance: PerformanceId,
    /// The seats and what is true of them now.
    pub seats: BTreeMap<SeatId, PublicSeatState>,
}

#[derive(Debug)]
struct Entry {
    record: Arc<SeatRecord>,
    mod_revision: u64,
    create_revision: u64,
    /// Since when this instance has watched it at this revision: the only
    /// clock that decides whether a hold has been overdue for long enough.
    since: Instant,
}

#[derive(Debug, Default)]
struct BookingIndex {
    seats: Vec<(PerformanceId, SeatId)>,
    /// Where the booking stands in `due`.
    due: Option<(Instant, i64)>,
}

/// The mirror's contents.
#[derive(Debug, Default)]
pub struct State {
    revision: u64,
    cell_epoch: u64,
    shards: Option<VersionedShardMap>,
    performances: HashMap<PerformanceId, HashMap<SeatId, Entry>>,
    /// The same as bits, where seats are picked.
    charts: Charts,
    bookings: HashMap<BookingId, BookingIndex>,
    customers: HashMap<PerformanceId, HashMap<UserId, u32>>,
    markers: HashMap<BookingId, u64>,
    /// Held bookings: until when they must be watched to have been watched for
    /// their whole TTL, and their deadline in milliseconds. In this order, so
    /// that after a restart no look passes over all that cannot be due yet.
    due: BTreeSet<(Instant, i64, BookingId)>,
    confirming: BTreeSet<BookingId>,
    strays: BTreeSet<BookingId>,
    seats_by_state: [usize; 3],
}

const fn slot(state: SeatState) -> usize {
    match state {
        SeatState::Held => 0,
        SeatState::Confirming => 1,
        SeatState::Sold => 2,
    }
}

impl State {
    /// Nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The revision reached.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The cell's epoch; 0 while there is none.
    #[must_use]
    pub const fn cell_epoch(&self) -> u64 {
        self.cell_epoch
    }

    /// The shard map.
    #[must_use]
    pub fn shard_map(&self) -> VersionedShardMap {
        let none = VersionedShardMap { revision: 0, map: ShardMap::default() };
        self.shards.clone().unwrap_or(none)
    }

    /// How many seats are held, confirming and sold.
    #[must_use]
    pub const fn totals(&self) -> [usize; 3] {
        self.seats_by_state
    }

    /// Whether a booking has seats or a marker.
    #[must_use]
    pub fn knows(&self, booking: BookingId) -> bool {
        self.bookings.contains_key(&booking) || self.markers.contains_key(&booking)
    }

    /// The revision of a booking's pick marker.
    #[must_use]
    pub fn marker(&self, booking: BookingId) -> Option<u64> {
        self.markers.get(&booking).copied()
    }

    /// Whether a seat is free, for many questions about one performance.
    pub fn taken_in(&self, performance: &PerformanceId) -> impl Fn(&SeatId) -> bool + use<'_> {
        let seats = self.performances.get(performance);
        move |seat| seats.is_some_and(|seats| seats.contains_key(seat))
    }

    /// The seats of a performance that are not free, by their numbers in this plan.
    #[must_use]
    pub fn taken(&self, performance: &PerformanceId, prepared: &Arc<Prepared>) -> Cow<'_, SeatSet> {
        match self.charts.taken(performance, prepared, self.revision) {
            Some(taken) => Cow::Borrowed(taken),
            None => Cow::Owned(self.numbers(performance, prepared)),
        }
    }

    /// Whether [`Self::taken`] is at hand.
    #[must_use]
    pub fn charted(&self, performance: &PerformanceId, prepared: &Arc<Prepared>) -> bool {
        self.charts.taken(performance, prepared, self.revision).is_some()
    }

    /// Keeps [`Self::taken`] at hand from now on, for at most so many performances.
    pub fn chart(&mut self, performance: &PerformanceId, prepared: &Arc<Prepared>, at_most: usize) {
        let taken = self.numbers(performance, prepared);
        self.charts.put(performance, prepared, taken, self.revision, at_most);
    }

    fn numbers(&self, performance: &PerformanceId, prepared: &Prepared) -> SeatSet {
        let seats = self.performances.get(performance).into_iter().flat_map(HashMap::keys);
        let mut numbers = prepared.no_seats();
        numbers.extend(seats.filter_map(|seat| prepared.chart().index_of(seat)));
        numbers
    }

    /// A booking's seats, strays left out.
    #[must_use]
    pub fn booking(&self, booking: BookingId) -> Option<BookingSeen> {
        let (performance, seats) = self.first_seats(booking)?;
        let since = seats
            .iter()
            .filter_map(|seen| Some(self.performances.get(performance)?.get(&seen.seat)?.since))
            .max()?;
        BookingSeen::among(booking, performance, seats, since)
    }

    /// The performance and seats of a booking's first acquire.
    fn first_seats(&self, booking: BookingId) -> Option<(&PerformanceId, Vec<SeatSeen>)> {
        let entries = self.entries(booking);
        let (performance, first) = entries
            .iter()
            .min_by_key(|(_, _, entry)| entry.create_revision)
            .map(|(performance, _, entry)| (*performance, entry.create_revision))?;
        let seats = entries
            .into_iter()
            .filter(|(at, _, entry)| *at == performance && !entry.is_stray(first))
            .map(|(_, seat, entry)| entry.seen(seat))
            .collect();
        Some((performance, seats))
    }

    fn entries(&self, booking: BookingId) -> Vec<(&PerformanceId, &SeatId, &Entry)> {
        let Some(index) = self.bookings.get(&booking) else { return Vec::new() };
        index
            .seats
            .iter()
            .filter_map(|(performance, seat)| {
                Some((performance, seat, self.performances.get(performance)?.get(seat)?))
            })
            .collect()
    }

    /// Bookings with strays.
    #[must_use]
    pub fn with_strays(&self) -> Vec<BookingId> {
        self.strays.iter().copied().collect()
    }

    /// Seats of a booking that came after its first ones, acquire by acquire.
    #[must_use]
    pub fn strays(&self, booking: BookingId) -> Vec<BookingSeen> {
        let entries = self.entries(booking);
        let first = entries.iter().map(|(_, _, entry)| entry.create_revision).min().unwrap_or(0);
        let mut later: BTreeMap<(u64, &PerformanceId), Vec<SeatSeen>> = BTreeMap::new();
        for (performance, seat, entry) in &entries {
            if entry.is_stray(first) {
                let group = later.entry((entry.create_revision, performance)).or_default();
                group.push(entry.seen(seat));
            }
        }
        later
            .into_iter()
            .filter_map(|((_, performance), seats)| {
                BookingSeen::among(booking, performance, seats, Instant::now())
            })
            .collect()
    }

    /// Held bookings whose deadline is at or before a moment of the wall clock
    /// and that, at one of the monotonic clock, were watched for their whole TTL.
    pub fn due(&self, now: Instant, until_ms: i64) -> impl Iterator<Item = BookingId> + '_ {
        let watched = self.due.iter().take_while(move |(watched, ..)| *watched <= now);
        watched.filter(move |(_, deadline, _)| *deadline <= until_ms).map(|(.., booking)| *booking)
    }

    /// What is known of a seat that is not free.
    #[must_use]
    pub fn record(&self, performance: &PerformanceId, seat: &SeatId) -> Option<&SeatRecord> {
        Some(&self.performances.get(performance)?.get(seat)?.record)
    }

    /// A seat as it is, where it is not free.
    #[must_use]
    pub fn seen(&self, performance: &PerformanceId, seat: &SeatId) -> Option<SeatSeen> {
        Some(self.performances.get(performance)?.get(seat)?.seen(seat))
    }

    /// All bookings with seats in `confirming`.
    pub fn confirming(&self) -> impl Iterator<Item = BookingId> + '_ {
        self.confirming.iter().copied()
    }

    /// How many seats of a performance a customer has, one booking left out.
    #[must_use]
    pub fn seats_of(&self, performance: &PerformanceId, user: &UserId, but: BookingId) -> u32 {
        let all = self.customers.get(performance).and_then(|users| users.get(user));
        let own = self
            .entries(but)
            .into_iter()
            .filter(|(at, _, entry)| *at == performance && entry.record.user == *user)
            .count();
        all.copied().unwrap_or(0).saturating_sub(u32::try_from(own).unwrap_or(u32::MAX))
    }

    /// Seats by tier.
    #[must_use]
    pub fn counts(&self, performance: &PerformanceId) -> PerformanceCounts {
        let mut counts =
            PerformanceCounts { revision: self.revision, ..PerformanceCounts::default() };
        for entry in self.performances.get(performance).into_iter().flat_map(HashMap::values) {
            let of = match entry.record.state {
                SeatState::Held | SeatState::Confirming => &mut counts.held,
                SeatState::Sold => &mut counts.sold,
            };
            let tier = entry.record.tier.as_str();
            match of.get_mut(tier) {
                Some(seats) => *seats += 1,
                None => drop(of.insert(tier.to_owned(), 1)),
            }
        }
        counts
    }

    /// Every performance with seats that are not free, as the public sees them.
    #[must_use]
    pub fn public(&self) -> Vec<Change> {
        self.performances
            .iter()
            .map(|(performance, seats)| Change {
                revision: self.revision,
                performance: performance.clone(),
                seats: seats
                    .iter()
                    .map(|(seat, entry)| (seat.clone(), entry.record.state.into()))
                    .collect(),
            })
            .collect()
    }

    /// Applies what a watch delivered, up to and with `revision`.
    pub fn apply(&mut self, events: Vec<WatchEvent>, revision: u64) -> Vec<Change> {
        let mut noticed = Noticed::default();
        for event in events {
            self.apply_one(&event.key, event.revision, event.now.as_ref(), &mut noticed);
        }
        self.revision = self.revision.max(revision);
        self.index_again(&noticed);
        noticed.changes()
    }

    /// Becomes what was listed. What did not change keeps its watching time.
    pub fn replace(&mut self, listing: &Listing) -> Vec<Change> {
        let mut noticed = Noticed::default();
        let listed: BTreeMap<&str, &Kv> =
            listing.kvs.iter().map(|kv| (kv.key.as_str(), kv)).collect();
        let mut gone: Vec<String> = Vec::new();
        for (performance, seats) in &self.performances {
            let keys = seats.keys().map(|seat| keys::seat(performance, seat));
            gone.extend(keys.filter(|key| !listed.contains_key(key.as_str())));
        }
        let markers = self.markers.keys().map(|booking| keys::pick(*booking));
        gone.extend(markers.filter(|key| !listed.contains_key(key.as_str())));
        if !listed.contains_key(keys::SHARDS) {
            gone.push(keys::SHARDS.to_owned());
        }
        for key in gone {
            self.apply_one(&key, listing.revision, None, &mut noticed);
        }
        for (key, kv) in listed {
            self.apply_one(key, listing.revision, Some(kv), &mut noticed);
        }
        // A restored cell's revisions may have gone back: then so do we.
        self.revision = listing.revision;
        self.index_again(&noticed);
        noticed.changes()
    }

    fn apply_one(&mut self, key: &str, revision: u64, now: Option<&Kv>, noticed: &mut Noticed) {
        match keys::parse(key) {
            Some(Key::Seat(performance, seat)) => {
                let record = now.and_then(|kv| match SeatRecord::decode(kv) {
                    Ok(record) => Some((kv, record)),
                    Err(error) => {
                        tracing::error!(%error, "a seat's value is treated as absent");
                        None
                    }
                });
                let after = record.as_ref().map(|(_, record)| record.state);
                let before = match record {
                    Some((kv, record)) => self.put(&performance, &seat, kv, record, noticed),
                    None => self.delete(&performance, &seat, noticed),
                };
                let public = |state: Option<SeatState>| state.map(PublicSeatState::from);
                if public(before) != public(after) {
                    let now = public(after).unwrap_or(PublicSeatState::Free);
                    noticed.seats.entry((revision, performance)).or_default().insert(seat, now);
                }
            }
            Some(Key::Pick(booking)) => {
                match now {
                    Some(kv) => self.markers.insert(booking, kv.mod_revision),
                    None => self.markers.remove(&booking),
                };
            }
            Some(Key::Shards) => match now.map(|kv| (kv, serde_json::from_slice(&kv.value))) {
                Some((kv, Ok(map))) => {
                    self.shards = Some(VersionedShardMap { revision: kv.mod_revision, map });
                }
                Some((_, Err(error))) => tracing::error!(%error, "the shard map makes no sense"),
                None => self.shards = None,
            },
            Some(Key::Epoch) => {
                // Gone, or closed while it is rebuilt: no fence can be made.
                let text = now.and_then(|kv| std::str::from_utf8(&kv.value).ok());
                self.cell_epoch = text.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            }
            None => {}
        }
    }

    fn put(
        &mut self,
        performance: &PerformanceId,
        seat: &SeatId,
        kv: &Kv,
        record: SeatRecord,
        noticed: &mut Noticed,
    ) -> Option<SeatState> {
        let held = self.performances.get(performance).and_then(|seats| seats.get(seat));
        // Not by the revision alone: after etcd was lost the same one can come
        // again with another seat's owner.
        if let Some(entry) = held
            && entry.mod_revision == kv.mod_revision
            && *entry.record == record
        {
            return Some(entry.record.state);
        }
        let before = self.delete(performance, seat, noticed);
        noticed.bookings.insert(record.booking);
        self.seats_by_state[slot(record.state)] += 1;
        let users = self.customers.entry(performance.clone()).or_default();
        *users.entry(record.user.clone()).or_default() += 1;
        let index = self.bookings.entry(record.booking).or_default();
        index.seats.push((performance.clone(), seat.clone()));
        let entry = Entry {
            record: record.into(),
            mod_revision: kv.mod_revision,
            create_revision: kv.create_revision,
            since: Instant::now(),
        };
        self.performances.entry(performance.clone()).or_default().insert(seat.clone(), entry);
        self.charts.note(performance, seat, true);
        before
    }

    fn delete(
        &mut self,
        performance: &PerformanceId,
        seat: &SeatId,
        noticed: &mut Noticed,
    ) -> Option<SeatState> {
        let seats = self.performances.get_mut(performance)?;
        let entry = seats.remove(seat)?;
        self.charts.note(performance, seat, false);
        if seats.is_empty() {
            self.performances.remove(performance);
        }
        let booking = entry.record.booking;
        noticed.bookings.insert(booking);
        self.seats_by_state[slot(entry.record.state)] -= 1;
        if let Some(users) = self.customers.get_mut(performance) {
            if let Some(count) = users.get_mut(&entry.record.user) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    users.remove(&entry.record.user);
                }
            }
            if users.is_empty() {
                self.customers.remove(performance);
            }
        }
        if let Some(index) = self.bookings.get_mut(&booking) {
            index.seats.retain(|(at, name)| at != performance || name != seat);
        }
        Some(entry.record.state)
    }

    fn index_again(&mut self, noticed: &Noticed) {
        for &booking in &noticed.bookings {
            let entries = self.entries(booking);
            let due = entries
                .iter()
                .filter(|(_, _, entry)| entry.record.state == SeatState::Held)
                // A TTL beyond all clocks is never over.
                .filter_map(|(_, _, Entry { record, since, .. })| {
                    let watched = since.checked_add(Duration::from_millis(record.ttl_ms))?;
                    Some((watched, record.deadline_ms))
                })
                .max();
            let confirming =
                entries.iter().any(|(_, _, entry)| entry.record.state == SeatState::Confirming);
            let first = entries.iter().map(|(_, _, entry)| entry.create_revision).min();
            let stray = entries.iter().any(|(_, _, entry)| entry.is_stray(first.unwrap_or(0)));
            let empty = entries.is_empty();
            place(&mut self.confirming, booking, confirming);
            place(&mut self.strays, booking, stray);
            let Some(index) = self.bookings.get_mut(&booking) else { continue };
            let before = std::mem::replace(&mut index.due, due);
            if let Some((watched, deadline)) = before {
                self.due.remove(&(watched, deadline, booking));
            }
            if let Some((watched, deadline)) = due {
                self.due.insert((watched, deadline, booking));
            }
            if empty {
                self.bookings.remove(&booking);
            }
        }
    }
}

impl Entry {
    fn is_stray(&self, first: u64) -> bool {
        crate::record::is_stray(self.record.state, self.create_revision, first)
    }

    fn seen(&self, seat: &SeatId) -> SeatSeen {
        SeatSeen {
            seat: seat.clone(),
            record: self.record.clone(),
            mod_revision: self.mod_revision,
            create_revision: self.create_revision,
        }
    }
}

#[derive(Default)]
struct Noticed {
    seats: BTreeMap<(u64, PerformanceId), BTreeMap<SeatId, PublicSeatState>>,
    bookings: BTreeSet<BookingId>,
}

impl Noticed {
    fn changes(self) -> Vec<Change> {
        self.seats
            .into_iter()
            .map(|((revision, performance), seats)| Change { revision, performance, seats })
            .collect()
    }
}

fn place(set: &mut BTreeSet<BookingId>, booking: BookingId, there: bool) {
    if there {
        set.insert(booking);
    } else {
        set.remove(&booking);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    fn booking(n: u8) -> BookingId {
        BookingId::from_bytes([n; 16])
    }

    fn performance() -> PerformanceId {
        PerformanceId::new("p").unwrap()
    }

    fn put(name: &str, n: u8, state: SeatState, create: u64, revision: u64) -> WatchEvent {
        let key = keys::seat(&performance(), &SeatId::new(name).unwrap());
        let value = record(booking(n), state).encode();
        let kv = Kv { key: key.clone(), value, mod_revision: revision, create_revision: create };
        WatchEvent { key, revision, now: Some(kv) }
    }

    fn gone(name: &str, revision: u64) -> WatchEvent {
        WatchEvent { now: None, ..put(name, 1, SeatState::Held, 1, revision) }
    }

    fn ann() -> UserId {
        UserId::new("ann").unwrap()
    }

    #[test]
    fn a_booking_is_followed_from_hold_to_sale_to_free() {
        let mut state = State::new();
        let held = ["A1", "A2"].map(|name| put(name, 1, SeatState::Held, 5, 5)).to_vec();
        let changes = state.apply(held, 5);
        assert_eq!((changes.len(), changes[0].seats.len()), (1, 2));
        let (now, watched) = (Instant::now(), Instant::now() + Duration::from_secs(10));
        assert_eq!(state.due(watched, 11_000).collect::<Vec<_>>(), [booking(1)]);
        assert_eq!(state.due(watched, 10_999).count(), 0, "its deadline has not passed");
        assert_eq!(state.due(now, 11_000).count(), 0, "it was not watched for its TTL");
        assert_eq!(state.seats_of(&performance(), &ann(), booking(2)), 2);
        assert_eq!(state.seats_of(&performance(), &ann(), booking(1)), 0);

        let pinned = ["A1", "A2"].map(|name| put(name, 1, SeatState::Confirming, 5, 7)).to_vec();
        assert!(state.apply(pinned, 7).is_empty(), "the public sees no difference");
        assert_eq!(state.confirming().collect::<Vec<_>>(), [booking(1)]);
        assert_eq!(state.due(watched, i64::MAX).count(), 0, "what is pinned never runs out");
        assert_eq!(state.booking(booking(1)).unwrap().revision(), 7);

        let sold = ["A1", "A2"].map(|name| put(name, 1, SeatState::Sold, 5, 8)).to_vec();
        assert_eq!(state.apply(sold, 8)[0].seats.values().next(), Some(&PublicSeatState::Sold));
        assert_eq!(state.totals(), [0, 0, 2]);
        let changes = state.apply(vec![gone("A1", 9)], 9);
        assert_eq!(changes[0].seats.values().next(), Some(&PublicSeatState::Free));
        assert_eq!(state.booking(booking(1)).unwrap().seats.len(), 1);
        state.apply(vec![gone("A2", 10)], 12);
        assert!(!state.knows(booking(1)));
        assert_eq!((state.revision(), state.totals()), (12, [0, 0, 0]));
    }

    #[test]
    fn later_seats_of_the_same_booking_are_strays() {
        let mut state = State::new();
        state.apply(vec![put("A1", 1, SeatState::Held, 5, 5)], 5);
        state.apply(vec![put("B1", 1, SeatState::Held, 6, 6)], 6);
        assert_eq!(state.with_strays(), [booking(1)]);
        let strays = state.strays(booking(1));
        assert_eq!((strays.len(), strays[0].seats[0].seat.as_str()), (1, "B1"));
        assert_eq!(state.booking(booking(1)).unwrap().seats[0].seat.as_str(), "A1");
        state.apply(vec![gone("B1", 7)], 7);
        assert!(state.with_strays().is_empty());
    }

    #[test]
    fn a_listing_becomes_the_difference_and_keeps_watching_times() {
        let mut state = State::new();
        let first = vec![put("A1", 1, SeatState::Held, 5, 5), put("A2", 2, SeatState::Held, 6, 6)];
        state.apply(first, 6);
        let since = state.booking(booking(1)).unwrap().since;
        let kvs = [put("A1", 1, SeatState::Held, 5, 5), put("A3", 3, SeatState::Sold, 8, 8)];
        let kvs = kvs.into_iter().filter_map(|event| event.now).collect();
        let changes = state.replace(&Listing { revision: 9, kvs });
        assert_eq!(changes.len(), 1);
        let seats: Vec<_> =
            changes[0].seats.iter().map(|(seat, now)| (seat.as_str(), *now)).collect();
        assert_eq!(seats, [("A2", PublicSeatState::Free), ("A3", PublicSeatState::Sold)]);
        assert_eq!(state.booking(booking(1)).unwrap().since, since);
        assert_eq!(state.revision(), 9);
    }
}
