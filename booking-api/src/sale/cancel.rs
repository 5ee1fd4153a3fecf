//! Giving back: a hold, a booking, one ticket of a booking (step 7).

use booking_api_client::Booking;
use lock_service_client::LockError;
use lock_service_client::wire::{AtFence, BookedSeats, FreeSeats, Moved};
use seat_model::{BookingId, SeatState, ShowId, TicketId, UserId};

use super::answer::Reply;
use super::error::{SaleError, of_read};
use super::placement::Place;
use super::{Progress, Sale, answer};
use crate::fail_points;
use crate::store::{
    KeepAnswer, LedgerBooking, LedgerState, Refusal, Remembered, Shard, StoreError,
};

/// How often the seats are read again before giving up.
const ATTEMPTS: usize = 4;

/// A released hold has no row and no seats: that it was released, and not
/// merely ran out, is remembered under this name for a day.
const RELEASED: &str = "released";

/// A request under a key, for its answer to be kept with the change.
#[derive(Clone, Copy)]
struct Under<'a> {
    user: &'a UserId,
    /// The request with everything that matters in it.
    call: &'a str,
    key: &'a str,
}

impl Sale {
    /// `DELETE /v1/book/{showId}/{bookingId}`.
    pub(crate) async fn cancel(
        &self,
        show: ShowId,
        user: UserId,
        id: BookingId,
        key: Option<String>,
    ) -> Result<Reply, SaleError> {
        self.require_own(id, &user, &show)?;
        let sale = self.clone();
        self.in_time(Progress::default(), async move {
            let call = format!("cancel/{id}");
            let under = key.as_deref().map(|key| Under { user: &user, call: &call, key });
            let work = sale.cancel_all(&show, &user, id, under);
            sale.once(&show, &user, &call, key.as_deref(), work).await
        })
        .await
    }

    /// `DELETE /v1/book/{showId}/{bookingId}/tickets/{ticketId}`.
    pub(crate) async fn cancel_ticket(
        &self,
        show: ShowId,
        user: UserId,
        id: BookingId,
        ticket: TicketId,
        key: Option<String>,
    ) -> Result<Reply, SaleError> {
        self.require_own(id, &user, &show)?;
        let number = answer::ticket_number(id, &ticket)
            .ok_or(SaleError::NotFound("the booking has no such ticket"))?;
        let sale = self.clone();
        self.in_time(Progress::default(), async move {
            let call = format!("cancel/{id}/{number}");
            let under = key.as_deref().map(|key| Under { user: &user, call: &call, key });
            let work = sale.cancel_one(&show, id, number, under);
            sale.once(&show, &user, &call, key.as_deref(), work).await
        })
        .await
    }

    async fn cancel_all(
        &self,
        show: &ShowId,
        user: &UserId,
        id: BookingId,
        under: Option<Under<'_>>,
    ) -> Result<Reply, SaleError> {
        for _ in 0..ATTEMPTS {
            if let Some(seats) = self.seats_of(show, id).await? {
                match seats.state {
                    SeatState::Held => match self.release(&seats).await? {
                        moved @ (Moved::Done { .. } | Moved::Gone) => {
                            if matches!(moved, Moved::Done { .. }) {
                                let at = service_kit::clock::now();
                                self.analytics.demand().released(&seats.performance, at);
                            }
                            return self.released(user, &seats).await;
                        }
                        Moved::Expired => return Err(SaleError::Gone("the hold ran out")),
                        Moved::Changed { .. }
                        | Moved::OtherAttempt { .. }
                        | Moved::AtCap { .. }
                        | Moved::MapMoved => continue,
                    },
                    SeatState::Confirming => {
                        let row = self.row_behind(&seats).await?;
                        return self.cancel_row(&row, None, under).await;
                    }
                    SeatState::Sold => {}
                }
            }
            return match self.row_of(show, id).await? {
                Some(row) => self.cancel_row(&row, None, under).await,
                None => self.released_before(show, user, id).await,
            };
        }
        Err(SaleError::Unavailable("the hold keeps changing".into()))
    }

    async fn cancel_one(
        &self,
        show: &ShowId,
        id: BookingId,
        number: u16,
        under: Option<Under<'_>>,
    ) -> Result<Reply, SaleError> {
        let row = match self.seats_of(show, id).await? {
            Some(seats) if seats.state == SeatState::Held => {
                return Err(SaleError::NotFound("a hold has no tickets"));
            }
            Some(seats) if seats.state == SeatState::Confirming => self.row_behind(&seats).await?,
            Some(_) | None => self
                .row_of(show, id)
                .await?
                .ok_or(SaleError::Gone("the hold ran out or was released"))?,
        };
        if row.tickets.iter().all(|ticket| ticket.number != number) {
            return Err(SaleError::NotFound("the booking has no such ticket"));
        }
        self.cancel_row(&row, Some(number), under).await
    }

    async fn release(&self, seats: &BookedSeats) -> Result<Moved, SaleError> {
        let at = AtFence { booking: seats.booking, fence: seats.fence };
        let moved = match self.locks.release(&seats.show, &at).await {
            Err(LockError::Unknown(_)) => self.locks.release(&seats.show, &at).await?,
            other => other?,
        };
        Ok(moved)
    }

