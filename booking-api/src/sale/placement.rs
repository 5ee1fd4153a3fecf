//! Where shows are placed: the shard map of lock-service, kept at hand.
//!
//! The map wins over this instance's configuration, always: two instances with
//! different configurations must never send one show to two shards (INV-13).

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use lock_service_client::LockClient;
use lock_service_client::wire::{PutShardMap, ShardMap, VersionedShardMap};
use seat_model::{ShardEpoch, ShardId, ShowId};

use super::error::{SaleError, of_look, of_read};
use super::metrics::SaleMetrics;
use crate::store::{ShardRing, Shards};

/// Where a show is, and the revision of the map that said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The shard.
    pub(crate) shard: ShardId,
    /// The epoch it must have there.
    pub(crate) epoch: ShardEpoch,
    /// For compares on the map.
    pub(crate) shards_revision: u64,
}

struct Known {
    versioned: VersionedShardMap,
    ring: ShardRing,
}

/// The map as it was last read; clones share it.
#[derive(Clone)]
pub(crate) struct Placements {
    known: Arc<ArcSwapOption<Known>>,
    locks: LockClient,
    shards: Shards,
    metrics: SaleMetrics,
}

impl Placements {
    pub(crate) fn new(locks: LockClient, shards: Shards, metrics: SaleMetrics) -> Self {
        Self { known: Arc::default(), locks, shards, metrics }
    }

    /// Where the show is, as far as this instance knows. A stale answer is
    /// harmless: the compare on the map's revision and the placement row refuse it.
    pub(crate) async fn of(&self, show: &ShowId) -> Result<Place, SaleError> {
        if self.known.load().is_none() {
            self.refresh().await?;
        }
        self.place(show)
            .ok_or_else(|| SaleError::Unavailable("the shard map is empty or unknown".into()))
    }

    fn place(&self, show: &ShowId) -> Option<Place> {
        let known = self.known.load();
        let known = known.as_ref()?;
        let map = &known.versioned.map;
        let shard = map.pins.get(show).or_else(|| known.ring.shard_of(show))?;
        let epoch = map.epoch_of(show);
        Some(Place { shard: shard.clone(), epoch, shards_revision: known.versioned.revision })
    }

    /// Reads the map again; where there is none, creates it from the
    /// configuration.
    pub(crate) async fn refresh(&self) -> Result<(), SaleError> {
        let mut versioned = self.locks.shard_map().await.map_err(of_look)?;
        if versioned.revision == 0 {
            self.require_new_cell().await?;
            let map = ShardMap { shards: self.shards.ids(), ..ShardMap::default() };
            let put = PutShardMap { if_revision: 0, map };
            versioned = self.locks.put_shard_map(&put).await.map_err(of_look)?;
        }
        if versioned.revision == 0 {
            return Err(SaleError::Unavailable("the shard map was not written".into()));
        }
        let before = self.known.load();
        if let Some(before) = before.as_ref()
            && before.versioned == versioned
        {
            return Ok(());
        }
        self.compare(&versioned.map);
        let ring = ShardRing::new(&versioned.map.shards);
        self.show(versioned.revision, highest_epoch(&versioned.map).get());
        self.known.store(Some(Arc::new(Known { versioned, ring })));
        Ok(())
    }

    /// A cell without a map is new only where no shard has a show. Otherwise
    /// etcd was lost: a map made up now would have the first epoch again, and
    /// seats that are sold would be offered. Every shard must say so.
    async fn require_new_cell(&self) -> Result<(), SaleError> {
        for shard in self.shards.iter() {
            if shard.has_shows().await.map_err(|error| of_read(&error))? {
                self.known.store(None);
                self.show(0, 0);
                return Err(SaleError::Unavailable(
                    "etcd was lost: its sold seats are not rebuilt".into(),
                ));
            }
        }
        Ok(())
    }

    fn show(&self, revision: u64, epoch: u64) {
        let shown = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.map_revision.set(shown(revision));
        self.metrics.map_epoch.set(shown(epoch));
    }

    fn compare(&self, map: &ShardMap) {
        let mut of_map = map.shards.clone();
        let mut of_config = self.shards.ids();
        of_map.sort();
        of_config.sort();
        if of_map != of_config {
            tracing::error!(
                ?of_map,
                ?of_config,
                "the shard map and the configuration name different shards; the map wins"
            );
        }
    }
}

/// The highest epoch that any show's placement must have.
fn highest_epoch(map: &ShardMap) -> ShardEpoch {
    let raised = map.epochs.values().copied().chain(map.floor);
    raised.max().unwrap_or(ShardEpoch::FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_epoch_is_a_shows_or_the_floor() {
        let mut map = ShardMap::default();
        assert_eq!(highest_epoch(&map), ShardEpoch::FIRST);
        map.floor = Some(ShardEpoch::from_u64(3));
        assert_eq!(highest_epoch(&map), ShardEpoch::from_u64(3));
        map.epochs.insert("moved".parse().unwrap(), ShardEpoch::from_u64(5));
        assert_eq!(highest_epoch(&map), ShardEpoch::from_u64(5));
    }
}
