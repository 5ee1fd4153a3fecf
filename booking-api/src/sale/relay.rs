//! Does what ledger writes left in the outbox: captures, refunds, voids, and
//! the freeing of cancelled seats that the request did not live to do; leaves
//! to `webhooks` what organisers are told of it.
//!
//! What the gateway definitely refuses makes its booking STUCK: it is put off,
//! seen by organisers, and in nobody's way but its own booking's.
//!
//! At least once, in order per booking; everything it calls tolerates repeats
//! (INV-7, INV-10). Any number of instances relay any shard.

use std::time::Duration;

use lock_service_client::wire::{FreeSeats, Freed};
use seat_model::Timestamp;

use super::Sale;
use super::payment::Settled;
use crate::fail_points;
use crate::store::{HeldBack, OutboxRow, OutboxWork, Shard, ShardMetrics, StoreError};

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
            let mut full = u32::try_from(rows.len()).is_ok_and(|n| n >= self.config.outbox_batch);
            if !rows.is_empty() {
                fail_points::OUTBOX_CLAIMED.reach().await;
                // Where nothing was done, the next bite would not be either.
                full &= self.relay_rows(&shard, &rows).await? > 0;
            }
            if housekept.elapsed() >= HOUSEKEEPING_EVERY {
                housekept = tokio::time::Instant::now();
                let backlog = shard.outbox_backlog().await?;
                metrics.outbox_backlog.with_label_values(&[shard.id().as_str()]).set(backlog);
                let stuck = shard.count_stuck().await?;
                metrics.stuck.with_label_values(&[shard.id().as_str()]).set(stuck);
                let now = service_kit::clock::now().as_millis();
                shard.forget_before(Timestamp::from_millis(now - REMEMBER_MS)).await?;
            }
            if !full {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Answers how many rows are off the claim: done, or put off.
    async fn relay_rows(&self, shard: &Shard, rows: &[OutboxRow]) -> Result<usize, StoreError> {
        let settled = self.gateway.settle(rows).await;
        fail_points::SETTLED.reach().await;
        let mut done = Vec::with_capacity(rows.len());
        let mut stuck = Vec::new();
        let mut waiting = None;
        for (row, settled) in rows.iter().zip(settled) {
            // Whatever becomes of the money: cancelled seats are free.
            let freed = self.after_settlement(row).await;
            match settled {
                Settled::Done if freed => {
                    self.metrics.relayed.with_label_values(&[kind(&row.work)]).inc();
                    done.push(row.seq);
                }
                Settled::Done => {}
                Settled::Refused(reason) => {
                    tracing::error!(booking = %row.booking, reason, "a booking is stuck");
                    stuck.push(HeldBack {
                        seq: row.seq,
                        booking: row.booking,
                        show: row.show.clone(),
                        kind: kind(&row.work),
                        reason,
                    });
                }
                Settled::NotYet(why) => waiting = Some(why),
            }
        }
        if let Some(why) = waiting {
            tracing::warn!(shard = %shard.id(), why, "settlements wait for the payment gateway");
        }
        shard.hold_back(&stuck, self.config.stuck_backoff()).await?;
        let tell = self.webhooks.announce(shard, rows, &done).await?;
        shard.complete_outbox(&done, &tell).await?;
        fail_points::OUTBOX_COMPLETED.reach().await;
        Ok(done.len() + stuck.len())
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

fn kind(work: &OutboxWork) -> &'static str {
    match work {
        OutboxWork::Confirmed(_) => "confirmed",
        OutboxWork::Cancelled(_) => "cancelled",
        OutboxWork::Aborted => "aborted",
    }
}
