//! Booking: taking seats as a hold, or straight into a sale.
//!
//! A key that has a row in the ledger gets that row's first answer, even where
//! its seats are free again: so a hold looks at the ledger while lock-service
//! decides. It only glances: a shard that does not answer at once never keeps
//! a hold waiting, and then a key whose sale was cancelled may be handed a
//! fresh hold. Such a hold can never be sold (the row's primary key stands in
//! its way; the commit then frees it and answers with the row), so all that is
//! lost is a replay's first answer while a shard is away.

use std::sync::Arc;
use std::time::Duration;

use booking_api_client::Book;
use lock_service_client::LockError;
use lock_service_client::wire::{
    Acquire, AcquireToConfirm, Acquired, AtFence, BookedSeats, Choice,
};
use seat_model::{SeatState, ShowId, UserId};

use super::answer::Reply;
use super::commit::{Committed, Pinned, pin};
use super::error::{SaleError, of_look};
use super::payment::{Authorised, Memo, Order};
use super::{Progress, Sale, answer, wish};
use crate::catalogue::Performance;
use crate::fail_points;
use crate::store::{LedgerBooking, LedgerState};

/// How often the plan is handed over or the shard map read again before the
/// request gives up.
const ATTEMPTS: usize = 4;

/// One's own hold that ran out is freed within 2 s; the same key waits for it.
const EXPIRED_WAIT: Duration = Duration::from_millis(200);
const EXPIRED_WAITS: usize = 15;

/// A request to book, made sense of.
struct Wanted {
    performance: Arc<Performance>,
    /// What to take, without a pin.
    acquire: Acquire,
    key: String,
}

/// Seats that are the customer's for now.
enum Taken {
    /// By this request or an earlier sending of it.
    Seats(BookedSeats),
    /// The key has a row in the ledger.
    Row(LedgerBooking),
}

impl Sale {
    /// `POST /v1/book/{showId}`.
    pub(crate) async fn book(
        &self,
        show: ShowId,
        user: UserId,
        key: String,
        book: Book,
    ) -> Result<Reply, SaleError> {
        wish::check_shape(&book)?;
        let performance = match self.find_performance(&show, &book).await {
            Ok(performance) => performance,
            Err(gone @ SaleError::NotFound(_)) => {
                return self.booked_before(&show, &user, &key, &book).await?.ok_or(gone);
            }
            Err(error) => return Err(error),
        };
        let choice = wish::choice(&book, &performance)?;
        if let Some(from) = performance.on_sale_at
            && service_kit::clock::now() < from
        {
            return Err(SaleError::NotOnSale(from));
        }
        let acquire = Acquire {
            performance: performance.performance_id.clone(),
            show: show.clone(),
            plan: performance.plan_id.clone(),
            booking: self.ids.make(&user, &show, &key),
            user: user.clone(),
            body_hash: self.ids.body_hash("book", &wish::canonical(&book)),
            choice,
            ttl_ms: performance.hold_ttl_ms,
            max_ms: performance.hold_max_ms,
            max_seats_per_customer: performance.max_seats_per_customer,
            pin: None,
        };
        let guard = self.in_flight.enter(&user, &format!("book/{show}"), &key)?;
        let wanted = Wanted { performance, acquire, key };
        let token = book.payment_token.filter(|_| book.confirm);
        let (sale, progress) = (self.clone(), Progress::default());
        self.in_time(progress.clone(), async move {
            let ended = match token {
                None => sale.hold(&wanted).await,
                Some(token) => sale.buy(&wanted, token, &progress).await,
            };
            drop(guard);
            ended
        })
        .await
    }

