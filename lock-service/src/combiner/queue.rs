//! The pure half of combining: who travels together, who waits, and who can be
//! answered from what a batch has just shown.
//!
//! Must not know: how a batch is sent, what time it is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::footprint::{Footprint, Uses};
use crate::etcd::EtcdFault;
use crate::transaction::{Kv, LeaseId, NO_LEASE, Op, Txn, TxnAnswer};

/// How much travels together.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Transactions in one batch.
    pub transactions: usize,
    /// Bytes of one batch, about; etcd takes 1.5 MiB.
    pub bytes: usize,
}

/// A transaction that somebody waits for.
#[derive(Debug)]
pub(super) struct Request<C> {
    pub(super) txn: Arc<Txn>,
    pub(super) caller: C,
    footprint: Footprint,
    bytes: usize,
}

/// What travels in one etcd request. No two of them touch the same key in a
/// way that matters, so that any order of them is the order they were done in.
pub(super) type Batch<C> = Vec<Request<C>>;

/// Requests with their answers.
pub(super) type Answered<C> = Vec<(Request<C>, Result<TxnAnswer, EtcdFault>)>;

/// What waits, in the order it came, and what is under way.
#[derive(Debug)]
pub(super) struct Queue<C> {
    waiting: VecDeque<Request<C>>,
    /// Parts of a batch that failed as a whole: nothing of it was applied.
    again: VecDeque<Batch<C>>,
    under_way: Uses,
    limits: BatchLimits,
}

impl<C> Request<C> {
    pub(super) fn new(txn: Arc<Txn>, caller: C) -> Self {
        let (footprint, bytes) = (Footprint::of(&txn), bytes(&txn));
        Self { txn, caller, footprint, bytes }
    }

    fn lease(&self) -> LeaseId {
        let lease = self.txn.then.iter().find_map(|op| match op {
            Op::Put { lease, .. } if *lease != NO_LEASE => Some(*lease),
            Op::Put { .. } | Op::Delete { .. } | Op::Get { .. } => None,
        });
        lease.unwrap_or(NO_LEASE)
    }

    fn puts(&self) -> bool {
        self.txn.then.iter().chain(&self.txn.otherwise).any(|op| matches!(op, Op::Put { .. }))
    }
}

impl<C> Queue<C> {
    pub(super) const fn new(limits: BatchLimits, under_way: Uses) -> Self {
        Self { waiting: VecDeque::new(), again: VecDeque::new(), under_way, limits }
    }

