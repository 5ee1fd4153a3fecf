//! Looking: a booking's seats, what is being confirmed, counts.

use std::time::Duration;

use lock_service_client::wire::{BookedSeats, PerformanceCounts};
use seat_model::{BookingId, PerformanceId};

use super::Engine;
use crate::fault::Fault;

/// Bookings listed at once.
const MAX_CONFIRMING: usize = 1000;

impl Engine {
    /// The seats of a booking, after the catch-up read: `None` means that it
    /// has none, not that they were not seen yet.
    ///
    /// # Errors
    /// See [`Fault`]; a look changes nothing.
    pub async fn booking(&self, booking: BookingId) -> Result<Option<BookedSeats>, Fault> {
        self.gate()?;
        self.catch_up.now(self.deadline()).await?;
        Ok(self
            .mirror
            .read(|state| state.booking(booking).map(|seen| seen.booked(state.cell_epoch()))))
    }

    /// Whether a confirm would be begun: refused here, it is refused before a
    /// payment is authorised for it. Answered from what is known, without etcd.
    ///
    /// # Errors
    /// `Unavailable` and `NoRoom`.
    pub fn room_to_confirm(&self) -> Result<(), Fault> {
        self.gate()?;
        self.room()
    }

    /// Bookings watched in `confirming`, unchanged, for at least so long. What
    /// is done about them compares, so the mirror need not have caught up.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn confirming(&self, for_at_least: Duration) -> Result<Vec<BookedSeats>, Fault> {
        self.gate()?;
        Ok(self.mirror.read(|state| {
            state
                .confirming()
                .filter_map(|booking| state.booking(booking))
                .filter(|seen| seen.record().state == seat_model::SeatState::Confirming)
                .filter(|seen| seen.since.elapsed() >= for_at_least)
                .take(MAX_CONFIRMING)
                .map(|seen| seen.booked(state.cell_epoch()))
                .collect()
        }))
    }

    /// Seats of a performance by tier, as the mirror has them.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn counts(&self, performance: &PerformanceId) -> Result<PerformanceCounts, Fault> {
        self.gate()?;
        Ok(self.mirror.read(|state| state.counts(performance)))
    }
}
