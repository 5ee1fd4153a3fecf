//! The catch-up read: ask etcd for its current revision, wait until the mirror
//! has reached it. One linearisable read serves everybody who asked before it
//! was sent; nobody is served by one sent before they asked.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::Mirror;
use crate::etcd::{Etcd, EtcdFault};
use crate::metrics::Metrics;

type Waiter = oneshot::Sender<Result<u64, EtcdFault>>;

/// Asks for catch-ups; clones share the reader.
#[derive(Clone)]
pub struct CatchUp {
    ask: mpsc::Sender<Waiter>,
    mirror: Mirror,
    metrics: Metrics,
}

impl CatchUp {
    /// The asking end, and the loop that reads for all. At most `queue` wait at once.
    pub fn new(
        mirror: Mirror,
        etcd: Etcd,
        queue: usize,
        deadline: Duration,
        metrics: Metrics,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (ask, mut asked) = mpsc::channel::<Waiter>(queue);
        let waiting = metrics.catch_up_waiting.clone();
        let reader = async move {
            let mut waiters = Vec::new();
            while asked.recv_many(&mut waiters, queue).await > 0 {
                let count = waiters.len().saturating_add(asked.len());
                waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
                let read = etcd.revision(Instant::now() + deadline).await;
                for waiter in waiters.drain(..) {
                    // Who has gone does not need the answer.
                    let _ = waiter.send(read.clone());
                }
                waiting.set(i64::try_from(asked.len()).unwrap_or(i64::MAX));
            }
        };
        (Self { ask, mirror, metrics }, reader)
    }

    /// Waits until the mirror has everything that etcd had when this was
    /// called; answers that revision.
    ///
    /// # Errors
    /// `Away` when etcd did not answer or the mirror did not come along in
    /// time. Nothing was changed.
    pub async fn now(&self, until: Instant) -> Result<u64, EtcdFault> {
        let started = Instant::now();
        let revision = self.etcd_revision(until).await?;
        if revision < self.mirror.revision() {
            // The mirror may be ahead of a read only by what happened since.
            // More often than that: revisions went back (a restored cell, or a
            // stale read of etcd before 3.4.25). `pulse` looks into it.
            tracing::debug!(revision, "the mirror is ahead of etcd's answer");
        }
        if self.mirror.reach(revision, until).await {
            self.metrics.catch_up.observe(started.elapsed().as_secs_f64());
            return Ok(revision);
        }
        Err(EtcdFault::Away(format!(
            "the mirror has reached {} of {revision}",
            self.mirror.revision()
        )))
    }

    /// Etcd's revision, at the earliest when this was called.
    ///
    /// # Errors
    /// `Away` when it did not answer in time.
    pub async fn etcd_revision(&self, until: Instant) -> Result<u64, EtcdFault> {
        let away = |why: &str| EtcdFault::Away(why.to_owned());
        let (tell, told) = oneshot::channel();
        self.ask.try_send(tell).map_err(|_| away("too many wait for etcd already"))?;
        let read = tokio::time::timeout_at(until.into(), told).await;
        let read = read.map_err(|_| away("no answer in time"))?;
        match read.map_err(|_| away("stopping"))? {
            // A read that got lost changed nothing.
            Err(EtcdFault::Unknown(why)) => Err(EtcdFault::Away(why)),
            read => read,
        }
    }
}
