//! The combiner against a model of etcd that loses requests and answers, hears
//! requests twice, refuses and forgets leases. Whatever happens, every request
//! gets exactly one verdict, and all of them together are what some sequential
//! order would have said (INV-3, INV-9).

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{BatchLimits, Cell, Combiner, CombinerLimits};
use crate::etcd::EtcdFault;
use crate::metrics::Metrics;
use crate::transaction::{Compare, Kv, LeaseId, NO_LEASE, Op, Txn, TxnAnswer};

/// What goes wrong with one sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Nothing,
    /// The request is lost, and nobody knows that.
    LostRequest,
    /// It is applied, and its answer is lost.
    LostAnswer,
    /// It is sent twice and applied twice; the second answer arrives.
    Twice,
    Away,
    NoSpace,
}

const DEAD_LEASE: LeaseId = 13;
const POISON: &str = "poison";

/// Keys as they are, with the way there.
#[derive(Debug, Clone, Default)]
struct Contents {
    keys: BTreeMap<String, Kv>,
    revision: u64,
}

/// One execution of one transaction.
struct Done {
    txn: Arc<Txn>,
    revision: u64,
    succeeded: bool,
}

#[derive(Default)]
struct Model {
    contents: Contents,
    log: Vec<Done>,
    script: VecDeque<Trouble>,
    sendings: usize,
}

#[derive(Clone, Default)]
struct ModelCell(Arc<Mutex<Model>>);

impl Contents {
    fn holds(&self, txn: &Txn) -> bool {
        let revision = |key: &String| self.keys.get(key).map_or(0, |kv| kv.mod_revision);
        txn.compares.iter().all(|compare| revision(&compare.key) == compare.mod_revision)
    }

    fn reads(&self, ops: &[Op]) -> Vec<Option<Kv>> {
        let gets = ops.iter().filter_map(|op| match op {
            Op::Get { key } => Some(self.keys.get(key).cloned()),
            Op::Put { .. } | Op::Delete { .. } => None,
        });
        gets.collect()
    }

    fn write(&mut self, ops: &[Op], at: u64) {
        for op in ops {
            match op {
                Op::Put { key, value, .. } => {
                    let create_revision = self.keys.get(key).map_or(at, |kv| kv.create_revision);
                    let (key, value) = (key.clone(), value.clone());
                    let kv = Kv { key: key.clone(), value, mod_revision: at, create_revision };
                    self.keys.insert(key, kv);
                    self.revision = at;
                }
                // etcd counts a deletion only where there was a key.
                Op::Delete { key } => {
                    if self.keys.remove(key).is_some() {
                        self.revision = at;
                    }
                }
                Op::Get { .. } => {}
            }
        }
    }
}

impl Model {
    fn apply(&mut self, txns: &[Arc<Txn>]) -> Result<Vec<TxnAnswer>, EtcdFault> {
        let mut touched: Vec<(&str, bool)> = Vec::new();
        for txn in txns {
            let own = touches(txn);
            for (key, writes) in &own {
                let clash = touched.iter().any(|(k, w)| k == key && (*w || *writes));
                assert!(!clash, "two of a batch touch {key}");
            }
            touched.extend(own);
        }
        if touched.iter().any(|(key, _)| *key == POISON) {
            return Err(EtcdFault::Refused("poison".into()));
        }
        let verdicts: Vec<bool> = txns.iter().map(|txn| self.contents.holds(txn)).collect();
        let dead = |op: &Op| matches!(op, Op::Put { lease: DEAD_LEASE, .. });
        if txns.iter().zip(&verdicts).any(|(txn, yes)| *yes && txn.then.iter().any(dead)) {
            return Err(EtcdFault::LeaseGone);
        }
        let at = self.contents.revision + 1;
        let mut reads = Vec::new();
        for (txn, succeeded) in txns.iter().zip(&verdicts) {
            let branch = if *succeeded { &txn.then } else { &txn.otherwise };
            reads.push(self.contents.reads(branch));
            self.contents.write(branch, at);
        }
        let revision = self.contents.revision;
        for (txn, succeeded) in txns.iter().zip(&verdicts) {
            self.log.push(Done { txn: txn.clone(), revision, succeeded: *succeeded });
        }
        let answers = verdicts.into_iter().zip(reads);
        Ok(answers.map(|(succeeded, reads)| TxnAnswer { succeeded, revision, reads }).collect())
    }

