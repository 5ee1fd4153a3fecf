//! Bookings that are STUCK: their payment cannot be settled, because the
//! gateway definitely refuses it. Organisers see them and may have them tried
//! again at once, when whatever was wrong has been put right.

use seat_model::{BookingId, ShowId};

use super::Sale;
use super::error::{SaleError, of_read};
use crate::store::Stuck;

impl Sale {
    /// What is stuck of a show, the oldest first.
    pub(crate) async fn stuck(&self, show: &ShowId) -> Result<Vec<Stuck>, SaleError> {
        self.shard_of(show).await?.stuck(show).await.map_err(|error| of_read(&error))
    }

    /// Has a stuck booking settled at once; answers how it stood.
    pub(crate) async fn retry_stuck(
        &self,
        show: &ShowId,
        booking: BookingId,
    ) -> Result<Stuck, SaleError> {
        let found = self.shard_of(show).await?.retry_stuck(show, booking).await?;
        found.ok_or(SaleError::NotFound("no such booking of the show is stuck"))
    }
}
