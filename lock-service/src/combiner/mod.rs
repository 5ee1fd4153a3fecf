//! The combiner: while one batch of transactions is under way the next one
//! collects, without timers, so that a lone request waits for nobody and a
//! crowd shares one consensus round. Each request keeps its own if, then and
//! else inside the batch, and gets its own verdict.
//!
//! Requests that touch the same key go into successive batches in the order
//! they came; when the first one wins, the others are answered from what it
//! wrote. Every request gets exactly one verdict, equal to that of some
//! sequential order (INV-3); all of its seats or none (INV-9).
//!
//! Must not know: seats, bookings, what a key means.

mod footprint;
#[cfg(test)]
mod model_tests;
mod queue;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

pub use queue::BatchLimits;

use crate::etcd::{Etcd, EtcdFault};
use crate::fail_points;
use crate::metrics::Metrics;
use crate::transaction::{Txn, TxnAnswer};
use footprint::Uses;
use queue::{Batch, Queue, Request};

/// Where batches go.
pub trait Cell: Send + Sync + 'static {
    /// Applies all transactions as one, each with its own verdict, in order.
    /// No two of them touch the same key unless both only read it.
    fn submit_all(
        &self,
        txns: Vec<Arc<Txn>>,
        until: Instant,
    ) -> impl Future<Output = Result<Vec<TxnAnswer>, EtcdFault>> + Send;
}

impl Cell for Etcd {
    async fn submit_all(
        &self,
        txns: Vec<Arc<Txn>>,
        until: Instant,
    ) -> Result<Vec<TxnAnswer>, EtcdFault> {
        Self::submit_all(self, &txns, until).await
    }
}

/// Bounds of combining.
#[derive(Debug, Clone, Copy)]
pub struct CombinerLimits {
    /// Transactions that wait; more are refused.
    pub waiting: usize,
    /// Batches under way at once.
    pub under_way: usize,
    /// One batch.
    pub batch: BatchLimits,
}

/// The end that requests are put into; clones share it.
#[derive(Clone)]
pub struct Combiner {
    inbox: mpsc::Sender<Request<Caller>>,
}

/// Who waits for a verdict, and until when.
struct Caller {
    tell: oneshot::Sender<Result<TxnAnswer, EtcdFault>>,
    until: Instant,
    /// Set by whoever decides first: the loop that it is sent, or the caller
    /// that it waits no longer.
    decided: Arc<AtomicBool>,
}

impl Caller {
    /// True once: it is sent now and its outcome may be unknown from here on.
    fn claim(&self) -> bool {
        !self.decided.swap(true, Ordering::AcqRel)
    }
}

impl Combiner {
    /// The end for requests, and the loop that sends them.
    pub fn new(
        cell: impl Cell,
        limits: CombinerLimits,
        metrics: Metrics,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (inbox, requests) = mpsc::channel(limits.waiting);
        (Self { inbox }, combine(cell, requests, limits, metrics))
    }

    /// Sends a transaction together with others.
    ///
    /// # Errors
    /// See [`EtcdFault`]. `Away` when it was never sent: too many wait, or the
    /// deadline came first; `Unknown` once it was.
    pub async fn submit(&self, txn: Arc<Txn>, until: Instant) -> Result<TxnAnswer, EtcdFault> {
        let (tell, told) = oneshot::channel();
        let decided = Arc::new(AtomicBool::new(false));
        let caller = Caller { tell, until, decided: decided.clone() };
        if self.inbox.try_send(Request::new(txn, caller)).is_err() {
            return Err(EtcdFault::Away("too many requests wait for etcd".into()));
        }
        let why = match tokio::time::timeout_at(until.into(), told).await {
            Ok(Ok(verdict)) => return verdict,
            Ok(Err(_)) => "stopping",
            Err(_) => "no answer in time",
        };
        if decided.swap(true, Ordering::AcqRel) {
            Err(EtcdFault::Unknown(why.into()))
        } else {
            Err(EtcdFault::Away(format!("not sent: {why}")))
        }
    }
}

async fn combine(
    cell: impl Cell,
    mut requests: mpsc::Receiver<Request<Caller>>,
    limits: CombinerLimits,
    metrics: Metrics,
) {
    let mut queue = Queue::new(limits.batch, Uses::default());
    let mut under_way = FuturesUnordered::new();
    let mut arrived = Vec::new();
    loop {
        while under_way.len() < limits.under_way
            && let Some(batch) = queue.next_batch(Caller::claim)
        {
            metrics.batch_size.observe(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
            under_way.push(send(&cell, batch));
        }
        metrics.combiner_waiting.set(i64::try_from(queue.len()).unwrap_or(i64::MAX));
        metrics.batches_under_way.set(i64::try_from(under_way.len()).unwrap_or(i64::MAX));
        let room = limits.waiting.saturating_sub(queue.len());
        tokio::select! {
            count = requests.recv_many(&mut arrived, room), if room > 0 => {
                if count == 0 {
                    return;
                }
                arrived.drain(..).for_each(|request| queue.push(request));
            }
            Some((batch, outcome)) = under_way.next() => {
                let sent = batch.len();
                let answered = queue.settle(batch, outcome);
                let beside = answered.len().saturating_sub(sent);
                metrics.answered_beside.inc_by(u64::try_from(beside).unwrap_or(0));
                for (request, verdict) in answered {
                    // Whoever waits no longer has said "unknown" already.
                    let _ = request.caller.tell.send(verdict);
                }
            }
        }
    }
}

async fn send(
    cell: &impl Cell,
    batch: Batch<Caller>,
) -> (Batch<Caller>, Result<Vec<TxnAnswer>, EtcdFault>) {
    let now = Instant::now();
    let until = batch.iter().map(|request| request.caller.until).max().unwrap_or(now);
    let txns = batch.iter().map(|request| request.txn.clone()).collect();
    let outcome = if fail_points::BATCH_SENDING.is_lost().await {
        Err(never_sent(&batch))
    } else {
        match cell.submit_all(txns, until).await {
            Ok(answers) if answers.len() != batch.len() => {
                Err(EtcdFault::Unknown("the answer does not fit the batch".into()))
            }
            _ if fail_points::BATCH_ANSWERED.is_lost().await => {
                Err(EtcdFault::Unknown("its answer was lost".into()))
            }
            outcome => outcome,
        }
    };
    if outcome.is_err() {
        fail_points::BATCH_FAILED.reach().await;
    }
    (batch, outcome)
}

/// A definite failure: of several, so that it is narrowed down to one of them.
fn never_sent(batch: &Batch<Caller>) -> EtcdFault {
    match batch.len() {
        1 => EtcdFault::Away("it was not sent".into()),
        _ => EtcdFault::Refused("it was not sent".into()),
    }
}
