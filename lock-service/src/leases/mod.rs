//! Shared leases, granted ahead. Deadlines close to one another go on one
//! lease; a lease of its own for each hold would cost an etcd round trip and,
//! when a thousand run out together, seconds of revoking. And while holds of
//! one length keep coming, the next lease for them is granted before the
//! present one is full or stops fitting, so that none of them waits for it.
//!
//! A lease is only a timer for cleaning up. It is never kept alive and never
//! revoked (an unused one just ends), and is private to this instance. Its end
//! is counted on the monotonic clock from *before* it was granted, so that it
//! never comes before a deadline; etcd notices ended leases up to about half a
//! second late, so a lease whose end is more than `lag` after a deadline is not
//! used for it: the seats would be free later than deadline + 2 s (INV-5).
//!
//! Must not know: what a hold is, what is written on a lease.

mod buckets;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use service_kit::Background;
use tokio::sync::watch;

pub use buckets::SAME_LENGTH;

use crate::etcd::{Etcd, EtcdFault};
use crate::fail_points;
use crate::metrics::Metrics;
use crate::transaction::LeaseId;
use buckets::{Buckets, Found, GrantId};

/// Bounds of sharing and of granting ahead.
#[derive(Debug, Clone, Copy)]
pub struct LeaseLimits {
    /// Keys on one lease.
    pub max_keys: u32,
    /// Leases remembered.
    pub max_open: usize,
    /// Grants in flight.
    pub max_grants: usize,
    /// Lengths of holds that leases are granted ahead for.
    pub max_lanes: usize,
    /// How long after a deadline its lease ends at least, when it is granted for it.
    pub lead: Duration,
    /// How long after a deadline its lease may end at most.
    pub lag: Duration,
    /// How long before it is needed a lease is granted.
    pub ahead: Duration,
    /// A length of which no hold was made for so long has no leases granted ahead.
    pub idle: Duration,
}

/// What became of a grant: the lease and its end; `None` as long as it is in flight.
type Told = Option<Result<(LeaseId, Instant), EtcdFault>>;

struct Shared {
    buckets: Mutex<Buckets<watch::Receiver<Told>>>,
    /// Changes whenever a grant has ended.
    ended: watch::Sender<()>,
    /// How long a grant may take.
    patience: Duration,
    etcd: Etcd,
    background: Background,
    metrics: Metrics,
}

/// The open leases of this instance; clones share them.
#[derive(Clone)]
pub struct Leases {
    shared: Arc<Shared>,
}

impl Leases {
    /// None are open yet. A grant may take as long as `patience`.
    #[must_use]
    pub fn new(
        etcd: Etcd,
        limits: LeaseLimits,
        patience: Duration,
        background: Background,
        metrics: Metrics,
    ) -> Self {
        let (buckets, ended) = (Mutex::new(Buckets::new(limits)), watch::Sender::new(()));
        Self { shared: Arc::new(Shared { buckets, ended, patience, etcd, background, metrics }) }
    }

    /// A lease with room for so many keys of one hold that must live until `deadline`.
    ///
    /// # Errors
    /// When none could be granted; nothing was changed.
    pub async fn for_deadline(
        &self,
        deadline: Instant,
        keys: u32,
        until: Instant,
    ) -> Result<LeaseId, EtcdFault> {
        let late = || EtcdFault::Away("no lease in time".into());
        self.note(deadline, keys);
        let mut found = self.find(deadline, keys);
        if let Some(Found::Granted(lease)) = found {
            self.shared.metrics.leases_ready.inc();
            return Ok(lease);
        }
        self.shared.metrics.leases_waited.inc();
        loop {
            match found {
                Some(Found::Granted(lease)) => return Ok(lease),
                Some(Found::Asked(mut told)) => {
                    let answer =
                        tokio::time::timeout_at(until.into(), told.wait_for(Told::is_some));
                    let answer = answer.await.map_err(|_| late())?;
                    // Its sender is gone only when the process stops.
                    let answer = answer.ok().and_then(|told| told.clone()).ok_or_else(late)?;
                    let (lease, ends) = answer?;
                    if ends >= deadline {
                        return Ok(lease);
                    }
                    found = self.find(deadline, keys);
                }
                None => {
                    let mut ended = self.shared.ended.subscribe();
                    // One may have ended before there was a subscription.
                    found = self.find(deadline, keys);
                    if found.is_none() {
                        let one = tokio::time::timeout_at(until.into(), ended.changed()).await;
                        one.map_err(|_| late())?.map_err(|_| late())?;
                        found = self.find(deadline, keys);
                    }
                }
            }
        }
    }