    /// The first answer under a key whose performance was taken off since
    /// (INV-8): its row does not need it.
    async fn booked_before(
        &self,
        show: &ShowId,
        user: &UserId,
        key: &str,
        book: &Book,
    ) -> Result<Option<Reply>, SaleError> {
        let Some(row) = self.row_of(show, self.ids.make(user, show, key)).await? else {
            return Ok(None);
        };
        let body_hash = self.ids.body_hash("book", &wish::canonical(book));
        let replay = if book.confirm { replay_of_sale } else { replay_of_row };
        replay(&row, &body_hash).map(Some)
    }

    async fn find_performance(
        &self,
        show: &ShowId,
        book: &Book,
    ) -> Result<Arc<Performance>, SaleError> {
        let mut fresh = false;
        loop {
            let known = if fresh {
                self.catalogue.fresh_performances_of(show).await?
            } else {
                self.catalogue.performances_of(show).await?
            };
            if let Some(performances) = &known {
                match wish::matching(book, performances).as_slice() {
                    [] => {}
                    [one] => return Ok(Arc::clone(one)),
                    several => return Err(wish::ambiguous(several)),
                }
            }
            if fresh {
                return Err(SaleError::NotFound(if known.is_some() {
                    "the show has no such performance on that date and at that location"
                } else {
                    "there is no such show"
                }));
            }
            // Another instance may just have made it.
            fresh = true;
        }
    }

    async fn hold(&self, wanted: &Wanted) -> Result<Reply, SaleError> {
        match self.take_as_hold(wanted).await? {
            Taken::Row(row) => replay_of_row(&row, &wanted.acquire.body_hash),
            Taken::Seats(seats) if seats.seats.len() < seats.taken as usize => {
                // Partly cancelled: only the ledger knows all of it.
                let row = self.row_of(&seats.show, seats.booking).await?;
                let row = row.ok_or_else(|| {
                    SaleError::Unavailable("the row of a sold booking was not found".into())
                })?;
                replay_of_row(&row, &wanted.acquire.body_hash)
            }
            Taken::Seats(seats) => {
                fail_points::HELD.reach().await;
                Ok(Reply::new(201, answer::first_held(&seats, &wanted.performance)))
            }
        }
    }

    /// Takes the seats as a hold, or finds what the key led to before.
    async fn take_as_hold(&self, wanted: &Wanted) -> Result<Taken, SaleError> {
        let (show, id) = (&wanted.acquire.show, wanted.acquire.booking);
        // Not for where the show is: a cell that lost its map has lost its sold
        // seats too, and takes no holds until they are rebuilt.
        self.placements.of(show).await?;
        for _ in 0..EXPIRED_WAITS {
            let (taken, row) = tokio::join!(self.take(wanted, None), self.glance_at_row(show, id));
            let taken = taken?;
            if let Some(row) = row {
                // Just taken, or left by one that died before it gave them back.
                if let Acquired::Taken { seats } | Acquired::Replay { seats } = &taken
                    && seats.state == SeatState::Held
                {
                    self.give_back(seats).await;
                }
                return Ok(Taken::Row(row));
            }
            match taken {
                Acquired::Taken { seats } => return Ok(Taken::Seats(seats)),
                Acquired::Replay { seats } if ran_out(&seats) => {
                    tokio::time::sleep(EXPIRED_WAIT).await;
                }
                Acquired::Replay { seats } => return Ok(Taken::Seats(seats)),
                refused => return Err(refusal(refused)),
            }
        }
        Err(SaleError::Gone("the hold under this key ran out"))
    }

