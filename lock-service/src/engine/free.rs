//! Frees the seats of cancelled tickets.

use std::sync::Arc;
use std::time::Instant;

use lock_service_client::wire::{FreeSeats, Freed};

use super::Engine;
use crate::fail_points;
use crate::fault::Fault;
use crate::operations::{FreePlan, Freeing};

impl Engine {
    /// Frees each seat where it is `sold` by this booking, once (INV-7). What
    /// is nobody's or somebody else's by now counts as done.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn free(self: &Arc<Self>, request: FreeSeats) -> Result<Freed, Fault> {
        self.gate()?;
        let until = self.deadline();
        while Instant::now() < until {
            self.catch_up.now(until).await?;
            let seen = self
                .mirror
                .read(|state| state.booking(request.booking))
                .filter(|seen| seen.performance == request.performance);
            let freed = match FreePlan::decide(seen, &request.seats) {
                Freeing::Done => Freed::Done,
                Freeing::Confirming => Freed::Confirming,
                Freeing::Send(plan) => {
                    fail_points::FREEING.reach().await;
                    if !self.submit(plan.txn(), until).await?.succeeded {
                        // Something of the booking moved: look again.
                        continue;
                    }
                    fail_points::FREED.reach().await;
                    Freed::Done
                }
            };
            let verdict = if freed == Freed::Done { "done" } else { "confirming" };
            self.metrics.operation("free", verdict);
            return Ok(freed);
        }
        Err(Fault::Unavailable("the booking kept moving".into()))
    }
}
