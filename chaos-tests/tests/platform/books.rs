//! The books of one show, read in every store behind the services' backs, and
//! what must be true of them once nothing is under way any more: the
//! invariants, demanded and not assumed.
//!
//! Must not know: what was done to the show, or to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chaos_tests::wait_until;
use local_cluster::NodeKind;
use lock_service_client::{LockClient, LockClientConfig};
use payment_gateway_client::wire::PaymentState;
use seat_model::{BookingId, SeatState, ShowId};
use sqlx::{Connection as _, MySqlConnection, Row as _};

use crate::world::{Show, World};

/// How long what runs behind an answer may take: the outbox of a process that
/// died is claimed again after five seconds.
const QUIET_WITHIN: Duration = Duration::from_secs(15);

/// A booking as its shard has it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    shard: String,
    pub(crate) state: String,
    user: String,
    performance: String,
    fence: u64,
    /// Seat, price, whether the ticket is valid.
    tickets: Vec<(String, u64, bool)>,
}

impl Entry {
    pub(crate) fn valid(&self) -> BTreeSet<String> {
        let valid = self.tickets.iter().filter(|(_, _, valid)| *valid);
        valid.map(|(seat, _, _)| seat.clone()).collect()
    }

    fn worth(&self, wanted: impl Fn(bool) -> bool) -> u64 {
        let counted = self.tickets.iter().filter(|(_, _, valid)| wanted(*valid));
        counted.map(|(_, price, _)| price).sum()
    }
}

/// What the gateway did for a booking.
#[derive(Debug, Default, PartialEq, Eq)]
struct Money {
    captured: u64,
    refunded: u64,
    /// Authorised, and neither taken nor let go.
    reserved: u64,
}

/// Everything that stands about one show.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) entries: BTreeMap<String, Entry>,
    on_two_shards: Vec<String>,
    /// Performance and seat, with the booking it is sold to.
    sold: BTreeMap<(String, String), String>,
    quota: BTreeMap<(String, String), u64>,
    money: BTreeMap<String, Money>,
    waiting: i64,
}

/// A client of the cluster's own lock-service instances.
pub(crate) fn locks(world: &World) -> LockClient {
    let nodes = world.cluster.nodes().expect("the nodes");
    let urls = nodes.iter().filter(|node| node.kind == NodeKind::LockService);
    LockClient::new(LockClientConfig {
        instances: urls.map(|node| format!("http://{}", node.address)).collect(),
        try_timeout: Duration::from_secs(2),
        away_for: Duration::from_millis(100),
    })
    .expect("a client")
}

/// Reads the books of a show on all shards.
pub(crate) async fn read(world: &World, show: &Show) -> Result<Books, String> {
    let mut books = Books::default();
    for shard in world.names_of(NodeKind::Shard) {
        books.read_shard(world, &shard, show).await.map_err(|error| format!("{shard}: {error}"))?;
    }
    books.read_money(world).await?;
    Ok(books)
}

impl Books {
    async fn read_shard(
        &mut self,
        world: &World,
        shard: &str,
        show: &Show,
    ) -> Result<(), sqlx::Error> {
        let url = world.cluster.database_url(shard).expect("a shard");
        let mut connection = MySqlConnection::connect(&url).await?;
        let bookings = "SELECT id, state, user_id, performance_id, fence FROM booking \
                        WHERE show_id = ?";
        for row in sqlx::query(bookings).bind(&show.show_id).fetch_all(&mut connection).await? {
            let id: String = row.try_get(0)?;
            let entry = Entry {
                shard: shard.to_owned(),
                state: row.try_get(1)?,
                user: row.try_get(2)?,
                performance: row.try_get(3)?,
                fence: row.try_get(4)?,
                tickets: Vec::new(),
            };
            if self.entries.insert(id.clone(), entry).is_some() {
                self.on_two_shards.push(id);
            }
        }
        let tickets = "SELECT booking_id, seat, price, state = 'VALID' FROM ticket \
                       WHERE show_id = ?";
        for row in sqlx::query(tickets).bind(&show.show_id).fetch_all(&mut connection).await? {
            let ticket = (row.try_get(1)?, row.try_get(2)?, row.try_get::<i64, _>(3)? == 1);
            if let Some(entry) = self.entries.get_mut(&row.try_get::<String, _>(0)?) {
                entry.tickets.push(ticket);
            }
        }
        let sold = "SELECT sale.performance_id, sale.seat, sale.booking_id FROM seat_sale AS sale \
                    JOIN booking ON booking.id = sale.booking_id WHERE booking.show_id = ?";
        for row in sqlx::query(sold).bind(&show.show_id).fetch_all(&mut connection).await? {
            self.sold.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
        }
        let quota = "SELECT performance_id, user_id, CAST(sold AS UNSIGNED) FROM quota \
                     WHERE sold > 0 AND performance_id IN \
                     (SELECT performance_id FROM booking WHERE show_id = ?)";
        for row in sqlx::query(quota).bind(&show.show_id).fetch_all(&mut connection).await? {
            let name = (row.try_get(0)?, row.try_get(1)?);
            *self.quota.entry(name).or_default() += row.try_get::<u64, _>(2)?;
        }
        self.waiting +=
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM outbox WHERE show_id = ?")
                .bind(&show.show_id)
                .fetch_one(&mut connection)
                .await?;
        Ok(())
    }

