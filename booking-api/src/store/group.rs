//! Bookings about to be written, and what a group of them looks like to the
//! procedure `commit_group`: three lists, so that no statement of it reads more
//! of the group than it needs.

use seat_model::{
    BookingId, Currency, Fence, PerformanceId, SeatId, ShardEpoch, ShowId, Timestamp, UserId,
};
use serde::Serialize;

use super::ledger::{LedgerBooking, LedgerState, LedgerTicket};

/// A booking about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBooking {
    /// The booking.
    pub id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// Its show.
    pub show_id: ShowId,
    /// The placement epoch in the seats' values.
    pub epoch: ShardEpoch,
    /// Its performance.
    pub performance_id: PerformanceId,
    /// Of the pinned seats.
    pub fence: Fence,
    /// Of the hold.
    pub acquired: Fence,
    /// The hold's first deadline.
    pub first_deadline_ms: i64,
    /// Hash of the body that asked for the seats.
    pub body_hash: String,
    /// Whether it was asked for with `confirm`.
    pub direct: bool,
    /// The confirm's Idempotency-Key.
    pub confirm_key: String,
    /// Hash of the confirm's body.
    pub confirm_hash: String,
    /// The gateway's reference of the authorised payment.
    pub payment: String,
    /// The currency of every price.
    pub currency: Currency,
    /// When it is written, milliseconds since the epoch.
    pub at_ms: i64,
    /// How many tickets.
    pub seats: usize,
    /// How many seats the customer may have of the performance.
    pub seats_limit: u32,
    /// The outbox row's payload, [`super::Sold`] as JSON.
    pub payload: String,
    /// The tickets.
    pub tickets: Vec<NewTicket>,
}

/// A ticket about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTicket {
    /// Unique within the booking: from 1 on along the plan, the next number
    /// exactly where the next seat is a neighbour.
    pub number: u16,
    /// The seat.
    pub seat: SeatId,
    /// Its tier.
    pub tier: String,
    /// Minor units.
    pub price: u64,
    /// Shown at the door.
    pub code: String,
}

impl NewBooking {
    /// The row as it is once it is written.
    #[must_use]
    pub fn into_row(self) -> LedgerBooking {
        LedgerBooking {
            id: self.id,
            state: LedgerState::Confirmed,
            user: self.user_id,
            show: self.show_id,
            performance: self.performance_id,
            fence: self.fence,
            acquired: self.acquired,
            first_deadline: Timestamp::from_millis(self.first_deadline_ms),
            body_hash: self.body_hash,
            direct: self.direct,
            confirm_key: self.confirm_key,
            confirm_hash: self.confirm_hash,
            payment: self.payment,
            currency: self.currency.as_str().to_owned(),
            written_at: Timestamp::from_millis(self.at_ms),
            tickets: self
                .tickets
                .into_iter()
                .map(|ticket| LedgerTicket {
                    number: ticket.number,
                    seat: ticket.seat,
                    tier: ticket.tier,
                    price: ticket.price,
                    valid: true,
                    code: ticket.code,
                })
                .collect(),
        }
    }
}

/// A group as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What must hold: placements and quotas.
    pub terms: String,
    /// The bookings.
    pub bookings: String,
    /// Their tickets.
    pub tickets: String,
}

impl Group {
    /// These bookings.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    pub fn new(bookings: &[&NewBooking]) -> Result<Self, serde_json::Error> {
        let terms: Vec<Term> = bookings.iter().map(|booking| Term::of(booking)).collect();
        let rows: Vec<Row> = bookings.iter().map(|booking| Row::of(booking)).collect();
        let tickets: Vec<TicketRow> =
            bookings.iter().flat_map(|booking| TicketRow::all_of(booking)).collect();
        Ok(Self {
            terms: serde_json::to_string(&terms)?,
            bookings: serde_json::to_string(&rows)?,
            tickets: serde_json::to_string(&tickets)?,
        })
    }
}

#[derive(Serialize)]
struct Term<'a> {
    user_id: &'a UserId,
    show_id: &'a ShowId,
    epoch: ShardEpoch,
    performance_id: &'a PerformanceId,
    seats: usize,
    seats_limit: u32,
}

impl<'a> Term<'a> {
    fn of(booking: &'a NewBooking) -> Self {
        Self {
            user_id: &booking.user_id,
            show_id: &booking.show_id,
            epoch: booking.epoch,
            performance_id: &booking.performance_id,
            seats: booking.seats,
            seats_limit: booking.seats_limit,
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    id: BookingId,
    user_id: &'a UserId,
    show_id: &'a ShowId,
    performance_id: &'a PerformanceId,
    fence: Fence,
    acquired: Fence,
    first_deadline_ms: i64,
    body_hash: &'a str,
    /// `JSON_TABLE` turns numbers into truth values on every server; words only on some.
    direct: u8,
    confirm_key: &'a str,
    confirm_hash: &'a str,
    payment: &'a str,
    currency: &'a Currency,
    at_ms: i64,
    payload: &'a str,
}

impl<'a> Row<'a> {
    fn of(booking: &'a NewBooking) -> Self {
        Self {
            id: booking.id,
            user_id: &booking.user_id,
            show_id: &booking.show_id,
            performance_id: &booking.performance_id,
            fence: booking.fence,
            acquired: booking.acquired,
            first_deadline_ms: booking.first_deadline_ms,
            body_hash: &booking.body_hash,
            direct: u8::from(booking.direct),
            confirm_key: &booking.confirm_key,
            confirm_hash: &booking.confirm_hash,
            payment: &booking.payment,
            currency: &booking.currency,
            at_ms: booking.at_ms,
            payload: &booking.payload,
        }
    }
}

#[derive(Serialize)]
struct TicketRow<'a> {
    id: BookingId,
    user_id: &'a UserId,
    show_id: &'a ShowId,
    performance_id: &'a PerformanceId,
    at_ms: i64,
    number: u16,
    seat: &'a SeatId,
    tier: &'a str,
    price: u64,
    code: &'a str,
}

impl<'a> TicketRow<'a> {
    fn all_of(booking: &'a NewBooking) -> impl Iterator<Item = Self> {
        booking.tickets.iter().map(|ticket| Self {
            id: booking.id,
            user_id: &booking.user_id,
            show_id: &booking.show_id,
            performance_id: &booking.performance_id,
            at_ms: booking.at_ms,
            number: ticket.number,
            seat: &ticket.seat,
            tier: &ticket.tier,
            price: ticket.price,
            code: &ticket.code,
        })
    }
}
