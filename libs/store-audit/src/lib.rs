//! The truth, read straight from the stores: what etcd, the shards, the
//! catalogue and Redis say of every seat, where they differ, and how that is
//! mended.
//!
//! Three parts that do not know one another's work: `read` has one file for
//! each store and turns it into typed records; [`compare`] is pure, records in
//! and [`Finding`]s out; `mend` and `rebuild` write, each step guarded by a
//! compare, a primary key or a placement row.
//!
//! Architecture invariant: a service never uses this, and this uses no service
//! but lock-service's client for the operations that exist already; the payment
//! gateway is another company, asked for its ledger. It is how an operator and
//! the checkers look past the services (docs/adr/0008-who-reads-the-stores-directly.md).

mod audit;
mod compare;
mod finding;
mod mend;
mod placement;
mod read;
mod rebuild;
mod records;

pub use audit::{Patience, Report, audit};
pub use compare::{Limits, compare};
pub use finding::{Finding, Kind, Remedy, Standing};
pub use mend::{Mended, mend};
pub use placement::Placing;
pub use read::{Addresses, ReadError, Scope, Stores};
pub use rebuild::{RebuildError, Rebuilt, rebuild};
pub use records::{
    BookingRow, Catalogue, Cell, CellMark, LedgerState, OutboxRow, PaymentRow, PerformanceRow,
    PickKey, PlacementRow, Projected, Projection, QuotaRow, SaleRow, SeatKey, SeatValue, ShardRows,
    Snapshot, TicketRow, Unreadable,
};
