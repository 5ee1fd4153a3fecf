//! Whether etcd has room for more. An etcd that is full refuses every write
//! until somebody compacts, defragments and disarms it: then what is being
//! confirmed could not be finished. So new seats are refused some time before,
//! and while the alarm is raised; what frees space always goes. Looked at again
//! and again: when there is room again, nothing needs a restart.
//!
//! Must not know: what is written, who asks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::etcd::{Etcd, EtcdFault, MemberSpace};
use crate::metrics::Metrics;

/// Why nothing may be taken or confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// Etcd itself says so.
    #[error("its space alarm is raised")]
    Alarm,
    /// It would soon say so.
    #[error("it uses {used_bytes} of {quota_bytes} bytes of space")]
    NearlyFull {
        /// By the member that uses most.
        used_bytes: u64,
        /// What it may use.
        quota_bytes: u64,
    },
}

/// What was last seen of etcd's space.
#[derive(Debug)]
pub struct Space {
    used_bytes: AtomicU64,
    alarm: AtomicBool,
    quota_bytes: u64,
    full_bytes: u64,
}

impl Space {
    /// Nothing was seen yet: there is room. There is none from so many percent
    /// of the quota on.
    #[must_use]
    pub const fn new(quota_bytes: u64, percent: u8) -> Self {
        Self {
            used_bytes: AtomicU64::new(0),
            alarm: AtomicBool::new(false),
            quota_bytes,
            full_bytes: quota_bytes / 100 * percent as u64,
        }
    }

    /// Whether something new may be taken or confirmed.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), NoRoom> {
        if self.alarm.load(Ordering::Relaxed) {
            return Err(NoRoom::Alarm);
        }
        let used_bytes = self.used_bytes.load(Ordering::Relaxed);
        if used_bytes >= self.full_bytes {
            return Err(NoRoom::NearlyFull { used_bytes, quota_bytes: self.quota_bytes });
        }
        Ok(())
    }

    /// What the members said. A member that says nothing is not judged; where
    /// none says anything, what was seen last stands.
    fn saw(&self, members: &[Result<MemberSpace, EtcdFault>]) {
        let said = || members.iter().flatten();
        let Some(most) = said().map(|member| member.used_bytes).max() else { return };
        let before = self.check();
        self.used_bytes.store(most, Ordering::Relaxed);
        self.alarm.store(said().any(|member| member.alarm), Ordering::Relaxed);
        match (before, self.check()) {
            (Ok(()), Err(why)) => tracing::error!(%why, "etcd has no room: no new holds"),
            (Err(_), Ok(())) => tracing::info!("etcd has room again"),
            _ => {}
        }
    }
}

/// Looks at all members again and again.
pub async fn watch(space: &Space, etcd: &Etcd, metrics: &Metrics, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    metrics.space_quota.set(i64::try_from(space.quota_bytes).unwrap_or(i64::MAX));
    loop {
        ticks.tick().await;
        let members = etcd.space().await;
        space.saw(&members);
        for (member, seen) in members.iter().enumerate() {
            metrics.member_space(member, seen.as_ref().ok());
        }
        metrics.space_alarm.set(i64::from(space.alarm.load(Ordering::Relaxed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(used_bytes: u64, alarm: bool) -> Result<MemberSpace, EtcdFault> {
        Ok(MemberSpace { used_bytes, file_bytes: used_bytes, alarm })
    }

    fn silent() -> Result<MemberSpace, EtcdFault> {
        Err(EtcdFault::Unknown("not answered in time".into()))
    }

    #[test]
    fn the_fullest_member_counts() {
        let space = Space::new(1_000, 80);
        assert_eq!(space.check(), Ok(()), "nothing was seen yet");
        space.saw(&[member(300, false), member(799, false), silent()]);
        assert_eq!(space.check(), Ok(()));
        space.saw(&[member(800, false), silent(), member(100, false)]);
        let full = NoRoom::NearlyFull { used_bytes: 800, quota_bytes: 1_000 };
        assert_eq!(space.check(), Err(full));
        space.saw(&[silent(), silent(), silent()]);
        assert_eq!(space.check(), Err(full), "silence is no room");
        space.saw(&[member(799, false)]);
        assert_eq!(space.check(), Ok(()), "without a restart");
    }

    #[test]
    fn the_alarm_counts_whatever_is_used() {
        let space = Space::new(1_000, 80);
        space.saw(&[member(1, false), member(1, true)]);
        assert_eq!(space.check(), Err(NoRoom::Alarm));
        space.saw(&[member(1, false), member(1, false)]);
        assert_eq!(space.check(), Ok(()));
    }
}
