//! What can be true of a seat that is not free. A seat without a record is free.

use serde::{Deserialize, Serialize};

/// The state of a seat in etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatState {
    /// Somebody's until the deadline; a lease cleans up behind it.
    Held,
    /// Pinned, without a lease, while its sale is written to the ledger.
    Confirming,
    /// Sold: the ledger has a confirmed row.
    Sold,
}

/// What the public is told of a seat: `confirming` is shown as held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicSeatState {
    /// Can be booked. Listed only in changes: a seat map omits free seats.
    Free,
    /// Somebody is about to buy it.
    Held,
    /// Gone, unless it is cancelled.
    Sold,
}

impl From<SeatState> for PublicSeatState {
    fn from(state: SeatState) -> Self {
        match state {
            SeatState::Held | SeatState::Confirming => Self::Held,
            SeatState::Sold => Self::Sold,
        }
    }
}
