//! Where a show lives when nothing says otherwise: consistent hashing on its id.
//!
//! Architecture invariant: the hash is written here and pinned by golden
//! vectors. `hashring` hashes with whatever `BuildHasher` it is given and
//! places a node once; an upgrade of it, of std or of a hasher crate must never
//! move a show silently.

use std::hash::{BuildHasher, Hash, Hasher};

use hashring::HashRing;
use seat_model::{ShardId, ShowId};

/// Points a shard has on the ring: enough for about equal shares.
const POINTS: u32 = 512;

/// FNV-1a over explicitly written bytes, then mixed (`splitmix64`), because
/// the ring compares the highest bits first and FNV leaves those of short
/// texts alike.
#[derive(Clone, Copy)]
struct StableHasher(u64);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[derive(Clone, Copy)]
struct StableHash;

impl BuildHasher for StableHash {
    type Hasher = StableHasher;

    fn build_hasher(&self) -> StableHasher {
        StableHasher(0xcbf2_9ce4_8422_2325)
    }
}

/// One of a shard's points.
#[derive(Clone)]
struct Point {
    shard: ShardId,
    number: u32,
}

impl Hash for Point {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.shard.as_str().as_bytes());
        state.write(b"#");
        state.write(&self.number.to_be_bytes());
    }
}

struct ShowKey<'s>(&'s ShowId);

impl Hash for ShowKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.as_str().as_bytes());
    }
}

/// The ring of a set of shards.
#[derive(Clone)]
pub struct ShardRing {
    ring: HashRing<Point, StableHash>,
}

impl ShardRing {
    /// The ring of these shards; their order does not matter.
    #[must_use]
    pub fn new(shards: &[ShardId]) -> Self {
        let mut ring = HashRing::with_hasher(StableHash);
        let points = shards
            .iter()
            .flat_map(|shard| (0..POINTS).map(|number| Point { shard: shard.clone(), number }))
            .collect();
        ring.batch_add(points);
        Self { ring }
    }

    /// The shard of a show; `None` when the ring is empty.
    #[must_use]
    pub fn shard_of(&self, show: &ShowId) -> Option<&ShardId> {
        self.ring.get(&ShowKey(show)).map(|point| &point.shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(count: usize) -> Vec<ShardId> {
        (0..count).map(|i| ShardId::new(format!("shard-{i}")).unwrap()).collect()
    }

    fn place(ring: &ShardRing, show: &str) -> String {
        ring.shard_of(&ShowId::new(show).unwrap()).unwrap().to_string()
    }

    #[test]
    fn golden_vectors_keep_every_show_where_it_is() {
        let ring = ShardRing::new(&shards(4));
        let placed: Vec<_> = ["hamlet", "carmen", "the-tempest", "cup-final", "a", "0", "show-17"]
            .map(|show| place(&ring, show))
            .into();
        assert_eq!(placed, GOLDEN);
    }

    const GOLDEN: [&str; 7] =
        ["shard-3", "shard-1", "shard-0", "shard-1", "shard-1", "shard-1", "shard-3"];

    #[test]
    fn shows_spread_evenly_and_few_move_when_a_shard_is_added() {
        let (four, five) = (ShardRing::new(&shards(4)), ShardRing::new(&shards(5)));
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        let mut moved = 0;
        for i in 0..20_000 {
            let show = format!("show-{i}");
            let before = place(&four, &show);
            let after = place(&five, &show);
            if before != after {
                assert_eq!(after, "shard-4", "a show moved between old shards");
                moved += 1;
            }
            *counts.entry(before).or_default() += 1;
        }
        for (shard, count) in &counts {
            assert!((4_300..5_700).contains(count), "{shard} has {count} of 20000 shows");
        }
        assert!((3_000..5_000).contains(&moved), "{moved} of 20000 shows moved");
    }

    #[test]
    fn the_order_of_the_shards_does_not_matter() {
        let mut backwards = shards(3);
        backwards.reverse();
        let (one, other) = (ShardRing::new(&shards(3)), ShardRing::new(&backwards));
        for i in 0..1_000 {
            let show = format!("s{i}");
            assert_eq!(place(&one, &show), place(&other, &show));
        }
    }
}
