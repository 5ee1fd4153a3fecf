//! What a comparison finds: a closed list of kinds, each with the promise it
//! breaks and whether it is provably safe to mend.

use std::fmt;

use seat_model::{BookingId, PerformanceId, SeatId, ShardId, ShowId};
use serde::Serialize;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A valid ticket stands on a seat that another valid ticket has.
    SeatSoldTwice,
    /// `sold` in etcd, and no shard knows the booking.
    SoldWithoutBooking,
    /// `sold` in etcd, and the booking has a tombstone.
    SoldDespiteTombstone,
    /// `sold` in etcd by one booking, in the ledger by another.
    SoldToAnother,
    /// `sold` in etcd, CONFIRMED in the ledger, and no valid ticket for the seat.
    SoldWithoutTicket,
    /// `sold` in etcd, cancelled in the ledger.
    SoldAfterCancel,
    /// Sold in the ledger, free in etcd.
    TicketSeatFree,
    /// Sold in the ledger, another booking's in etcd.
    TicketSeatTaken,
    /// Sold in the ledger, its own but not `sold` in etcd.
    TicketSeatNotSold,
    /// `confirming` in etcd, with no row under this fence.
    Confirming,
    /// A hold is there past its deadline and grace.
    HoldOverdue,
    /// A hold has no lease that would end it.
    HoldWithoutLease,
    /// Seats of one booking were not written together.
    SeatsApart,
    /// Seats that a booking took after its first ones.
    Strays,
    /// A pick marker of a booking without seats.
    MarkerWithoutSeats,
    /// Picked seats without their marker.
    SeatsWithoutMarker,
    /// A row of `seat_sale` without its valid ticket.
    SaleWithoutTicket,
    /// A valid ticket without its row of `seat_sale`.
    TicketWithoutSale,
    /// A CONFIRMED booking without a valid ticket.
    ConfirmedWithoutTickets,
    /// A booking that is not CONFIRMED, with valid tickets.
    TicketsWithoutSale,
    /// A quota that is not the number of the customer's valid tickets.
    QuotaWrong,
    /// Not the price of a booking's tickets was taken, or given back.
    MoneyDiffers,
    /// Money was taken for a booking that no shard knows.
    MoneyWithoutBooking,
    /// Work that waits.
    OutboxWaiting,
    /// A booking on a shard that the map does not name for its show.
    BookingMisplaced,
    /// A booking on two shards.
    BookingTwice,
    /// A placement on a shard that the map does not name for its show.
    PlacementMisplaced,
    /// A placement under another epoch than the map's.
    PlacementEpochWrong,
    /// A placement that is frozen although the map names it.
    PlacementFrozen,
    /// A show with bookings on a shard that has no placement for it.
    PlacementMissing,
    /// A seat that its performance's plan does not have.
    SeatUnknown,
    /// A key of etcd that makes no sense.
    Unreadable,
    /// The cell has no epoch or no shard map: it serves nobody.
    CellNotOpen,
    /// A sold seat is shown as free.
    SoldShownFree,
    /// A seat is shown otherwise than it is.
    ViewDiffers,
    /// Redis has no whole map where it should have one.
    ViewIncomplete,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 36] = [
        Self::SeatSoldTwice,
        Self::SoldWithoutBooking,
        Self::SoldDespiteTombstone,
        Self::SoldToAnother,
        Self::SoldWithoutTicket,
        Self::SoldAfterCancel,
        Self::TicketSeatFree,
        Self::TicketSeatTaken,
        Self::TicketSeatNotSold,
        Self::Confirming,
        Self::HoldOverdue,
        Self::HoldWithoutLease,
        Self::SeatsApart,
        Self::Strays,
        Self::MarkerWithoutSeats,
        Self::SeatsWithoutMarker,
        Self::SaleWithoutTicket,
        Self::TicketWithoutSale,
        Self::ConfirmedWithoutTickets,
        Self::TicketsWithoutSale,
        Self::QuotaWrong,
        Self::MoneyDiffers,
        Self::MoneyWithoutBooking,
        Self::OutboxWaiting,
        Self::BookingMisplaced,
        Self::BookingTwice,
        Self::PlacementMisplaced,
        Self::PlacementEpochWrong,
        Self::PlacementFrozen,
        Self::PlacementMissing,
        Self::SeatUnknown,
        Self::Unreadable,
        Self::CellNotOpen,
        Self::SoldShownFree,
        Self::ViewDiffers,
        Self::ViewIncomplete,
    ];

    /// The promise it breaks; see docs/INVARIANTS.md.
    #[must_use]
    pub const fn invariant(self) -> u8 {
        match self {
            Self::SeatSoldTwice | Self::SoldToAnother | Self::TicketSeatTaken => 1,
            Self::SoldWithoutBooking | Self::SoldDespiteTombstone => 2,
            Self::CellNotOpen => 3,
            Self::HoldOverdue | Self::HoldWithoutLease => 5,
            Self::SoldWithoutTicket
            | Self::TicketSeatFree
            | Self::TicketSeatNotSold
            | Self::Confirming
            | Self::SaleWithoutTicket
            | Self::TicketWithoutSale
            | Self::ConfirmedWithoutTickets
            | Self::TicketsWithoutSale
            | Self::SeatUnknown
            | Self::Unreadable => 6,
            Self::SoldAfterCancel | Self::QuotaWrong => 7,
            Self::MarkerWithoutSeats | Self::SeatsWithoutMarker => 8,
            Self::SeatsApart | Self::Strays => 9,
            Self::MoneyDiffers | Self::MoneyWithoutBooking | Self::OutboxWaiting => 10,
            Self::SoldShownFree | Self::ViewDiffers | Self::ViewIncomplete => 11,
            Self::BookingMisplaced
            | Self::BookingTwice
            | Self::PlacementMisplaced
            | Self::PlacementEpochWrong
            | Self::PlacementFrozen
            | Self::PlacementMissing => 13,
        }
    }

    /// Whether it is seen in one store at one moment, so that a second look can
    /// only show the same.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        matches!(
            self,
            Self::SaleWithoutTicket
                | Self::TicketWithoutSale
                | Self::ConfirmedWithoutTickets
                | Self::TicketsWithoutSale
                | Self::QuotaWrong
        )
    }

    /// Whether the reconciler or an outbox relay ends it, given time.
    #[must_use]
    pub const fn is_mended_by_services(self) -> bool {
        matches!(
            self,
            Self::Confirming
                | Self::TicketSeatNotSold
                | Self::SoldAfterCancel
                | Self::HoldOverdue
                | Self::Strays
                | Self::SeatsApart
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name on the wire, without its quotation marks.
        let name = serde_json::to_string(self).unwrap_or_default();
        f.write_str(name.trim_matches('"'))
    }
}

