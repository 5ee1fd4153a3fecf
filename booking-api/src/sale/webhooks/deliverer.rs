//! Sends what is due, one loop for each shard on every instance.
//!
//! A loop never waits for a receiver: it claims as much for a webhook as the
//! webhook has free places, and each message is sent on its own. What came of
//! them is written in one transaction, so that a receiver that keeps up costs
//! few commits. A crash leaves claims that run out; whoever claims next sends
//! the same message under the same id.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Webhooks;
use super::schedule::{self, Next};
use super::sender::Answered;
use super::subscriptions::{Snapshot, Subscription};
use crate::store::{ClaimedDelivery, DeliveryEnd, SettledDelivery, Shard, StoreError};

/// A pause after the shard did not answer.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

/// Events addressed in one bite.
const HAND_OUT_AT_ONCE: u32 = 200;

/// The longest reason that is kept, in bytes.
const MAX_WHY_BYTES: usize = 160;

/// An attempt that ended. Its place is given back when its end is written.
struct Ended {
    settled: SettledDelivery,
    #[expect(dead_code, reason = "held for its drop: it gives the place back")]
    place: OwnedSemaphorePermit,
}

impl Webhooks {
    /// Sends for ever; a shard that is away is tried again.
    pub(super) async fn deliver_forever(self, shard: Shard) -> Result<(), StoreError> {
        let places = self.config.max_webhooks as usize * self.config.at_once as usize;
        let (report, mut reports) = mpsc::channel(places.max(1));
        let mut ended: Vec<Ended> = Vec::new();
        loop {
            while let Ok(one) = reports.try_recv() {
                ended.push(one);
            }
            if let Err(error) = self.pass(&shard, &mut ended, &report).await {
                tracing::debug!(shard = %shard.id(), %error, "deliveries wait for the shard");
                tokio::time::sleep(AWAY_PAUSE).await;
                continue;
            }
            tokio::select! {
                one = reports.recv() => ended.extend(one),
                () = tokio::time::sleep(self.config.poll_every()) => {}
            }
        }
    }

    async fn pass(
        &self,
        shard: &Shard,
        ended: &mut Vec<Ended>,
        report: &mpsc::Sender<Ended>,
    ) -> Result<(), StoreError> {
        let settled: Vec<SettledDelivery> = ended.iter().map(|one| one.settled.clone()).collect();
        // On an error they stay, and keep their places: nothing is claimed anew
        // while nobody knows what became of what was sent.
        shard.settle_deliveries(&settled).await?;
        ended.clear();
        let due = shard.due_deliveries().await?;
        let most_overdue = due.iter().map(|due| -due.in_ms).max().unwrap_or(0).max(0) / 1_000;
        self.metrics.overdue.with_label_values(&[shard.id().as_str()]).set(most_overdue);
        for due in due.into_iter().filter(|due| due.in_ms <= 0) {
            let Some(webhook) = due.webhook else {
                if let Some(known) = self.subscriptions.trusted() {
                    shard.hand_out_deliveries(&known.listeners(), HAND_OUT_AT_ONCE).await?;
                }
                continue;
            };
            let Some(known) = self.subscriptions.last() else { continue };
            if let Some(subscription) = known.get(&webhook) {
                self.claim_and_send(shard, &known, subscription, report).await?;
            }
        }
        Ok(())
    }

    async fn claim_and_send(
        &self,
        shard: &Shard,
        known: &Arc<Snapshot>,
        subscription: &Subscription,
        report: &mpsc::Sender<Ended>,
    ) -> Result<(), StoreError> {
        // The loops of other shards take places, too: taken first, then filled.
        let mut places = Vec::new();
        while let Ok(place) = Arc::clone(&subscription.places).try_acquire_owned() {
            places.push(place);
        }
        let Ok(most @ 1..) = u32::try_from(places.len()) else { return Ok(()) };
        let claimed = shard.claim_deliveries(&subscription.id, most, self.config.claim_ms).await?;
        for (delivery, place) in claimed.into_iter().zip(places) {
            let (webhooks, known, report) = (self.clone(), Arc::clone(known), report.clone());
            // Waited for at shutdown: an attempt that is known to have ended
            // need not be repeated.
            self.background.finish(async move {
                let settled = webhooks.attempt(&known, delivery).await;
                // The loop may be gone: then the claim runs out, and it comes again.
                let _ = report.send(Ended { settled, place }).await;
            });
        }
        Ok(())
    }

    async fn attempt(&self, known: &Snapshot, delivery: ClaimedDelivery) -> SettledDelivery {
        self.metrics.in_flight.inc();
        let timer = self.metrics.seconds.start_timer();
        let answered = match known.get(&delivery.webhook) {
            Some(Subscription { target: Ok(target), signer: Some(signer), .. }) => {
                self.sender.send(target, signer, &delivery.message, delivery.body).await
            }
            Some(Subscription { target: Err(why), .. }) => {
                Answered::Nothing(format!("the url may not be sent to: it {why}"))
            }
            Some(_) | None => Answered::Nothing("the webhook cannot be signed for".to_owned()),
        };
        timer.observe_duration();
        self.metrics.in_flight.dec();
        let failed = |status: Option<u16>, why: String, asked_ms: Option<u64>| {
            let (failed, why) = (delivery.attempts.saturating_add(1), shortened(why));
            let chance = rand::rng().random();
            match schedule::next(&self.config, failed, delivery.age_ms, asked_ms, chance) {
                Next::Again(after_ms) => DeliveryEnd::Retry { after_ms, status, why },
                Next::GiveUp => DeliveryEnd::Dead { status, why },
            }
        };
        let end = match answered {
            Answered::Accepted => DeliveryEnd::Accepted,
            Answered::Gone => {
                self.disable(&delivery.webhook).await;
                let why = "the receiver is gone for good".to_owned();
                DeliveryEnd::Dead { status: Some(410), why }
            }
            Answered::Refused { status, retry_after } => {
                let now_ms = service_kit::clock::now().as_millis();
                let asked =
                    retry_after.and_then(|header| schedule::retry_after_ms(&header, now_ms));
                failed(Some(status), format!("answered {status}"), asked)
            }
            Answered::Nothing(why) => failed(None, why, None),
        };
        let result = match &end {
            DeliveryEnd::Accepted => "accepted",
            DeliveryEnd::Retry { .. } => "failed",
            DeliveryEnd::Dead { .. } => "given_up",
        };
        self.metrics.attempts.with_label_values(&[result]).inc();
        SettledDelivery {
            webhook: delivery.webhook,
            seq: delivery.seq,
            booking: delivery.booking,
            attempts: delivery.attempts,
            end,
        }
    }
}

fn shortened(mut why: String) -> String {
    let end = (0..=MAX_WHY_BYTES.min(why.len())).rev().find(|end| why.is_char_boundary(*end));
    why.truncate(end.unwrap_or(0));
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(shortened("short".into()), "short");
        assert_eq!(shortened("ä".repeat(100)).len(), 160);
        assert_eq!(shortened(format!("x{}", "ä".repeat(100))).len(), 159);
    }
}
