//! The projection of which seats are taken, as it stands in Redis: in one
//! partition, or in several that are each a small projection of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::{Pipeline, Script};
use seat_model::{PerformanceId, PublicSeatState, SeatId, Timestamp};

use crate::cache::link::{CacheAway, Link};
use crate::projection::Exported;

/// The field of a performance's hash that is no seat: a GUID has no control characters.
const MARK: &str = "\u{1}";

/// What Redis said to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is in, or something newer is.
    Ok,
    /// Redis does not have the whole of this performance: write all of it.
    Incomplete,
    /// Another generation holds, or none: begin anew.
    OtherGeneration,
    /// The generation is ahead of what etcd confirms: replace it.
    Regressed,
}

/// Some seats of one performance at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The performance.
    pub performance: PerformanceId,
    /// The revision that changed the seats.
    pub revision: u64,
    /// The seats.
    pub seats: BTreeMap<SeatId, PublicSeatState>,
}

/// One guarded write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Some seats changed.
    Change(Change),
    /// The projection has reached a revision; everything before it was written.
    Reached {
        /// Up to and with.
        revision: u64,
        /// As of.
        as_of: Timestamp,
    },
}

/// How far the projection in Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projected {
    /// Up to and with.
    pub revision: u64,
    /// As of.
    pub as_of: Timestamp,
}

/// What Redis knows of a performance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// How far the projection was.
    pub projected: Projected,
    /// Seats that are not free.
    pub seats: BTreeMap<SeatId, PublicSeatState>,
}

/// The projection in Redis.
#[derive(Clone)]
pub struct SeatStore {
    partitions: Arc<[SeatPartition]>,
}

impl SeatStore {
    /// The projection behind a link; see [`crate::Config::regressed_after_ms`].
    #[must_use]
    pub fn new(link: &Arc<Link>, regressed_after_ms: i64) -> Self {
        let partition = |index| SeatPartition { link: Arc::clone(link), index, regressed_after_ms };
        Self { partitions: (0..link.partitions()).map(partition).collect() }
    }

    /// All partitions; at least one.
    #[must_use]
    pub fn partitions(&self) -> &[SeatPartition] {
        &self.partitions
    }

    /// How far the projection is in the partition that is least far; `None`
    /// where nobody has finished writing one.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn projected(&self) -> Result<Option<Projected>, CacheAway> {
        let all = try_join_all(self.partitions.iter().map(SeatPartition::projected)).await?;
        let all: Option<Vec<Projected>> = all.into_iter().collect();
        Ok(all.and_then(|all| all.into_iter().min_by_key(|projected| projected.revision)))
    }

    /// Reads performances, in one round trip to each partition that has some.
    /// `None` where Redis does not have the whole of one: a part of a map would
    /// show taken seats as free (INV-11).
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read(
        &self,
        performances: &[PerformanceId],
    ) -> Result<Vec<Option<Reading>>, CacheAway> {
        let mut wanted: Vec<(&SeatPartition, Vec<usize>)> =
            self.partitions.iter().map(|partition| (partition, Vec::new())).collect();
        for (place, performance) in performances.iter().enumerate() {
            wanted[partition_of(performance, self.partitions.len())].1.push(place);
        }
        wanted.retain(|(_, places)| !places.is_empty());
        let read = wanted.iter().map(async |(partition, places)| {
            let ids: Vec<&PerformanceId> = places.iter().map(|at| &performances[*at]).collect();
            partition.read(&ids).await
        });
        let mut readings = vec![None; performances.len()];
        for ((_, places), read) in wanted.iter().zip(try_join_all(read).await?) {
            for (place, reading) in places.iter().zip(read) {
                readings[*place] = reading;
            }
        }
        Ok(readings)
    }
}

/// Where a performance is: FNV-1a, written out, because every instance of every
/// version must find the same place.
fn partition_of(performance: &PerformanceId, partitions: usize) -> usize {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    let hash = performance.as_str().bytes().fold(2_166_136_261, mix);
    usize::try_from(hash).unwrap_or(usize::MAX) % partitions.max(1)
}