    async fn released(&self, user: &UserId, seats: &BookedSeats) -> Result<Reply, SaleError> {
        fail_points::RELEASED.reach().await;
        let performance = self.performance_of(&seats.show, &seats.performance).await?;
        let booking = answer::released(seats, &performance);
        let kept = Remembered { body_hash: String::new(), status: 200, body: in_json(&booking) };
        let name = seats.booking.to_string();
        self.remember(&seats.show, user, RELEASED, &name, &kept).await;
        fail_points::RELEASE_REMEMBERED.reach().await;
        Ok(Reply::new(200, booking))
    }

    /// Nothing is left of the booking: was it released, or did it run out?
    async fn released_before(
        &self,
        show: &ShowId,
        user: &UserId,
        id: BookingId,
    ) -> Result<Reply, SaleError> {
        match self.recall(show, user, RELEASED, &id.to_string()).await {
            Some(kept) => Ok(Reply::Kept { status: kept.status, body: kept.body }),
            None => Err(SaleError::Gone("the hold ran out or was released")),
        }
    }

    /// The row of seats that are still `confirming`, finished first. While the
    /// commit's outcome is unknown nothing is cancelled.
    async fn row_behind(&self, seats: &BookedSeats) -> Result<LedgerBooking, SaleError> {
        let Some(pin) = &seats.pin else {
            return Err(SaleError::Broken("confirming seats have no pin".into()));
        };
        let shard = self.shards.get(&pin.shard)?;
        let row = shard.read(seats.booking).await.map_err(|error| of_read(&error))?;
        match row {
            None => Err(SaleError::ConfirmInProgress),
            Some(row) => {
                if row.state == LedgerState::Confirmed && row.fence == seats.fence {
                    self.finish(&seats.show, seats.booking, seats.fence).await?;
                }
                Ok(row)
            }
        }
    }

    /// Cancels tickets in the ledger, then frees their seats. Repeating it
    /// cancels nothing more and answers the same (INV-7).
    async fn cancel_row(
        &self,
        row: &LedgerBooking,
        number: Option<u16>,
        under: Option<Under<'_>>,
    ) -> Result<Reply, SaleError> {
        match row.state {
            LedgerState::Aborted => return Err(SaleError::Gone("the booking was aborted")),
            LedgerState::Cancelled => return Ok(Reply::new(200, answer::sold(row)?)),
            LedgerState::Confirmed => {}
        }
        let show = &row.show;
        let mut refreshed = false;
        let after = loop {
            let place = self.placements.of(show).await?;
            let shard = self.shards.get(&place.shard)?;
            match cancel_on(shard, row, &place, number, under).await {
                Ok(after) => break after,
                Err(StoreError::Refused(Refusal::StalePlacement)) if !refreshed => {
                    self.placements.refresh().await?;
                    refreshed = true;
                }
                Err(StoreError::Refused(Refusal::StalePlacement)) => {
                    return Err(SaleError::Unavailable("the show is being moved".into()));
                }
                Err(error) => return Err(error.into()),
            }
        };
        fail_points::CANCELLED.reach().await;
        let after = after.ok_or_else(|| {
            SaleError::OutcomeUnknown("the cancelled booking was not read".into())
        })?;
        self.free_cancelled(&after).await;
        Ok(Reply::new(200, answer::sold(&after)?))
    }

    /// Frees the seats of every cancelled ticket; what fails here the outbox
    /// does. Only seats still `sold` by this booking are touched, so a later
    /// owner's never are.
    async fn free_cancelled(&self, row: &LedgerBooking) {
        let free = FreeSeats {
            performance: row.performance.clone(),
            booking: row.id,
            seats: row
                .tickets
                .iter()
                .filter(|ticket| !ticket.valid)
                .map(|ticket| ticket.seat.clone())
                .collect(),
        };
        match self.locks.free(&row.show, &free).await {
            Ok(_) => fail_points::FREED.reach().await,
            Err(error) => {
                tracing::warn!(booking = %row.id, %error, "cancelled seats are left to the outbox");
            }
        }
    }
}

/// One transaction of the ledger, under a key with its answer in it. The
/// booking after it; `None`: it was cancelled, and not read afterwards.
async fn cancel_on(
    shard: &Shard,
    row: &LedgerBooking,
    place: &Place,
    number: Option<u16>,
    under: Option<Under<'_>>,
) -> Result<Option<LedgerBooking>, StoreError> {
    let at = service_kit::clock::now();
    let Some(Under { user, call, key }) = under else {
        shard.cancel(row.id, &row.show, place.epoch, number, at).await?;
        return Ok(shard.read(row.id).await.ok().flatten());
    };
    let body = |row: &LedgerBooking| {
        answer::sold(row).map(|booking| in_json(&booking)).unwrap_or_default()
    };
    let keep = KeepAnswer { user, scope: call, key, body: &body, at };
    shard.cancel_and_keep(row.id, &row.show, place.epoch, number, keep).await
}

fn in_json(booking: &Booking) -> String {
    serde_json::to_string(booking).unwrap_or_default()
}
