//! What the organiser's calls need of the sale: placing a show, what was sold
//! of it, ending the sale of a performance.

use seat_model::{PerformanceId, ShowId};

use super::Sale;
use super::error::{SaleError, of_read};
use crate::fail_points;
use crate::store::{Refusal, StoreError, TierTotals};

/// Bookings cancelled in one bite when a performance is closed.
const CANCEL_AT_ONCE: u32 = 500;

impl Sale {
    /// Places a new show on its shard; again changes nothing.
    ///
    /// The only place that does: a commit that placed a show on the fly could
    /// place it again on a shard it was moved away from (INV-13).
    pub(crate) async fn place_show(&self, show: &ShowId) -> Result<(), SaleError> {
        let place = self.placements.of(show).await?;
        self.shards.get(&place.shard)?.place(show, place.epoch).await?;
        fail_points::SHOW_PLACED.reach().await;
        Ok(())
    }

    /// What was sold of a show, by performance and tier.
    pub(crate) async fn sales(&self, show: &ShowId) -> Result<Vec<TierTotals>, SaleError> {
        self.shard_of(show).await?.totals(show).await.map_err(|error| of_read(&error))
    }

    /// Ends the sale of a performance; with `cancel_bookings` cancels and
    /// refunds what was sold of it. May be repeated.
    pub(crate) async fn close_performance(
        &self,
        show: &ShowId,
        performance: &PerformanceId,
        cancel_bookings: bool,
    ) -> Result<(), SaleError> {
        let place = self.placements.of(show).await?;
        let shard = self.shards.get(&place.shard)?;
        let at = service_kit::clock::now();
        match shard.close_performance(show, performance, place.epoch, cancel_bookings, at).await {
            Ok(()) => {}
            Err(StoreError::Refused(Refusal::TicketsLive)) => return Err(SaleError::TicketsLive),
            Err(StoreError::Refused(Refusal::StalePlacement)) => {
                self.placements.refresh().await?;
                return Err(SaleError::Unavailable("the show is being moved".into()));
            }
            Err(error) => return Err(error.into()),
        }
        fail_points::PERFORMANCE_CLOSED.reach().await;
        if !cancel_bookings {
            return Ok(());
        }
        loop {
            let sold = shard
                .sold_bookings(performance, CANCEL_AT_ONCE)
                .await
                .map_err(|error| of_read(&error))?;
            if sold.is_empty() {
                return Ok(());
            }
            for booking in sold {
                // Its seats are freed by the outbox; nobody can buy them anyway.
                shard.cancel(booking, show, place.epoch, None, service_kit::clock::now()).await?;
                fail_points::CLOSING_CANCELLED.reach().await;
            }
        }
    }
}
