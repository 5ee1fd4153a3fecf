//! A customer that writes down what was asked and told, and does what the
//! contract says: asks again under the same key where the outcome is unknown,
//! takes a refusal for one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use booking_api_client::{Answer, Book, Booking, BookingClient, BookingState, CallError, Confirm};
use seat_model::{BookingId, Code, Outcome, Retry, SeatId, TicketId, UserId};

use crate::hall::{Hall, PICKED};
use crate::history::{Action, Event, Told, ToldBooking, ToldMap};
use crate::recorder::Recorder;
use crate::stage::Stage;

/// How often the same request is sent, at most.
const TRIES: u32 = 12;

/// Once everybody is asked to leave.
const TRIES_AT_THE_END: u32 = 3;

/// Between two tries.
const BETWEEN: Duration = Duration::from_millis(400);

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// Exactly these.
    Seats(Vec<SeatId>),
    /// So many of the picked tier.
    Best(u32),
}

/// How a request ended.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Done.
    Done(Box<ToldBooking>),
    /// Not done, with the code.
    Refused(String),
    /// Nobody knows, after all tries.
    Unknown,
}

impl Reply {
    pub(crate) fn done(self) -> Option<ToldBooking> {
        match self {
            Self::Done(told) => Some(*told),
            Self::Refused(_) | Self::Unknown => None,
        }
    }
}

