//! Where changes queue for the ledger: while one transaction is made durable
//! the next one collects. No timers; a lone change is written at once.

use std::sync::Arc;

use payment_gateway_client::wire::Verdict;
use seat_model::Code;
use service_kit::{ApiProblem, Background, clock};
use tokio::sync::{mpsc, oneshot};

use crate::config::Bounds;
use crate::ledger::{Change, Ledger};
use crate::metrics::Metrics;

type Waiting = oneshot::Sender<Result<Verdict, ApiProblem>>;

/// The way to the ledger; clones share it.
#[derive(Clone)]
pub(crate) struct Desk {
    queue: mpsc::Sender<(Change, Waiting)>,
}

impl Desk {
    pub(crate) fn start(
        ledger: Arc<Ledger>,
        bounds: Bounds,
        metrics: &Metrics,
        background: &Background,
    ) -> Self {
        let (queue, mut changes) = mpsc::channel(bounds.queue_max);
        let (metrics, shutdown) = (metrics.clone(), background.shutdown());
        let process = background.clone();
        // Works until nobody can come any more, or until shutdown and nobody waits.
        drop(background.finish(async move {
            let mut group = Vec::new();
            loop {
                let come = tokio::select! {
                    biased;
                    come = changes.recv_many(&mut group, bounds.group_max) => come,
                    () = shutdown.cancelled() => 0,
                };
                if come == 0 {
                    return;
                }
                if let Err(failed) = write(&ledger, &metrics, std::mem::take(&mut group)).await {
                    // What is on a disk after it failed is found out by
                    // reading it anew: by the next process.
                    tracing::error!(failed, "the ledger could not be written: stopping");
                    process.give_up();
                    return;
                }
            }
        }));
        Self { queue }
    }

    /// Writes one change together with those that wait; answers when it is durable.
    pub(crate) async fn write(&self, change: Change) -> Result<Verdict, ApiProblem> {
        let (tell, told) = oneshot::channel();
        self.queue
            .try_send((change, tell))
            .map_err(|_| ApiProblem::new(Code::Unavailable, "too many operations wait"))?;
        told.await.unwrap_or_else(|_| Err(unknown("the desk closed")))
    }
}

fn unknown(why: &str) -> ApiProblem {
    ApiProblem::new(Code::OutcomeUnknown, why)
}

/// Writes a group and tells everybody in it; why it could not be written.
async fn write(
    ledger: &Arc<Ledger>,
    metrics: &Metrics,
    group: Vec<(Change, Waiting)>,
) -> Result<(), String> {
    let (changes, waiting): (Vec<Change>, Vec<Waiting>) = group.into_iter().unzip();
    metrics.group_size(changes.len());
    let timer = metrics.commit_timer();
    let ledger = ledger.clone();
    let at_ms = clock::now().as_millis();
    let written = tokio::task::spawn_blocking(move || ledger.write(&changes, at_ms)).await;
    timer.observe_duration();
    let failed = match written {
        Ok(Ok(verdicts)) => {
            for (tell, verdict) in waiting.into_iter().zip(verdicts) {
                // Whoever is gone does not care.
                let _ = tell.send(Ok(verdict));
            }
            return Ok(());
        }
        Ok(Err(error)) => error.to_string(),
        Err(panicked) => panicked.to_string(),
    };
    for tell in waiting {
        let _ = tell.send(Err(unknown("the ledger could not be written")));
    }
    Err(failed)
}