    /// A lease that etcd says is gone is not used again.
    pub fn forget(&self, lease: LeaseId) {
        self.with(|buckets| buckets.forget(lease));
    }

    /// None of them is used again: etcd may have forgotten them all, as when it
    /// was restored.
    pub fn forget_all(&self) {
        self.with(Buckets::forget_all);
    }

    /// Grants what will be missing in a moment; to be called again and again,
    /// because leases stop fitting also while no hold is made.
    pub fn look_ahead(&self) {
        self.with(|buckets| {
            let now = Instant::now();
            buckets.tidy(now);
            self.grant_missing(buckets, now);
            let lanes = i64::try_from(buckets.lanes()).unwrap_or(i64::MAX);
            self.shared.metrics.lease_lanes.set(lanes);
        });
    }

    fn note(&self, deadline: Instant, keys: u32) {
        self.with(|buckets| {
            let now = Instant::now();
            if buckets.used(now, deadline.saturating_duration_since(now), keys) {
                self.grant_missing(buckets, now);
            }
        });
    }

    /// Room on a lease; on one asked for right now where there is none. `None`:
    /// too many grants are in flight.
    fn find(&self, deadline: Instant, keys: u32) -> Option<Found<watch::Receiver<Told>>> {
        self.with(|buckets| {
            if let Some(found) = buckets.take(deadline, keys) {
                return Some(found);
            }
            let now = Instant::now();
            let seconds = buckets.needed(now, deadline)?;
            self.grant(buckets, now, seconds);
            self.shared.metrics.grants_on_demand.inc();
            buckets.take(deadline, keys)
        })
    }

    fn grant_missing(&self, buckets: &mut Buckets<watch::Receiver<Told>>, now: Instant) {
        // Each one adds room, and their number is bounded: this ends.
        while let Some(seconds) = buckets.missing(now) {
            self.grant(buckets, now, seconds);
            self.shared.metrics.grants_ahead.inc();
        }
    }

    /// Begins a grant, of a lease that counts from `before`. It goes on whoever
    /// waits for it.
    fn grant(&self, buckets: &mut Buckets<watch::Receiver<Told>>, before: Instant, seconds: u64) {
        let (tell, told) = watch::channel(None);
        let id = buckets.asked(before, seconds, told);
        let leases = self.clone();
        drop(self.shared.background.finish(async move {
            let answer = leases.granted(id, before, seconds).await;
            tell.send_replace(Some(answer));
            leases.shared.ended.send_replace(());
        }));
    }

    async fn granted(
        &self,
        id: GrantId,
        before: Instant,
        seconds: u64,
    ) -> Result<(LeaseId, Instant), EtcdFault> {
        let asked = i64::try_from(seconds).unwrap_or(i64::MAX);
        let mut answer = self.shared.etcd.grant(asked, before + self.shared.patience).await;
        if fail_points::LEASE_GRANTED.is_lost().await {
            answer = Err(EtcdFault::Unknown("its answer was lost".into()));
        }
        self.with(|buckets| match answer {
            Ok((lease, life)) => {
                let life = u64::try_from(life).unwrap_or(0);
                let ends = before + Duration::from_secs(life);
                buckets.granted(id, lease, ends);
                Ok((lease, ends))
            }
            Err(fault) => {
                buckets.failed(id, Instant::now());
                // A lease that nobody knows of has no keys: nothing happened.
                Err(match fault {
                    EtcdFault::Unknown(why) => EtcdFault::Away(why),
                    fault => fault,
                })
            }
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Buckets<watch::Receiver<Told>>) -> T) -> T {
        let mut buckets = self.shared.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut buckets);
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.shared.metrics.open_leases.set(count(buckets.open()));
        self.shared.metrics.grants_in_flight.set(count(buckets.in_flight()));
        result
    }
}
