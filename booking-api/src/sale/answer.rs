//! What a customer is told of a booking: from its seats while it is a hold,
//! from its row once it is a sale. Replays rebuild the first answer (INV-8).

use std::time::Duration;

use booking_api_client::{Booking, BookingState, Item, Links, Ticket, TicketState};
use lock_service_client::wire::BookedSeats;
use seat_model::{BookingId, Currency, SeatId, ShowId, TicketId, Timestamp};

use super::error::SaleError;
use crate::catalogue::Performance;
use crate::store::{LedgerBooking, LedgerState, LedgerTicket};

/// An answer that is not a problem.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// A booking with the HTTP status it is answered with.
    Booking(u16, Box<Booking>),
    /// An answer kept from before.
    Kept {
        /// The HTTP status.
        status: u16,
        /// JSON.
        body: String,
    },
}

impl Reply {
    pub(crate) fn new(status: u16, booking: Booking) -> Self {
        Self::Booking(status, Box::new(booking))
    }
}

/// The hold as it is now.
pub(crate) fn held(seats: &BookedSeats, performance: &Performance) -> Booking {
    let mut booking = of_seats(seats, performance, BookingState::Held);
    booking.expires_at = Some(seats.deadline);
    booking
}

/// The hold as it was first answered, whatever happened since; the seats must
/// be all that were taken.
pub(crate) fn first_held(seats: &BookedSeats, performance: &Performance) -> Booking {
    let mut booking = of_seats(seats, performance, BookingState::Held);
    booking.expires_at = Some(seats.first_deadline);
    booking.fence = seats.acquired;
    booking
}

/// A booking whose commit is not known to have ended.
pub(crate) fn pending(seats: &BookedSeats, performance: &Performance) -> Booking {
    of_seats(seats, performance, BookingState::Pending)
}

/// A hold that was given back: nothing is left of it.
pub(crate) fn released(seats: &BookedSeats, performance: &Performance) -> Booking {
    let mut booking = of_seats(seats, performance, BookingState::Cancelled);
    booking.items.clear();
    booking.seats.clear();
    booking.amount = 0;
    booking
}

fn of_seats(seats: &BookedSeats, performance: &Performance, state: BookingState) -> Booking {
    let mut in_plan_order: Vec<_> = seats.seats.iter().collect();
    in_plan_order.sort_by_key(|priced| performance.chart.index_of(&priced.seat));
    let items: Vec<Item> = in_plan_order
        .iter()
        .map(|priced| Item {
            seat: priced.seat.clone(),
            tier: priced.tier.clone(),
            price: priced.price,
        })
        .collect();
    let names: Vec<SeatId> = items.iter().map(|item| item.seat.clone()).collect();
    Booking {
        booking_id: seats.booking,
        show_id: seats.show.clone(),
        performance_id: seats.performance.clone(),
        user_id: seats.user.clone(),
        state,
        next_to_each_other: performance.chart.next_to_each_other(&names),
        amount: items.iter().map(|item| item.price).sum(),
        items,
        seats: names,
        currency: currency_of(performance),
        expires_at: None,
        fence: seats.fence,
        tickets: None,
        links: links(&seats.show, seats.booking, state),
    }
}

/// The one currency of a performance.
pub(crate) fn currency_of(performance: &Performance) -> Currency {
    #[expect(clippy::expect_used, reason = "EUR is three upper-case letters")]
    let fallback = || Currency::new("EUR").expect("a currency");
    performance.prices.values().next().map_or_else(fallback, |money| money.currency.clone())
}

/// A sale as it is now.
pub(crate) fn sold(row: &LedgerBooking) -> Result<Booking, SaleError> {
    let state = match row.state {
        LedgerState::Confirmed => BookingState::Confirmed,
        LedgerState::Cancelled => BookingState::Cancelled,
        LedgerState::Aborted => return Err(SaleError::Gone("the booking was aborted")),
    };
    of_row(row, state, |ticket| ticket.valid)
}

/// A sale as it was first answered: every ticket valid.
pub(crate) fn first_sold(row: &LedgerBooking) -> Result<Booking, SaleError> {
    of_row(row, BookingState::Confirmed, |_| true)
}

/// The hold that became this sale, as it was first answered.
pub(crate) fn first_held_of_row(row: &LedgerBooking) -> Result<Booking, SaleError> {
    let mut booking = of_row(row, BookingState::Held, |_| true)?;
    booking.tickets = None;
    booking.fence = row.acquired;
    booking.expires_at = Some(row.first_deadline);
    Ok(booking)
}

fn of_row(
    row: &LedgerBooking,
    state: BookingState,
    is_left: impl Fn(&LedgerTicket) -> bool,
) -> Result<Booking, SaleError> {
    let broken = |error: seat_model::IdError| SaleError::Broken(error.to_string());
    let left: Vec<&LedgerTicket> = row.tickets.iter().filter(|ticket| is_left(ticket)).collect();
    let items: Vec<Item> = left
        .iter()
        .map(|ticket| Item {
            seat: ticket.seat.clone(),
            tier: ticket.tier.clone(),
            price: ticket.price,
        })
        .collect();
    let tickets = row
        .tickets
        .iter()
        .map(|ticket| {
            Ok(Ticket {
                ticket_id: ticket_id(row.id, ticket.number)?,
                seat: ticket.seat.clone(),
                tier: ticket.tier.clone(),
                price: ticket.price,
                state: if is_left(ticket) { TicketState::Valid } else { TicketState::Cancelled },
                code: ticket.code.clone(),
            })
        })
        .collect::<Result<_, seat_model::IdError>>()
        .map_err(broken)?;
    Ok(Booking {
        booking_id: row.id,
        show_id: row.show.clone(),
        performance_id: row.performance.clone(),
        user_id: row.user.clone(),
        state,
        next_to_each_other: left.windows(2).all(|pair| pair[1].number == pair[0].number + 1),
        amount: items.iter().map(|item| item.price).sum(),
        seats: items.iter().map(|item| item.seat.clone()).collect(),
        items,
        currency: Currency::new(row.currency.as_str()).map_err(broken)?,
        expires_at: None,
        fence: row.fence,
        tickets: Some(tickets),
        links: links(&row.show, row.id, state),
    })
}