    fn hear(&mut self, txns: &[Arc<Txn>]) -> Result<Vec<TxnAnswer>, EtcdFault> {
        self.sendings += 1;
        let unknown = || EtcdFault::Unknown("lost".into());
        match self.script.pop_front().unwrap_or(Trouble::Nothing) {
            Trouble::Nothing => self.apply(txns),
            Trouble::LostRequest => Err(unknown()),
            Trouble::LostAnswer => match self.apply(txns) {
                Ok(_) | Err(EtcdFault::LeaseGone) => Err(unknown()),
                refused => refused,
            },
            Trouble::Twice => {
                self.apply(txns)?;
                self.apply(txns)
            }
            Trouble::Away => Err(EtcdFault::Away("away".into())),
            Trouble::NoSpace if txns.iter().any(|txn| txn.then.iter().any(is_put)) => {
                Err(EtcdFault::NoSpace)
            }
            Trouble::NoSpace => self.apply(txns),
        }
    }
}

impl Cell for ModelCell {
    async fn submit_all(
        &self,
        txns: Vec<Arc<Txn>>,
        _until: Instant,
    ) -> Result<Vec<TxnAnswer>, EtcdFault> {
        tokio::task::yield_now().await;
        let heard = self.0.lock().unwrap().hear(&txns);
        for _ in 0..txns.len() % 4 {
            tokio::task::yield_now().await;
        }
        heard
    }
}

fn is_put(op: &Op) -> bool {
    matches!(op, Op::Put { .. })
}

fn touches(txn: &Txn) -> Vec<(&str, bool)> {
    let mut keys: BTreeMap<&str, bool> = BTreeMap::new();
    for op in txn.then.iter().chain(&txn.otherwise) {
        let (key, writes) = match op {
            Op::Put { key, .. } | Op::Delete { key } => (key, true),
            Op::Get { key } => (key, false),
        };
        *keys.entry(key).or_default() |= writes;
    }
    for compare in &txn.compares {
        keys.entry(&compare.key).or_default();
    }
    keys.into_iter().collect()
}

/// What somebody wants of some keys.
#[derive(Debug, Clone)]
enum Wish {
    /// Takes keys that nobody has.
    Take(LeaseId),
    /// Writes over keys that were written at this revision.
    Rewrite(u64),
    /// Deletes keys that were written at this revision.
    Free(u64),
    /// Takes keys, with a key of the batch's bane.
    Poisoned,
}

fn txn(wish: &Wish, keys: &HashSet<usize>, who: usize) -> Txn {
    let mut keys: Vec<String> = keys.iter().map(|key| format!("seat/{key}")).collect();
    keys.sort();
    if matches!(wish, Wish::Poisoned) {
        keys.push(POISON.into());
    }
    let mod_revision = match wish {
        Wish::Take(_) | Wish::Poisoned => 0,
        Wish::Rewrite(at) | Wish::Free(at) => *at,
    };
    let lease = if let Wish::Take(lease) = wish { *lease } else { NO_LEASE };
    let then = |key: &String| match wish {
        Wish::Free(_) => Op::Delete { key: key.clone() },
        _ => Op::Put { key: key.clone(), value: who.to_string().into_bytes(), lease },
    };
    Txn {
        compares: keys.iter().map(|key| Compare { key: key.clone(), mod_revision }).collect(),
        then: keys.iter().map(then).collect(),
        otherwise: keys.iter().map(|key| Op::Get { key: key.clone() }).collect(),
    }
}

fn metrics() -> Metrics {
    Metrics::new(&prometheus::Registry::new()).unwrap()
}

