//! Keeps the mirror current: the watch, resumed after its last revision or
//! begun again from a listing, and the pulse that proves it is current.

use std::time::{Duration, Instant};

use service_kit::{Component, clock};

use super::{CatchUp, Confirmed, Mirror};
use crate::etcd::{Etcd, EtcdFault, Listing, WatchFault};
use crate::{fail_points, keys};

/// Why the watch must be opened again.
#[derive(Debug, thiserror::Error)]
pub enum FollowFault {
    /// The listing failed.
    #[error("listing: {0}")]
    List(#[from] EtcdFault),
    /// The watch ended.
    #[error("watch: {0}")]
    Watch(#[from] WatchFault),
    /// It is open and silent while etcd has moved on.
    #[error("the watch has fallen behind")]
    Lagging,
    /// What the mirror has seen, etcd does not know.
    #[error("revisions of etcd went back")]
    WentBack,
    /// The cell has no epoch: it is being rebuilt, or must be.
    #[error("the cell is closed: its sold seats are not rebuilt")]
    Closed,
}

/// Everything in a cell that serves. One that lost its epoch has lost seats
/// too: its listing would show them as free, and the feeds would tell (INV-11).
async fn listed(etcd: &Etcd) -> Result<Listing, FollowFault> {
    let listing = etcd.list().await?;
    let epoch = listing.kvs.iter().find(|kv| kv.key == keys::EPOCH);
    let number = epoch.and_then(|kv| std::str::from_utf8(&kv.value).ok()?.trim().parse().ok());
    if number.is_some_and(|number: u64| number > 0) {
        Ok(listing)
    } else {
        Err(FollowFault::Closed)
    }
}

/// Follows etcd until the watch breaks; supervised, so that it is begun again.
///
/// # Errors
/// Always ends with one.
pub async fn follow(mirror: Mirror, etcd: Etcd) -> Result<(), FollowFault> {
    if mirror.revision() == 0 {
        mirror.replace(&listed(&etcd).await?);
    }
    let mut watch = etcd.watch(mirror.revision() + 1).await?;
    loop {
        tokio::select! {
            batch = watch.next() => match batch {
                Ok(batch) if batch.revision > 0 => {
                    mirror.apply(batch);
                    fail_points::MIRROR_APPLIED.reach().await;
                }
                Ok(_) => {}
                Err(WatchFault::Compacted) => {
                    mirror.replace(&listed(&etcd).await?);
                    return Err(WatchFault::Compacted.into());
                }
                Err(fault) => {
                    etcd.turn_away();
                    return Err(fault.into());
                }
            },
            () = mirror.shared.lagging.notified() => {
                etcd.turn_away();
                return Err(FollowFault::Lagging);
            }
            () = mirror.shared.distrusted.notified() => {
                mirror.replace(&listed(&etcd).await?);
                return Err(FollowFault::WentBack);
            }
        }
    }
}

/// How often reads behind the mirror must follow one another to mean that
/// revisions went back.
const BEHIND_BEFORE_DISTRUST: u32 = 5;

/// Proves again and again that the mirror is current, and says when it is not:
/// to the feeds (no progress), to readiness, and to the watch (open another).
pub async fn pulse(
    mirror: Mirror,
    catch_up: CatchUp,
    etcd: Component,
    every: Duration,
    stale_after: Duration,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut behind = 0_u32;
    loop {
        ticks.tick().await;
        let (as_of, at) = (clock::now(), Instant::now());
        mirror.shared.kept.let_go_overdue(at);
        // What was reached before the read was sent must be in its answer.
        let reached = mirror.revision();
        let why = match catch_up.etcd_revision(at + stale_after).await {
            Ok(revision) if revision < reached => {
                behind += 1;
                if behind >= BEHIND_BEFORE_DISTRUST {
                    behind = 0;
                    mirror.shared.distrusted.notify_one();
                }
                format!("etcd is at {revision}, behind {reached} which it has told us of")
            }
            Ok(revision) => {
                behind = 0;
                // Half of it, so that another watch can be open before the whole has passed.
                let patience = Instant::now() + stale_after / 2;
                if mirror.revision() > 0 && mirror.reach(revision, patience).await {
                    mirror.confirm(Confirmed { revision, as_of, at });
                    etcd.up();
                    continue;
                }
                mirror.shared.lagging.notify_waiters();
                format!("the mirror has reached {} of {revision}", mirror.revision())
            }
            Err(fault) => fault.to_string(),
        };
        if mirror.confirmed().is_none_or(|last| last.at.elapsed() > stale_after) {
            etcd.down(why);
        }
    }
}
