//! Which leases are open, whose holds they fit, and which must be granted
//! before anybody needs them. Pure: the time is always told.
//!
//! Must not know: how a lease is granted, how its grant is waited for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::LeaseLimits;
use crate::transaction::LeaseId;

/// The shortest life etcd grants at its default election timeout, in seconds.
const SHORTEST: u64 = 2;

/// Holds whose lengths differ by less count as of one length: between the
/// moment a deadline is named and the moment its lease is looked for, a hold
/// has become shorter by the time that took.
pub const SAME_LENGTH: Duration = Duration::from_millis(50);

/// A lease with room, or one on its way that room can be had on already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<P> {
    /// It can be used.
    Granted(LeaseId),
    /// It is being granted.
    Asked(P),
}

/// A grant on its way: the end of the lease as asked for, and a number.
pub(super) type GrantId = (Instant, u64);

#[derive(Debug)]
struct Bucket<P> {
    room: u32,
    lease: Found<P>,
}

/// Holds of one length, as long as they keep coming.
#[derive(Debug)]
struct Lane {
    /// The longest of them.
    length: Duration,
    /// The life in seconds of leases granted ahead, and how long before its
    /// first use such a lease is granted: at least `ahead`, and such that a life
    /// of whole seconds ends as late after the deadlines as it may. Then one
    /// lease lasts for longer than a second, whatever the length.
    life: u64,
    ahead: Duration,
    last_used: Instant,
    /// One hold of a length makes no lane: nothing is granted ahead for it.
    steady: bool,
    /// Keys taken in the span of `ahead` under way, and in the one before.
    since: Instant,
    taken: u32,
    taken_before: u32,
    checked: Instant,
    taken_since_check: u32,
}

/// The open leases by their end; full ones are not in here.
#[derive(Debug)]
pub(super) struct Buckets<P> {
    open: BTreeMap<(Instant, u64), Bucket<P>>,
    lanes: Vec<Lane>,
    limits: LeaseLimits,
    next: u64,
    in_flight: usize,
    /// After a grant that failed, none is made ahead for a moment.
    failed: Option<Instant>,
}