    /// Pays, then takes the seats straight into the sale.
    async fn buy(
        &self,
        wanted: &Wanted,
        token: String,
        progress: &Progress,
    ) -> Result<Reply, SaleError> {
        let (show, id) = (&wanted.acquire.show, wanted.acquire.booking);
        // Before the payment is authorised: etcd must be able to follow. What
        // was bought before is told all the same.
        if let Err(no_room) = self.locks.room(show).await {
            return match self.glance_at_row(show, id).await {
                Some(row) => replay_of_sale(&row, &wanted.acquire.body_hash),
                None => Err(of_look(no_room)),
            };
        }
        let payment = match self.gateway.authorise(self.order(wanted, token)).await {
            Authorised::Yes { reference } => reference,
            Authorised::KeyReused => return Err(SaleError::KeyReused),
            Authorised::NotReached(why) => {
                return match self.glance_at_row(show, id).await {
                    Some(row) => replay_of_sale(&row, &wanted.acquire.body_hash),
                    None => Err(SaleError::Unavailable(why)),
                };
            }
            problem @ (Authorised::Declined | Authorised::Unknown) => {
                return self.hold_unpaid(wanted, &problem).await;
            }
        };
        fail_points::AUTHORISED.reach().await;
        let mut waits = 0;
        for _ in 0..ATTEMPTS + EXPIRED_WAITS {
            let place = self.placements.of(show).await?;
            let own_pin = pin(&place);
            let attempt = Wanted {
                performance: wanted.performance.clone(),
                acquire: Acquire { pin: Some(own_pin.clone()), ..wanted.acquire.clone() },
                key: wanted.key.clone(),
            };
            match self.take(&attempt, Some(place.shards_revision)).await? {
                Acquired::MapMoved => self.placements.refresh().await?,
                Acquired::Taken { seats } => {
                    return self.sell(wanted, seats, payment, progress).await;
                }
                Acquired::Replay { seats } => match seats.state {
                    SeatState::Confirming if seats.pin.as_ref() == Some(&own_pin) => {
                        return self.sell(wanted, seats, payment, progress).await;
                    }
                    SeatState::Confirming => {
                        return match self.glance_at_row(show, id).await {
                            Some(row) => replay_of_sale(&row, &wanted.acquire.body_hash),
                            None => {
                                Ok(Reply::new(202, answer::pending(&seats, &wanted.performance)))
                            }
                        };
                    }
                    SeatState::Sold => {
                        let row = self.row_of(show, id).await?.ok_or_else(|| {
                            SaleError::Unavailable("the row of a sold booking is missing".into())
                        })?;
                        return replay_of_sale(&row, &wanted.acquire.body_hash);
                    }
                    SeatState::Held if ran_out(&seats) && waits < EXPIRED_WAITS => {
                        waits += 1;
                        tokio::time::sleep(EXPIRED_WAIT).await;
                    }
                    // A payment problem came before and the hold stayed.
                    SeatState::Held => {
                        return self.sell_held(wanted, seats, payment, progress).await;
                    }
                },
                refused => {
                    // The key may have bought seats that were cancelled and
                    // are somebody else's by now.
                    return match self.glance_at_row(show, id).await {
                        Some(row) => replay_of_sale(&row, &wanted.acquire.body_hash),
                        None => Err(refusal(refused)),
                    };
                }
            }
        }
        Err(SaleError::Unavailable("the shard map keeps moving".into()))
    }

    fn order(&self, wanted: &Wanted, token: String) -> Order {
        let acquire = &wanted.acquire;
        Order {
            booking: acquire.booking,
            key_hash: self.ids.body_hash("key", wanted.key.as_bytes()),
            token,
            amount: amount_of(&acquire.choice),
            currency: answer::currency_of(&wanted.performance),
            memo: Memo {
                show: acquire.show.clone(),
                user: acquire.user.clone(),
                performance: acquire.performance.clone(),
            },
        }
    }

    /// The payment did not work: the seats are held all the same, so that
    /// another try may follow.
    async fn hold_unpaid(&self, wanted: &Wanted, problem: &Authorised) -> Result<Reply, SaleError> {
        let id = wanted.acquire.booking;
        if let Taken::Row(row) = self.take_as_hold(wanted).await?
            && (row.direct || row.state == LedgerState::Aborted)
        {
            return replay_of_sale(&row, &wanted.acquire.body_hash);
        }
        Err(match problem {
            Authorised::Declined => SaleError::Declined(id),
            Authorised::KeyReused => SaleError::KeyReused,
            Authorised::NotReached(why) => SaleError::Unavailable(why.clone()),
            Authorised::Unknown | Authorised::Yes { .. } => SaleError::PaymentUnknown(id),
        })
    }

