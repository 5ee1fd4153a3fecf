//! The use cases of the seat protocol: what is looked up, what is sent, what
//! is answered. Each runs to its end once it has begun.
//!
//! Must not know: HTTP, etcd's client.

mod acquire;
mod ahead;
mod expire;
mod free;
mod look;
mod refusals;
mod rewrite;
pub(crate) mod shards;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use seat_model::Timestamp;
use service_kit::{Background, clock};

pub use ahead::keep_leases_ahead;
pub use expire::expire;

use crate::combiner::Combiner;
use crate::config::{Bounds, Timing, ms};
use crate::crowd::Crowd;
use crate::etcd::{Etcd, EtcdFault};
use crate::fault::Fault;
use crate::freshness::Freshness;
use crate::leases::Leases;
use crate::metrics::Metrics;
use crate::mirror::{CatchUp, Mirror};
use crate::picks::Plans;
use crate::space::Space;
use crate::transaction::{Txn, TxnAnswer};

/// Everything an operation needs; share it behind an `Arc`.
pub struct Engine {
    /// The cell.
    pub etcd: Etcd,
    /// How transactions reach it.
    pub combiner: Combiner,
    /// What it holds.
    pub mirror: Mirror,
    /// How the mirror is made to decide.
    pub catch_up: CatchUp,
    /// Timers for holds.
    pub leases: Leases,
    /// What is in flight here.
    pub crowd: Crowd,
    /// The plans to choose from.
    pub plans: Plans,
    /// What outlives its request.
    pub background: Background,
    /// What is counted.
    pub metrics: Metrics,
    /// How much of everything.
    pub bounds: Bounds,
    /// How long everything.
    pub timing: Timing,
    /// Whether there is room for more.
    pub space: Arc<Space>,
    /// The latest revision that an answer was given at.
    pub answered: AtomicU64,
    /// How fresh etcd's answers prove the mirror to be.
    pub freshness: Arc<Freshness>,
}

impl Engine {
    fn deadline(&self) -> Instant {
        Instant::now() + ms(self.timing.operation_ms)
    }

    /// Refuses at once while etcd is known to be away: better a certain "nothing
    /// was written" than an unknown outcome a second later.
    fn gate(&self) -> Result<(), Fault> {
        let stale_after = ms(self.timing.stale_after_ms);
        match self.mirror.confirmed() {
            // No fence can be made while the cell is rebuilt, or after it was
            // lost: a hold taken now could be of a seat that is sold (INV-3).
            Some(_) if self.cell_epoch() == 0 => {
                Err(Fault::Unavailable("the cell is closed: its seats are not rebuilt".into()))
            }
            Some(last) if last.at.elapsed() <= stale_after => Ok(()),
            Some(_) => Err(Fault::Unavailable("etcd does not answer".into())),
            None => Err(Fault::Unavailable("etcd has not been read yet".into())),
        }
    }

    /// Refuses what takes space while etcd has none to spare: before a payment
    /// is authorised for it, and while what is being confirmed can be finished.
    fn room(&self) -> Result<(), Fault> {
        self.space.check().map_err(Fault::NoRoom)
    }

    /// The one way an operation's transaction reaches etcd.
    async fn submit(
        &self,
        txn: impl Into<Arc<Txn>>,
        until: Instant,
    ) -> Result<TxnAnswer, EtcdFault> {
        let answer = self.combiner.submit(txn.into(), until).await?;
        self.answered.fetch_max(answer.revision, Ordering::Relaxed);
        Ok(answer)
    }

    /// Waits a moment for the mirror to show what this instance has answered,
    /// so that a choice here is made on what was done here.
    async fn see_own_writes(&self, until: Instant) {
        let patience = Instant::now() + Duration::from_millis(250);
        self.mirror.reach(self.answered.load(Ordering::Relaxed), until.min(patience)).await;
    }

    fn cell_epoch(&self) -> u64 {
        self.mirror.read(crate::mirror::State::cell_epoch)
    }
}

/// A deadline on the wall clock as a moment of the monotonic one.
fn moment(deadline: Timestamp) -> Instant {
    let (now, wall) = (Instant::now(), clock::now());
    let left = deadline.as_millis().saturating_sub(wall.as_millis());
    now + Duration::from_millis(u64::try_from(left).unwrap_or(0))
}

/// A task's engine.
type Shared = Arc<Engine>;