/// How a finding is mended where that is provably safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// lock-service's finish, under the fence that the row has.
    Finish,
    /// What the reconciler does: a tombstone, or the row in its way, decides.
    End,
    /// lock-service's free.
    Free,
    /// lock-service's release of a hold that nobody can use any more.
    Release,
    /// The booking is written into the ledger again, from etcd's `sold` values.
    WriteBooking,
    /// The seats are written `sold` again, where nobody has them.
    WriteSold,
    /// The ticket is issued again, from etcd's `sold` value.
    IssueTicket,
    /// The sale's row is written again, where nobody has the seat.
    WriteSale,
    /// The quota becomes what the tickets say.
    Recount,
    /// A marker without seats is deleted.
    DropMarker,
    /// The marker is written again.
    WriteMarker,
    /// The keys in Redis are deleted: view-service writes all of it anew.
    RefreshViews,
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is wrong, and nobody is about to end it.
    Fault,
    /// It may end by itself.
    Pending,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// How sure.
    pub standing: Standing,
    /// Which promise, as in `INV-6`.
    pub invariant: u8,
    /// The show, where known.
    pub show: Option<ShowId>,
    /// The performance, where it concerns one.
    pub performance: Option<PerformanceId>,
    /// The seats, sorted.
    pub seats: Vec<SeatId>,
    /// The booking, where it concerns one.
    pub booking: Option<BookingId>,
    /// The shard, where it concerns one.
    pub shard: Option<ShardId>,
    /// The etcd revision or outbox place it was seen at: the same finding at
    /// another one is another finding.
    pub seen_at: Option<u64>,
    /// For people.
    pub sentence: String,
    /// How to mend it; `None`: not without somebody who understands it.
    pub remedy: Option<Remedy>,
}

impl Finding {
    /// A fault of this kind that concerns nothing yet.
    #[must_use]
    pub fn new(kind: Kind, sentence: impl Into<String>) -> Self {
        Self {
            kind,
            standing: Standing::Fault,
            invariant: kind.invariant(),
            show: None,
            performance: None,
            seats: Vec::new(),
            booking: None,
            shard: None,
            seen_at: None,
            sentence: sentence.into(),
            remedy: None,
        }
    }

    /// The same, of a seat or several.
    #[must_use]
    pub fn at(
        mut self,
        show: &ShowId,
        performance: &PerformanceId,
        seats: impl IntoIterator<Item = SeatId>,
    ) -> Self {
        self.show = Some(show.clone());
        self.performance = Some(performance.clone());
        self.seats = seats.into_iter().collect();
        self.seats.sort_unstable();
        self
    }

    /// The same, of a booking.
    #[must_use]
    pub const fn of(mut self, booking: BookingId) -> Self {
        self.booking = Some(booking);
        self
    }

    /// The same, on a shard.
    #[must_use]
    pub fn on(mut self, shard: &ShardId) -> Self {
        self.shard = Some(shard.clone());
        self
    }

    /// The same, seen at a revision.
    #[must_use]
    pub const fn seen_at(mut self, revision: u64) -> Self {
        self.seen_at = Some(revision);
        self
    }

    /// The same, which may end by itself.
    #[must_use]
    pub const fn pending(mut self) -> Self {
        self.standing = Standing::Pending;
        self
    }

    /// The same, with a remedy.
    #[must_use]
    pub const fn mended_by(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// Whether two looks saw the same thing.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.performance == other.performance
            && self.seats == other.seats
            && self.booking == other.booking
            && self.shard == other.shard
            && self.show == other.show
            && self.seen_at == other.seen_at
    }
}