fn limits(under_way: usize, transactions: usize) -> CombinerLimits {
    let batch = BatchLimits { transactions, bytes: 4000 };
    CombinerLimits { waiting: 10_000, under_way, batch }
}

type Verdict = Result<TxnAnswer, EtcdFault>;

/// Sends all of it, each after as many turns of the others as it says.
fn run(
    cell: &ModelCell,
    limits: CombinerLimits,
    requests: &[(Arc<Txn>, u8)],
) -> (Vec<Verdict>, Metrics) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let metrics = metrics();
    let verdicts = runtime.block_on(async {
        let (combiner, combining) = Combiner::new(cell.clone(), limits, metrics.clone());
        let combining = tokio::spawn(combining);
        let tasks: Vec<_> = requests
            .iter()
            .map(|(txn, pause)| {
                let (combiner, txn, pause) = (combiner.clone(), txn.clone(), *pause);
                tokio::spawn(async move {
                    for _ in 0..pause {
                        tokio::task::yield_now().await;
                    }
                    combiner.submit(txn, Instant::now() + Duration::from_secs(60)).await
                })
            })
            .collect();
        let mut verdicts = Vec::new();
        for task in tasks {
            verdicts.push(task.await.unwrap());
        }
        drop(combiner);
        combining.await.unwrap();
        verdicts
    });
    (verdicts, metrics)
}

