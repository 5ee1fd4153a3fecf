//! History and final state, put in order: one story for each Idempotency-Key
//! of a customer, with everything that was asked and told of its booking. It
//! must not know what is right.

use std::collections::{BTreeMap, BTreeSet};

use booking_api_client::BookingState;
use seat_model::{BookingId, PerformanceId, SeatId, ShowId, UserId};

use super::Terms;
use crate::final_state::{FinalBooking, FinalPayment, FinalSeat, FinalState, FinalTicket};
use crate::history::{Action, History, Operation, ToldBooking};

/// All there is to judge by.
pub struct Evidence<'a> {
    pub(super) history: &'a History,
    pub(super) state: &'a FinalState,
    pub(super) terms: Terms,
    pub(super) stories: Vec<Story<'a>>,
    /// Stories by booking.
    pub(super) by_booking: BTreeMap<BookingId, usize>,
    pub(super) rows: BTreeMap<BookingId, Vec<&'a FinalBooking>>,
    pub(super) tickets: BTreeMap<BookingId, Vec<&'a FinalTicket>>,
    pub(super) seats: BTreeMap<BookingId, Vec<&'a FinalSeat>>,
    pub(super) payments: BTreeMap<BookingId, Vec<&'a FinalPayment>>,
}

/// What was asked and told under one key.
#[derive(Debug)]
pub struct Story<'a> {
    /// The customer.
    pub user: &'a UserId,
    /// The key.
    pub key: &'a str,
    /// The show.
    pub show: &'a ShowId,
    /// The performance.
    pub performance: &'a PerformanceId,
    /// Exactly these seats; empty: the best.
    pub wanted: &'a [SeatId],
    /// How many.
    pub quantity: u32,
    /// Hold and confirm in one.
    pub buy: bool,
    /// Its booking, where a customer was told of it, or a store knows it.
    pub booking: Option<BookingId>,
    /// Every try of the request under the key.
    pub books: Vec<&'a Operation>,
    /// The same key with another body.
    pub misused: Vec<&'a Operation>,
    /// Everything else that was asked of the booking.
    pub others: Vec<&'a Operation>,
}

impl<'a> Evidence<'a> {
    /// Puts it in order.
    #[must_use]
    pub fn new(history: &'a History, state: &'a FinalState, terms: Terms) -> Self {
        let mut evidence = Self {
            history,
            state,
            terms,
            stories: Vec::new(),
            by_booking: BTreeMap::new(),
            rows: group(&state.bookings, |row| row.id),
            tickets: group(&state.tickets, |ticket| ticket.booking),
            seats: group(&state.seats, |seat| seat.booking),
            payments: group(&state.payments, |payment| payment.booking),
        };
        evidence.tell_books();
        evidence.find_bookings();
        evidence.tell_others();
        evidence
    }

    fn tell_books(&mut self) {
        let mut by_key: BTreeMap<(&UserId, &str), usize> = BTreeMap::new();
        for operation in &self.history.operations {
            let Action::Book { show, performance, user, key, seats, quantity, buy } =
                &operation.action
            else {
                continue;
            };
            let stories = &mut self.stories;
            let at = *by_key.entry((user, key)).or_insert_with(|| {
                stories.push(Story {
                    user,
                    key,
                    show,
                    performance,
                    wanted: seats,
                    quantity: *quantity,
                    buy: *buy,
                    booking: None,
                    books: Vec::new(),
                    misused: Vec::new(),
                    others: Vec::new(),
                });
                stories.len() - 1
            });
            let story = &mut stories[at];
            let same = story.wanted == seats.as_slice()
                && story.quantity == *quantity
                && story.buy == *buy
                && story.performance == performance;
            if same { story.books.push(operation) } else { story.misused.push(operation) }
        }
    }

    /// A customer whose answers were all lost may still have a booking: the
    /// stores know whose it is. Only of a customer with a single key.
    fn find_bookings(&mut self) {
        let mut keys: BTreeMap<&UserId, u32> = BTreeMap::new();
        for story in &self.stories {
            *keys.entry(story.user).or_default() += 1;
        }
        let mut known: BTreeMap<&UserId, BTreeSet<BookingId>> = BTreeMap::new();
        let rows = self.state.bookings.iter().map(|row| (&row.user, row.id));
        let seats = self.state.seats.iter().map(|seat| (&seat.user, seat.booking));
        for (user, booking) in rows.chain(seats) {
            known.entry(user).or_default().insert(booking);
        }
        for (at, story) in self.stories.iter_mut().enumerate() {
            let told = story.books.iter().find_map(|book| book.told_booking());
            let alone = keys.get(story.user) == Some(&1);
            let found = known.get(story.user).filter(|found| alone && found.len() == 1);
            let found = found.and_then(|found| found.first().copied());
            story.booking = told.map(|told| told.booking).or(found);
            if let Some(booking) = story.booking {
                self.by_booking.insert(booking, at);
            }
        }
    }