/// A ticket's name: its booking and its number.
pub(crate) fn ticket_id(booking: BookingId, number: u16) -> Result<TicketId, seat_model::IdError> {
    TicketId::new(format!("{booking}-{number}"))
}

/// Reads a ticket's name; `None` where it cannot be one of this booking.
pub(crate) fn ticket_number(booking: BookingId, ticket: &TicketId) -> Option<u16> {
    let number = ticket.as_str().strip_prefix(&format!("{booking}-"))?;
    let parsed: u16 = number.parse().ok()?;
    (parsed.to_string() == number).then_some(parsed)
}

/// The path of a booking.
pub(crate) fn path(show: &ShowId, booking: BookingId) -> String {
    format!("/v1/book/{show}/{booking}")
}

fn links(show: &ShowId, booking: BookingId, state: BookingState) -> Links {
    let this = path(show, booking);
    let held = state == BookingState::Held;
    Links {
        confirm: held.then(|| format!("{this}/confirm")),
        extend: held.then(|| format!("{this}/extend")),
        cancel: matches!(state, BookingState::Held | BookingState::Confirmed).then(|| this.clone()),
        this,
    }
}

/// Whether a hold's time is over, by this instance's clock. Fairness only:
/// what is safe is decided by compares.
pub(crate) fn is_over(seats: &BookedSeats, now: Timestamp) -> bool {
    now >= seats.deadline
}

/// How long a hold has left, by this instance's clock.
pub(crate) fn time_left(seats: &BookedSeats, now: Timestamp) -> Duration {
    let left = seats.deadline.as_millis().saturating_sub(now.as_millis());
    Duration::from_millis(u64::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use seat_model::{Fence, PerformanceId, UserId};

    use super::*;

    fn row(valid: [bool; 3]) -> LedgerBooking {
        let tickets = [(1, "A-1"), (2, "A-2"), (4, "B-1")];
        LedgerBooking {
            id: BookingId::from_bytes([1; 16]),
            state: LedgerState::Confirmed,
            user: UserId::new("ann").unwrap(),
            show: ShowId::new("hamlet").unwrap(),
            performance: PerformanceId::new("p1").unwrap(),
            payment: String::new(),
            fence: Fence::from_u64(9),
            acquired: Fence::from_u64(7),
            first_deadline: Timestamp::from_millis(1_000),
            body_hash: "h".into(),
            direct: false,
            confirm_key: "k".into(),
            confirm_hash: "c".into(),
            currency: "EUR".into(),
            written_at: Timestamp::from_millis(500),
            tickets: tickets
                .into_iter()
                .zip(valid)
                .map(|((number, seat), valid)| LedgerTicket {
                    number,
                    seat: SeatId::new(seat).unwrap(),
                    tier: "Stalls".into(),
                    price: 100,
                    valid,
                    code: "C".into(),
                })
                .collect(),
        }
    }

    #[test]
    fn after_a_partial_cancel_what_is_left_is_shown_and_every_ticket_kept() {
        let booking = sold(&row([true, true, false])).unwrap();
        assert_eq!((booking.amount, booking.seats.len()), (200, 2));
        assert!(booking.next_to_each_other, "the lone one was cancelled");
        let tickets = booking.tickets.unwrap();
        assert_eq!(tickets.len(), 3);
        assert_eq!(tickets[2].state, TicketState::Cancelled);
        assert_eq!(booking.fence, Fence::from_u64(9));
    }

    #[test]
    fn a_replay_shows_the_sale_and_the_hold_as_they_were_at_first() {
        let cancelled = row([false, false, true]);
        let first = first_sold(&cancelled).unwrap();
        assert_eq!(first, first_sold(&row([true; 3])).unwrap());
        assert_eq!((first.state, first.amount), (BookingState::Confirmed, 300));
        let hold = first_held_of_row(&cancelled).unwrap();
        assert_eq!((hold.state, hold.fence), (BookingState::Held, Fence::from_u64(7)));
        assert_eq!(hold.expires_at, Some(Timestamp::from_millis(1_000)));
        assert_eq!(hold.tickets, None);
        assert!(!hold.next_to_each_other);
    }

    #[test]
    fn a_tombstone_is_no_booking() {
        let row = LedgerBooking { state: LedgerState::Aborted, ..row([true; 3]) };
        assert!(matches!(sold(&row), Err(SaleError::Gone(_))));
    }

    #[test]
    fn a_ticket_is_named_in_one_way_only() {
        let id = BookingId::from_bytes([1; 16]);
        let name = ticket_id(id, 4).unwrap();
        assert_eq!(ticket_number(id, &name), Some(4));
        for bad in [format!("{id}-04"), format!("{id}-"), format!("{id}-70000"), "x-4".into()] {
            assert_eq!(ticket_number(id, &TicketId::new(bad).unwrap()), None);
        }
        assert_eq!(ticket_number(BookingId::from_bytes([2; 16]), &name), None);
    }
}