/// Fails unless the executions one after the other, and in between those that
/// were answered without being sent, say what the callers were told.
fn check_sequential(model: &Model, requests: &[(Arc<Txn>, u8)], verdicts: &[Verdict]) {
    let mut state = Contents::default();
    let mut states = vec![state.clone()];
    for done in &model.log {
        let before = states.last().unwrap();
        // Those of one batch see the state before it, which their keys are not in.
        assert_eq!(before.holds(&done.txn), done.succeeded, "{:?}", done.txn);
        let branch = if done.succeeded { &done.txn.then } else { &done.txn.otherwise };
        state.write(branch, done.revision);
        states.push(state.clone());
    }
    assert_eq!(state.keys, model.contents.keys);
    let as_of = |revision: u64| {
        let last = model.log.iter().rposition(|done| done.revision <= revision);
        &states[last.map_or(0, |last| last + 1)]
    };
    for ((txn, _), verdict) in requests.iter().zip(verdicts) {
        let executed = |succeeded: bool| {
            let mine = model.log.iter().filter(|done| Arc::ptr_eq(&done.txn, txn));
            mine.filter(|done| done.succeeded == succeeded).map(|done| done.revision).collect()
        };
        let applied: Vec<u64> = executed(true);
        match verdict {
            Ok(answer) if answer.succeeded => assert!(applied.contains(&answer.revision)),
            Ok(answer) => {
                let state = as_of(answer.revision);
                assert!(!state.holds(txn), "refused at {}: {txn:?}", answer.revision);
                assert_eq!(answer.reads, state.reads(&txn.otherwise));
                let seen: Vec<u64> = executed(false);
                assert!(applied.is_empty() || !seen.is_empty(), "done, and refused unseen");
            }
            Err(EtcdFault::Unknown(_)) => {}
            Err(definite) => assert!(applied.is_empty(), "{definite} and yet done: {txn:?}"),
        }
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        8 => Just(Wish::Take(7)),
        2 => Just(Wish::Take(NO_LEASE)),
        1 => Just(Wish::Take(DEAD_LEASE)),
        3 => (1..8_u64).prop_map(Wish::Rewrite),
        4 => (1..8_u64).prop_map(Wish::Free),
        1 => Just(Wish::Poisoned),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        12 => Just(Trouble::Nothing),
        1 => Just(Trouble::LostRequest),
        1 => Just(Trouble::LostAnswer),
        2 => Just(Trouble::Twice),
        1 => Just(Trouble::Away),
        1 => Just(Trouble::NoSpace),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_request_gets_the_verdict_of_some_sequential_order(
        wishes in prop::collection::vec(
            (wish(), prop::collection::hash_set(0..6_usize, 1..4), 0..12_u8), 1..60),
        script in prop::collection::vec(trouble(), 0..40),
        under_way in 1..4_usize,
        transactions in 1..20_usize,
    ) {
        let requests: Vec<(Arc<Txn>, u8)> = wishes
            .iter()
            .enumerate()
            .map(|(who, (wish, keys, pause))| (Arc::new(txn(wish, keys, who)), *pause))
            .collect();
        let cell = ModelCell::default();
        cell.0.lock().unwrap().script = script.into();
        let (verdicts, _) = run(&cell, limits(under_way, transactions), &requests);
        prop_assert_eq!(verdicts.len(), requests.len());
        check_sequential(&cell.0.lock().unwrap(), &requests, &verdicts);
    }
}

#[test]
fn of_a_crowd_for_one_seat_one_is_sent() {
    let keys = HashSet::from([1]);
    let requests: Vec<_> =
        (0..2000).map(|who| (Arc::new(txn(&Wish::Take(7), &keys, who)), 0)).collect();
    let cell = ModelCell::default();
    let (verdicts, metrics) = run(&cell, limits(2, 512), &requests);
    let model = cell.0.lock().unwrap();
    check_sequential(&model, &requests, &verdicts);
    let winners = verdicts.iter().filter(|v| v.as_ref().is_ok_and(|a| a.succeeded)).count();
    assert_eq!(winners, 1);
    assert_eq!(model.sendings, 1);
    assert_eq!(metrics.answered_beside.get(), 1999);
}

#[test]
fn a_crowd_for_many_seats_shares_few_rounds() {
    let requests: Vec<_> = (0..1000)
        .map(|who| (Arc::new(txn(&Wish::Take(7), &HashSet::from([who]), who)), 0))
        .collect();
    let cell = ModelCell::default();
    let (verdicts, _) = run(&cell, limits(1, 512), &requests);
    assert!(verdicts.iter().all(|v| v.as_ref().is_ok_and(|a| a.succeeded)));
    assert!(cell.0.lock().unwrap().sendings < 150, "4000 bytes a batch are the bound here");
}

#[test]
fn one_bad_request_does_not_cost_the_others_theirs() {
    let wishes = [Wish::Take(7), Wish::Take(DEAD_LEASE), Wish::Poisoned, Wish::Take(NO_LEASE)];
    let requests: Vec<_> = (0..64)
        .map(|who| {
            let wish = &wishes[if who % 16 == 5 { 1 + who % 2 } else { (who % 2) * 3 }];
            let keys = HashSet::from([who]);
            (Arc::new(txn(if who == 33 { &wishes[2] } else { wish }, &keys, who)), 0)
        })
        .collect();
    let cell = ModelCell::default();
    let (verdicts, _) = run(&cell, limits(1, 512), &requests);
    check_sequential(&cell.0.lock().unwrap(), &requests, &verdicts);
    for ((txn, _), verdict) in requests.iter().zip(&verdicts) {
        let (poisoned, dead) = (
            touches(txn).iter().any(|(key, _)| *key == POISON),
            txn.then.iter().any(|op| matches!(op, Op::Put { lease: DEAD_LEASE, .. })),
        );
        match verdict {
            Ok(answer) => assert!(answer.succeeded && !poisoned && !dead),
            Err(EtcdFault::Refused(_)) => assert!(poisoned),
            Err(EtcdFault::LeaseGone) => assert!(dead),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn who_does_not_wait_any_longer_is_not_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let cell = ModelCell::default();
    let take = Arc::new(txn(&Wish::Take(7), &HashSet::from([1]), 1));
    runtime.block_on(async {
        let (combiner, combining) = Combiner::new(cell.clone(), limits(1, 8), metrics());
        // Nobody combines yet, so the deadline comes first.
        let late = combiner.submit(take, Instant::now()).await;
        assert!(matches!(late, Err(EtcdFault::Away(_))), "{late:?}");
        drop(combiner);
        combining.await;
    });
    assert_eq!(cell.0.lock().unwrap().sendings, 0);
}
