//! What all stores hold at the end of a run, as values that a file keeps: so
//! an old run can be judged again by a newer checker. Pure; it must not know
//! how a store is read.

use std::collections::BTreeMap;

use payment_gateway_client::wire::{Payment, PaymentState};
use seat_model::{
    BookingId, Fence, PerformanceId, PublicSeatState, SeatId, SeatState, ShardId, ShowId, UserId,
};
use serde::{Deserialize, Serialize};
use store_audit::{Finding, LedgerState, Placing, Snapshot};

/// All stores at the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FinalState {
    /// When, wall clock, milliseconds since the epoch.
    pub at_ms: i64,
    /// etcd: every seat that is not free.
    pub seats: Vec<FinalSeat>,
    /// The shards: every booking.
    pub bookings: Vec<FinalBooking>,
    /// The shards: every ticket.
    pub tickets: Vec<FinalTicket>,
    /// The shards: every row of `seat_sale`.
    pub sales: Vec<FinalSale>,
    /// Outbox rows that wait.
    pub waiting: u64,
    /// Where the shard map says that each show is.
    pub homes: BTreeMap<ShowId, ShardId>,
    /// The payment gateway's ledger.
    pub payments: Vec<FinalPayment>,
    /// The seat maps that view-service serves.
    pub views: Vec<FinalView>,
    /// What the comparison of all stores found wrong after its patience.
    pub findings: Vec<FinalFinding>,
    /// Lines of level ERROR in the logs of services.
    pub errors: Vec<LogError>,
}

/// A seat in etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalSeat {
    /// Its performance.
    pub performance: PerformanceId,
    /// Which.
    pub seat: SeatId,
    /// What is true of it.
    pub state: SeatState,
    /// Whose.
    pub booking: BookingId,
    /// Whose booking that is.
    pub user: UserId,
    /// The fence it was last written at.
    pub fence: Fence,
    /// How many seats were taken together.
    pub taken: u32,
    /// Whether it is on a lease.
    pub leased: bool,
    /// When the hold runs out, or ran out.
    pub deadline_ms: i64,
}

/// What a row says of its booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// Sold.
    Confirmed,
    /// Was sold.
    Cancelled,
    /// A tombstone.
    Aborted,
}

/// A booking's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalBooking {
    /// On which shard.
    pub shard: ShardId,
    /// Which.
    pub id: BookingId,
    /// What became of it.
    pub state: RowState,
    /// Whose.
    pub user: UserId,
    /// Its show.
    pub show: ShowId,
    /// Its performance.
    pub performance: PerformanceId,
    /// Of its seats while they were pinned for the commit.
    pub fence: Fence,
    /// Of the hold.
    pub acquired: Fence,
    /// When its commit was made ready, wall clock, milliseconds since the epoch.
    pub written_at_ms: i64,
}

/// A ticket's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalTicket {
    /// Of which booking.
    pub booking: BookingId,
    /// Its performance.
    pub performance: PerformanceId,
    /// Its seat.
    pub seat: SeatId,
    /// Minor units.
    pub price: u64,
    /// Not cancelled.
    pub valid: bool,
}

/// A row of `seat_sale`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalSale {
    /// The performance.
    pub performance: PerformanceId,
    /// The seat.
    pub seat: SeatId,
    /// Who has it.
    pub booking: BookingId,
}

/// A payment in the gateway's own ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalPayment {
    /// For which booking.
    pub booking: BookingId,
    /// Its name.
    pub reference: String,
    /// Where it is.
    pub state: PaymentState,
    /// Minor units.
    pub amount: u64,
    /// Minor units, by refund key.
    pub refunds: BTreeMap<String, u64>,
}

/// A seat map as it is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalView {
    /// By which instance.
    pub instance: String,
    /// Of which performance.
    pub performance: PerformanceId,
    /// Whether it says that it is behind.
    pub stale: bool,
    /// Seats that are not free.
    pub seats: BTreeMap<SeatId, PublicSeatState>,
}

/// What the comparison of all stores found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalFinding {
    /// Which promise it breaks.
    pub invariant: u8,
    /// The kind of finding.
    pub kind: String,
    /// For people.
    pub sentence: String,
}

/// A line of level ERROR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogError {
    /// Whose log.
    pub node: String,
    /// What it says.
    pub line: String,
}

impl FinalState {
    /// What the stores held; payments, views and log lines are added by who reads them.
    #[must_use]
    pub fn of_stores(snapshot: &Snapshot, faults: &[Finding]) -> Self {
        let cell = &snapshot.cell;
        let placing = cell.map.as_ref().map(|map| Placing::new(&map.map));
        let mut state = Self { at_ms: snapshot.at.as_millis(), ..Self::default() };
        state.seats.extend(cell.seats.iter().map(|key| FinalSeat {
            performance: key.performance.clone(),
            seat: key.seat.clone(),
            state: key.value.state,
            booking: key.value.booking,
            user: key.value.user.clone(),
            fence: cell.fence(key.mod_revision),
            taken: key.value.taken,
            leased: key.lease != 0,
            deadline_ms: key.value.deadline_ms,
        }));
        for shard in &snapshot.shards {
            state.bookings.extend(shard.bookings.iter().map(|row| FinalBooking {
                shard: shard.shard.clone(),
                id: row.id,
                state: match row.state {
                    LedgerState::Confirmed => RowState::Confirmed,
                    LedgerState::Cancelled => RowState::Cancelled,
                    LedgerState::Aborted => RowState::Aborted,
                },
                user: row.user.clone(),
                show: row.show.clone(),
                performance: row.performance.clone(),
                fence: row.fence,
                acquired: row.acquired,
                written_at_ms: row.written_at_ms,
            }));
            state.tickets.extend(shard.tickets.iter().map(|row| FinalTicket {
                booking: row.booking,
                performance: row.performance.clone(),
                seat: row.seat.clone(),
                price: row.price,
                valid: row.valid,
            }));
            state.sales.extend(shard.sales.iter().map(|row| FinalSale {
                performance: row.performance.clone(),
                seat: row.seat.clone(),
                booking: row.booking,
            }));
            state.waiting += u64::try_from(shard.outbox.len()).unwrap_or(u64::MAX);
            for placement in &shard.placements {
                let home = placing.as_ref().and_then(|placing| placing.shard(&placement.show));
                if let Some(home) = home {
                    state.homes.insert(placement.show.clone(), home.clone());
                }
            }
        }
        state.findings.extend(faults.iter().map(|finding| FinalFinding {
            invariant: finding.invariant,
            kind: finding.kind.to_string(),
            sentence: finding.sentence.clone(),
        }));
        state
    }

    /// Adds the gateway's ledger.
    pub fn add_payments(&mut self, payments: &[Payment]) {
        self.payments.extend(payments.iter().map(|payment| FinalPayment {
            booking: payment.reference.booking(),
            reference: payment.reference.to_string(),
            state: payment.state,
            amount: payment.amount,
            refunds: payment.refunds.clone(),
        }));
    }

    /// A booking's row, of one shard where it is on several.
    #[must_use]
    pub fn row(&self, booking: BookingId) -> Option<&FinalBooking> {
        self.bookings.iter().find(|row| row.id == booking)
    }

    /// A booking's tickets.
    pub fn tickets_of(&self, booking: BookingId) -> impl Iterator<Item = &FinalTicket> {
        self.tickets.iter().filter(move |ticket| ticket.booking == booking)
    }

    /// A booking's seats in etcd.
    pub fn seats_of(&self, booking: BookingId) -> impl Iterator<Item = &FinalSeat> {
        self.seats.iter().filter(move |seat| seat.booking == booking)
    }
}
