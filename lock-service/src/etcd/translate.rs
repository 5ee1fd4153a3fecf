//! Between the values of `transaction` and the client's types.

use std::sync::Arc;

use etcd_client::{
    Compare as EtcdCompare, CompareOp, KeyValue, PutOptions, ResponseHeader, Txn as EtcdTxn, TxnOp,
    TxnOpResponse, TxnResponse,
};

use super::fault::EtcdFault;
use crate::transaction::{Compare, Kv, NO_LEASE, Op, Txn, TxnAnswer};

/// What etcd allows by default (`--max-txn-ops`): a level may have so many
/// siblings, less the longest list on the levels below it.
const MAX_OPS: usize = 128;

/// All transactions as one, in order: each nested with its own if, then and
/// else; many in groups, so that no level grows too long.
pub(super) fn request_all(txns: &[Arc<Txn>]) -> EtcdTxn {
    match txns {
        [txn] => request(txn),
        txns => {
            let group = group_size(txns);
            let nested = |txns: &[Arc<Txn>]| -> Vec<TxnOp> {
                txns.iter().map(|txn| TxnOp::txn(request(txn))).collect()
            };
            let all = if group >= txns.len() {
                nested(txns)
            } else {
                let groups = txns.chunks(group);
                groups.map(|group| TxnOp::txn(EtcdTxn::new().and_then(nested(group)))).collect()
            };
            EtcdTxn::new().and_then(all)
        }
    }
}

/// How many transactions go side by side; as many as there are: no groups.
fn group_size(txns: &[Arc<Txn>]) -> usize {
    let longest = |txn: &Arc<Txn>| txn.compares.len().max(txn.then.len()).max(txn.otherwise.len());
    let inner = txns.iter().map(longest).max().unwrap_or(0);
    if txns.len() + inner <= MAX_OPS { txns.len() } else { txns.len().isqrt() + 1 }
}

/// The verdicts of what [`request_all`] made.
pub(super) fn answer_all(
    txns: &[Arc<Txn>],
    all: &TxnResponse,
) -> Result<Vec<TxnAnswer>, EtcdFault> {
    let revision = revision(all.header())?;
    if let [txn] = txns {
        return Ok(vec![answer(txn, all, revision)?]);
    }
    let misfit = || EtcdFault::Unknown("the answer does not fit the batch".into());
    let nested = |response: &TxnResponse| -> Result<Vec<TxnResponse>, EtcdFault> {
        let inner = response.op_responses().into_iter().map(|response| match response {
            TxnOpResponse::Txn(txn) => Ok(txn),
            TxnOpResponse::Put(_) | TxnOpResponse::Get(_) | TxnOpResponse::Delete(_) => {
                Err(misfit())
            }
        });
        inner.collect()
    };
    let mut responses = nested(all)?;
    if group_size(txns) < txns.len() {
        let groups: Vec<Vec<TxnResponse>> =
            responses.iter().map(nested).collect::<Result<_, _>>()?;
        responses = groups.into_iter().flatten().collect();
    }
    if responses.len() != txns.len() {
        return Err(misfit());
    }
    txns.iter().zip(&responses).map(|(txn, response)| answer(txn, response, revision)).collect()
}

fn request(txn: &Txn) -> EtcdTxn {
    let compares: Vec<_> = txn.compares.iter().map(compare).collect();
    let then: Vec<_> = txn.then.iter().map(op).collect();
    let otherwise: Vec<_> = txn.otherwise.iter().map(op).collect();
    EtcdTxn::new().when(compares).and_then(then).or_else(otherwise)
}

fn compare(compare: &Compare) -> EtcdCompare {
    // A revision beyond what etcd can count equals none: the compare fails.
    let revision = i64::try_from(compare.mod_revision).unwrap_or(i64::MAX);
    EtcdCompare::mod_revision(compare.key.as_str(), CompareOp::Equal, revision)
}

fn op(op: &Op) -> TxnOp {
    match op {
        Op::Put { key, value, lease } => {
            let on_lease = (*lease != NO_LEASE).then(|| PutOptions::new().with_lease(*lease));
            TxnOp::put(key.as_str(), value.as_slice(), on_lease)
        }
        Op::Delete { key } => TxnOp::delete(key.as_str(), None),
        Op::Get { key } => TxnOp::get(key.as_str(), None),
    }
}

/// The revision is the outermost answer's: a nested one has none of its own.
fn answer(txn: &Txn, answer: &TxnResponse, revision: u64) -> Result<TxnAnswer, EtcdFault> {
    let branch = if answer.succeeded() { &txn.then } else { &txn.otherwise };
    let reads: Vec<Option<Kv>> = answer
        .op_responses()
        .iter()
        .filter_map(|response| match response {
            TxnOpResponse::Get(get) => Some(get.kvs().first().and_then(kv)),
            TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
        })
        .collect();
    let expected = branch.iter().filter(|op| matches!(op, Op::Get { .. })).count();
    if reads.len() != expected {
        return Err(EtcdFault::Unknown("the answer does not fit the transaction".into()));
    }
    Ok(TxnAnswer { succeeded: answer.succeeded(), revision, reads })
}

pub(super) fn revision(header: Option<&ResponseHeader>) -> Result<u64, EtcdFault> {
    header
        .and_then(|header| u64::try_from(header.revision()).ok())
        .ok_or_else(|| EtcdFault::Unknown("an answer without a revision".into()))
}

/// A key that is text, as all of ours are.
pub(super) fn kv(kv: &KeyValue) -> Option<Kv> {
    Some(Kv {
        key: kv.key_str().ok()?.to_owned(),
        value: kv.value().to_vec(),
        mod_revision: u64::try_from(kv.mod_revision()).ok()?,
        create_revision: u64::try_from(kv.create_revision()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txns(count: usize, compares: usize) -> Vec<Arc<Txn>> {
        let compare = Compare { key: "k".into(), mod_revision: 0 };
        let txn = Txn { compares: vec![compare; compares], ..Txn::default() };
        std::iter::repeat_with(|| Arc::new(txn.clone())).take(count).collect()
    }

    #[test]
    fn no_level_is_longer_than_etcd_allows() {
        for inner in [1, 2, 12, 40] {
            for count in 1..=1024 {
                let txns = txns(count, inner);
                let group = group_size(&txns);
                let groups = if group < count { count.div_ceil(group) } else { 0 };
                assert!(groups + group + inner <= MAX_OPS, "{count} of {inner}");
            }
        }
    }
}
