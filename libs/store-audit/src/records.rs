//! What the stores hold, as values. One struct for each kind of key or row, and
//! one [`Snapshot`] of all of them.
//!
//! The field names of etcd's values are lock-service's, which writes them: a
//! value this crate writes must be one that lock-service reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lock_service_client::wire::{Pin, VersionedShardMap};
use seat_model::{
    BookingId, Chart, Fence, PerformanceId, PlanId, PublicSeatState, SeatId, SeatState, ShardEpoch,
    ShardId, ShowId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

/// The value of a seat that is not free. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatValue {
    /// What is true of it.
    #[serde(rename = "s")]
    pub state: SeatState,
    /// Whose booking it belongs to.
    #[serde(rename = "b")]
    pub booking: BookingId,
    /// Whose booking that is.
    #[serde(rename = "u")]
    pub user: UserId,
    /// The show of the performance.
    #[serde(rename = "w")]
    pub show: ShowId,
    /// The seat's tier.
    #[serde(rename = "t")]
    pub tier: String,
    /// Minor units.
    #[serde(rename = "p")]
    pub price: u64,
    /// How many seats were taken together.
    #[serde(rename = "n")]
    pub taken: u32,
    /// Hash of the body that asked for them.
    #[serde(rename = "h")]
    pub body_hash: String,
    /// When they were acquired.
    #[serde(rename = "a")]
    pub acquired_ms: i64,
    /// When the hold runs out, or ran out.
    #[serde(rename = "d")]
    pub deadline_ms: i64,
    /// When it would have run out without extension.
    #[serde(rename = "e")]
    pub first_deadline_ms: i64,
    /// The latest an extension could reach.
    #[serde(rename = "c")]
    pub cap_ms: i64,
    /// How long a hold lives.
    #[serde(rename = "l")]
    pub ttl_ms: u64,
    /// Whether there is a pick marker.
    #[serde(rename = "k", default, skip_serializing_if = "std::ops::Not::not")]
    pub picked: bool,
    /// The revision that the write of this value compared against.
    #[serde(rename = "f", default, skip_serializing_if = "is_zero")]
    pub from_revision: u64,
    /// From `confirming` on: for which attempt, and where it commits.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// A seat's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatKey {
    /// The performance in its key.
    pub performance: PerformanceId,
    /// The seat in its key.
    pub seat: SeatId,
    /// Its value.
    pub value: SeatValue,
    /// The revision it was last written at.
    pub mod_revision: u64,
    /// The revision it was acquired at.
    pub create_revision: u64,
    /// The lease it is on; 0 without.
    pub lease: i64,
}

/// A pick marker: the seats that were chosen for a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PickKey {
    /// The booking in its key.
    pub booking: BookingId,
    /// The performance chosen from.
    pub performance: PerformanceId,
    /// The seats that were chosen.
    pub seats: Vec<SeatId>,
    /// The revision it was last written at.
    pub mod_revision: u64,
}

/// What the key `epoch` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellMark {
    /// Nothing: the cell is new, or it was lost.
    Missing,
    /// The epoch; the cell serves.
    Open(u64),
    /// No number: the cell is being rebuilt and serves nobody.
    Closed,
}

/// A key whose value makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub key: String,
    /// What the reader said.
    pub why: String,
}

/// etcd at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The revision.
    pub revision: u64,
    /// The key `epoch`.
    pub mark: CellMark,
    /// The shard map; `None` where there is none.
    pub map: Option<VersionedShardMap>,
    /// Every seat that is not free.
    pub seats: Vec<SeatKey>,
    /// Every pick marker.
    pub picks: Vec<PickKey>,
    /// Leases that live, read after the keys.
    pub leases: BTreeSet<i64>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Cell {
    /// The fence of seats last written at a revision; 0 while the cell has no epoch.
    #[must_use]
    pub fn fence(&self, revision: u64) -> Fence {
        let CellMark::Open(epoch) = self.mark else { return Fence::from_u64(0) };
        Fence::new(epoch, revision).unwrap_or(Fence::from_u64(0))
    }
}

/// What a booking's row says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerState {
    /// Sold.
    Confirmed,
    /// Was sold.
    Cancelled,
    /// A tombstone.
    Aborted,
}

/// Where a show is placed, according to a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementRow {
    /// The show.
    pub show: ShowId,
    /// Under which epoch.
    pub epoch: ShardEpoch,
    /// Whether it is being moved away.
    pub frozen: bool,
}

