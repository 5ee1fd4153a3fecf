//! One client for each member, and which of them is asked first. A balancer
//! would keep handing requests to a member that is cut off from the leader but
//! accepts TCP; here one that does not answer in time is asked last.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use etcd_client::{Client, ConnectOptions};
use futures_util::future::join_all;

use super::EtcdLimits;
use super::fault::EtcdFault;
use super::watch::{self, Watch, WatchFault};
use crate::metrics::Metrics;

/// Between two rounds over members none of which could be reached.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Members {
    clients: Vec<Client>,
    preferred: AtomicUsize,
    limits: EtcdLimits,
    metrics: Metrics,
}

impl Members {
    pub(super) async fn new(
        endpoints: &[String],
        limits: EtcdLimits,
        metrics: Metrics,
    ) -> Result<Self, String> {
        let mut clients = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            let options = ConnectOptions::new()
                .with_connect_timeout(limits.connect)
                .with_keep_alive(Duration::from_secs(2), Duration::from_secs(2))
                .with_keep_alive_while_idle(true)
                .with_require_leader(true);
            let client = Client::connect([endpoint], Some(options))
                .await
                .map_err(|error| format!("{endpoint}: {error}"))?;
            clients.push(client);
        }
        if clients.is_empty() {
            return Err("no etcd endpoint".into());
        }
        Ok(Self { clients, preferred: AtomicUsize::new(0), limits, metrics })
    }

    /// Calls members in turn until one answers, one refuses definitely, the
    /// sendings are used up or the deadline passes. Once a sending's outcome is
    /// unknown the whole call's is, unless a later sending is answered.
    pub(super) async fn call<A, F>(
        &self,
        kind: &'static str,
        until: Instant,
        send: impl Fn(Client) -> F,
    ) -> Result<A, EtcdFault>
    where
        F: Future<Output = Result<A, etcd_client::Error>>,
    {
        let mut unknown = None;
        let mut away = EtcdFault::Away("no time left".into());
        for sent in 0..self.limits.max_sends {
            let members = u32::try_from(self.clients.len()).unwrap_or(u32::MAX);
            if sent > 0 && sent % members == 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let index = self.preferred.load(Ordering::Relaxed);
            let Some(client) = self.clients.get(index).cloned() else { break };
            let started = Instant::now();
            let answer = tokio::time::timeout(left.min(self.limits.call), send(client)).await;
            let fault = match answer {
                Ok(Ok(answer)) => {
                    self.metrics.etcd_answered(kind, started.elapsed());
                    return Ok(answer);
                }
                Ok(Err(error)) => EtcdFault::sort(&error),
                Err(_) => EtcdFault::Unknown("not answered in time".into()),
            };
            self.metrics.etcd_failed(kind, &fault);
            match fault {
                // Gone for good: not even an earlier sending can be applied any more.
                EtcdFault::LeaseGone => return Err(fault),
                EtcdFault::Unknown(_) => unknown = Some(fault),
                EtcdFault::Away(_) => away = fault,
                EtcdFault::NoSpace | EtcdFault::Compacted | EtcdFault::Refused(_) => {
                    return Err(unknown.unwrap_or(fault));
                }
            }
            self.pass_over(index);
        }
        Err(unknown.unwrap_or(away))
    }

    /// Calls every member once, side by side, each with a deadline.
    pub(super) async fn each<A, F>(
        &self,
        kind: &'static str,
        send: impl Fn(Client) -> F,
    ) -> Vec<Result<A, EtcdFault>>
    where
        F: Future<Output = Result<A, etcd_client::Error>>,
    {
        let calls = self.clients.iter().map(|client| {
            let call = tokio::time::timeout(self.limits.call, send(client.clone()));
            async move {
                let started = Instant::now();
                let answer = call.await.map_or_else(
                    |_| Err(EtcdFault::Unknown("not answered in time".into())),
                    |answer| answer.map_err(|error| EtcdFault::sort(&error)),
                );
                match &answer {
                    Ok(_) => self.metrics.etcd_answered(kind, started.elapsed()),
                    Err(fault) => self.metrics.etcd_failed(kind, fault),
                }
                answer
            }
        });
        join_all(calls).await
    }

    pub(super) async fn watch(&self, from: u64) -> Result<Watch, WatchFault> {
        let index = self.preferred.load(Ordering::Relaxed);
        let Some(client) = self.clients.get(index).cloned() else {
            return Err(WatchFault::Broken("no member".into()));
        };
        let opened = tokio::time::timeout(self.limits.call, watch::open(client, from)).await;
        let opened =
            opened.unwrap_or_else(|_| Err(WatchFault::Broken("not opened in time".into())));
        if opened.is_err() {
            self.pass_over(index);
        }
        opened
    }

    pub(super) fn turn_away(&self) {
        self.pass_over(self.preferred.load(Ordering::Relaxed));
    }

    /// Moves on from a member, unless somebody else already has.
    fn pass_over(&self, index: usize) {
        let next = (index + 1) % self.clients.len();
        // Losing the race means that it was done.
        let _ = self.preferred.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}
