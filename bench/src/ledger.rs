//! What is really on the shards, read past everything that is measured: for
//! the checks, and to leave each round as clean as the one before. Knows the
//! tables of the ledger; the gateway's are in one place of their own below.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use payment_gateway_client::GatewayClient;
use sqlx::mysql::MySqlRow;
use sqlx::{Connection as _, MySqlConnection, Row as _};

use crate::Failure;

/// How often it is looked whether work behind the answers is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Payments of the gateway read at once, and how long a page may take.
const GATEWAY_PAGE: usize = 500;
const GATEWAY_PATIENCE: Duration = Duration::from_secs(10);

/// Emptied after each round. What tells where shows live stays.
const EMPTIED: [&str; 6] =
    ["seat_sale", "ticket", "booking", "quota", "outbox", "remembered_answer"];

/// A booking as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// On which shard.
    pub(crate) shard: usize,
    /// Its id.
    pub(crate) id: String,
    /// Whether it is sold, and not merely held, cancelled or a tombstone.
    pub(crate) confirmed: bool,
    /// Who has it.
    pub(crate) customer: String,
    /// The key it was bought under.
    pub(crate) key: String,
    /// The performance, as its shard names it.
    pub(crate) performance: String,
}

/// A seat of a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeatOf {
    /// On which shard.
    pub(crate) shard: usize,
    /// The performance, as its shard names it.
    pub(crate) performance: String,
    /// The seat.
    pub(crate) seat: String,
    /// Whose it is.
    pub(crate) booking: String,
}

/// Everything that was sold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sold {
    /// The bookings.
    pub(crate) rows: Vec<Row>,
    /// Who has which seat.
    pub(crate) sales: Vec<SeatOf>,
    /// The valid tickets.
    pub(crate) tickets: Vec<SeatOf>,
}

/// The shards, in the order of their nodes.
pub(crate) struct Ledger {
    urls: Vec<String>,
    gateway_url: String,
}

impl Ledger {
    /// At these URLs, with the payment gateway's.
    pub(crate) const fn new(urls: Vec<String>, gateway_url: String) -> Self {
        Self { urls, gateway_url }
    }

    /// The shard of every show.
    ///
    /// # Errors
    /// When a shard does not answer, or a show is on two.
    pub(crate) async fn placements(&self) -> Result<BTreeMap<String, usize>, Failure> {
        let mut placements = BTreeMap::new();
        for (shard, row) in self.all("SELECT show_id FROM placement").await? {
            let show: String = row.try_get(0)?;
            if let Some(other) = placements.insert(show.clone(), shard) {
                return Err(format!("{show} is on shards {other} and {shard}").into());
            }
        }
        Ok(placements)
    }

    /// Everything that was sold.
    ///
    /// # Errors
    /// When a shard does not answer.
    pub(crate) async fn sold(&self) -> Result<Sold, Failure> {
        let mut sold = Sold::default();
        let select =
            "SELECT id, state = 'CONFIRMED', user_id, confirm_key, performance_id FROM booking";
        for (shard, row) in self.all(select).await? {
            sold.rows.push(read_row(shard, &row)?);
        }
        let select = "SELECT performance_id, seat, booking_id FROM seat_sale";
        for (shard, row) in self.all(select).await? {
            sold.sales.push(read_seat(shard, &row)?);
        }
        let select = "SELECT performance_id, seat, booking_id FROM ticket WHERE state = 'VALID'";
        for (shard, row) in self.all(select).await? {
            sold.tickets.push(read_seat(shard, &row)?);
        }
        Ok(sold)
    }

    /// The money that the gateway captured and gave back to nobody for these
    /// bookings, in minor units. The only look at the gateway's own ledger,
    /// which is never emptied: what earlier rounds paid is passed over.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn captured(&self, sold: &Sold) -> Result<HashMap<String, u64>, Failure> {
        let known: HashSet<&str> = sold.rows.iter().map(|row| row.id.as_str()).collect();
        let gateway = GatewayClient::new(&self.gateway_url, GATEWAY_PATIENCE)?;
        let mut captured = HashMap::new();
        let mut after = None;
        loop {
            let page = gateway.payments(after.as_ref(), GATEWAY_PAGE).await?;
            for payment in page.payments.iter().filter(|payment| payment.kept() > 0) {
                let booking = payment.reference.booking().to_string();
                if known.contains(booking.as_str()) {
                    *captured.entry(booking).or_insert(0) += payment.kept();
                }
            }
            after = page.next_after;
            if after.is_none() {
                return Ok(captured);
            }
        }
    }

    /// Waits until nothing is left in the outboxes, and says how long it took;
    /// `None` when the patience was over first.
    ///
    /// # Errors
    /// When a shard does not answer.
    pub(crate) async fn drained(&self, patience: Duration) -> Result<Option<Duration>, Failure> {
        let start = Instant::now();
        for url in &self.urls {
            let mut shard = MySqlConnection::connect(url).await?;
            loop {
                let row = sqlx::query("SELECT COUNT(*) FROM outbox").fetch_one(&mut shard).await?;
                if row.try_get::<i64, _>(0)? == 0 {
                    break;
                }
                if start.elapsed() > patience {
                    return Ok(None);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(Some(start.elapsed()))
    }

    /// Forgets everything that was sold; booking-api must not be running.
    ///
    /// # Errors
    /// When a shard does not answer.
    pub(crate) async fn clear(&self) -> Result<(), Failure> {
        for url in &self.urls {
            let mut shard = MySqlConnection::connect(url).await?;
            sqlx::query("SET FOREIGN_KEY_CHECKS = 0").execute(&mut shard).await?;
            for table in EMPTIED {
                let truncate = format!("TRUNCATE TABLE {table}");
                sqlx::raw_sql(sqlx::AssertSqlSafe(truncate)).execute(&mut shard).await?;
            }
        }
        Ok(())
    }

    async fn all(&self, select: &'static str) -> Result<Vec<(usize, MySqlRow)>, Failure> {
        everywhere(&self.urls, select).await
    }
}

/// The rows of a query, with the number of the server they came from.
///
/// # Errors
/// When a server does not answer.
pub(crate) async fn everywhere(
    urls: &[String],
    select: &'static str,
) -> Result<Vec<(usize, MySqlRow)>, Failure> {
    let mut all = Vec::new();
    for (shard, url) in urls.iter().enumerate() {
        let mut connection = MySqlConnection::connect(url).await?;
        let rows = sqlx::query(select).fetch_all(&mut connection).await?;
        all.extend(rows.into_iter().map(|row| (shard, row)));
    }
    Ok(all)
}

/// Columns: id, whether it is confirmed, customer, key, performance.
///
/// # Errors
/// When they are not.
pub(crate) fn read_row(shard: usize, row: &MySqlRow) -> Result<Row, sqlx::Error> {
    Ok(Row {
        shard,
        id: row.try_get(0)?,
        confirmed: row.try_get::<i64, _>(1)? == 1,
        customer: row.try_get(2)?,
        key: row.try_get(3)?,
        performance: row.try_get(4)?,
    })
}

/// Columns: performance, seat, booking.
///
/// # Errors
/// When they are not.
pub(crate) fn read_seat(shard: usize, row: &MySqlRow) -> Result<SeatOf, sqlx::Error> {
    let (performance, seat, booking) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(SeatOf { shard, performance, seat, booking })
}
