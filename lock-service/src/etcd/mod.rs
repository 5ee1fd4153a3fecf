//! The only part that speaks etcd: one client for each member, a deadline on
//! every call, and every error sorted into "did not happen" and "unknown".
//!
//! Must not know: seats, bookings, what a key means.

mod fault;
mod members;
mod space;
mod translate;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::{GetOptions, SortOrder, SortTarget};

pub use fault::EtcdFault;
pub use space::MemberSpace;
pub use watch::{Watch, WatchBatch, WatchEvent, WatchFault};

use crate::keys::PREFIX;
use crate::metrics::Metrics;
use crate::transaction::{Kv, LeaseId, Txn, TxnAnswer};
use members::Members;

/// Keys read in one page of a listing.
const PAGE: i64 = 5_000;

/// The largest message accepted from etcd, in bytes.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// How long calls may take and how often they are sent.
#[derive(Debug, Clone, Copy)]
pub struct EtcdLimits {
    /// One call to one member.
    pub call: Duration,
    /// Connecting to a member.
    pub connect: Duration,
    /// Sendings of one operation.
    pub max_sends: u32,
}

/// A cell's etcd cluster. Clones share connections.
#[derive(Clone)]
pub struct Etcd {
    members: Arc<Members>,
}

/// Everything under the prefix at one revision.
#[derive(Debug, Default)]
pub struct Listing {
    /// The revision.
    pub revision: u64,
    /// All keys.
    pub kvs: Vec<Kv>,
}

impl Etcd {
    /// Prepares clients for all members; connects on first use.
    ///
    /// # Errors
    /// When an endpoint is not a URL.
    pub async fn new(
        endpoints: &[String],
        limits: EtcdLimits,
        metrics: Metrics,
    ) -> Result<Self, String> {
        Ok(Self { members: Arc::new(Members::new(endpoints, limits, metrics).await?) })
    }

    /// Sends a transaction until its outcome is known, a member refuses it, or
    /// the deadline. The same compares every time make each resend safe.
    ///
    /// # Errors
    /// [`EtcdFault::Unknown`] once any sending may have been applied.
    pub async fn submit(&self, txn: Txn, until: Instant) -> Result<TxnAnswer, EtcdFault> {
        let answers = self.submit_all(&[Arc::new(txn)], until).await?;
        let none = || EtcdFault::Unknown("an answer without a verdict".into());
        answers.into_iter().next().ok_or_else(none)
    }

    /// The same for several at once: all are applied at one revision or none
    /// is, each with its own verdict. No two of them may write the same key.
    ///
    /// # Errors
    /// See [`Self::submit`]. A definite one means that none was applied, even
    /// if only one of them is to blame.
    pub async fn submit_all(
        &self,
        txns: &[Arc<Txn>],
        until: Instant,
    ) -> Result<Vec<TxnAnswer>, EtcdFault> {
        self.members
            .call("txn", until, |client| {
                let request = translate::request_all(txns);
                async move {
                    let mut kv = client.kv_client().max_decoding_message_size(MAX_MESSAGE_BYTES);
                    kv.txn(request).await
                }
            })
            .await
            .and_then(|answer| translate::answer_all(txns, &answer))
    }

    /// The cluster's current revision, by a linearisable read.
    ///
    /// # Errors
    /// See [`EtcdFault`]; a read changes nothing.
    pub async fn revision(&self, until: Instant) -> Result<u64, EtcdFault> {
        let answer = self
            .members
            .call("revision", until, |client| {
                let only_the_header = GetOptions::new().with_count_only();
                async move { client.kv_client().get(PREFIX, Some(only_the_header)).await }
            })
            .await?;
        translate::revision(answer.header())
    }

    /// Grants a lease; answers its id and its life in seconds, which may be
    /// longer than asked for.
    ///
    /// # Errors
    /// See [`EtcdFault`]; a lease of unknown outcome carries no key and ends by itself.
    pub async fn grant(&self, seconds: i64, until: Instant) -> Result<(LeaseId, i64), EtcdFault> {
        let answer = self
            .members
            .call("grant", until, |client| async move {
                client.lease_client().grant(seconds, None).await
            })
            .await?;
        Ok((answer.id(), answer.ttl()))
    }

    /// Everything under the prefix, as of one revision.
    ///
    /// # Errors
    /// See [`EtcdFault`].
    pub async fn list(&self) -> Result<Listing, EtcdFault> {
        let mut listing = Listing::default();
        let mut from = PREFIX.as_bytes().to_vec();
        let mut end = PREFIX.as_bytes().to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        loop {
            let at = i64::try_from(listing.revision).unwrap_or(0);
            let (key, end) = (from.clone(), end.clone());
            let page = self
                .members
                .call("list", Instant::now() + Duration::from_secs(10), |client| {
                    let options = GetOptions::new()
                        .with_range(end.clone())
                        .with_sort(SortTarget::Key, SortOrder::Ascend)
                        .with_limit(PAGE)
                        .with_revision(at);
                    let key = key.clone();
                    async move {
                        let mut kv =
                            client.kv_client().max_decoding_message_size(MAX_MESSAGE_BYTES);
                        kv.get(key, Some(options)).await
                    }
                })
                .await?;
            if listing.revision == 0 {
                listing.revision = translate::revision(page.header())?;
            }
            listing.kvs.extend(page.kvs().iter().filter_map(translate::kv));
            match page.kvs().last() {
                Some(last) if page.more() => {
                    from = last.key().to_vec();
                    from.push(0);
                }
                _ => return Ok(listing),
            }
        }
    }

    /// Watches every key from a revision on.
    ///
    /// Every key, not only the prefix: then each revision brings an event, so
    /// "the watch has delivered revision R" is seen on the stream itself, and
    /// nothing rests on progress notifications, which before etcd 3.4.25 can
    /// run ahead of events not yet delivered (etcd issue 15220).
    ///
    /// # Errors
    /// When no watch could be opened in time.
    pub async fn watch(&self, from: u64) -> Result<Watch, WatchFault> {
        self.members.watch(from).await
    }

    /// The space of every member, in the order of the endpoints.
    pub async fn space(&self) -> Vec<Result<MemberSpace, EtcdFault>> {
        self.members.each("status", space::ask).await
    }

    /// Prefers another member from now on: this one seems cut off.
    pub fn turn_away(&self) {
        self.members.turn_away();
    }
}
