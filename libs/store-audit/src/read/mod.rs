//! Reads the stores, past the services: one file for each. Reading changes
//! nothing and takes no lock that a service could wait for.

mod catalogue;
pub(crate) mod etcd;
mod gateway;
mod projection;
pub(crate) mod shard;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::try_join_all;
use seat_model::{PerformanceId, ShardId, Timestamp};

use crate::records::{PickKey, SeatKey, Snapshot};
pub(crate) use catalogue::CatalogueReader;
pub(crate) use etcd::EtcdReader;
pub(crate) use gateway::GatewayReader;
pub(crate) use projection::RedisReader;
pub(crate) use shard::ShardReader;

/// How long one question to a store may take.
pub(crate) const CALL: Duration = Duration::from_secs(20);

/// Why a store could not be read, or written.
#[derive(Debug, thiserror::Error)]
#[error("{store}: {why}")]
pub struct ReadError {
    /// Which store: `etcd`, `redis`, `catalogue`, `payment-gateway` or the shard's name.
    pub store: String,
    /// What it said.
    pub why: String,
}

impl ReadError {
    pub(crate) fn of(store: &str) -> impl Fn(&dyn std::fmt::Display) -> Self + '_ {
        move |why| Self { store: store.to_owned(), why: why.to_string() }
    }
}

/// Where the stores are.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// etcd's client URLs.
    pub etcd: Vec<String>,
    /// The shards, by their names in the shard map.
    pub shards: Vec<(ShardId, String)>,
    /// The catalogue's primary.
    pub catalogue: String,
    /// Redis, where there is one.
    pub redis: Option<String>,
    /// What Redis keys begin with.
    pub redis_prefix: String,
    /// The payment gateway, where its ledger may be read.
    pub gateway: Option<String>,
}

/// How much is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Everything,
    /// Seats, bookings and views of these performances; placements, markers
    /// and outboxes whole.
    Performances(BTreeSet<PerformanceId>),
}

impl Scope {
    pub(crate) fn only(performance: &PerformanceId) -> Self {
        Self::Performances(BTreeSet::from([performance.clone()]))
    }

    pub(crate) fn performances(&self) -> Option<&BTreeSet<PerformanceId>> {
        match self {
            Self::Everything => None,
            Self::Performances(only) => Some(only),
        }
    }
}

/// The stores of one cell.
pub struct Stores {
    pub(crate) etcd: EtcdReader,
    pub(crate) shards: Vec<ShardReader>,
    pub(crate) catalogue: CatalogueReader,
    pub(crate) redis: Option<RedisReader>,
    gateway: Option<GatewayReader>,
}

impl Stores {
    /// Prepares the readers; connects when it reads.
    ///
    /// # Errors
    /// When an address makes no sense.
    pub async fn new(addresses: &Addresses) -> Result<Self, ReadError> {
        let shards =
            addresses.shards.iter().map(|(id, url)| ShardReader::new(id.clone(), url)).collect();
        let redis = match &addresses.redis {
            Some(url) => Some(RedisReader::new(url, &addresses.redis_prefix)?),
            None => None,
        };
        let gateway = addresses.gateway.as_deref().map(GatewayReader::new).transpose()?;
        Ok(Self {
            etcd: EtcdReader::new(&addresses.etcd).await?,
            shards,
            catalogue: CatalogueReader::new(&addresses.catalogue),
            redis,
            gateway,
        })
    }

    /// Reads everything, or some performances.
    ///
    /// etcd comes first: what it calls sold was committed before, so a shard
    /// that is read later must know it; and what Redis has heard later than
    /// etcd was read is told apart by its revision.
    ///
    /// # Errors
    /// When a store does not answer: then nothing can be said.
    pub async fn look(&self, scope: &Scope) -> Result<Snapshot, ReadError> {
        let at = now();
        let cell = self.etcd.read(scope).await?;
        let shards = try_join_all(self.shards.iter().map(|shard| shard.read(scope))).await?;
        let performances: BTreeSet<PerformanceId> =
            cell.seats.iter().map(|key| key.performance.clone()).collect();
        let catalogue = self.catalogue.read(&performances).await?;
        let projection = match &self.redis {
            Some(redis) => Some(redis.read(scope, &performances).await?),
            None => None,
        };
        Ok(Snapshot { at, cell, shards, catalogue, projection, payments: None })
    }

    /// The same, and the gateway's ledger. It is read last: a shard's outbox
    /// row is gone only after the gateway did what it says.
    ///
    /// # Errors
    /// As [`Stores::look`].
    pub(crate) async fn look_with_money(&self, scope: &Scope) -> Result<Snapshot, ReadError> {
        let mut snapshot = self.look(scope).await?;
        if let Some(gateway) = &self.gateway {
            snapshot.payments = Some(gateway.read().await?);
        }
        Ok(snapshot)
    }

    /// The shard of this name.
    pub(crate) fn shard(&self, id: &ShardId) -> Result<&ShardReader, ReadError> {
        self.shards.iter().find(|shard| shard.id == *id).ok_or_else(|| ReadError {
            store: id.to_string(),
            why: "nobody said where this shard is".to_owned(),
        })
    }
}

/// The wall clock: the deadlines in etcd are on one, too.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the one place here that reads the wall clock")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The seats of a booking in a snapshot, and its marker.
pub(crate) fn seats_of(
    snapshot: &Snapshot,
    booking: seat_model::BookingId,
) -> (Vec<&SeatKey>, Option<&PickKey>) {
    let cell = &snapshot.cell;
    (
        cell.seats.iter().filter(|key| key.value.booking == booking).collect(),
        cell.picks.iter().find(|pick| pick.booking == booking),
    )
}