/// A part of the projection that has its own generation and says by itself how
/// far it is: what a replica that takes over has lost is then lost together
/// with the word that it was there.
#[derive(Clone)]
pub struct SeatPartition {
    link: Arc<Link>,
    index: u16,
    regressed_after_ms: i64,
}

impl SeatPartition {
    /// Whether a performance belongs to this partition.
    #[must_use]
    pub fn has(&self, performance: &PerformanceId) -> bool {
        partition_of(performance, usize::from(self.link.partitions())) == usize::from(self.index)
    }

    /// Begins a generation where there is none, or in place of `instead_of`;
    /// answers the generation that holds afterwards.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn begin(&self, instead_of: &str, fresh: &str) -> Result<String, CacheAway> {
        let mut invocation = self.link.scripts().begin.key(self.meta());
        invocation.arg(instead_of).arg(fresh);
        self.link
            .run(async |mut connection| invocation.invoke_async::<String>(&mut connection).await)
            .await
    }

    /// Writes changes in order, in one round trip; answers for each.
    ///
    /// # Errors
    /// When Redis is away: some may have been written, and may be sent again.
    pub async fn write(&self, generation: &str, writes: &[Write]) -> Result<Vec<Said>, CacheAway> {
        let mut pipe = redis::pipe();
        for write in writes {
            match write {
                Write::Change(change) => {
                    let keys = [self.meta(), self.seats(&change.performance)];
                    call(&mut pipe, &self.link.scripts().change, &keys);
                    pipe.arg(generation).arg(change.revision);
                    for (seat, state) in &change.seats {
                        pipe.arg(seat.as_str()).arg(letter(*state));
                    }
                }
                Write::Reached { revision, as_of } => {
                    call(&mut pipe, &self.link.scripts().reached, &[self.meta()]);
                    pipe.arg(generation).arg(*revision).arg(as_of.as_millis());
                    pipe.arg(self.regressed_after_ms);
                }
            }
        }
        self.say(pipe).await
    }

    /// Writes the whole of a performance: seats that were freed while nobody
    /// watched go, seats that somebody wrote later stay.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn replace(
        &self,
        generation: &str,
        performance: &PerformanceId,
        whole: &Exported,
    ) -> Result<Said, CacheAway> {
        let keys = [self.meta(), self.seats(performance), self.key("performances")];
        let mut pipe = redis::pipe();
        call(&mut pipe, &self.link.scripts().replace, &keys);
        pipe.arg(generation).arg(whole.upto).arg(performance.as_str());
        for (seat, revision, state) in &whole.seats {
            pipe.arg(seat.as_str()).arg(*revision).arg(letter(*state));
        }
        Ok(self.say(pipe).await?.pop().unwrap_or(Said::OtherGeneration))
    }

    /// Every performance this partition has a map of.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn performances(&self) -> Result<Vec<PerformanceId>, CacheAway> {
        let key = self.key("performances");
        let names: Vec<String> = self
            .link
            .run(async |mut connection| {
                redis::cmd("SMEMBERS").arg(key).query_async(&mut connection).await
            })
            .await?;
        Ok(names.into_iter().filter_map(|name| PerformanceId::new(name).ok()).collect())
    }

    /// How far the projection is; `None` where nobody has finished writing it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn projected(&self) -> Result<Option<Projected>, CacheAway> {
        let meta = self.meta();
        let (revision, as_of): (Option<u64>, Option<i64>) = self
            .link
            .run(async |mut connection| {
                let mut ask = redis::cmd("HMGET");
                ask.arg(meta).arg("rev").arg("as_of").query_async(&mut connection).await
            })
            .await?;
        Ok(projected(revision, as_of))
    }

    async fn read(
        &self,
        performances: &[&PerformanceId],
    ) -> Result<Vec<Option<Reading>>, CacheAway> {
        type Meta = (Option<String>, Option<u64>, Option<i64>);
        let mut pipe = redis::pipe();
        // How far first, then the seats: they may be newer than it says, never older.
        pipe.cmd("HMGET").arg(self.meta()).arg("gen").arg("rev").arg("as_of");
        let listed = self.key("performances");
        for performance in performances {
            pipe.cmd("SISMEMBER").arg(&listed).arg(performance.as_str());
            pipe.cmd("HGETALL").arg(self.seats(performance));
        }
        let mut answers = self
            .link
            .run(async |mut connection| {
                pipe.query_async::<Vec<redis::Value>>(&mut connection).await
            })
            .await?
            .into_iter();
        let mut next = || answers.next().unwrap_or(redis::Value::Nil);
        let garbled = |error: redis::ParsingError| CacheAway::garbled(&error);
        let (generation, revision, as_of): Meta =
            redis::from_redis_value(next()).map_err(garbled)?;
        let mut readings = Vec::with_capacity(performances.len());
        for _ in performances {
            let listed: bool = redis::from_redis_value(next()).map_err(garbled)?;
            let fields: Vec<(String, String)> = redis::from_redis_value(next()).map_err(garbled)?;
            let whole = match (&generation, projected(revision, as_of)) {
                (Some(generation), Some(projected)) => {
                    reading(generation, projected, listed, fields)
                }
                _ => None,
            };
            readings.push(whole);
        }
        Ok(readings)
    }

    async fn say(&self, pipe: Pipeline) -> Result<Vec<Said>, CacheAway> {
        let words = self
            .link
            .run(async |mut connection| pipe.query_async::<Vec<String>>(&mut connection).await)
            .await?;
        let said = words.iter().map(|word| match word.as_str() {
            "ok" => Said::Ok,
            "unknown" => Said::Incomplete,
            "regressed" => Said::Regressed,
            _ => Said::OtherGeneration,
        });
        Ok(said.collect())
    }

    fn meta(&self) -> String {
        self.key("meta")
    }

    fn seats(&self, performance: &PerformanceId) -> String {
        self.key(&format!("seats:{performance}"))
    }

    fn key(&self, rest: &str) -> String {
        self.link.partition_key(self.index, rest)
    }
}

