//! Does what ledger writes left in the outbox: captures, refunds, voids, and
//! the freeing of cancelled seats that the request did not live to do; leaves
//! to `webhooks` what organisers are told of it.
//!
//! At least once, in order per booking; everything it calls tolerates repeats
//! (INV-7, INV-10). Any number of instances relay any shard.

use std::time::Duration;

use lock_service_client::wire::{FreeSeats, Freed};
use seat_model::Timestamp;

use super::Sale;
use crate::fail_points;
use crate::store::{OutboxRow, OutboxWork, Settlement, Shard, ShardMetrics, StoreError};

/// How often the backlog is counted and old answers are forgotten.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(5);

/// How long answers are remembered, in milliseconds: a day.
const REMEMBER_MS: i64 = 24 * 3_600 * 1_000;

impl Sale {
    /// Starts a relay for each shard.
    pub(super) fn relay(&self, metrics: &ShardMetrics) {
        for shard in self.shards.iter() {
            let (sale, shard, metrics) = (self.clone(), shard.clone(), metrics.clone());
            self.background.supervise("outbox", move || {
                sale.clone().relay_forever(shard.clone(), metrics.clone())
            });
        }
    }

    async fn relay_forever(self, shard: Shard, metrics: ShardMetrics) -> Result<(), StoreError> {
        let pause = Duration::from_millis(self.config.outbox_every_ms.max(10));
        let mut housekept = tokio::time::Instant::now();
        loop {
            let rows =
                shard.claim_outbox(self.config.outbox_batch, self.config.outbox_claim_ms).await?;
            let full = u32::try_from(rows.len()).is_ok_and(|n| n >= self.config.outbox_batch);
            if !rows.is_empty() {
                fail_points::OUTBOX_CLAIMED.reach().await;
                self.relay_rows(&shard, &rows).await?;
            }
            if housekept.elapsed() >= HOUSEKEEPING_EVERY {
                housekept = tokio::time::Instant::now();
                let backlog = shard.outbox_backlog().await?;
                metrics.outbox_backlog.with_label_values(&[shard.id().as_str()]).set(backlog);
                let now = service_kit::clock::now().as_millis();
                shard.forget_before(Timestamp::from_millis(now - REMEMBER_MS)).await?;
            }
            if !full {
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn relay_rows(&self, shard: &Shard, rows: &[OutboxRow]) -> Result<(), StoreError> {
        let orders: Vec<Settlement> = rows.iter().map(settlement).collect();
        self.gateway.settle(shard, &orders).await?;
        fail_points::SETTLED.reach().await;
        let mut done = Vec::with_capacity(rows.len());
        for row in rows {
            if self.after_settlement(row).await {
                self.metrics.relayed.with_label_values(&[kind(&row.work)]).inc();
                done.push(row.seq);
            }
        }
        let tell = self.webhooks.announce(shard, rows, &done).await?;
        shard.complete_outbox(&done, &tell).await?;
        fail_points::OUTBOX_COMPLETED.reach().await;
        Ok(())
    }

    /// Frees cancelled seats; answers whether the row is done. One that is not
    /// comes again when its claim has run out.
    async fn after_settlement(&self, row: &OutboxRow) -> bool {
        let OutboxWork::Cancelled(refund) = &row.work else { return true };
        let free = FreeSeats {
            performance: refund.performance_id.clone(),
            booking: row.booking,
            seats: refund.seats.clone(),
        };
        match self.locks.free(&row.show, &free).await {
            Ok(Freed::Done) => {
                fail_points::OUTBOX_FREED.reach().await;
                true
            }
            Ok(Freed::Confirming) => false,
            Err(error) => {
                tracing::warn!(booking = %row.booking, %error, "cancelled seats are not free yet");
                false
            }
        }
    }
}

fn settlement(row: &OutboxRow) -> Settlement {
    match &row.work {
        OutboxWork::Confirmed(sold) => {
            Settlement::Capture { booking: row.booking, sold: sold.clone() }
        }
        OutboxWork::Cancelled(refund) => Settlement::Refund { refund: refund.clone() },
        OutboxWork::Aborted => Settlement::Void { booking: row.booking },
    }
}

fn kind(work: &OutboxWork) -> &'static str {
    match work {
        OutboxWork::Confirmed(_) => "confirmed",
        OutboxWork::Cancelled(_) => "cancelled",
        OutboxWork::Aborted => "aborted",
    }
}
