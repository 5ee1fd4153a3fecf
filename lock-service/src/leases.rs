//! Shared leases. Deadlines close to one another go on one lease; a lease of
//! its own for each hold would cost an etcd round trip and, when a thousand
//! run out together, seconds of revoking.
//!
//! A lease is only a timer for cleaning up. It is never kept alive and never
//! revoked, and is private to this instance. Its end is counted on the
//! monotonic clock from *before* it was granted, so that it never comes before
//! a deadline; etcd notices ended leases up to about half a second late, so a
//! lease whose end is more than `lag` after a deadline is not used for it: the
//! seats would be free later than deadline + 2 s (INV-5).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::etcd::{Etcd, EtcdFault};
use crate::metrics::Metrics;
use crate::transaction::LeaseId;

/// The shortest life etcd grants at its default election timeout, in seconds.
const SHORTEST: u64 = 2;

/// Bounds of sharing.
#[derive(Debug, Clone, Copy)]
pub struct LeaseLimits {
    /// Keys on one lease.
    pub max_keys: u32,
    /// Leases remembered.
    pub max_open: usize,
    /// How long after a deadline its lease ends at least, when it is granted for it.
    pub lead: Duration,
    /// How long after a deadline its lease may end at most.
    pub lag: Duration,
}

#[derive(Debug, Clone)]
struct Bucket {
    lease: LeaseId,
    ends: Instant,
    room: u32,
}

/// The open leases of this instance.
pub struct Leases {
    open: Mutex<Vec<Bucket>>,
    /// One grant at a time: whoever waits for it mostly can share its lease.
    granting: tokio::sync::Mutex<()>,
    limits: LeaseLimits,
    etcd: Etcd,
    metrics: Metrics,
}

impl Leases {
    /// None are open yet.
    #[must_use]
    pub fn new(etcd: Etcd, limits: LeaseLimits, metrics: Metrics) -> Self {
        let (open, granting) = (Mutex::new(Vec::new()), tokio::sync::Mutex::new(()));
        Self { open, granting, limits, etcd, metrics }
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
        if let Some(lease) = self.share(deadline, keys) {
            return Ok(lease);
        }
        let turn = tokio::time::timeout_at(until.into(), self.granting.lock()).await;
        let _turn = turn.map_err(|_| EtcdFault::Away("no lease in time".into()))?;
        if let Some(lease) = self.share(deadline, keys) {
            return Ok(lease);
        }
        let before = Instant::now();
        let seconds = life(before, deadline, self.limits.lead);
        let asked = i64::try_from(seconds).unwrap_or(i64::MAX);
        let (lease, granted) = match self.etcd.grant(asked, until).await {
            // A lease that nobody knows of has no keys: nothing happened.
            Err(EtcdFault::Unknown(why)) => return Err(EtcdFault::Away(why)),
            granted => granted?,
        };
        let life = Duration::from_secs(u64::try_from(granted).unwrap_or(seconds));
        let room = self.limits.max_keys.saturating_sub(keys);
        self.with(|open| {
            let now = Instant::now();
            open.retain(|bucket| bucket.ends > now);
            if open.len() >= self.limits.max_open {
                open.remove(0);
            }
            open.push(Bucket { lease, ends: before + life, room });
        });
        Ok(lease)
    }

    /// A lease that etcd says is gone is not used again.
    pub fn forget(&self, lease: LeaseId) {
        self.with(|open| open.retain(|bucket| bucket.lease != lease));
    }

    fn share(&self, deadline: Instant, keys: u32) -> Option<LeaseId> {
        let lag = self.limits.lag;
        self.with(|open| {
            let bucket = open.iter_mut().rev().find(|bucket| fits(bucket, deadline, keys, lag))?;
            bucket.room -= keys;
            Some(bucket.lease)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Bucket>) -> T) -> T {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut open);
        self.metrics.open_leases.set(i64::try_from(open.len()).unwrap_or(i64::MAX));
        result
    }
}

/// Whether a lease is right for a hold: room for all of its keys, never ending
/// before the deadline, and not too long after it.
fn fits(bucket: &Bucket, deadline: Instant, keys: u32, lag: Duration) -> bool {
    bucket.room >= keys && bucket.ends >= deadline && bucket.ends <= deadline + lag
}

/// Whole seconds from `before` until at least `lead` after the deadline.
fn life(before: Instant, deadline: Instant, lead: Duration) -> u64 {
    let wanted = (deadline + lead).saturating_duration_since(before);
    let seconds = wanted.as_secs() + u64::from(wanted.subsec_nanos() > 0);
    seconds.max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_lease_never_ends_before_the_deadline_nor_long_after() {
        let now = Instant::now();
        for deadline_ms in (3_000..8_000).step_by(37) {
            let deadline = now + MS(deadline_ms);
            let ends = now + Duration::from_secs(life(now, deadline, MS(150)));
            assert!(ends >= deadline + MS(150), "{deadline_ms}");
            assert!(ends <= deadline + MS(1_150), "{deadline_ms}");
            let bucket = Bucket { lease: 1, ends, room: 2 };
            assert!(fits(&bucket, deadline, 2, MS(1_200)), "granted for it, so it fits");
        }
    }

    #[test]
    fn a_second_of_holds_shares_one_lease() {
        let now = Instant::now();
        let ttl = Duration::from_secs(600);
        let bucket = Bucket {
            lease: 1,
            ends: now + Duration::from_secs(life(now, now + ttl, MS(150))),
            room: 2000,
        };
        assert!(fits(&bucket, now + ttl + MS(990), 1, MS(1_200)));
        assert!(!fits(&bucket, now + ttl + MS(1_010), 1, MS(1_200)), "it would end too early");
        assert!(!fits(&bucket, now + ttl - MS(300), 1, MS(1_200)), "it would end too late");
        assert!(!fits(&bucket, now + ttl, 2001, MS(1_200)), "it is full");
    }
}
