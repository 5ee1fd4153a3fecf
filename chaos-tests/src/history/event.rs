//! The events themselves, as they stand in the file: one a line (NDJSON), all on
//! one clock.

use std::collections::BTreeMap;
use std::io::{self, Write};

use booking_api_client::{Booking, BookingState, TicketState};
use seat_model::{
    BookingId, Fence, PerformanceId, PublicSeatState, SeatId, ShardId, ShowId, TicketId, UserId,
};
use serde::{Deserialize, Serialize};

/// Raised when an older judge could not read the file any more.
pub const VERSION: u32 = 1;

/// One event and when it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Nanoseconds since the run began, on the monotonic clock of the recorder.
    pub at_ns: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first line.
    Began(Began),
    /// A customer sends a request.
    Invoke {
        /// The request's number, unique in the run.
        op: u64,
        /// Who: one open request each.
        client: u32,
        /// What is asked.
        action: Action,
    },
    /// The answer said that it was done.
    Ok {
        /// Which request.
        op: u64,
        /// What it was told.
        told: Told,
    },
    /// The answer said that nothing was changed.
    Refused {
        /// Which request.
        op: u64,
        /// HTTP status; 0 where nobody was reached.
        status: u16,
        /// The problem's code.
        code: String,
    },
    /// No answer, or one that does not know.
    Unknown {
        /// Which request.
        op: u64,
        /// What came instead.
        why: String,
    },
    /// An answer outside the contract: a breach by itself. Its outcome is unknown.
    OutsideContract {
        /// Which request.
        op: u64,
        /// What was wrong with it.
        why: String,
    },
    /// Something is done to the platform, or undone.
    Fault {
        /// The fault's number in the run.
        number: u32,
        /// What, in words: `kill etcd-1`.
        name: String,
        /// Its kind: `kill`.
        kind: String,
        /// Where it is.
        phase: Phase,
        /// Why it did not work, where it did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
    },
    /// A purchase was demanded on a shard after a fault was healed.
    Progress {
        /// Which fault was healed.
        after_fault: u32,
        /// Whose show.
        shard: ShardId,
        /// How long after healing it succeeded; none: it did not.
        after_ms: Option<u64>,
        /// What the last try was told.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        last: String,
    },
}

/// What a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// Of this file's format: [`VERSION`].
    pub version: u32,
    /// Every choice comes from it.
    pub seed: u64,
    /// Which scenario.
    pub scenario: String,
    /// The wall clock at offset 0, milliseconds since the epoch.
    pub wall_ms: i64,
    /// How long faults were made, seconds.
    pub time_s: u64,
    /// Weaker designs that were planted, with commas between them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub planted: String,
    /// The shard of each show, by the shard map.
    pub homes: BTreeMap<ShowId, ShardId>,
    /// Programs and their versions.
    pub versions: BTreeMap<String, String>,
}

/// Where a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is about to be made.
    Begins,
    /// It is there.
    Made,
    /// It is about to be undone.
    Ends,
    /// It is gone.
    Healed,
}

/// What a customer can ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Take seats, and pay for them at once where `buy`.
    Book {
        /// The show.
        show: ShowId,
        /// The performance.
        performance: PerformanceId,
        /// The customer.
        user: UserId,
        /// The Idempotency-Key: the same key is the same booking.
        key: String,
        /// Exactly these; empty: the best of the tier.
        seats: Vec<SeatId>,
        /// How many.
        quantity: u32,
        /// Hold and confirm in one.
        buy: bool,
    },
    /// Pay for a hold.
    Confirm {
        /// The booking.
        booking: BookingId,
        /// The Idempotency-Key.
        key: String,
        /// The payment token.
        token: String,
    },
    /// Hold longer.
    Extend {
        /// The booking.
        booking: BookingId,
    },
    /// Give a hold or a booking back.
    Cancel {
        /// The booking.
        booking: BookingId,
    },
    /// Give one ticket back.
    CancelTicket {
        /// The booking.
        booking: BookingId,
        /// The ticket.
        ticket: TicketId,
        /// Its seat.
        seat: SeatId,
    },
    /// Look at a booking.
    Read {
        /// The booking.
        booking: BookingId,
    },
    /// Look at the seat map.
    Map {
        /// The show.
        show: ShowId,
        /// The performance.
        performance: PerformanceId,
    },
}

impl Action {
    /// As in counts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Book { buy: false, .. } => "hold",
            Self::Book { buy: true, .. } => "hold and confirm",
            Self::Confirm { .. } => "confirm",
            Self::Extend { .. } => "extend",
            Self::Cancel { .. } => "cancel",
            Self::CancelTicket { .. } => "cancel a ticket",
            Self::Read { .. } => "read a booking",
            Self::Map { .. } => "seat map",
        }
    }
}

/// What an `ok` answer said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// A booking.
    Booking(ToldBooking),
    /// A seat map.
    Map(ToldMap),
}

/// A booking as a customer was told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldBooking {
    /// HTTP status.
    pub status: u16,
    /// Its id.
    pub booking: BookingId,
    /// Its performance.
    pub performance: PerformanceId,
    /// Whose it is.
    pub user: UserId,
    /// What it is.
    pub state: BookingState,
    /// What is left of it.
    pub seats: Vec<SeatId>,
    /// The fence.
    pub fence: Fence,
    /// Minor units.
    pub amount: u64,
    /// While held: when it ends, wall clock, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
    /// Every ticket, once it was confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<ToldTicket>,
}

/// A ticket as a customer was told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldTicket {
    /// Its id.
    pub ticket: TicketId,
    /// Its seat.
    pub seat: SeatId,
    /// Minor units.
    pub price: u64,
    /// Not cancelled.
    pub valid: bool,
}

impl ToldBooking {
    /// What an answer said.
    #[must_use]
    pub fn new(status: u16, booking: &Booking) -> Self {
        let ticket = |ticket: &booking_api_client::Ticket| ToldTicket {
            ticket: ticket.ticket_id.clone(),
            seat: ticket.seat.clone(),
            price: ticket.price,
            valid: ticket.state == TicketState::Valid,
        };
        Self {
            status,
            booking: booking.booking_id,
            performance: booking.performance_id.clone(),
            user: booking.user_id.clone(),
            state: booking.state,
            seats: booking.seats.clone(),
            fence: booking.fence,
            amount: booking.amount,
            expires_at_ms: booking.expires_at.map(seat_model::Timestamp::as_millis),
            tickets: booking.tickets.iter().flatten().map(ticket).collect(),
        }
    }
}

/// A seat map as a customer was told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldMap {
    /// How far the view had read.
    pub revision: u64,
    /// When that was the newest, wall clock, milliseconds since the epoch.
    pub as_of_ms: i64,
    /// Whether it says that it is behind.
    pub stale: bool,
    /// Seats that are not free.
    pub seats: BTreeMap<SeatId, PublicSeatState>,
}

/// Writes a line.
///
/// # Errors
/// When the file does not take it.
pub fn write_line(out: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
