//! Questions to a shard that travel together: while one bundle is on its way,
//! the next one collects. No timers; a lone question leaves at once.
//!
//! Every hold and every confirm asks whether its key was used before, and
//! almost always hears no: alone, that would be a statement each
//! (docs/BENCHMARKS.md has what it costs).

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use super::error::StoreError;

/// Limits of what is asked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuestionsConfig {
    /// At most so many in one bundle.
    #[schemars(range(min = 1, max = 64))]
    pub bundle_max: usize,
    /// Bundles of a kind on their way at once.
    #[schemars(range(min = 1))]
    pub bundles_in_flight: usize,
    /// Questions waiting for their bundle; further ones are told that the shard is away.
    #[schemars(range(min = 1))]
    pub queue_max: usize,
    /// How long a question waits to be sent, in milliseconds.
    pub wait_max_ms: u64,
}

impl Default for QuestionsConfig {
    fn default() -> Self {
        Self { bundle_max: 64, bundles_in_flight: 2, queue_max: 4_096, wait_max_ms: 1_000 }
    }
}

/// Sizes of bundles that are sent: between them the last question is repeated,
/// so that a server prepares few statements.
const SIZES: [usize; 4] = [1, 4, 16, 64];

/// The size that a bundle of so many is filled up to.
pub(super) fn padded(len: usize) -> usize {
    SIZES.into_iter().find(|size| *size >= len).unwrap_or(len)
}

struct Asked<Q, A> {
    question: Q,
    send_before: Instant,
    answer: oneshot::Sender<Result<A, StoreError>>,
}

/// The way to a shard for one kind of question; clones share it.
pub(super) struct Questions<Q, A> {
    shard: String,
    queue: mpsc::Sender<Asked<Q, A>>,
    wait_max: Duration,
}

impl<Q, A> Clone for Questions<Q, A> {
    fn clone(&self) -> Self {
        Self { shard: self.shard.clone(), queue: self.queue.clone(), wait_max: self.wait_max }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Questions<Q, A> {
    /// `ask` answers a bundle, in its order.
    pub(super) fn start<F, Asking>(shard: &str, config: QuestionsConfig, ask: F) -> Self
    where
        F: Fn(Arc<[Q]>) -> Asking + Clone + Send + Sync + 'static,
        Asking: Future<Output = Result<Vec<A>, StoreError>> + Send,
    {
        let (queue, waiting) = mpsc::channel(config.queue_max.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        let max = config.bundle_max.clamp(1, SIZES[SIZES.len() - 1]);
        for _ in 0..config.bundles_in_flight.max(1) {
            let (ask, shard, waiting) = (ask.clone(), shard.to_owned(), Arc::clone(&waiting));
            // Ends with the last who can ask; requests that are being drained may.
            tokio::spawn(async move {
                while let Some(bundle) = next_bundle(&waiting, max).await {
                    answer_all(&shard, &ask, bundle).await;
                }
            });
        }
        Self { shard: shard.to_owned(), queue, wait_max: Duration::from_millis(config.wait_max_ms) }
    }

    /// Asks along with others.
    pub(super) async fn ask(&self, question: Q) -> Result<A, StoreError> {
        let (answer, answered) = oneshot::channel();
        let send_before = Instant::now() + self.wait_max;
        let asked = Asked { question, send_before, answer };
        self.queue.try_send(asked).map_err(|_| not_sent(&self.shard, "too many ask it"))?;
        answered.await.unwrap_or_else(|_| Err(not_sent(&self.shard, "this instance is ending")))
    }
}

/// Nothing was written by asking.
fn not_sent(shard: &str, why: &str) -> StoreError {
    StoreError::NotSent { shard: shard.to_owned(), why: why.to_owned() }
}

/// Whatever waits, once something does; `None` when nobody can ask any more.
async fn next_bundle<Q, A>(
    waiting: &Mutex<mpsc::Receiver<Asked<Q, A>>>,
    max: usize,
) -> Option<Vec<Asked<Q, A>>> {
    let mut waiting = waiting.lock().await;
    let mut bundle = vec![waiting.recv().await?];
    while bundle.len() < max {
        let Ok(asked) = waiting.try_recv() else { break };
        bundle.push(asked);
    }
    Some(bundle)
}

async fn answer_all<Q, A, F, Asking>(shard: &str, ask: &F, bundle: Vec<Asked<Q, A>>)
where
    F: Fn(Arc<[Q]>) -> Asking,
    Asking: Future<Output = Result<Vec<A>, StoreError>>,
{
    let now = Instant::now();
    let mut questions = Vec::with_capacity(bundle.len());
    let mut askers = Vec::with_capacity(bundle.len());
    for asked in bundle {
        if asked.answer.is_closed() {
            continue;
        }
        if asked.send_before < now {
            // Nobody may be waiting any more; here and below that is no matter.
            let _ = asked.answer.send(Err(not_sent(shard, "it was not reached in time")));
            continue;
        }
        questions.push(asked.question);
        askers.push(asked.answer);
    }
    if questions.is_empty() {
        return;
    }
    match ask(questions.into()).await {
        Ok(answers) => {
            for (asker, answer) in askers.into_iter().zip(answers) {
                let _ = asker.send(Ok(answer));
            }
        }
        Err(error) => {
            for asker in askers {
                let _ = asker.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    fn config() -> QuestionsConfig {
        QuestionsConfig { bundles_in_flight: 1, ..QuestionsConfig::default() }
    }

    #[tokio::test]
    async fn whatever_waits_travels_together_and_each_gets_its_own_answer() {
        let (gate, sent) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let doubled = {
            let (gate, sent) = (Arc::clone(&gate), Arc::clone(&sent));
            move |bundle: Arc<[u32]>| {
                let (gate, sent) = (Arc::clone(&gate), Arc::clone(&sent));
                async move {
                    sent.fetch_add(1, Ordering::Relaxed);
                    gate.acquire().await.unwrap().forget();
                    Ok(bundle.iter().map(|n| n * 2).collect())
                }
            }
        };
        let questions = Questions::start("shard-0", config(), doubled);
        let asking = tokio::spawn({
            let questions = questions.clone();
            async move { join_all((0..130).map(|n| questions.ask(n))).await }
        });
        while sent.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1_000);
        let answers: Vec<u32> = asking.await.unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..130).map(|n| n * 2).collect::<Vec<_>>());
        assert!(sent.load(Ordering::Relaxed) <= 4, "{sent:?} bundles");
    }

    #[tokio::test]
    async fn what_goes_wrong_goes_wrong_for_all_of_a_bundle() {
        let away = |_: Arc<[u32]>| async { Err::<Vec<u32>, _>(not_sent("shard-0", "away")) };
        let questions = Questions::start("shard-0", config(), away);
        for answer in join_all((0..3).map(|n| questions.ask(n))).await {
            assert_eq!(answer, Err(not_sent("shard-0", "away")));
        }
    }

    #[test]
    fn a_bundle_is_filled_up_to_one_of_few_sizes() {
        assert_eq!([1, 2, 4, 5, 17, 64].map(padded), [1, 4, 4, 16, 64, 64]);
    }
}