impl<P: Clone> Buckets<P> {
    pub(super) const fn new(limits: LeaseLimits) -> Self {
        Self {
            open: BTreeMap::new(),
            lanes: Vec::new(),
            limits,
            next: 0,
            in_flight: 0,
            failed: None,
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Takes room for all keys of one hold on a lease that ends at its deadline
    /// or up to `lag` later (INV-5). One that is granted goes before one that is
    /// on its way, and of those the one that stops fitting first.
    pub(super) fn take(&mut self, deadline: Instant, keys: u32) -> Option<Found<P>> {
        let fitting = (deadline, 0)..=(deadline + self.limits.lag, u64::MAX);
        let mut asked = None;
        let mut found = None;
        for (id, bucket) in self.open.range(fitting).filter(|(_, bucket)| bucket.room >= keys) {
            if matches!(bucket.lease, Found::Granted(_)) {
                found = Some(*id);
                break;
            }
            asked = asked.or(Some(*id));
        }
        let id = found.or(asked)?;
        let bucket = self.open.get_mut(&id)?;
        bucket.room -= keys;
        let lease = bucket.lease.clone();
        if bucket.room == 0 {
            self.open.remove(&id);
        }
        Some(lease)
    }

    /// Notes that a hold of this length was made; whether it is time to see
    /// what its lane is missing.
    pub(super) fn used(&mut self, now: Instant, length: Duration, keys: u32) -> bool {
        let limits = self.limits;
        let same = |lane: &&mut Lane| lane.length >= length && lane.length < length + SAME_LENGTH;
        let Some(lane) = self.lanes.iter_mut().find(same) else {
            if self.lanes.len() >= limits.max_lanes {
                let longest_unused =
                    (0..self.lanes.len()).min_by_key(|index| self.lanes[*index].last_used);
                longest_unused.map(|index| self.lanes.swap_remove(index));
            }
            self.lanes.push(Lane::new(now, length, keys, &limits));
            return false;
        };
        lane.steady = true;
        lane.last_used = now;
        let in_this_span = now.saturating_duration_since(lane.since);
        if in_this_span >= limits.ahead {
            lane.taken_before = if in_this_span < limits.ahead * 2 { lane.taken } else { 0 };
            lane.taken = 0;
            lane.since = now;
        }
        lane.taken = lane.taken.saturating_add(keys);
        lane.taken_since_check = lane.taken_since_check.saturating_add(keys);
        let due = lane.taken_since_check >= limits.max_keys / 8
            || now.saturating_duration_since(lane.checked) >= limits.ahead / 8;
        if due {
            lane.checked = now;
            lane.taken_since_check = 0;
        }
        due
    }

    /// The life in seconds of a lease that should be granted ahead, if any is
    /// missing: each lane must have room for what is made now and for what will
    /// be made in a moment, at the speed it is made at.
    pub(super) fn missing(&self, now: Instant) -> Option<u64> {
        let LeaseLimits { ahead, lead, lag, max_keys, .. } = self.limits;
        let failed = self.failed.is_some_and(|at| now.saturating_duration_since(at) < ahead);
        if failed || self.in_flight >= self.limits.max_grants {
            return None;
        }
        self.lanes.iter().filter(|lane| lane.steady).find_map(|lane| {
            let in_a_moment = u64::from(lane.taken.max(lane.taken_before));
            let room = |at: Instant, needed: u64| {
                self.room(at + lane.length) >= needed + u64::from(max_keys / 2)
            };
            if !room(now, in_a_moment / 2) {
                return Some(life(now, now + lane.length, lead));
            }
            // As much as will be taken while those fit.
            let by_then = u128::from(in_a_moment) * lag.as_millis() / ahead.as_millis().max(1);
            let by_then = u64::try_from(by_then).unwrap_or(u64::MAX / 2);
            (!room(now + lane.ahead, by_then)).then_some(lane.life)
        })
    }

    /// Room for holds with a deadline up to [`SAME_LENGTH`] before this one.
    fn room(&self, deadline: Instant) -> u64 {
        let last = deadline + self.limits.lag.saturating_sub(SAME_LENGTH);
        let fitting = (deadline, 0)..=(last, u64::MAX);
        self.open.range(fitting).map(|(_, bucket)| u64::from(bucket.room)).sum()
    }

    /// The life in seconds of a lease for this deadline, which nobody granted
    /// ahead; `None` while too many grants are in flight.
    pub(super) fn needed(&self, now: Instant, deadline: Instant) -> Option<u64> {
        let may = self.in_flight < self.limits.max_grants;
        may.then(|| life(now, deadline, self.limits.lead))
    }

    /// A lease was asked for: room on it can be taken from now on.
    pub(super) fn asked(&mut self, before: Instant, seconds: u64, promise: P) -> GrantId {
        self.next += 1;
        self.in_flight += 1;
        let id = (before + Duration::from_secs(seconds), self.next);
        self.insert(id, Bucket { room: self.limits.max_keys, lease: Found::Asked(promise) });
        id
    }

    /// It was granted, and ends then. Where everything was forgotten in the
    /// meantime it is not shared any more.
    pub(super) fn granted(&mut self, id: GrantId, lease: LeaseId, ends: Instant) {
        self.in_flight -= 1;
        self.failed = None;
        if let Some(bucket) = self.open.remove(&id) {
            let lease = Found::Granted(lease);
            self.insert((ends, id.1), Bucket { room: bucket.room, lease });
        }
    }

    /// It was not granted.
    pub(super) fn failed(&mut self, id: GrantId, now: Instant) {
        self.in_flight -= 1;
        self.failed = Some(now);
        self.open.remove(&id);
    }

    fn insert(&mut self, id: (Instant, u64), bucket: Bucket<P>) {
        if self.open.len() >= self.limits.max_open {
            self.open.pop_first();
        }
        self.open.insert(id, bucket);
    }

    pub(super) fn forget(&mut self, lease: LeaseId) {
        self.open.retain(|_, bucket| !matches!(bucket.lease, Found::Granted(it) if it == lease));
    }

    pub(super) fn forget_all(&mut self) {
        self.open.clear();
    }

    /// Drops lanes that are not used any more and leases that fit none.
    pub(super) fn tidy(&mut self, now: Instant) {
        let LeaseLimits { idle, lag, ahead, .. } = self.limits;
        self.lanes.retain(|lane| now.saturating_duration_since(lane.last_used) < idle);
        let lanes = &self.lanes;
        self.open.retain(|(ends, _), _| {
            lanes.iter().any(|lane| {
                let first = now + lane.length.saturating_sub(SAME_LENGTH);
                *ends >= first && *ends <= first + lag * 2 + ahead
            })
        });
    }
}

impl Lane {
    fn new(now: Instant, length: Duration, keys: u32, limits: &LeaseLimits) -> Self {
        let length = rounded(length);
        let latest = (length + limits.ahead + limits.lag).saturating_sub(SAME_LENGTH);
        let life = whole_seconds(latest);
        Self {
            length,
            life,
            ahead: limits.ahead + Duration::from_secs(life).saturating_sub(latest),
            last_used: now,
            steady: false,
            since: now,
            taken: keys,
            taken_before: 0,
            checked: now,
            taken_since_check: 0,
        }
    }
}

/// Whole seconds from `before` until at least `lead` after the deadline.
fn life(before: Instant, deadline: Instant, lead: Duration) -> u64 {
    whole_seconds((deadline + lead).saturating_duration_since(before))
}

fn whole_seconds(wanted: Duration) -> u64 {
    (wanted.as_secs() + u64::from(wanted.subsec_nanos() > 0)).max(SHORTEST)
}

/// Up to the next multiple of [`SAME_LENGTH`].
fn rounded(length: Duration) -> Duration {
    let step = SAME_LENGTH.as_nanos();
    let steps = u32::try_from(length.as_nanos().div_ceil(step)).unwrap_or(u32::MAX);
    SAME_LENGTH * steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn limits() -> LeaseLimits {
        LeaseLimits {
            max_keys: 2000,
            max_open: 4096,
            max_grants: 16,
            max_lanes: 4,
            lead: MS(150),
            lag: MS(1200),
            ahead: MS(400),
            idle: MS(10_000),
        }
    }

    /// Etcd as far as it matters here: every grant takes the same time.
    struct Model {
        buckets: Buckets<()>,
        now: Instant,
        begun: Instant,
        takes: Duration,
        on_their_way: Vec<(Instant, GrantId)>,
        ends: BTreeMap<LeaseId, (Instant, u32)>,
        waited: u32,
    }

    impl Model {
        fn new(takes: Duration) -> Self {
            let begun = Instant::now();
            Self {
                buckets: Buckets::new(limits()),
                now: begun,
                begun,
                takes,
                on_their_way: Vec::new(),
                ends: BTreeMap::new(),
                waited: 0,
            }
        }

        fn ask(&mut self, seconds: u64) {
            let id = self.buckets.asked(self.now, seconds, ());
            self.on_their_way.push((self.now + self.takes, id));
        }

        fn look_ahead(&mut self) {
            while let Some(seconds) = self.buckets.missing(self.now) {
                self.ask(seconds);
            }
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
            let now = self.now;
            let done: Vec<_> = self.on_their_way.extract_if(.., |(at, _)| *at <= now).collect();
            for (_, id) in done {
                let lease = LeaseId::try_from(id.1).unwrap();
                self.ends.insert(lease, (id.0, 0));
                self.buckets.granted(id, lease, id.0);
            }
        }

        fn hold(&mut self, length: Duration, keys: u32) {
            let deadline = self.now + length;
            if self.buckets.used(self.now, length, keys) {
                self.look_ahead();
            }
            let found = self.buckets.take(deadline, keys).or_else(|| {
                let seconds = self.buckets.needed(self.now, deadline)?;
                self.ask(seconds);
                self.buckets.take(deadline, keys)
            });
            match found {
                Some(Found::Granted(lease)) => {
                    let (ends, used) = self.ends.get_mut(&lease).unwrap();
                    *used += keys;
                    assert!(*ends >= deadline && *ends <= deadline + MS(1200), "INV-5");
                    assert!(*used <= 2000, "{used} keys on one lease");
                }
                _ => self.waited += 1,
            }
        }
    }

    #[test]
    fn a_lease_never_ends_before_the_deadline_nor_long_after() {
        let now = Instant::now();
        for deadline_ms in (3_000..8_000).step_by(37) {
            let deadline = now + MS(deadline_ms);
            let ends = now + Duration::from_secs(life(now, deadline, MS(150)));
            assert!(ends >= deadline + MS(150), "{deadline_ms}");
            assert!(ends <= deadline + MS(1_150), "{deadline_ms}");
            let mut buckets = Buckets::new(limits());
            buckets.asked(now, life(now, deadline, MS(150)), ());
            assert!(buckets.take(deadline, 2).is_some(), "granted for it, so it fits");
        }
    }

    #[test]
    fn a_second_of_holds_shares_one_lease() {
        let now = Instant::now();
        let ttl = MS(600_000);
        let mut buckets = Buckets::new(limits());
        buckets.asked(now, life(now, now + ttl, MS(150)), ());
        assert!(buckets.take(now + ttl + MS(990), 1).is_some());
        assert!(buckets.take(now + ttl + MS(1_010), 1).is_none(), "it would end too early");
        assert!(buckets.take(now + ttl - MS(300), 1).is_none(), "it would end too late");
        assert!(buckets.take(now + ttl, 2000).is_none(), "it has room for 1999");
        assert!(buckets.take(now + ttl, 1999).is_some());
        assert_eq!(buckets.open(), 0, "a full one is not looked at again");
    }

    #[test]
    fn under_steady_load_only_the_first_holds_wait() {
        // 35,000 keys a second, and a fast, a slow and a very slow etcd.
        for (length, takes) in
            [(600_000, 2), (600_000, 50), (600_330, 50), (30_000, 150), (4_970, 250)]
        {
            let mut model = Model::new(MS(takes));
            let mut waited_early = 0;
            for tick in 0..6_000_u32 {
                model.pass(MS(1));
                if tick % 100 == 0 {
                    model.look_ahead();
                    model.buckets.tidy(model.now);
                }
                for _ in 0..7 {
                    model.hold(MS(length), 5);
                }
                if tick == 1_500 {
                    waited_early = model.waited;
                }
            }
            assert_eq!(model.waited, waited_early, "{length} ms, {takes} ms a grant");
            let (grants, keys) = (model.ends.len(), 6_000 * 35 / 2_000);
            assert!(grants < keys + 60, "{grants} grants where {keys} full ones would do");
            assert!(model.buckets.open() < 60, "{} open", model.buckets.open());
        }
    }

    #[test]
    fn a_trickle_never_waits_and_costs_few_leases() {
        for length in [600_000, 600_440, 3_910] {
            let mut model = Model::new(MS(20));
            let mut waited_early = 0;
            for tick in 0..200_u32 {
                for _ in 0..5 {
                    model.pass(MS(20));
                }
                model.look_ahead();
                model.buckets.tidy(model.now);
                if tick % 3 == 0 {
                    model.hold(MS(length), 2);
                }
                if tick == 10 {
                    waited_early = model.waited;
                }
            }
            assert_eq!(model.waited, waited_early, "{length} ms");
            let seconds = model.now.duration_since(model.begun).as_secs();
            assert!(model.ends.len() as u64 <= seconds + 3, "{} grants", model.ends.len());
        }
    }

    #[test]
    fn nobodys_lane_costs_nothing() {
        let mut model = Model::new(MS(1));
        for n in 0..9 {
            model.hold(MS(20_000 + n * 3000), 1);
        }
        model.look_ahead();
        assert_eq!(model.on_their_way.len(), 9, "one for each, none ahead");
        assert_eq!(model.buckets.lanes.len(), 4, "bounded");
        for _ in 0..2 {
            model.hold(MS(44_000), 1);
        }
        model.pass(MS(300));
        assert_eq!(model.on_their_way.len(), 0);
        model.look_ahead();
        assert_eq!(model.on_their_way.len(), 1, "the present one soon fits no more");
        for _ in 0..40 {
            model.pass(MS(300));
            model.buckets.tidy(model.now);
            model.look_ahead();
        }
        assert_eq!((model.buckets.lanes.len(), model.buckets.open()), (0, 0));
        assert_eq!(model.buckets.missing(model.now), None);
    }

    #[test]
    fn grants_in_flight_are_bounded_and_failures_are_not_repeated_at_once() {
        let mut model = Model::new(MS(1000));
        for _ in 0..40 {
            model.hold(MS(60_000), 2000);
        }
        assert_eq!(model.buckets.in_flight(), 16);
        assert_eq!(model.buckets.needed(model.now, model.now + MS(60_000)), None);
        for (_, id) in std::mem::take(&mut model.on_their_way) {
            model.buckets.failed(id, model.now);
        }
        assert_eq!((model.buckets.in_flight(), model.buckets.open()), (0, 0));
        assert_eq!(model.buckets.missing(model.now), None, "not at once");
        assert!(model.buckets.missing(model.now + MS(500)).is_some());
    }

    #[test]
    fn what_was_forgotten_is_not_shared_again() {
        let mut model = Model::new(MS(10));
        let ttl = MS(60_000);
        model.hold(ttl, 1);
        model.pass(MS(10));
        assert!(model.buckets.take(model.now + ttl, 1).is_some());
        model.buckets.forget(1);
        assert!(model.buckets.take(model.now + ttl, 1).is_none());
        model.hold(ttl, 1);
        model.buckets.forget_all();
        model.pass(MS(10));
        assert_eq!(model.buckets.open(), 0, "nor when its grant comes back later");
        assert_eq!(model.buckets.in_flight(), 0);
    }
}
