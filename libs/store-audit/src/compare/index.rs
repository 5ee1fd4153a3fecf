//! A snapshot, by seat and by booking.

use std::collections::{BTreeMap, HashMap};

use seat_model::{BookingId, PerformanceId, SeatId};

use crate::placement::Placing;
use crate::records::{BookingRow, PickKey, SaleRow, SeatKey, ShardRows, Snapshot, TicketRow};

pub(super) type Place<'s> = (&'s PerformanceId, &'s SeatId);

/// The snapshot and the ways into it.
pub(super) struct Index<'s> {
    pub(super) snapshot: &'s Snapshot,
    /// `None` while there is no map.
    pub(super) placing: Option<Placing>,
    /// etcd's seats.
    pub(super) seats: HashMap<Place<'s>, &'s SeatKey>,
    /// etcd's seats by booking, in the order of the keys.
    pub(super) booked: BTreeMap<BookingId, Vec<&'s SeatKey>>,
    pub(super) picks: HashMap<BookingId, &'s PickKey>,
    /// Rows of a booking, on every shard that has one.
    pub(super) rows: BTreeMap<BookingId, Vec<(&'s ShardRows, &'s BookingRow)>>,
    pub(super) tickets: HashMap<BookingId, Vec<&'s TicketRow>>,
    pub(super) sales: HashMap<Place<'s>, Vec<&'s SaleRow>>,
    /// Whether work of a booking waits.
    pub(super) waiting: HashMap<BookingId, usize>,
}

impl<'s> Index<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Self {
        let mut index = Self {
            snapshot,
            placing: snapshot.cell.map.as_ref().map(|versioned| Placing::new(&versioned.map)),
            seats: HashMap::new(),
            booked: BTreeMap::new(),
            picks: snapshot.cell.picks.iter().map(|pick| (pick.booking, pick)).collect(),
            rows: BTreeMap::new(),
            tickets: HashMap::new(),
            sales: HashMap::new(),
            waiting: HashMap::new(),
        };
        for key in &snapshot.cell.seats {
            index.seats.insert((&key.performance, &key.seat), key);
            index.booked.entry(key.value.booking).or_default().push(key);
        }
        for shard in &snapshot.shards {
            for row in &shard.bookings {
                index.rows.entry(row.id).or_default().push((shard, row));
            }
            for ticket in &shard.tickets {
                index.tickets.entry(ticket.booking).or_default().push(ticket);
            }
            for sale in &shard.sales {
                index.sales.entry((&sale.performance, &sale.seat)).or_default().push(sale);
            }
            for row in &shard.outbox {
                *index.waiting.entry(row.booking).or_default() += 1;
            }
        }
        index
    }

    /// A booking's row; of several the first, which is a finding of its own.
    pub(super) fn row(&self, booking: BookingId) -> Option<&'s BookingRow> {
        self.rows.get(&booking).and_then(|rows| rows.first()).map(|(_, row)| *row)
    }

    pub(super) fn tickets_of(&self, booking: BookingId) -> &[&'s TicketRow] {
        self.tickets.get(&booking).map_or(&[], Vec::as_slice)
    }

    /// A booking's valid ticket for a seat.
    pub(super) fn valid_ticket(&self, booking: BookingId, at: Place<'_>) -> Option<&'s TicketRow> {
        let tickets = self.tickets_of(booking).iter().copied();
        let of_seat = |ticket: &&TicketRow| (&ticket.performance, &ticket.seat) == at;
        tickets.filter(|ticket| ticket.valid).find(of_seat)
    }

    /// Who has the sale of a seat.
    pub(super) fn sold_to(&self, at: Place<'_>) -> Option<BookingId> {
        self.sales.get(&at).and_then(|sales| sales.first()).map(|sale| sale.booking)
    }
}
