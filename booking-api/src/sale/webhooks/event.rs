//! What is told of an outbox row. The same row always says the same, whatever
//! became of its booking since: a message that is sent again must not differ.

use booking_api_client::{BookingEvent, EventTicket, WebhookEvent, WebhookMessage};
use seat_model::Currency;

use super::super::answer::ticket_id;
use crate::store::{LedgerBooking, LedgerTicket, OutboxRow, OutboxWork};

/// The event of a row; `None`: nobody is told of it.
pub(super) fn of(row: &OutboxRow) -> Option<WebhookEvent> {
    match row.work {
        OutboxWork::Confirmed(_) => Some(WebhookEvent::BookingConfirmed),
        OutboxWork::Cancelled(_) => Some(WebhookEvent::BookingCancelled),
        OutboxWork::Aborted => None,
    }
}

/// The header `webhook-id`: a booking is confirmed once, and each of its
/// cancels has a key of its own.
pub(super) fn message_id(row: &OutboxRow) -> String {
    match &row.work {
        OutboxWork::Confirmed(_) => format!("msg_{}_confirmed", row.booking),
        OutboxWork::Cancelled(refund) => {
            format!("msg_{}_cancelled_{}", row.booking, refund.refund_key)
        }
        OutboxWork::Aborted => format!("msg_{}_aborted", row.booking),
    }
}

/// What is sent: the tickets the event is about, not those that are left.
///
/// # Errors
/// When the ledger's row makes no sense.
pub(super) fn body(
    row: &OutboxRow,
    event: WebhookEvent,
    booking: &LedgerBooking,
) -> Result<String, String> {
    let concerned = |ticket: &&LedgerTicket| match &row.work {
        OutboxWork::Cancelled(refund) => refund.seats.contains(&ticket.seat),
        OutboxWork::Confirmed(_) | OutboxWork::Aborted => true,
    };
    let tickets = booking
        .tickets
        .iter()
        .filter(concerned)
        .map(|ticket| {
            Ok(EventTicket {
                ticket_id: ticket_id(booking.id, ticket.number)?,
                seat: ticket.seat.clone(),
                tier: ticket.tier.clone(),
                price: ticket.price,
            })
        })
        .collect::<Result<Vec<_>, seat_model::IdError>>()
        .map_err(|error| error.to_string())?;
    let message = WebhookMessage {
        event,
        timestamp: row.at,
        data: BookingEvent {
            booking_id: booking.id,
            show_id: booking.show.clone(),
            performance_id: booking.performance.clone(),
            user_id: booking.user.clone(),
            amount: tickets.iter().map(|ticket| ticket.price).sum(),
            currency: Currency::new(booking.currency.as_str()).map_err(|e| e.to_string())?,
            tickets,
        },
    };
    serde_json::to_string(&message).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use seat_model::{BookingId, Fence, PerformanceId, SeatId, ShowId, Timestamp, UserId};

    use super::*;
    use crate::store::{LedgerState, Refund, Sold};

    fn seat(text: &str) -> SeatId {
        SeatId::new(text).unwrap()
    }

    fn booking(valid: [bool; 2]) -> LedgerBooking {
        let tickets = [(1, "A-1"), (2, "A-2")].into_iter().zip(valid);
        LedgerBooking {
            id: BookingId::from_bytes([1; 16]),
            state: LedgerState::Confirmed,
            user: UserId::new("ann").unwrap(),
            show: ShowId::new("hamlet").unwrap(),
            performance: PerformanceId::new("p1").unwrap(),
            fence: Fence::from_u64(9),
            acquired: Fence::from_u64(7),
            first_deadline: Timestamp::from_millis(1_000),
            body_hash: "h".into(),
            direct: false,
            confirm_key: "k".into(),
            confirm_hash: "c".into(),
            payment: "p".into(),
            currency: "EUR".into(),
            written_at: Timestamp::from_millis(500),
            tickets: tickets
                .map(|((number, name), valid)| LedgerTicket {
                    number,
                    seat: seat(name),
                    tier: "Stalls".into(),
                    price: 100,
                    valid,
                    code: "SECRET".into(),
                })
                .collect(),
        }
    }

    fn row(work: OutboxWork) -> OutboxRow {
        OutboxRow {
            seq: 7,
            booking: BookingId::from_bytes([1; 16]),
            show: ShowId::new("hamlet").unwrap(),
            at: Timestamp::from_millis(0),
            work,
        }
    }

    fn sold() -> OutboxRow {
        row(OutboxWork::Confirmed(Sold {
            payment: "p".into(),
            currency: "EUR".into(),
            amount: 200,
            trace: None,
        }))
    }

    #[test]
    fn a_sale_tells_of_every_ticket_whatever_was_cancelled_since() {
        let event = WebhookEvent::BookingConfirmed;
        let first = body(&sold(), event, &booking([true, true])).unwrap();
        assert_eq!(first, body(&sold(), event, &booking([false, true])).unwrap());
        let json: serde_json::Value = serde_json::from_str(&first).unwrap();
        assert_eq!(json["type"], "booking.confirmed");
        assert_eq!(json["timestamp"], "1970-01-01T00:00:00.000Z");
        assert_eq!(
            (json["data"]["amount"].clone(), json["data"]["currency"].clone()),
            (200.into(), "EUR".into())
        );
        assert_eq!(json["data"]["tickets"].as_array().unwrap().len(), 2);
        assert!(!first.contains("SECRET"), "a code opens the door: {first}");
    }

    #[test]
    fn a_cancel_tells_of_its_own_tickets_only() {
        let cancelled = row(OutboxWork::Cancelled(Refund {
            payment: "p".into(),
            currency: "EUR".into(),
            amount: 100,
            refund_key: "v2".into(),
            performance_id: PerformanceId::new("p1").unwrap(),
            seats: vec![seat("A-2")],
        }));
        let told =
            body(&cancelled, WebhookEvent::BookingCancelled, &booking([false, false])).unwrap();
        let message: WebhookMessage = serde_json::from_str(&told).unwrap();
        assert_eq!(message.data.amount, 100);
        assert_eq!(
            message.data.tickets.iter().map(|t| &t.seat).collect::<Vec<_>>(),
            [&seat("A-2")]
        );
        assert_ne!(message_id(&cancelled), message_id(&sold()));
        assert!(message_id(&cancelled).len() <= 80);
        assert_eq!(of(&row(OutboxWork::Aborted)), None);
    }
}
