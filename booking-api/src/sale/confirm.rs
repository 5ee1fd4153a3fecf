//! Confirming a hold: authorise, pin the seats, commit, answer.

use booking_api_client::Confirm;
use lock_service_client::LockError;
use lock_service_client::wire::{BeginConfirm, BookedSeats, Moved};
use seat_model::{BookingId, FieldError, SeatState, ShowId, UserId};

use super::answer::Reply;
use super::commit::{Committed, Pinned, pin};
use super::error::{SaleError, of_look, problem_of};
use super::payment::{Authorised, Gateway, Memo, Order};
use super::{Progress, Sale, answer};
use crate::catalogue::Performance;
use crate::fail_points;
use crate::store::{LedgerBooking, LedgerState, Remembered};

/// How often the seats or the shard map are read again before giving up.
const ATTEMPTS: usize = 4;

/// Which booking, whose, and under which key.
struct Asked {
    show: ShowId,
    user: UserId,
    id: BookingId,
    key: String,
    token: String,
    hash: String,
}

impl Asked {
    fn scope(&self) -> String {
        format!("confirm/{}", self.id)
    }
}

impl Sale {
    /// `POST /v1/book/{showId}/{bookingId}/confirm`.
    pub(crate) async fn confirm(
        &self,
        show: ShowId,
        user: UserId,
        id: BookingId,
        key: String,
        body: Confirm,
    ) -> Result<Reply, SaleError> {
        if !Gateway::knows(&body.payment_token) {
            let fault = FieldError::new("payment_token", "is not known to the payment gateway");
            return Err(SaleError::Invalid(vec![fault]));
        }
        self.require_own(id, &user, &show)?;
        let hash = self.ids.body_hash("confirm", body.payment_token.as_bytes());
        let asked = Asked { show, user, id, key, token: body.payment_token, hash };
        let guard = self.in_flight.enter(&asked.user, &asked.scope(), &asked.key)?;
        let (sale, progress) = (self.clone(), Progress::default());
        self.in_time(progress.clone(), async move {
            let ended = sale.confirm_now(&asked, &progress).await;
            drop(guard);
            ended
        })
        .await
    }

    async fn confirm_now(&self, asked: &Asked, progress: &Progress) -> Result<Reply, SaleError> {
        let (show, id) = (&asked.show, asked.id);
        let scope = asked.scope();
        // Side by side: what this key was told before is only worth a glance.
        let (seats, room, kept) = tokio::join!(
            self.seats_of(show, id),
            self.locks.room(show),
            self.recall(show, &asked.user, &scope, &asked.key)
        );
        if let Some(kept) = kept {
            if kept.body_hash != asked.hash {
                return Err(SaleError::KeyReused);
            }
            return Ok(Reply::Kept { status: kept.status, body: kept.body });
        }
        let Some(seats) = seats? else { return self.confirmed_before(asked).await };
        match seats.state {
            SeatState::Sold => return self.confirmed_before(asked).await,
            SeatState::Confirming => {
                if let Some(row) = self.glance_at_row(show, id).await {
                    return self.told_of(&row, asked).await;
                }
                let performance = self.performance_of(show, &seats.performance).await?;
                return Ok(Reply::new(202, answer::pending(&seats, &performance)));
            }
            SeatState::Held => {}
        }
        let now = service_kit::clock::now();
        if answer::is_over(&seats, now) {
            return Err(SaleError::Gone("the hold ran out"));
        }
        self.metrics.time_left.observe(answer::time_left(&seats, now).as_secs_f64());
        // Before the payment is authorised: etcd must be able to follow.
        room.map_err(of_look)?;
        let performance = self.performance_of(show, &seats.performance).await?;
        let payment = self.authorise(asked, &seats, &performance).await?;
        fail_points::AUTHORISED.reach().await;
        let pinned = Pinned {
            performance: performance.clone(),
            payment: payment.clone(),
            key: asked.key.clone(),
            hash: asked.hash.clone(),
            direct: false,
            seats: seats.clone(),
        };
        match self.pin_and_commit(pinned, progress).await? {
            Committed::Done(row) => Ok(Reply::new(200, answer::first_sold(&row)?)),
            Committed::Before(row) => {
                self.let_go_of(&payment, &row);
                self.told_of(&row, asked).await
            }
            Committed::Pending => Ok(Reply::new(202, answer::pending(&seats, &performance))),
        }
    }