/// A booking's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingRow {
    /// The booking.
    pub id: BookingId,
    /// What became of it.
    pub state: LedgerState,
    /// Whose it is.
    pub user: UserId,
    /// Its show.
    pub show: ShowId,
    /// Its performance.
    pub performance: PerformanceId,
    /// Of its seats while they were pinned for the commit.
    pub fence: Fence,
    /// Of the hold.
    pub acquired: Fence,
    /// The hold's first deadline, milliseconds since the epoch.
    pub first_deadline_ms: i64,
    /// Hash of the body that asked for the seats.
    pub body_hash: String,
    /// When it was written, milliseconds since the epoch.
    pub written_at_ms: i64,
}

/// A ticket's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// Its booking.
    pub booking: BookingId,
    /// Its number in the booking.
    pub number: u16,
    /// Whose it is.
    pub user: UserId,
    /// Its performance.
    pub performance: PerformanceId,
    /// Its seat.
    pub seat: SeatId,
    /// The seat's tier.
    pub tier: String,
    /// Minor units.
    pub price: u64,
    /// Not cancelled.
    pub valid: bool,
}

/// A row of `seat_sale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleRow {
    /// The performance.
    pub performance: PerformanceId,
    /// The seat.
    pub seat: SeatId,
    /// Who has it.
    pub booking: BookingId,
}

/// A customer's count of bought seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaRow {
    /// The performance.
    pub performance: PerformanceId,
    /// The customer.
    pub user: UserId,
    /// How many.
    pub sold: u32,
}

/// Work that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place in the order.
    pub seq: u64,
    /// Of which booking.
    pub booking: BookingId,
    /// The booking's show.
    pub show: ShowId,
    /// `confirmed`, `cancelled` or `aborted`.
    pub kind: String,
    /// Since when, milliseconds since the epoch.
    pub created_at_ms: i64,
}

/// One shard, all of it read in one consistent transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRows {
    /// Which.
    pub shard: ShardId,
    /// Placement rows.
    pub placements: Vec<PlacementRow>,
    /// Bookings.
    pub bookings: Vec<BookingRow>,
    /// Tickets.
    pub tickets: Vec<TicketRow>,
    /// Sales of seats.
    pub sales: Vec<SaleRow>,
    /// Quotas.
    pub quotas: Vec<QuotaRow>,
    /// Outbox rows.
    pub outbox: Vec<OutboxRow>,
}

/// What the catalogue says of a performance.
#[derive(Debug, Clone)]
pub struct PerformanceRow {
    /// Its show.
    pub show: ShowId,
    /// Its plan.
    pub plan: PlanId,
    /// ISO 4217, of all its prices; empty where it has none.
    pub currency: String,
}

/// The catalogue: performances and the charts of their plans.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Every performance, deleted ones too.
    pub performances: BTreeMap<PerformanceId, PerformanceRow>,
    /// The plans that could be read.
    pub charts: BTreeMap<PlanId, Arc<Chart>>,
}

impl Catalogue {
    /// The chart of a performance, where both are known.
    #[must_use]
    pub fn chart(&self, performance: &PerformanceId) -> Option<&Arc<Chart>> {
        self.charts.get(&self.performances.get(performance)?.plan)
    }
}

/// One performance's map in Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projected {
    /// Whether it is among those that must have a map.
    pub listed: bool,
    /// Whether its map is marked whole by the generation that holds.
    pub whole: bool,
    /// Every seat it names, at which revision; freed ones too.
    pub seats: BTreeMap<SeatId, (u64, PublicSeatState)>,
}

/// view-service's projection in Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Whether a generation holds and says how far it is.
    pub reached: Option<u64>,
    /// By performance; those that Redis does not know are left out.
    pub performances: BTreeMap<PerformanceId, Projected>,
}

/// A payment at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentRow {
    /// The booking it is for.
    pub booking: BookingId,
    /// Minor units that were captured; 0 while nothing was.
    pub taken: u64,
    /// Minor units of it that were refunded.
    pub given_back: u64,
}

/// All stores, one after the other: etcd first, then the shards, then Redis
/// and the payment gateway.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When reading began.
    pub at: Timestamp,
    /// etcd.
    pub cell: Cell,
    /// The shards.
    pub shards: Vec<ShardRows>,
    /// The catalogue.
    pub catalogue: Catalogue,
    /// Redis; `None` where the cluster has none.
    pub projection: Option<Projection>,
    /// Every payment, read last; `None` where the gateway was not asked.
    pub payments: Option<Vec<PaymentRow>>,
}
