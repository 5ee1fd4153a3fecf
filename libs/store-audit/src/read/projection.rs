//! Redis: view-service's projection, as its views read it. Knows a single
//! server; with Sentinels or a Cluster, view-service's own guards are all.

use std::collections::BTreeSet;

use redis::aio::MultiplexedConnection;
use seat_model::{PerformanceId, PublicSeatState, SeatId};

use super::{CALL, ReadError, Scope};
use crate::records::{Projected, Projection};

/// The field of a performance's hash that is no seat.
const MARK: &str = "\u{1}";

/// Hashes read in one round trip.
const AT_ONCE: usize = 64;

/// A Redis and the prefix of its keys.
pub(crate) struct RedisReader {
    client: redis::Client,
    prefix: String,
}

impl RedisReader {
    pub(crate) fn new(url: &str, prefix: &str) -> Result<Self, ReadError> {
        let client = redis::Client::open(url).map_err(|error| ReadError::of("redis")(&error))?;
        Ok(Self { client, prefix: prefix.to_owned() })
    }

    /// What Redis shows of these performances and of every one it has a map
    /// of. How far it is comes first, so that the seats are as new or newer.
    pub(crate) async fn read(
        &self,
        scope: &Scope,
        taken: &BTreeSet<PerformanceId>,
    ) -> Result<Projection, ReadError> {
        let wrong = ReadError::of("redis");
        let read = tokio::time::timeout(CALL, self.projection(scope, taken)).await;
        read.map_err(|late| wrong(&late))?.map_err(|error| wrong(&error))
    }

    /// Deletes the maps of these performances and the mark that Redis is whole:
    /// view-service writes everything anew from what lock-service tells it.
    pub(crate) async fn forget(
        &self,
        performances: &BTreeSet<PerformanceId>,
    ) -> Result<(), ReadError> {
        let wrong = ReadError::of("redis");
        let forget = async {
            let mut connection = self.connect().await?;
            let mut delete = redis::cmd("DEL");
            delete.arg(self.key("meta"));
            for performance in performances {
                delete.arg(self.seats(performance));
            }
            delete.query_async::<u64>(&mut connection).await
        };
        let forgotten = tokio::time::timeout(CALL, forget).await.map_err(|late| wrong(&late))?;
        forgotten.map(drop).map_err(|error| wrong(&error))
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let config = redis::AsyncConnectionConfig::new()
            .set_response_timeout(Some(CALL))
            .set_connection_timeout(Some(CALL));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn projection(
        &self,
        scope: &Scope,
        taken: &BTreeSet<PerformanceId>,
    ) -> redis::RedisResult<Projection> {
        let mut connection = self.connect().await?;
        let (generation, reached): (Option<String>, Option<u64>) = redis::cmd("HMGET")
            .arg(self.key("meta"))
            .arg("gen")
            .arg("rev")
            .query_async(&mut connection)
            .await?;
        let listed: BTreeSet<String> = redis::cmd("SMEMBERS")
            .arg(self.key("performances"))
            .query_async(&mut connection)
            .await?;
        let mut wanted: Vec<PerformanceId> = match scope.performances() {
            Some(only) => only.iter().cloned().collect(),
            None => {
                let listed = listed.iter().filter_map(|name| name.parse().ok());
                listed.chain(taken.iter().cloned()).collect()
            }
        };
        wanted.sort_unstable();
        wanted.dedup();
        let mut projection = Projection { reached, ..Projection::default() };
        let Some(generation) = generation else {
            projection.reached = None;
            return Ok(projection);
        };
        for some in wanted.chunks(AT_ONCE) {
            let mut pipe = redis::pipe();
            for performance in some {
                pipe.cmd("HGETALL").arg(self.seats(performance));
            }
            let hashes: Vec<Vec<(String, String)>> = pipe.query_async(&mut connection).await?;
            for (performance, fields) in some.iter().zip(hashes) {
                let mut shown = read(&generation, fields);
                shown.listed = listed.contains(performance.as_str());
                projection.performances.insert(performance.clone(), shown);
            }
        }
        Ok(projection)
    }

    /// As view-service names the keys of the one partition that a single server has.
    fn key(&self, rest: &str) -> String {
        format!("{{{}:0/1}}:{rest}", self.prefix)
    }

    fn seats(&self, performance: &PerformanceId) -> String {
        self.key(&format!("seats:{performance}"))
    }
}

/// A field that makes no sense is left out, as if the seat were not there:
/// then it differs from etcd, or it does not matter.
fn read(generation: &str, fields: Vec<(String, String)>) -> Projected {
    let mut shown = Projected::default();
    for (field, value) in fields {
        if field == MARK {
            shown.whole = value.rsplit_once(':').is_some_and(|(of, _)| of == generation);
            continue;
        }
        let Some((revision, state)) = value.split_once(':') else { continue };
        let state = match state {
            "f" => PublicSeatState::Free,
            "h" => PublicSeatState::Held,
            "s" => PublicSeatState::Sold,
            _ => continue,
        };
        if let (Ok(revision), Ok(seat)) = (revision.parse(), SeatId::new(field)) {
            shown.seats.insert(seat, (revision, state));
        }
    }
    shown
}
