//! Hand-made histories for the judges' own tests: customers that hold, pay and
//! cancel at stated milliseconds, and stores that agree with them until a test
//! changes something.

use std::collections::BTreeMap;
use std::ops::Range;

use booking_api_client::BookingState;
use payment_gateway_client::wire::PaymentState;
use seat_model::{
    BookingId, Fence, PerformanceId, PublicSeatState, SeatId, SeatState, ShardId, ShowId, UserId,
};

use super::{Evidence, Judgement, Terms};
use crate::final_state::{
    FinalBooking, FinalPayment, FinalSale, FinalSeat, FinalState, FinalTicket, FinalView, RowState,
};
use crate::history::{
    Action, Began, Demanded, FaultSpan, History, Operation, Outcome, Told, ToldBooking, ToldMap,
    VERSION,
};

/// When the run began.
const BEGAN_MS: i64 = 1_000_000;
/// How long a hold lives.
const HOLD_MS: u64 = 10_000;
const PRICE: u64 = 4_500;

/// Which booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Of(usize);

#[derive(Debug, Clone)]
struct Order {
    user: UserId,
    booking: BookingId,
    seats: Vec<SeatId>,
    fence: u64,
    sold_at: Option<u64>,
    /// When its row was written, in milliseconds of the run.
    written_ms: u64,
    given: bool,
}

/// A run being made up.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) history: History,
    orders: Vec<Order>,
    pub(crate) state: FinalState,
}

fn show() -> ShowId {
    ShowId::new("hamlet").unwrap()
}

fn performance() -> PerformanceId {
    PerformanceId::new("hamlet-1").unwrap()
}

fn shard() -> ShardId {
    ShardId::new("shard-0").unwrap()
}