    async fn authorise(
        &self,
        asked: &Asked,
        seats: &BookedSeats,
        performance: &Performance,
    ) -> Result<String, SaleError> {
        let order = Order {
            booking: asked.id,
            key_hash: self.ids.body_hash("key", asked.key.as_bytes()),
            token: asked.token.clone(),
            amount: seats.seats.iter().map(|seat| seat.price).sum(),
            currency: answer::currency_of(performance),
            memo: Memo {
                show: asked.show.clone(),
                user: asked.user.clone(),
                performance: seats.performance.clone(),
            },
        };
        match self.gateway.authorise(order).await {
            Authorised::Yes { reference } => Ok(reference),
            Authorised::Declined => {
                let declined = SaleError::Declined(asked.id);
                let problem = problem_of(declined.clone());
                let answer = Remembered {
                    body_hash: asked.hash.clone(),
                    status: problem.status,
                    body: serde_json::to_string(&problem).unwrap_or_default(),
                };
                self.remember(&asked.show, &asked.user, &asked.scope(), &asked.key, &answer).await;
                fail_points::DECLINE_REMEMBERED.reach().await;
                Err(declined)
            }
            Authorised::KeyReused => Err(SaleError::KeyReused),
            Authorised::NotReached(why) => Err(SaleError::Unavailable(why)),
            Authorised::Unknown => Err(SaleError::PaymentUnknown(asked.id)),
        }
    }

    /// No hold is there: the ledger says why.
    async fn confirmed_before(&self, asked: &Asked) -> Result<Reply, SaleError> {
        match self.row_of(&asked.show, asked.id).await? {
            Some(row) => self.told_of(&row, asked).await,
            None => Err(SaleError::Gone("the hold ran out or was released")),
        }
    }

    /// What a confirm is told of a booking that has a row. Under a key that did
    /// not confirm it that is its present state: kept, for it may change.
    async fn told_of(&self, row: &LedgerBooking, asked: &Asked) -> Result<Reply, SaleError> {
        let reply = replay(row, asked)?;
        if !row.direct && row.confirm_key == asked.key {
            return Ok(reply);
        }
        let (show, user, scope) = (&asked.show, &asked.user, asked.scope());
        Ok(self.keep_first(show, user, &scope, &asked.key, &asked.hash, reply).await)
    }

    /// Step 3, then 4 and 5: pins the seats of a hold for this attempt alone.
    pub(super) async fn pin_and_commit(
        &self,
        mut pinned: Pinned,
        progress: &Progress,
    ) -> Result<Committed, SaleError> {
        let (show, id) = (pinned.seats.show.clone(), pinned.seats.booking);
        for _ in 0..ATTEMPTS {
            let place = self.placements.of(&show).await?;
            let begin = BeginConfirm {
                booking: id,
                fence: pinned.seats.fence,
                pin: pin(&place),
                shards_revision: place.shards_revision,
            };
            let moved = match self.locks.begin_confirm(&show, &begin).await {
                // The same compares and the same nonce: it may be sent again.
                Err(LockError::Unknown(_)) => self.locks.begin_confirm(&show, &begin).await?,
                other => other?,
            };
            match moved {
                Moved::Done { seats: Some(seats) } => {
                    pinned.seats = seats;
                    return self.commit(pinned, progress).await;
                }
                // Never commit under a nonce that is not one's own (INV-4).
                Moved::OtherAttempt { .. } => {
                    return Ok(match self.glance_at_row(&show, id).await {
                        Some(row) => Committed::Before(row),
                        None => Committed::Pending,
                    });
                }
                Moved::Changed { seats } | Moved::AtCap { seats } => match seats.state {
                    SeatState::Held => pinned.seats = seats,
                    SeatState::Confirming => return Ok(Committed::Pending),
                    SeatState::Sold => {
                        let row = self.row_of(&show, id).await?;
                        return row.map(Committed::Before).ok_or_else(|| {
                            SaleError::Unavailable("the row of a sold booking is missing".into())
                        });
                    }
                },
                Moved::Gone => {
                    let row = self.row_of(&show, id).await?;
                    return row
                        .map(Committed::Before)
                        .ok_or(SaleError::Gone("the hold ran out or was released"));
                }
                Moved::Expired => return Err(SaleError::Gone("the hold ran out")),
                Moved::MapMoved => self.placements.refresh().await?,
                Moved::Done { seats: None } => {
                    return Err(SaleError::Broken("pinned seats were not shown".into()));
                }
            }
        }
        Err(SaleError::Unavailable("the hold keeps changing".into()))
    }
}

/// What a confirm is told of a booking that has a row: the first answer under
/// the key that confirmed it, the present state under any other. Nothing is
/// charged twice.
fn replay(row: &LedgerBooking, asked: &Asked) -> Result<Reply, SaleError> {
    if row.state == LedgerState::Aborted {
        return Err(SaleError::Gone("the booking was aborted"));
    }
    if !row.direct && row.confirm_key == asked.key {
        if row.confirm_hash != asked.hash {
            return Err(SaleError::KeyReused);
        }
        return Ok(Reply::new(200, answer::first_sold(row)?));
    }
    if row.state == LedgerState::Cancelled {
        return Err(SaleError::Gone("the booking was cancelled"));
    }
    Ok(Reply::new(200, answer::sold(row)?))
}