fn call(pipe: &mut Pipeline, script: &Script, keys: &[String]) {
    pipe.cmd("EVALSHA").arg(script.get_hash()).arg(keys.len()).arg(keys);
}

fn projected(revision: Option<u64>, as_of: Option<i64>) -> Option<Projected> {
    Some(Projected { revision: revision?, as_of: Timestamp::from_millis(as_of?) })
}

fn reading(
    generation: &str,
    projected: Projected,
    listed: bool,
    fields: Vec<(String, String)>,
) -> Option<Reading> {
    let mut projected = projected;
    let mut seats = BTreeMap::new();
    let mut whole = false;
    for (field, value) in fields {
        if field == MARK {
            whole = value.rsplit_once(':').is_some_and(|(of, _)| of == generation);
            continue;
        }
        let (revision, state) = value.split_once(':')?;
        projected.revision = projected.revision.max(revision.parse().ok()?);
        let state = match state {
            "h" => PublicSeatState::Held,
            "s" => PublicSeatState::Sold,
            _ => continue,
        };
        seats.insert(SeatId::new(field).ok()?, state);
    }
    // No hash and not listed: nobody ever took a seat there, since a projection
    // that says how far it is has written all there was. No hash but listed: lost.
    (whole || (seats.is_empty() && !listed)).then_some(Reading { projected, seats })
}

const fn letter(state: PublicSeatState) -> &'static str {
    match state {
        PublicSeatState::Free => "f",
        PublicSeatState::Held => "h",
        PublicSeatState::Sold => "s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_performance_stays_where_it_is() {
        let at = |name: &str| partition_of(&name.parse().unwrap(), 16);
        assert_eq!(["evening", "h-1", "h-2"].map(at), [15, 13, 4]);
        let all =
            |of| (0..1_000).map(move |n| partition_of(&format!("p-{n}").parse().unwrap(), of));
        assert!(all(1).all(|partition| partition == 0));
        for partition in 0..16 {
            let here = all(16).filter(|found| *found == partition).count();
            assert!((30..=100).contains(&here), "{here} of 1000 in partition {partition}");
        }
    }
}
