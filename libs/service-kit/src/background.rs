//! Loops that run beside the requests, are restarted when they fail, and end
//! with the process.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// First pause after a failure; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The background work of a process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Background {
    shutdown: CancellationToken,
    tasks: TaskTracker,
    gave_up: Arc<AtomicBool>,
}

impl Background {
    /// Cancelled when the process begins to stop: end streams and loops on it.
    #[must_use]
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Stops the process, which then ends in failure: it cannot keep its
    /// promises any more, and a new one may.
    pub fn give_up(&self) {
        self.gave_up.store(true, Ordering::Relaxed);
        self.shutdown.cancel();
    }

    /// Whether it stops because of itself.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.gave_up.load(Ordering::Relaxed)
    }

    /// Runs work to its end, even when nobody waits for it any more: a client
    /// that hangs up must not tear a half-made booking. The process waits for
    /// it (up to its drain deadline) before it exits. It is done on behalf of
    /// the request that began it.
    pub fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.spawn(trace_context::inherit(work))
    }

    /// Keeps a loop running: when `work` returns or fails it is started again
    /// after a pause, until shutdown, which drops it at its next await. A failure
    /// that is the same as the one before is not logged again.
    pub fn supervise<F, Fut, E>(&self, name: &'static str, mut work: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send,
        E: std::fmt::Display,
    {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            let mut pause = FIRST_PAUSE;
            let mut told = None;
            loop {
                let started = tokio::time::Instant::now();
                let failure = tokio::select! {
                    ended = work() => ended.err().map(|error| error.to_string()),
                    () = shutdown.cancelled() => return,
                };
                if started.elapsed() > LONGEST_PAUSE * 2 {
                    pause = FIRST_PAUSE;
                    told = None;
                }
                if let Some(error) = &failure
                    && told != failure
                {
                    tracing::warn!(task = name, error, "ended; starting it again");
                }
                told = failure;
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.cancelled() => return,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// Ends every loop and waits for unfinished work.
    pub(crate) async fn drain(&self, deadline: Duration) -> bool {
        self.shutdown.cancel();
        self.tasks.close();
        tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok()
    }
}
