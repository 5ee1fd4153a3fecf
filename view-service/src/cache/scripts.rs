//! The scripts that guard the projection in Redis. They make every write
//! conditional, so that any number of instances may write, late and twice.
//!
//! Each partition of the projection is a small projection of its own, and all
//! of its keys begin with the same tag `{…}`, so that a script finds them in one
//! place. `{…}:meta` is a hash: `gen` names the generation, `rev` and `as_of` say
//! how far it is projected. `{…}:performances` is a set of those that have a map.
//! `{…}:seats:PERFORMANCE` is a hash: the field `\1` holds `gen:floor` (everything
//! up to revision `floor` is in it), every other field is a seat with
//! `revision:state`, where `f` (free) is a tombstone that keeps an older `h` or
//! `s` out. A plan bounds the number of fields.

use futures_util::future::try_join_all;
use redis::{RedisResult, Script};

use crate::cache::servers::Connection;

/// Begins a generation where there is none, or in place of the one named.
/// KEYS meta; ARGV the generation to replace or '', the new one. Answers the one that holds.
const BEGIN: &str = r"
local gen = redis.call('HGET', KEYS[1], 'gen')
if gen and gen ~= ARGV[1] then return gen end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'gen', ARGV[2])
return ARGV[2]
";

/// Writes one change, seat by seat, each only over something older.
/// KEYS meta, seats; ARGV gen, revision, seat, state, seat, state …
const CHANGE: &str = r"
if redis.call('HGET', KEYS[1], 'gen') ~= ARGV[1] then return 'generation' end
local mark = redis.call('HGET', KEYS[2], '\1')
if not mark then return 'unknown' end
local gen, floor = string.match(mark, '^(.*):(%d+)$')
if gen ~= ARGV[1] then return 'unknown' end
local revision = tonumber(ARGV[2])
if revision <= tonumber(floor) then return 'ok' end
for i = 3, #ARGV, 2 do
  local had = redis.call('HGET', KEYS[2], ARGV[i])
  if not had or tonumber(string.match(had, '^%d+')) < revision then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[2] .. ':' .. ARGV[i + 1])
  end
end
return 'ok'
";

/// Writes a whole performance as of a revision: what is older and not in it goes.
/// Also over a whole of the same revision: a replica that took over may have lost
/// a change right above it, which this one has. A later whole has it for certain.
/// KEYS meta, seats, performances; ARGV gen, upto, performance, seat, revision, state …
const REPLACE: &str = r"
if redis.call('HGET', KEYS[1], 'gen') ~= ARGV[1] then return 'generation' end
local upto = tonumber(ARGV[2])
local mark = redis.call('HGET', KEYS[2], '\1')
if mark then
  local gen, floor = string.match(mark, '^(.*):(%d+)$')
  if gen ~= ARGV[1] then
    redis.call('DEL', KEYS[2])
  elseif tonumber(floor) > upto then
    return 'ok'
  end
end
local mine = {}
for i = 4, #ARGV, 3 do mine[ARGV[i]] = true end
local has = {}
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  if all[i] ~= '\1' then
    local revision = tonumber(string.match(all[i + 1], '^%d+'))
    if revision <= upto and not mine[all[i]] then
      redis.call('HDEL', KEYS[2], all[i])
    else
      has[all[i]] = revision
    end
  end
end
for i = 4, #ARGV, 3 do
  local had = has[ARGV[i]]
  if not had or had < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1] .. ':' .. ARGV[i + 2])
  end
end
redis.call('HSET', KEYS[2], '\1', ARGV[1] .. ':' .. ARGV[2])
redis.call('SADD', KEYS[3], ARGV[3])
return 'ok'
";

/// Says how far the generation is projected; never goes back. A lower revision
/// that was confirmed much later than a higher one means that etcd began again.
/// KEYS meta; ARGV gen, revision, as_of in ms, how much later in ms.
const REACHED: &str = r"
local meta = redis.call('HMGET', KEYS[1], 'gen', 'rev', 'as_of')
if meta[1] ~= ARGV[1] then return 'generation' end
local revision, as_of = tonumber(ARGV[2]), tonumber(ARGV[3])
if meta[2] and revision < tonumber(meta[2]) then
  if as_of > tonumber(meta[3]) + tonumber(ARGV[4]) then return 'regressed' end
  return 'ok'
end
redis.call('HSET', KEYS[1], 'rev', ARGV[2])
if not meta[3] or as_of > tonumber(meta[3]) then
  redis.call('HSET', KEYS[1], 'as_of', ARGV[3])
end
return 'ok'
";

/// The scripts by what they do.
pub(super) struct Scripts {
    pub(super) begin: Script,
    pub(super) change: Script,
    pub(super) replace: Script,
    pub(super) reached: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            begin: Script::new(BEGIN),
            change: Script::new(CHANGE),
            replace: Script::new(REPLACE),
            reached: Script::new(REACHED),
        }
    }

    /// Makes them known to a server, or to every primary of a Cluster, so that
    /// calls carry a hash only.
    pub(super) async fn load(&self, connection: &Connection) -> RedisResult<()> {
        let load = async |text: &str| {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(text).exec_async(&mut connection.clone()).await
        };
        try_join_all([BEGIN, CHANGE, REPLACE, REACHED].map(load)).await.map(drop)
    }
}
