//! What is really in etcd, read past everything that is measured: for the
//! checks, and to leave each round as clean as the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use etcd_client::{
    Client, CompactionOptions, ConnectOptions, DeleteOptions, EventType, GetOptions, KvClient,
    WatchFilterType, WatchOptions,
};
use seat_model::SeatState;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::Failure;
use crate::clock;
use crate::peers;

/// What lock-service's seats begin with.
pub(crate) const SEATS: &str = "/seatlock/v1/seat/";

/// Keys read or deleted at once.
const PAGE: i64 = 5_000;

/// Leases revoked at once.
const REVOKING: usize = 128;

/// How often it is looked whether something has become as it should be.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The database's size counts once so many looks in a row have found it the same,
/// or after so many looks at most: etcd counts again with each of its commits.
const STEADY_LOOKS: u32 = 6;
const MOST_LOOKS: u32 = 100;

const PATIENCE: Duration = Duration::from_secs(60);

/// A seat's key as it is in etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The performance in its key.
    pub(crate) performance: String,
    /// The seat in its key.
    pub(crate) seat: String,
    /// The booking in its value.
    pub(crate) booking: String,
    /// What its value says it is; only lock-service's says so.
    pub(crate) state: Option<SeatState>,
    /// The deadline in its value, in milliseconds since the epoch; only lock-service writes one.
    pub(crate) deadline_ms: Option<i64>,
    /// The lease it is on; 0 without.
    pub(crate) lease: i64,
    /// The revision it was last written at.
    pub(crate) revision: i64,
    /// How often it was written.
    pub(crate) version: i64,
}

/// The part of lock-service's record that the checks look at.
#[derive(Deserialize)]
struct SeatValue {
    #[serde(rename = "s")]
    state: SeatState,
    #[serde(rename = "b")]
    booking: String,
    #[serde(rename = "d")]
    deadline_ms: i64,
}

/// A client of its own.
pub(crate) struct Truth {
    client: Client,
    endpoints: Vec<String>,
}

impl Truth {
    /// Connects to the members.
    ///
    /// # Errors
    /// When an endpoint is no URL.
    pub(crate) async fn connect(endpoints: Vec<String>) -> Result<Self, Failure> {
        let options = ConnectOptions::new().with_timeout(PATIENCE);
        let client = Client::connect(&endpoints, Some(options)).await?;
        Ok(Self { client, endpoints })
    }

    fn kv(&self) -> KvClient {
        self.client.kv_client().max_decoding_message_size(64 << 20)
    }

