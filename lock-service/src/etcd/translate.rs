//! Between the values of `transaction` and the client's types.

use etcd_client::{
    Compare as EtcdCompare, CompareOp, KeyValue, PutOptions, ResponseHeader, Txn as EtcdTxn, TxnOp,
    TxnOpResponse, TxnResponse,
};

use super::fault::EtcdFault;
use crate::transaction::{Compare, Kv, NO_LEASE, Op, Txn, TxnAnswer};

pub(super) fn request(txn: &Txn) -> EtcdTxn {
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

pub(super) fn answer(txn: &Txn, answer: &TxnResponse) -> Result<TxnAnswer, EtcdFault> {
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
    Ok(TxnAnswer { succeeded: answer.succeeded(), revision: revision(answer.header())?, reads })
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