/// Somebody with a token.
pub(crate) struct Customer<'a> {
    stage: &'a Stage,
    recorder: &'a Recorder,
    hall: &'a Hall,
    client: u32,
    user: UserId,
    http: BookingClient,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Customer<'a> {
    pub(crate) fn new(
        stage: &'a Stage,
        recorder: &'a Recorder,
        hall: &'a Hall,
        client: u32,
        name: &str,
        stop: Option<&'a AtomicBool>,
    ) -> Option<Self> {
        let user = UserId::new(name).ok()?;
        let http = stage.customer(name).ok()?;
        Some(Self { stage, recorder, hall, client, user, http, stop })
    }

    fn tries(&self) -> u32 {
        let leaving = self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        if leaving { TRIES_AT_THE_END } else { TRIES }
    }

    /// Buys in one call, and is told whatever the first answer says.
    pub(crate) async fn book_once(&self, key: &str, wish: &Wish) -> Reply {
        self.take(key, wish, true, 1).await
    }

    /// Takes seats; the same request again until its outcome is known.
    pub(crate) async fn book(&self, key: &str, wish: &Wish, buy: bool) -> Reply {
        self.take(key, wish, buy, TRIES).await
    }

    async fn take(&self, key: &str, wish: &Wish, buy: bool, tries: u32) -> Reply {
        let (seats, quantity) = match wish {
            Wish::Seats(seats) => (seats.clone(), u32::try_from(seats.len()).unwrap_or(u32::MAX)),
            Wish::Best(quantity) => (Vec::new(), *quantity),
        };
        let named = !seats.is_empty();
        let book = Book {
            tier: (!named).then(|| PICKED.to_owned()),
            quantity: Some(quantity),
            performance_id: Some(self.hall.performance.clone()),
            seats: named.then(|| seats.clone()),
            accept_split: true,
            confirm: buy,
            payment_token: buy.then(|| "tok_ok".to_owned()),
            ..Book::default()
        };
        let action = Action::Book {
            show: self.hall.show.clone(),
            performance: self.hall.performance.clone(),
            user: self.user.clone(),
            key: key.to_owned(),
            seats,
            quantity,
            buy,
        };
        let show = &self.hall.show;
        let reply = self.persist_for(tries, &action, || self.http.book(show, &book, key)).await;
        if let Reply::Done(_) = reply {
            self.recorder.count_hold();
        }
        reply
    }

    /// Pays, and waits for the truth where it is `pending`.
    pub(crate) async fn confirm(&self, booking: BookingId, key: &str, token: &str) -> Reply {
        let action = Action::Confirm { booking, key: key.to_owned(), token: token.to_owned() };
        let confirm = Confirm { payment_token: token.to_owned() };
        let show = &self.hall.show;
        let reply = self.persist(&action, || self.http.confirm(show, booking, &confirm, key)).await;
        let pending = matches!(&reply, Reply::Done(told) if told.state == BookingState::Pending);
        if pending { self.truth(booking).await } else { reply }
    }

    /// Looks until the booking is not pending any more.
    pub(crate) async fn truth(&self, booking: BookingId) -> Reply {
        let mut last = Reply::Unknown;
        for _ in 0..self.tries() {
            last = self.read(booking).await;
            match &last {
                Reply::Done(told) if told.state == BookingState::Pending => {}
                _ => return last,
            }
            tokio::time::sleep(BETWEEN).await;
        }
        last
    }

    pub(crate) async fn read(&self, booking: BookingId) -> Reply {
        let action = Action::Read { booking };
        self.persist(&action, || self.http.booking(&self.hall.show, booking)).await
    }

    pub(crate) async fn extend(&self, booking: BookingId) -> Reply {
        let action = Action::Extend { booking };
        self.persist(&action, || self.http.extend(&self.hall.show, booking, None)).await
    }

    /// Gives a hold or a booking back.
    pub(crate) async fn cancel(&self, booking: BookingId) -> Reply {
        let action = Action::Cancel { booking };
        self.persist(&action, || self.http.cancel(&self.hall.show, booking, None)).await
    }

    /// Gives one ticket back.
    pub(crate) async fn cancel_ticket(
        &self,
        booking: BookingId,
        ticket: &TicketId,
        seat: &SeatId,
    ) -> Reply {
        let (ticket, seat) = (ticket.clone(), seat.clone());
        let action = Action::CancelTicket { booking, ticket: ticket.clone(), seat };
        let show = &self.hall.show;
        self.persist(&action, || self.http.cancel_ticket(show, booking, &ticket, None)).await
    }

    /// Looks at the seat map.
    pub(crate) async fn look(&self) {
        let (show, performance) = (&self.hall.show, &self.hall.performance);
        let op = self.invoke(&Action::Map { show: show.clone(), performance: performance.clone() });
        let event = match self.stage.views.seats(show, performance, None).await {
            Ok(viewed) => match viewed.into_answer() {
                Ok(map) => Event::Ok {
                    op,
                    told: Told::Map(ToldMap {
                        revision: map.revision,
                        as_of_ms: map.as_of.as_millis(),
                        stale: map.stale,
                        seats: map.seats,
                    }),
                },
                Err(error) => Event::OutsideContract { op, why: error.to_string() },
            },
            Err(view_service_client::Unviewed::Problem(problem)) => Event::Refused {
                op,
                status: problem.status,
                code: problem.code.as_str().to_owned(),
            },
            Err(error) => Event::Unknown { op, why: error.to_string() },
        };
        self.recorder.write(event);
    }

    fn invoke(&self, action: &Action) -> u64 {
        let op = self.recorder.next_op();
        self.recorder.write(Event::Invoke { op, client: self.client, action: action.clone() });
        op
    }

    /// The same request again while its outcome is unknown, or while it says
    /// that the same request may work later.
    async fn persist<F>(&self, action: &Action, send: impl Fn() -> F) -> Reply
    where
        F: Future<Output = Result<Answer<Booking>, CallError>>,
    {
        self.persist_for(TRIES, action, send).await
    }

    async fn persist_for<F>(&self, most: u32, action: &Action, send: impl Fn() -> F) -> Reply
    where
        F: Future<Output = Result<Answer<Booking>, CallError>>,
    {
        let mut tries = 0;
        loop {
            let op = self.invoke(action);
            let (event, reply, again) = classed(op, send().await);
            self.recorder.write(event);
            tries += 1;
            if !again || tries >= self.tries().min(most) {
                return reply;
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}

/// An answer as history has it, as the customer takes it, and whether to ask again.
fn classed(op: u64, answer: Result<Answer<Booking>, CallError>) -> (Event, Reply, bool) {
    match answer {
        Ok(answer) => {
            let told = ToldBooking::new(answer.status, &answer.body);
            let reply = Reply::Done(Box::new(told.clone()));
            (Event::Ok { op, told: Told::Booking(told) }, reply, false)
        }
        Err(CallError::Refused(refusal)) => {
            let problem = refusal.problem;
            let code = problem.code.as_str().to_owned();
            if problem.code == Code::Internal {
                let why = format!("500: {}", problem.detail);
                return (Event::OutsideContract { op, why }, Reply::Unknown, true);
            }
            if problem.outcome == Outcome::Unknown {
                return (Event::Unknown { op, why: code }, Reply::Unknown, true);
            }
            let again = problem.retry == Retry::SameRequest;
            let event = Event::Refused { op, status: problem.status, code: code.clone() };
            (event, Reply::Refused(code), again)
        }
        Err(CallError::NotReached(_)) => {
            let code = "not_reached".to_owned();
            let event = Event::Refused { op, status: 0, code: code.clone() };
            (event, Reply::Refused(code), true)
        }
        Err(CallError::NoAnswer(why)) => (Event::Unknown { op, why }, Reply::Unknown, true),
        Err(error @ CallError::OutsideContract { .. }) => {
            (Event::OutsideContract { op, why: error.to_string() }, Reply::Unknown, true)
        }
    }
}