    async fn sell(
        &self,
        wanted: &Wanted,
        seats: BookedSeats,
        payment: String,
        progress: &Progress,
    ) -> Result<Reply, SaleError> {
        let pinned = Pinned {
            performance: wanted.performance.clone(),
            payment: payment.clone(),
            key: wanted.key.clone(),
            hash: wanted.acquire.body_hash.clone(),
            direct: true,
            seats: seats.clone(),
        };
        let committed = self.commit(pinned, progress).await?;
        self.reply_to_purchase(wanted, &seats, &payment, committed)
    }

    async fn sell_held(
        &self,
        wanted: &Wanted,
        seats: BookedSeats,
        payment: String,
        progress: &Progress,
    ) -> Result<Reply, SaleError> {
        let pinned = Pinned {
            performance: wanted.performance.clone(),
            payment: payment.clone(),
            key: wanted.key.clone(),
            hash: wanted.acquire.body_hash.clone(),
            direct: true,
            seats: seats.clone(),
        };
        let committed = self.pin_and_commit(pinned, progress).await?;
        self.reply_to_purchase(wanted, &seats, &payment, committed)
    }

    fn reply_to_purchase(
        &self,
        wanted: &Wanted,
        seats: &BookedSeats,
        payment: &str,
        committed: Committed,
    ) -> Result<Reply, SaleError> {
        match committed {
            Committed::Done(row) => Ok(Reply::new(201, answer::first_sold(&row)?)),
            Committed::Before(row) => {
                self.let_go_of(payment, &row);
                replay_of_sale(&row, &wanted.acquire.body_hash)
            }
            Committed::Pending => Ok(Reply::new(202, answer::pending(seats, &wanted.performance))),
        }
    }

