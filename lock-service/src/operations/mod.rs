//! The seat protocol as pure code: each operation becomes one transaction, and
//! its answer a verdict. Every compare is on the `mod_revision` of every seat
//! concerned, so a late writer never touches a seat that has changed hands
//! (INV-3, INV-4, INV-9).
//!
//! Must not know: etcd's client, clocks, other requests.

mod acquire;
mod free;
mod rewrite;

use std::sync::Arc;

use seat_model::{PerformanceId, SeatId};

pub use acquire::{AcquirePlan, Acquiring};
pub use free::{FreePlan, Freeing};
pub use rewrite::{Asked, Ending, Landing, RewritePlan, admissible, settled};

use crate::record::{Nonsense, SeatRecord, SeatSeen};
use crate::transaction::Kv;

/// A seat as an else branch read it; `None`: it is free.
fn seen(seat: &SeatId, read: Option<&Kv>) -> Result<Option<SeatSeen>, Nonsense> {
    let Some(kv) = read else { return Ok(None) };
    Ok(Some(SeatSeen {
        seat: seat.clone(),
        record: Arc::new(SeatRecord::decode(kv)?),
        mod_revision: kv.mod_revision,
        create_revision: kv.create_revision,
    }))
}

fn seat_keys<'s>(
    performance: &PerformanceId,
    seats: impl IntoIterator<Item = &'s SeatId>,
) -> Vec<String> {
    seats.into_iter().map(|seat| crate::keys::seat(performance, seat)).collect()
}

/// The lease that a transaction's puts share.
#[cfg(test)]
fn lease_of(txn: &crate::transaction::Txn) -> Option<crate::transaction::LeaseId> {
    use crate::transaction::{NO_LEASE, Op};
    txn.then.iter().find_map(|op| match op {
        Op::Put { lease, .. } if *lease != NO_LEASE => Some(*lease),
        Op::Put { .. } | Op::Delete { .. } | Op::Get { .. } => None,
    })
}