    /// The gateway's own ledger, of the bookings that have a row.
    async fn read_money(&mut self, world: &World) -> Result<(), String> {
        for payment in world.payments().await? {
            let booking = payment.reference.booking().to_string();
            if !self.entries.contains_key(&booking) {
                continue;
            }
            let money = self.money.entry(booking).or_default();
            match payment.state {
                PaymentState::Captured => {
                    money.captured += payment.amount;
                    money.refunded += payment.refunded();
                }
                PaymentState::Authorised => money.reserved += payment.amount,
                PaymentState::Declined | PaymentState::Voided => {}
            }
        }
        Ok(())
    }

    /// What must be true of the ledger and the gateway by themselves.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |holds: bool, what: &dyn Fn() -> String| {
            if !holds {
                faults.push(what());
            }
        };
        must(self.on_two_shards.is_empty(), &|| format!("INV-13: {:?}", self.on_two_shards));
        must(self.waiting == 0, &|| format!("INV-10: {} rows wait in the outbox", self.waiting));
        let mut valid = BTreeMap::new();
        let mut quota: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (id, entry) in &self.entries {
            for seat in entry.valid() {
                let twice = valid.insert((entry.performance.clone(), seat), id.clone());
                must(twice.is_none(), &|| format!("INV-1: {id} and {twice:?} have one seat"));
                let whose = (entry.performance.clone(), entry.user.clone());
                *quota.entry(whose).or_default() += 1;
            }
            let any = !entry.valid().is_empty();
            let fits = match entry.state.as_str() {
                "CONFIRMED" => any,
                "CANCELLED" => !any && !entry.tickets.is_empty(),
                "ABORTED" => entry.tickets.is_empty(),
                _ => false,
            };
            must(fits, &|| format!("INV-9: {id}: {entry:?}"));
            let due = Money {
                captured: entry.worth(|_| true),
                refunded: entry.worth(|valid| !valid),
                reserved: 0,
            };
            let none = Money::default();
            let money = self.money.get(id).unwrap_or(&none);
            must(*money == due, &|| format!("INV-7, INV-10: {id}: {money:?}, not {due:?}"));
        }
        must(valid == self.sold, &|| format!("INV-1: tickets {valid:?}, sales {:?}", self.sold));
        must(quota == self.quota, &|| format!("quota {:?}, tickets {quota:?}", self.quota));
        faults
    }

    /// What must be true between the ledger and etcd: the same seats sold, under
    /// the row's own fence, and nothing left `confirming`.
    async fn faults_beside(
        &self,
        show: &ShowId,
        locks: &LockClient,
    ) -> Result<Vec<String>, String> {
        let mut faults = Vec::new();
        let away = |error: lock_service_client::LockError| error.to_string();
        let stuck = locks.confirming(Duration::ZERO).await.map_err(away)?;
        let stuck: Vec<_> = stuck.iter().filter(|seats| seats.show == *show).collect();
        if !stuck.is_empty() {
            faults.push(format!("INV-6: still confirming: {stuck:?}"));
        }
        for (id, entry) in &self.entries {
            let booking: BookingId = id.parse().map_err(|_| format!("{id} is no booking id"))?;
            let seats = locks.booking(show, booking).await.map_err(away)?;
            let sold = seats.filter(|seats| seats.state == SeatState::Sold);
            // Seats are finished after they were pinned at the fence of the row.
            if let Some(early) = sold.as_ref().filter(|sold| sold.fence.get() <= entry.fence) {
                faults.push(format!("INV-3: {id} is sold at {}, before its row", early.fence));
            }
            let sold = sold.map(|sold| sold.seats.iter().map(|one| one.seat.to_string()).collect());
            let sold: BTreeSet<String> = sold.unwrap_or_default();
            if sold != entry.valid() {
                faults.push(format!("INV-6: {id} on {}: etcd {sold:?}, {entry:?}", entry.shard));
            }
        }
        Ok(faults)
    }
}

/// Waits until the books of a show are in order, and answers them.
pub(crate) async fn in_order(world: &World, show: &Show) -> Result<Books, String> {
    in_order_within(world, show, QUIET_WITHIN).await
}

/// Waits until ledger and money of a show are in order by themselves, however
/// many bookings there are: each is not looked up in etcd.
pub(crate) async fn balanced_within(
    world: &World,
    show: &Show,
    patience: Duration,
) -> Result<Books, String> {
    wait_until(patience, || async {
        let books = read(world, show).await?;
        let faults = books.faults();
        if faults.is_empty() { Ok(books) } else { Err(faults.join("; ")) }
    })
    .await
}

/// The same for somebody who knows how long it can take.
pub(crate) async fn in_order_within(
    world: &World,
    show: &Show,
    patience: Duration,
) -> Result<Books, String> {
    let locks = locks(world);
    let id = ShowId::new(show.show_id.clone()).map_err(|error| error.to_string())?;
    wait_until(patience, || async {
        let books = read(world, show).await?;
        let mut faults = books.faults();
        faults.extend(books.faults_beside(&id, &locks).await?);
        if faults.is_empty() { Ok(books) } else { Err(faults.join("; ")) }
    })
    .await
}