    /// Asks lock-service; hands it the plan where it does not have it, and asks
    /// once more where the answer was lost: the compares make that safe.
    async fn take(
        &self,
        wanted: &Wanted,
        shards_revision: Option<u64>,
    ) -> Result<Acquired, SaleError> {
        let mut lost = 0;
        for _ in 0..ATTEMPTS {
            let answer = match shards_revision {
                None => self.locks.acquire(&wanted.acquire).await,
                Some(shards_revision) => {
                    let acquire = wanted.acquire.clone();
                    let request = AcquireToConfirm { acquire, shards_revision };
                    self.locks.acquire_to_confirm(&request).await
                }
            };
            match answer {
                Ok(Acquired::PlanUnknown) => {
                    let (id, plan) = (&wanted.performance.plan_id, &wanted.performance.plan);
                    self.locks.put_plan(&wanted.acquire.show, id, plan).await.map_err(of_look)?;
                }
                Err(LockError::Unknown(_)) if lost == 0 => lost += 1,
                Ok(verdict) => {
                    let (performance, at) =
                        (&wanted.acquire.performance, service_kit::clock::now());
                    self.analytics.demand().wanted(performance, &verdict, at);
                    return Ok(verdict);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(SaleError::Unavailable("lock-service keeps asking for the plan".into()))
    }

    /// Releases seats that were taken under a key that is used up.
    async fn give_back(&self, seats: &BookedSeats) {
        fail_points::HELD_FOR_A_USED_KEY.reach().await;
        let at = AtFence { booking: seats.booking, fence: seats.fence };
        if let Err(error) = self.locks.release(&seats.show, &at).await {
            tracing::warn!(booking = %seats.booking, %error, "a leftover hold stays until it expires");
        }
        fail_points::GIVEN_BACK.reach().await;
    }
}

fn ran_out(seats: &BookedSeats) -> bool {
    seats.state == SeatState::Held && answer::is_over(seats, service_kit::clock::now())
}

/// What the wanted seats cost: of a tier, all seats cost the same.
fn amount_of(choice: &Choice) -> u64 {
    match choice {
        Choice::Seats { seats, .. } => seats.iter().map(|seat| seat.price).sum(),
        Choice::Pick { price, quantity, .. } => price * u64::from(*quantity),
    }
}

/// The first answer under a key whose booking has a row (INV-8).
fn replay_of_row(row: &LedgerBooking, body_hash: &str) -> Result<Reply, SaleError> {
    require_same(row, body_hash)?;
    let booking =
        if row.direct { answer::first_sold(row)? } else { answer::first_held_of_row(row)? };
    Ok(Reply::new(201, booking))
}

/// The same for a request with `confirm`.
fn replay_of_sale(row: &LedgerBooking, body_hash: &str) -> Result<Reply, SaleError> {
    require_same(row, body_hash)?;
    Ok(Reply::new(201, answer::first_sold(row)?))
}

fn require_same(row: &LedgerBooking, body_hash: &str) -> Result<(), SaleError> {
    if row.state == LedgerState::Aborted {
        return Err(SaleError::Gone("the booking under this key was aborted; choose a new key"));
    }
    if row.body_hash == body_hash { Ok(()) } else { Err(SaleError::KeyReused) }
}

/// The error of a verdict that gives no seats.
fn refusal(verdict: Acquired) -> SaleError {
    match verdict {
        Acquired::BodyMismatch => SaleError::KeyReused,
        Acquired::SeatTaken { conflicts } => SaleError::SeatTaken(conflicts),
        Acquired::SoldOut => SaleError::SoldOut,
        Acquired::NoAdjacentSeats => SaleError::NoAdjacentSeats,
        Acquired::LeavesSingleSeat { singles } => SaleError::LeavesSingleSeat(singles),
        Acquired::LimitPerCustomer { .. } => SaleError::Limit,
        Acquired::MapMoved => SaleError::Unavailable("the shard map moved".into()),
        Acquired::PlanUnknown | Acquired::Taken { .. } | Acquired::Replay { .. } => {
            SaleError::Broken("a verdict that is no refusal was taken for one".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use seat_model::{BookingId, Fence, PerformanceId, Timestamp};

    use super::*;

    fn row(direct: bool, state: LedgerState) -> LedgerBooking {
        LedgerBooking {
            id: BookingId::from_bytes([1; 16]),
            state,
            user: UserId::new("ann").unwrap(),
            show: ShowId::new("hamlet").unwrap(),
            performance: PerformanceId::new("p1").unwrap(),
            fence: Fence::from_u64(9),
            acquired: Fence::from_u64(7),
            first_deadline: Timestamp::from_millis(1_000),
            body_hash: "h".into(),
            direct,
            confirm_key: "k".into(),
            confirm_hash: "c".into(),
            payment: "p".into(),
            currency: "EUR".into(),
            written_at: Timestamp::from_millis(500),
            tickets: Vec::new(),
        }
    }

    #[test]
    fn a_used_key_gets_its_first_answer_whatever_became_of_the_booking() {
        use booking_api_client::BookingState::{Confirmed, Held};
        for state in [LedgerState::Confirmed, LedgerState::Cancelled] {
            for (direct, first) in [(true, Confirmed), (false, Held)] {
                let Ok(Reply::Booking(201, booking)) = replay_of_row(&row(direct, state), "h")
                else {
                    panic!("no booking");
                };
                assert_eq!(booking.state, first);
            }
        }
    }

    #[test]
    fn another_body_or_an_aborted_booking_is_refused() {
        let sold = row(true, LedgerState::Confirmed);
        assert_eq!(replay_of_row(&sold, "other"), Err(SaleError::KeyReused));
        let aborted = row(true, LedgerState::Aborted);
        assert!(matches!(replay_of_sale(&aborted, "h"), Err(SaleError::Gone(_))));
    }
}
