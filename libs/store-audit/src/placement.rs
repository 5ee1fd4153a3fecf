//! Which shard the map names for a show.
//!
//! Written a second time on purpose, without the crate that booking-api uses
//! for its ring: an auditor that shares the code shares the fault. The golden
//! vectors in the test are booking-api's.

use lock_service_client::wire::ShardMap;
use seat_model::{ShardEpoch, ShardId, ShowId};

/// Points a shard has on the ring.
const POINTS: u32 = 512;

/// The map, ready to be asked.
#[derive(Debug, Clone)]
pub struct Placing {
    map: ShardMap,
    ring: Vec<(u64, ShardId)>,
}

impl Placing {
    /// The answers of this map.
    #[must_use]
    pub fn new(map: &ShardMap) -> Self {
        let point = |shard: &ShardId, number: u32| {
            let bytes = shard.as_str().bytes().chain([b'#']).chain(number.to_be_bytes());
            (hash(bytes), shard.clone())
        };
        let mut ring: Vec<(u64, ShardId)> = map
            .shards
            .iter()
            .flat_map(|shard| (0..POINTS).map(move |number| point(shard, number)))
            .collect();
        ring.sort_unstable();
        Self { map: map.clone(), ring }
    }

    /// The shard of a show; `None` when the map has none.
    #[must_use]
    pub fn shard(&self, show: &ShowId) -> Option<&ShardId> {
        self.map.pins.get(show).or_else(|| self.by_ring(show))
    }

    /// The shard of a show that nothing is pinned for.
    #[must_use]
    pub fn by_ring(&self, show: &ShowId) -> Option<&ShardId> {
        let key = hash(show.as_str().bytes());
        let at = self.ring.partition_point(|(point, _)| *point < key);
        self.ring.get(at).or_else(|| self.ring.first()).map(|(_, shard)| shard)
    }

    /// The epoch its placement must have there.
    #[must_use]
    pub fn epoch(&self, show: &ShowId) -> ShardEpoch {
        self.map.epoch_of(show)
    }
}

/// FNV-1a, then mixed (`splitmix64`).
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut mixed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_vectors_of_booking_api_hold_here_too() {
        let shards = (0..4).map(|i| ShardId::new(format!("shard-{i}")).unwrap()).collect();
        let placing = Placing::new(&ShardMap { shards, ..ShardMap::default() });
        let placed: Vec<String> =
            ["hamlet", "carmen", "the-tempest", "cup-final", "a", "0", "show-17"]
                .map(|show| placing.shard(&ShowId::new(show).unwrap()).unwrap().to_string())
                .into();
        let golden = ["shard-3", "shard-1", "shard-0", "shard-1", "shard-1", "shard-1", "shard-3"];
        assert_eq!(placed, golden);
    }

    #[test]
    fn a_pin_wins_over_the_ring() {
        let shards: Vec<_> = (0..2).map(|i| ShardId::new(format!("shard-{i}")).unwrap()).collect();
        let show = ShowId::new("hamlet").unwrap();
        let mut map = ShardMap { shards: shards.clone(), ..ShardMap::default() };
        let by_ring = Placing::new(&map).shard(&show).cloned().unwrap();
        let other = shards.into_iter().find(|shard| *shard != by_ring).unwrap();
        map.pins.insert(show.clone(), other.clone());
        map.epochs.insert(show.clone(), ShardEpoch::from_u64(3));
        let placing = Placing::new(&map);
        assert_eq!(placing.shard(&show), Some(&other));
        assert_eq!(placing.epoch(&show), ShardEpoch::from_u64(3));
    }
}