    fn tell_others(&mut self) {
        for operation in &self.history.operations {
            let booking = match &operation.action {
                Action::Confirm { booking, .. }
                | Action::Extend { booking }
                | Action::Cancel { booking }
                | Action::CancelTicket { booking, .. }
                | Action::Read { booking } => booking,
                Action::Book { .. } | Action::Map { .. } => continue,
            };
            if let Some(at) = self.by_booking.get(booking) {
                self.stories[*at].others.push(operation);
            }
        }
    }

    /// The story of a booking.
    #[must_use]
    pub fn story(&self, booking: BookingId) -> Option<&Story<'a>> {
        self.by_booking.get(&booking).map(|at| &self.stories[*at])
    }

    pub(super) fn of<'m, T>(
        map: &'m BTreeMap<BookingId, Vec<&'a T>>,
        booking: BookingId,
    ) -> &'m [&'a T] {
        map.get(&booking).map_or(&[], Vec::as_slice)
    }

    /// A booking's seats: as first told, else as the stores have them.
    pub(super) fn seats_of(&self, story: &Story<'a>) -> BTreeSet<&SeatId> {
        if let Some(told) = story.told().map(|(_, told)| told).find(|told| !told.seats.is_empty()) {
            // After a partial cancel `seats` are what is left; tickets keep all.
            let tickets = told.tickets.iter().map(|ticket| &ticket.seat);
            return told.seats.iter().chain(tickets).collect();
        }
        let Some(booking) = story.booking else { return BTreeSet::new() };
        let tickets = Self::of(&self.tickets, booking).iter().map(|ticket| &ticket.seat);
        Self::of(&self.seats, booking).iter().map(|seat| &seat.seat).chain(tickets).collect()
    }
}

fn group<T>(all: &[T], booking: impl Fn(&T) -> BookingId) -> BTreeMap<BookingId, Vec<&T>> {
    let mut grouped: BTreeMap<BookingId, Vec<&T>> = BTreeMap::new();
    for one in all {
        grouped.entry(booking(one)).or_default().push(one);
    }
    grouped
}

impl<'a> Story<'a> {
    /// Everything, in the order of the answers.
    pub fn operations(&self) -> impl Iterator<Item = &'a Operation> {
        self.books.iter().chain(&self.others).copied()
    }

    /// What was told of the booking.
    pub fn told(&self) -> impl Iterator<Item = (&'a Operation, &'a ToldBooking)> {
        self.operations().filter_map(|operation| Some((operation, operation.told_booking()?)))
    }

    /// When its sale was first told.
    #[must_use]
    pub fn sold_told_at(&self) -> Option<u64> {
        self.told()
            .filter(|(_, told)| told.state == BookingState::Confirmed)
            .filter_map(|(operation, _)| operation.end_ns)
            .min()
    }

    /// Requests that may have sold it.
    pub fn sales(&self) -> impl Iterator<Item = &'a Operation> {
        self.operations().filter(|operation| {
            matches!(operation.action, Action::Confirm { .. } | Action::Book { buy: true, .. })
        })
    }

    /// From when on it may have been sold; none: nobody asked, or all were refused.
    #[must_use]
    pub fn sold_from(&self) -> Option<u64> {
        self.sales().filter(|sale| !sale.is_refused()).map(|sale| sale.start_ns).min()
    }

    /// Requests that may have given this seat back: of the whole booking, or of
    /// its ticket.
    pub fn gives(&self, seat: &SeatId) -> impl Iterator<Item = &'a Operation> {
        self.operations().filter(move |operation| match &operation.action {
            Action::Cancel { .. } => true,
            Action::CancelTicket { seat: given, .. } => given == seat,
            _ => false,
        })
    }

    /// From when on this seat may have been given back.
    #[must_use]
    pub fn given_from(&self, seat: &SeatId) -> Option<u64> {
        self.gives(seat).filter(|give| !give.is_refused()).map(|give| give.start_ns).min()
    }

    /// Whether the customer was told that this seat is given back.
    #[must_use]
    pub fn give_told(&self, seat: &SeatId) -> bool {
        self.gives(seat).any(|give| give.told_booking().is_some())
    }

    /// For messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self.booking {
            Some(booking) => format!("booking {booking} of {}", self.user),
            None => format!("the request of {} under {}", self.user, self.key),
        }
    }
}
