//! How many bytes the stores and the services have for what they keep, read past
//! everything that is measured.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use sqlx::{Connection as _, MySqlConnection, Row as _};

use crate::Failure;
use crate::stage::Stage;
use crate::usage::rss_bytes;

/// How often it is looked whether Redis has everything.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What stays of a booking; the others are emptied again.
const ANALYZE: &str = "ANALYZE NO_WRITE_TO_BINLOG TABLE booking, seat_sale, ticket, quota";
const TABLE_BYTES: &str = "SELECT COALESCE(SUM(data_length + index_length), 0) DIV 1 \
    FROM information_schema.tables WHERE table_schema = DATABASE() \
    AND table_name IN ('booking', 'seat_sale', 'ticket', 'quota')";

/// Bytes of the shards: tables with their indexes, and binary logs.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnShards {
    pub(super) data: f64,
    pub(super) binlog: f64,
}

impl OnShards {
    /// Looks at all of them. Tables are counted in whole pages, and from 32
    /// pages on in extents of a mebibyte: exact only for many rows.
    ///
    /// # Errors
    /// When one does not answer.
    pub(super) async fn look(urls: &[String]) -> Result<Self, Failure> {
        let mut all = Self { data: 0.0, binlog: 0.0 };
        for url in urls {
            let mut shard = MySqlConnection::connect(url).await?;
            sqlx::raw_sql(ANALYZE).execute(&mut shard).await?;
            // As text, whatever types the server gives these columns.
            let row = sqlx::raw_sql(TABLE_BYTES).fetch_one(&mut shard).await?;
            all.data += bytes(&row, 0)?;
            for row in sqlx::raw_sql("SHOW BINARY LOGS").fetch_all(&mut shard).await? {
                all.binlog += bytes(&row, 1)?;
            }
        }
        Ok(all)
    }
}

fn bytes(row: &sqlx::mysql::MySqlRow, column: usize) -> Result<f64, Failure> {
    let text: &str = row.try_get_unchecked(column)?;
    Ok(text.parse()?)
}

/// Resident memory of all processes whose names begin so, in bytes.
///
/// # Errors
/// When the cluster does not know its processes.
pub(super) fn memory_of(stage: &Stage, kind: &str) -> Result<f64, Failure> {
    let processes = stage.processes()?;
    let of_kind = processes.iter().filter(|process| process.name.starts_with(kind));
    let bytes: u64 = of_kind.filter_map(|process| rss_bytes(process.pid)).sum();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let bytes = bytes as f64;
    Ok(bytes)
}

/// Bytes that Redis has for a performance, once so many of its seats are there.
///
/// # Errors
/// When they are not there within the patience.
pub(super) async fn redis_bytes(
    url: &str,
    performance: &str,
    seats: usize,
    patience: Duration,
) -> Result<f64, Failure> {
    let mut redis = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let start = Instant::now();
    loop {
        if let Some((key, fields)) = hash_of(&mut redis, performance).await?
            // One field says that the whole is there.
            && fields > seats
        {
            let mut usage = redis::cmd("MEMORY");
            let usage = usage.arg("USAGE").arg(&key).arg("SAMPLES").arg(0);
            return Ok(usage.query_async::<f64>(&mut redis).await?);
        }
        if start.elapsed() > patience {
            return Err("what was sold is not in Redis".into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The key of a performance's seats, and how many fields it has.
async fn hash_of(
    redis: &mut MultiplexedConnection,
    performance: &str,
) -> Result<Option<(String, usize)>, Failure> {
    let pattern = format!("*:seats:{performance}");
    let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(redis).await?;
    let Some(key) = keys.into_iter().next() else { return Ok(None) };
    let fields = redis::cmd("HLEN").arg(&key).query_async(redis).await?;
    Ok(Some((key, fields)))
}