/// What a judge finds wrong.
pub(crate) fn judged(sample: Sample, judge: fn(&Evidence<'_>) -> Judgement) -> Vec<String> {
    sample.judged_under(Terms::default(), judge)
}

impl Sample {
    pub(crate) fn new() -> Self {
        let homes = BTreeMap::from([(show(), shard())]);
        let began = Began {
            version: VERSION,
            seed: 1,
            scenario: "sample".to_owned(),
            wall_ms: BEGAN_MS,
            time_s: 60,
            planted: String::new(),
            homes: homes.clone(),
            versions: BTreeMap::new(),
        };
        let history = History {
            began,
            operations: Vec::new(),
            faults: Vec::new(),
            demanded: Vec::new(),
            outside_contract: Vec::new(),
            end_ns: 0,
        };
        let state = FinalState { at_ms: BEGAN_MS, homes, ..FinalState::default() };
        Self { history, orders: Vec::new(), state }
    }

    /// A bit of everything, all of it right.
    pub(crate) fn quiet_evening(&mut self) {
        let ann = self.hold("ann", "A-1", 0..5, 10);
        self.confirm(ann, 6..9, 12);
        let bob = self.hold_all("bob", &["B-1", "B-2"], 2..8, 11);
        self.confirm(bob, 10..20, 14);
        self.cancel(bob, 30..40);
        let cid = self.hold("cid", "C-1", 3..8, 13);
        self.release(cid, 9..11);
        self.hold("dan", "C-1", 12..15, 20);
        self.fault(1, "kill redis", 20..25);
        self.demanded(1, Some(500));
        self.look(50..55, 52, &["A-1", "C-1"]);
        self.settle();
        self.state.at_ms = BEGAN_MS + 5_000;
    }

    pub(crate) fn wall_ms(&self, offset_ms: i64) -> i64 {
        BEGAN_MS + offset_ms
    }

    fn record(&mut self, at: Range<u64>, action: Action, outcome: Outcome) {
        let op = self.history.operations.len() as u64;
        let lost = outcome == Outcome::Unknown;
        self.history.operations.push(Operation {
            op,
            client: u32::try_from(op).unwrap(),
            start_ns: at.start * 1_000_000,
            end_ns: (!lost).then_some(at.end * 1_000_000),
            action,
            outcome,
        });
    }

    fn told(&self, of: Of, state: BookingState, fence: u64, expires: Option<u64>) -> ToldBooking {
        let order = &self.orders[of.0];
        let gone = state == BookingState::Cancelled;
        ToldBooking {
            status: 200,
            booking: order.booking,
            performance: performance(),
            user: order.user.clone(),
            state,
            seats: if gone { Vec::new() } else { order.seats.clone() },
            fence: Fence::from_u64(fence),
            amount: if gone { 0 } else { PRICE * order.seats.len() as u64 },
            expires_at_ms: expires.map(|at| BEGAN_MS + i64::try_from(at).unwrap()),
            tickets: Vec::new(),
        }
    }

    fn book_action(&self, of: Of) -> Action {
        let order = &self.orders[of.0];
        Action::Book {
            show: show(),
            performance: performance(),
            user: order.user.clone(),
            key: "k".to_owned(),
            seats: order.seats.clone(),
            quantity: u32::try_from(order.seats.len()).unwrap(),
            buy: false,
        }
    }

    pub(crate) fn hold(&mut self, user: &str, seat: &str, at: Range<u64>, fence: u64) -> Of {
        self.hold_all(user, &[seat], at, fence)
    }

    pub(crate) fn hold_all(
        &mut self,
        user: &str,
        seats: &[&str],
        at: Range<u64>,
        fence: u64,
    ) -> Of {
        let of = Of(self.orders.len());
        let mut id = [0; 16];
        id[15] = u8::try_from(of.0 + 1).unwrap();
        self.orders.push(Order {
            user: UserId::new(user).unwrap(),
            booking: BookingId::from_bytes(id),
            seats: seats.iter().map(|seat| SeatId::new(*seat).unwrap()).collect(),
            fence,
            sold_at: None,
            written_ms: at.end + 1,
            given: false,
        });
        self.again(of, at, |_| {});
        of
    }

    fn again(&mut self, of: Of, at: Range<u64>, change: impl Fn(&mut ToldBooking)) {
        let (fence, expires) = (self.orders[of.0].fence, at.end + HOLD_MS);
        let mut told = self.told(of, BookingState::Held, fence, Some(expires));
        told.status = 201;
        change(&mut told);
        let action = self.book_action(of);
        self.record(at, action, Outcome::Ok(Told::Booking(told)));
    }

    /// The same request once more, answered in another way.
    pub(crate) fn hold_again(&mut self, of: Of, at: Range<u64>, change: impl Fn(&mut ToldBooking)) {
        self.again(of, at, change);
    }

    pub(crate) fn confirm(&mut self, of: Of, at: Range<u64>, fence: u64) {
        self.orders[of.0].sold_at = Some(fence);
        self.orders[of.0].written_ms = at.start + 1;
        let told = self.told(of, BookingState::Confirmed, fence, None);
        let action = Action::Confirm {
            booking: self.orders[of.0].booking,
            key: "c".to_owned(),
            token: "tok_ok".to_owned(),
        };
        self.record(at, action, Outcome::Ok(Told::Booking(told)));
    }

    /// Gives a booking back.
    pub(crate) fn cancel(&mut self, of: Of, at: Range<u64>) {
        self.orders[of.0].given = true;
        let told = self.told(of, BookingState::Cancelled, self.orders[of.0].fence, None);
        let booking = self.orders[of.0].booking;
        self.record(at, Action::Cancel { booking }, Outcome::Ok(Told::Booking(told)));
    }

    /// Gives a hold back.
    pub(crate) fn release(&mut self, of: Of, at: Range<u64>) {
        self.cancel(of, at);
    }

    /// Asks to give back, and hears nothing.
    pub(crate) fn lost_release(&mut self, of: Of, at: u64) {
        let booking = self.orders[of.0].booking;
        self.record(at..at, Action::Cancel { booking }, Outcome::Unknown);
    }

    pub(crate) fn look(&mut self, at: Range<u64>, as_of_ms: i64, seats: &[&str]) {
        let map = ToldMap {
            revision: 1,
            as_of_ms: BEGAN_MS + as_of_ms,
            stale: false,
            seats: seats
                .iter()
                .map(|seat| (SeatId::new(*seat).unwrap(), PublicSeatState::Sold))
                .collect(),
        };
        let action = Action::Map { show: show(), performance: performance() };
        self.record(at, action, Outcome::Ok(Told::Map(map)));
    }

    pub(crate) fn fault(&mut self, number: u32, name: &str, at: Range<u64>) {
        self.history.faults.push(FaultSpan {
            number,
            name: name.to_owned(),
            kind: "kill".to_owned(),
            begins_ns: at.start * 1_000_000,
            made_ns: Some(at.start * 1_000_000),
            ends_ns: Some(at.end * 1_000_000),
            healed_ns: Some(at.end * 1_000_000),
            failed: None,
        });
    }

    pub(crate) fn demanded(&mut self, after_fault: u32, after_ms: Option<u64>) {
        self.history.demanded.push(Demanded {
            at_ns: 0,
            after_fault,
            shard: shard(),
            after_ms,
            last: String::new(),
        });
    }

    /// Stores that agree with what was told.
    pub(crate) fn settle(&mut self) {
        for at in 0..self.orders.len() {
            let order = self.orders[at].clone();
            match (order.sold_at, order.given) {
                (Some(fence), given) => self.sold(&order, fence, given),
                (None, true) => {}
                (None, false) => self.keep(&order, SeatState::Held, order.fence),
            }
        }
        let seats = self.state.seats.iter();
        let seats = seats.map(|seat| (seat.seat.clone(), PublicSeatState::from(seat.state)));
        self.state.views.push(FinalView {
            instance: "view-service-0".to_owned(),
            performance: performance(),
            stale: false,
            seats: seats.collect(),
        });
    }

    /// A sale in all stores that nobody was told of.
    pub(crate) fn settle_as_sold(&mut self, of: Of) {
        let order = self.orders[of.0].clone();
        self.sold(&order, order.fence + 1, false);
    }

    fn keep(&mut self, order: &Order, state: SeatState, fence: u64) {
        for seat in &order.seats {
            self.state.seats.push(FinalSeat {
                performance: performance(),
                seat: seat.clone(),
                state,
                booking: order.booking,
                user: order.user.clone(),
                fence: Fence::from_u64(fence),
                taken: u32::try_from(order.seats.len()).unwrap(),
                leased: state == SeatState::Held,
                deadline_ms: BEGAN_MS + i64::try_from(HOLD_MS).unwrap(),
            });
        }
    }

    fn sold(&mut self, order: &Order, fence: u64, given: bool) {
        if !given {
            self.keep(order, SeatState::Sold, fence + 1);
        }
        self.state.bookings.push(FinalBooking {
            shard: shard(),
            id: order.booking,
            state: if given { RowState::Cancelled } else { RowState::Confirmed },
            user: order.user.clone(),
            show: show(),
            performance: performance(),
            fence: Fence::from_u64(fence),
            acquired: Fence::from_u64(order.fence),
            written_at_ms: BEGAN_MS + i64::try_from(order.written_ms).unwrap(),
        });
        for seat in &order.seats {
            self.state.tickets.push(FinalTicket {
                booking: order.booking,
                performance: performance(),
                seat: seat.clone(),
                price: PRICE,
                valid: !given,
            });
            if !given {
                self.state.sales.push(FinalSale {
                    performance: performance(),
                    seat: seat.clone(),
                    booking: order.booking,
                });
            }
        }
        let amount = PRICE * order.seats.len() as u64;
        self.state.payments.push(FinalPayment {
            booking: order.booking,
            reference: format!("{}-k", order.booking),
            state: PaymentState::Captured,
            amount,
            refunds: given.then(|| ("v1".to_owned(), amount)).into_iter().collect(),
        });
    }

    pub(crate) fn finish(self) -> (History, FinalState) {
        (self.history, self.state)
    }

    pub(crate) fn judged_under(
        self,
        terms: Terms,
        judge: fn(&Evidence<'_>) -> Judgement,
    ) -> Vec<String> {
        judge(&Evidence::new(&self.history, &self.state, terms)).breaches
    }

    pub(crate) fn undecided(self, judge: fn(&Evidence<'_>) -> Judgement) -> Vec<String> {
        judge(&Evidence::new(&self.history, &self.state, Terms::default())).undecided
    }
}