    /// The client URL of the leader.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn leader(&self) -> Result<String, Failure> {
        for endpoint in &self.endpoints {
            let mut one = Client::connect([endpoint], None).await?;
            let status = one.status().await?;
            let own = status.header().map(etcd_client::ResponseHeader::member_id);
            if own == Some(status.leader()) {
                return Ok(endpoint.clone());
            }
        }
        Err("etcd has no leader".into())
    }

    /// The database file's size and the part of it in use, in bytes, on the
    /// first member.
    ///
    /// # Errors
    /// When the member does not answer.
    pub(crate) async fn db_bytes(&self) -> Result<(i64, i64), Failure> {
        let mut one = Client::connect([&self.endpoints[0]], None).await?;
        let status = one.status().await?;
        Ok((status.db_size(), status.raft_used_db_size()))
    }

    /// The part of the database in use once all that is old is compacted away,
    /// in bytes, on the first member.
    ///
    /// # Errors
    /// When a member does not answer.
    pub(crate) async fn compacted_bytes(&self) -> Result<i64, Failure> {
        let mut kv = self.kv();
        let any = kv.get(SEATS, None).await?;
        let revision = any.header().map_or(0, etcd_client::ResponseHeader::revision);
        let options = CompactionOptions::new().with_physical();
        // What was compacted away already needs no compacting.
        drop(kv.compact(revision, Some(options)).await);
        let (mut bytes, mut same) = (-1, 0);
        for _ in 0..MOST_LOOKS {
            let (_, now) = self.db_bytes().await?;
            same = if now == bytes { same + 1 } else { 0 };
            bytes = now;
            if same == STEADY_LOOKS {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(bytes)
    }

    /// lock-service's seats once they are as wanted, and how long that took; as
    /// they are, and `None`, where it takes too long.
    ///
    /// # Errors
    /// When etcd does not answer, or a key makes no sense.
    pub(crate) async fn seats_when(
        &self,
        within: Duration,
        wanted: impl Fn(&[Found]) -> bool,
    ) -> Result<(Option<Duration>, Vec<Found>), Failure> {
        let start = Instant::now();
        loop {
            let seats = self.seats(SEATS).await?;
            if wanted(&seats) {
                return Ok((Some(start.elapsed()), seats));
            }
            if start.elapsed() > within {
                return Ok((None, seats));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Every seat under a prefix (lock-service's or a peer's), a page at a time.
    ///
    /// # Errors
    /// When etcd does not answer, or a key makes no sense.
    pub(crate) async fn seats(&self, prefix: &str) -> Result<Vec<Found>, Failure> {
        let mut found = Vec::new();
        let mut from = prefix.as_bytes().to_vec();
        loop {
            let options = GetOptions::new().with_range(end_of(prefix)).with_limit(PAGE);
            let page = self.kv().get(from, Some(options)).await?;
            for kv in page.kvs() {
                found.push(read(kv)?);
            }
            match page.kvs().last() {
                Some(last) if page.more() => {
                    from = last.key().to_vec();
                    from.push(0);
                }
                _ => return Ok(found),
            }
        }
    }

    /// When each of these leases ends: the earliest and the latest moment, in
    /// milliseconds since the epoch. A lease that is gone is left out.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub(crate) async fn lease_ends(
        &self,
        leases: BTreeSet<i64>,
    ) -> Result<BTreeMap<i64, (i64, i64)>, Failure> {
        let mut client = self.client.lease_client();
        let mut ends = BTreeMap::new();
        for lease in leases {
            let before = clock::now_ms();
            let left = client.time_to_live(lease, None).await?.ttl();
            // Whole seconds, cut off; -1 of a lease that is gone.
            if left >= 0 {
                ends.insert(lease, (before + left * 1000, clock::now_ms() + (left + 1) * 1000));
            }
        }
        Ok(ends)
    }

    /// Removes all seats and leases of a round and compacts them away.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub(crate) async fn clear(&self) -> Result<(), Failure> {
        let mut revision = 0;
        for prefix in [SEATS, peers::PREFIX, "/seatlock/v1/pick/"] {
            revision = self.delete(prefix).await?.max(revision);
        }
        self.revoke_leases().await?;
        // What was compacted away already needs no compacting.
        let options = CompactionOptions::new().with_physical();
        drop(self.kv().compact(revision, Some(options)).await);
        Ok(())
    }

    /// Removes the seats under a prefix.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub(crate) async fn delete_seats(&self, prefix: &str) -> Result<(), Failure> {
        self.delete(prefix).await.map(drop)
    }

    /// Watches the seats under a prefix until so many are gone, or until the
    /// patience is over: each with the moment, in milliseconds since the epoch,
    /// at which its end was heard of.
    ///
    /// # Errors
    /// When the watch breaks.
    pub(crate) async fn watch_them_go(
        &self,
        prefix: &str,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<(String, i64)>, Failure> {
        let options =
            WatchOptions::new().with_range(end_of(prefix)).with_filters([WatchFilterType::NoPut]);
        let mut watch = self.client.watch_client();
        let mut stream = watch.watch(prefix, Some(options)).await?;
        let until = tokio::time::Instant::now() + patience;
        let mut gone = Vec::with_capacity(count);
        while gone.len() < count {
            let Ok(message) = tokio::time::timeout_at(until, stream.message()).await else { break };
            let Some(message) = message? else { return Err("the watch ended".into()) };
            let now = clock::now_ms();
            for event in message.events() {
                let deleted = event.event_type() == EventType::Delete;
                if let (true, Some(kv)) = (deleted, event.kv()) {
                    let key = kv.key_str()?;
                    gone.push((key.strip_prefix(SEATS).unwrap_or(key).to_owned(), now));
                }
            }
        }
        Ok(gone)
    }

    /// Page by page: one deletion of a million keys would stop etcd for seconds.
    async fn delete(&self, prefix: &str) -> Result<i64, Failure> {
        let mut kv = self.kv();
        loop {
            let options =
                GetOptions::new().with_range(end_of(prefix)).with_limit(PAGE).with_keys_only();
            let page = kv.get(prefix, Some(options)).await?;
            let Some(last) = page.kvs().last() else {
                return Ok(page.header().map_or(0, etcd_client::ResponseHeader::revision));
            };
            let mut end = last.key().to_vec();
            end.push(0);
            kv.delete(prefix, Some(DeleteOptions::new().with_range(end))).await?;
        }
    }

    async fn revoke_leases(&self) -> Result<(), Failure> {
        let all = self.client.lease_client().leases().await?;
        let mut revoking = JoinSet::new();
        for lease in all.leases() {
            let (mut client, id) = (self.client.lease_client(), lease.id());
            // One that has just ended is as good as revoked.
            revoking.spawn(async move { drop(client.revoke(id).await) });
            if revoking.len() >= REVOKING {
                revoking.join_next().await;
            }
        }
        while revoking.join_next().await.is_some() {}
        Ok(())
    }
}

/// Whether every one of these seats is sold.
pub(crate) fn all_sold(seats: &[Found]) -> bool {
    seats.iter().all(|seat| seat.state == Some(SeatState::Sold))
}

/// The first key behind all that begin with the prefix, whose last character
/// is ASCII.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

fn read(kv: &etcd_client::KeyValue) -> Result<Found, Failure> {
    let key = kv.key_str()?;
    let ours = key.strip_prefix(SEATS);
    let (performance, seat) = ours
        .or_else(|| key.strip_prefix(peers::PREFIX))
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| format!("{key} is no seat's key"))?;
    let (booking, state, deadline_ms) = if ours.is_some() {
        let value: SeatValue = serde_json::from_slice(kv.value())?;
        (value.booking, Some(value.state), Some(value.deadline_ms))
    } else {
        (kv.value_str()?.to_owned(), None, None)
    };
    Ok(Found {
        performance: performance.to_owned(),
        seat: seat.to_owned(),
        booking,
        state,
        deadline_ms,
        lease: kv.lease(),
        revision: kv.mod_revision(),
        version: kv.version(),
    })
}