    pub(super) fn push(&mut self, request: Request<C>) {
        self.waiting.push_back(request);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The next batch, in the order the requests came: whoever conflicts with
    /// somebody before it waits, and so does whoever conflicts with that one.
    /// `claim` says whether somebody still waits for it.
    pub(super) fn next_batch(&mut self, mut claim: impl FnMut(&C) -> bool) -> Option<Batch<C>> {
        if let Some(batch) = self.again.pop_front() {
            return Some(batch);
        }
        let mut batch = Batch::new();
        let mut bytes = 0;
        let mut before = Uses::default();
        let mut passed_over = VecDeque::new();
        while let Some(request) = self.waiting.pop_front() {
            let full = batch.len() >= self.limits.transactions
                || (!batch.is_empty() && bytes + request.bytes > self.limits.bytes);
            if full {
                self.waiting.push_front(request);
                break;
            }
            let conflicts =
                self.under_way.conflict(&request.footprint) || before.conflict(&request.footprint);
            if !conflicts && !claim(&request.caller) {
                continue;
            }
            before.add(&request.footprint);
            if conflicts {
                passed_over.push_back(request);
            } else {
                bytes += request.bytes;
                batch.push(request);
            }
        }
        // They came before everything that was not looked at.
        passed_over.append(&mut self.waiting);
        self.waiting = passed_over;
        for request in &batch {
            self.under_way.add(&request.footprint);
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Takes what became of a batch: who is answered by it, in it or from what
    /// it has shown. What failed only because of the company is sent again.
    pub(super) fn settle(
        &mut self,
        batch: Batch<C>,
        outcome: Result<Vec<TxnAnswer>, EtcdFault>,
    ) -> Answered<C> {
        let answers = match outcome {
            Ok(answers) => answers,
            Err(fault) => return self.failed(batch, &fault),
        };
        self.landed(&batch);
        let mut answered = self.answer_waiting(&batch, &answers);
        answered.extend(batch.into_iter().zip(answers.into_iter().map(Ok)));
        answered
    }

    fn landed(&mut self, batch: &[Request<C>]) {
        for request in batch {
            self.under_way.remove(&request.footprint);
        }
    }

    /// Nothing was applied, or nobody knows. One bad request must not cost the
    /// others theirs: a definite refusal is narrowed down to who it is for.
    fn failed(&mut self, batch: Batch<C>, fault: &EtcdFault) -> Answered<C> {
        let (fails, again): (Batch<C>, Vec<Batch<C>>) = match fault {
            EtcdFault::LeaseGone => {
                // Each lease with its own; alone, it is that lease that is gone.
                let leases: HashSet<LeaseId> = batch.iter().map(Request::lease).collect();
                if leases.len() < 2 { (batch, Vec::new()) } else { (Batch::new(), by_lease(batch)) }
            }
            EtcdFault::NoSpace => {
                // Deletes still go when there is no space.
                let all = batch.len();
                let (puts, frees): (Batch<C>, Batch<C>) =
                    batch.into_iter().partition(Request::puts);
                if frees.len() < all { (puts, vec![frees]) } else { (frees, Vec::new()) }
            }
            EtcdFault::Refused(_) if batch.len() > 1 => {
                let mut front = batch;
                let back = front.split_off(front.len() / 2);
                (Batch::new(), vec![front, back])
            }
            EtcdFault::Refused(_)
            | EtcdFault::Away(_)
            | EtcdFault::Compacted
            | EtcdFault::Unknown(_) => (batch, Vec::new()),
        };
        self.again.extend(again.into_iter().filter(|batch| !batch.is_empty()));
        self.landed(&fails);
        fails.into_iter().map(|request| (request, Err(fault.clone()))).collect()
    }

    /// Answers those whose compares cannot hold any more, by what the batch
    /// has just read or written: of ten thousand who want one seat, one asks
    /// etcd. Such an answer is a read as of the batch's revision. Nobody is
    /// answered past somebody who came before and may still change that key.
    fn answer_waiting(&mut self, batch: &[Request<C>], answers: &[TxnAnswer]) -> Answered<C> {
        let mut touched = Uses::default();
        for request in batch {
            touched.add(&request.footprint);
        }
        if !self.waiting.iter().any(|request| touched.conflict(&request.footprint)) {
            return Vec::new();
        }
        let revision = answers.iter().map(|answer| answer.revision).max().unwrap_or(0);
        let mut known: HashMap<&str, Option<Kv>> = HashMap::new();
        for (request, answer) in batch.iter().zip(answers) {
            learn(&mut known, &request.txn, answer);
        }
        let mut answered = Vec::new();
        let mut before = Uses::default();
        for request in std::mem::take(&mut self.waiting) {
            if !before.conflict(&request.footprint)
                && let Some(reads) = refused(&request.txn, &known)
            {
                answered.push((request, Ok(TxnAnswer { succeeded: false, revision, reads })));
            } else {
                before.add(&request.footprint);
                self.waiting.push_back(request);
            }
        }
        answered
    }
}

fn by_lease<C>(batch: Batch<C>) -> Vec<Batch<C>> {
    let mut groups: HashMap<LeaseId, Batch<C>> = HashMap::new();
    for request in batch {
        groups.entry(request.lease()).or_default().push(request);
    }
    groups.into_values().collect()
}

/// What an answered transaction shows of its keys.
fn learn<'t>(known: &mut HashMap<&'t str, Option<Kv>>, txn: &'t Txn, answer: &TxnAnswer) {
    let branch = if answer.succeeded { &txn.then } else { &txn.otherwise };
    let mut reads = answer.reads.iter();
    for op in branch {
        match op {
            Op::Get { key } => {
                if let Some(read) = reads.next() {
                    known.insert(key, read.clone());
                }
            }
            Op::Delete { key } => {
                known.insert(key, None);
            }
            Op::Put { key, value, .. } => {
                // Written over, its create revision is not known here.
                let absent = |c: &crate::transaction::Compare| c.key == *key && c.mod_revision == 0;
                if answer.succeeded && txn.compares.iter().any(absent) {
                    let (key_name, value) = (key.clone(), value.clone());
                    let revision = answer.revision;
                    let kv = Kv {
                        key: key_name,
                        value,
                        mod_revision: revision,
                        create_revision: revision,
                    };
                    known.insert(key, Some(kv));
                } else {
                    known.remove(key.as_str());
                }
            }
        }
    }
}

/// The reads of a transaction's else branch, when what is known says that it
/// is taken and what it reads.
fn refused(txn: &Txn, known: &HashMap<&str, Option<Kv>>) -> Option<Vec<Option<Kv>>> {
    let fails = txn.compares.iter().any(|compare| {
        known
            .get(compare.key.as_str())
            .is_some_and(|kv| kv.as_ref().map_or(0, |kv| kv.mod_revision) != compare.mod_revision)
    });
    if !fails {
        return None;
    }
    let read = |op: &Op| match op {
        Op::Get { key } => known.get(key.as_str()).cloned(),
        Op::Put { .. } | Op::Delete { .. } => None,
    };
    txn.otherwise.iter().map(read).collect()
}

/// About what a transaction weighs on the wire: keys are in it up to three times.
fn bytes(txn: &Txn) -> usize {
    const FRAME: usize = 24;
    let compares = txn.compares.iter().map(|compare| compare.key.len() + FRAME);
    let ops = txn.then.iter().chain(&txn.otherwise).map(|op| match op {
        Op::Put { key, value, .. } => key.len() + value.len() + FRAME,
        Op::Delete { key } | Op::Get { key } => key.len() + FRAME,
    });
    compares.chain(ops).sum()
}
