//! Holding longer.

use lock_service_client::LockError;
use lock_service_client::wire::{AtFence, Moved};
use seat_model::{BookingId, SeatState, ShowId, UserId};

use super::answer::Reply;
use super::error::SaleError;
use super::{Sale, answer};
use crate::fail_points;

/// How often the seats are read again before giving up.
const ATTEMPTS: usize = 4;

impl Sale {
    /// `POST /v1/book/{showId}/{bookingId}/extend`.
    pub(crate) async fn extend(
        &self,
        show: ShowId,
        user: UserId,
        id: BookingId,
        key: Option<String>,
    ) -> Result<Reply, SaleError> {
        self.require_own(id, &user, &show)?;
        let call = format!("extend/{id}");
        self.once(&show, &user, &call, key.as_deref(), self.extend_now(&show, id)).await
    }

    async fn extend_now(&self, show: &ShowId, id: BookingId) -> Result<Reply, SaleError> {
        for _ in 0..ATTEMPTS {
            let Some(seats) = self.seats_of(show, id).await? else {
                return Err(SaleError::Gone("there is no hold to extend"));
            };
            match seats.state {
                SeatState::Held => {}
                SeatState::Confirming => return Err(SaleError::ConfirmInProgress),
                SeatState::Sold => {
                    return Err(SaleError::Gone("it is bought already: no hold to extend"));
                }
            }
            let performance = self.performance_of(show, &seats.performance).await?;
            let at = AtFence { booking: id, fence: seats.fence };
            let moved = match self.locks.extend(show, &at).await {
                Err(LockError::Unknown(_)) => self.locks.extend(show, &at).await?,
                other => other?,
            };
            match moved {
                Moved::Done { seats: Some(seats) } | Moved::AtCap { seats } => {
                    fail_points::EXTENDED.reach().await;
                    return Ok(Reply::new(200, answer::held(&seats, &performance)));
                }
                Moved::Changed { .. } | Moved::Done { seats: None } | Moved::MapMoved => {}
                Moved::OtherAttempt { .. } => return Err(SaleError::ConfirmInProgress),
                Moved::Gone | Moved::Expired => return Err(SaleError::Gone("the hold ran out")),
            }
        }
        Err(SaleError::Unavailable("the hold keeps changing".into()))
    }
}
