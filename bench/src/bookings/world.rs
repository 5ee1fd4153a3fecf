//! What is on sale and who buys it: shows over both shards, their performances,
//! customers with tokens of their own. The n-th purchase of a run is always the
//! same, so that a resend is a resend and the checks know whose it was.

use std::collections::BTreeMap;
use std::time::Duration;

use booking_api_client::{BookingClient, PerformanceCreate, ShowCreate};
use local_cluster::Role;
use seat_model::{Currency, Money, ShowId, Timestamp};

use crate::Failure;
use crate::clock;
use crate::hall;
use crate::ledger::Ledger;
use crate::orders::{PRICE, TIER};
use crate::stage::Stage;

/// Shows of a programme; each goes to the shard that its id hashes to.
const SHOWS: u32 = 16;

/// Performances of each.
const PERFORMANCES: u32 = 2;

/// All performances of a programme.
pub(crate) const HOUSES: u32 = SHOWS * PERFORMANCES;

/// Customers. Each comes again, but never reaches the limit of a performance.
const CUSTOMERS: u32 = 5_000;

/// Seats of a performance that one customer may have, as it is unless asked otherwise.
const OF_ONE_CUSTOMER: u32 = 10;

/// The tier whose seats are named by those who buy them; those of the other are
/// picked for them.
pub(crate) const NAMED_TIER: &str = "Circle";

const TOKEN_TTL: Duration = Duration::from_secs(6 * 3_600);
const A_MONTH_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// One performance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Performance {
    /// Its show.
    pub(crate) show: String,
    /// Its id.
    pub(crate) id: String,
    /// The shard of its show, by its number.
    pub(crate) shard: usize,
}

/// Somebody who buys.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    /// The user.
    pub(crate) id: String,
    /// A bearer token.
    pub(crate) token: String,
}

/// How much is put on sale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wares {
    /// What the ids of its shows begin with.
    name: &'static str,
    shows: u32,
    /// Of each show.
    performances: u32,
    /// In each of the two tiers of each performance.
    seats: u32,
    customers: u32,
}

impl Wares {
    /// Many shows, over all shards, with so many seats in each tier.
    pub(crate) const fn programme(seats: u32) -> Self {
        let (shows, performances, customers) = (SHOWS, PERFORMANCES, CUSTOMERS);
        Self { name: "bench", shows, performances, seats, customers }
    }

    /// One performance of one show, and as many customers as it takes to sell it out.
    pub(crate) fn one_show(seats: u32) -> Self {
        let customers = CUSTOMERS.max(seats.saturating_mul(2).div_ceil(OF_ONE_CUSTOMER));
        Self { name: "one", shows: 1, performances: 1, seats, customers }
    }
}

/// Everything that is on sale.
#[derive(Debug, Clone)]
pub(crate) struct World {
    /// The performances.
    pub(crate) performances: Vec<Performance>,
    /// Seats in each of the two tiers: `S-0` on are picked, the rest are named.
    pub(crate) seats: u32,
    customers: Vec<Customer>,
}

/// One purchase: a single seat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purchase<'w> {
    /// Which performance, by its number.
    pub(crate) place: usize,
    /// That performance.
    pub(crate) performance: &'w Performance,
    /// Who buys.
    pub(crate) customer: &'w Customer,
    /// The seat that is named, by its number; `None` is "pick for me".
    pub(crate) seat: Option<u32>,
}

impl World {
    /// Puts it on sale through booking-api, and asks the ledger where each show
    /// went.
    ///
    /// # Errors
    /// On the first call that is refused.
    pub(crate) async fn create(
        stage: &Stage,
        ledger: &Ledger,
        wares: Wares,
    ) -> Result<Self, Failure> {
        let seats = wares.seats;
        let url = stage.booking_urls().into_iter().next().ok_or("there is no booking-api")?;
        let admin = stage.token("admin", Role::Admin, TOKEN_TTL)?;
        let client = BookingClient::new(&url, Some(admin))?;
        let plan = serde_json::to_vec(&hall::plan(&[(TIER, seats), (NAMED_TIER, seats)])?)?;
        let plan_id = client.import_plan(plan, None).await?.body.plan_id;
        let price = Money { price: PRICE, currency: Currency::new("EUR")? };
        let starts_at = Timestamp::from_millis(clock::now_ms() + A_MONTH_MS);
        let create = PerformanceCreate {
            location: "Berlin".to_owned(),
            venue: "A house to sell out".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            starts_at,
            plan_id,
            prices: BTreeMap::from([TIER, NAMED_TIER].map(|t| (t.to_owned(), price.clone()))),
            on_sale_at: None,
            hold_ttl_s: None,
            hold_max_s: None,
            max_seats_per_customer: None,
            orphan_rule: None,
        };
        let mut made = Vec::new();
        for n in 0..wares.shows {
            let show = ShowId::new(format!("{}-{n}", wares.name))?;
            let name = format!("Show {n}");
            client.create_show(&ShowCreate { show_id: Some(show.clone()), name }, None).await?;
            for day in 0..wares.performances {
                let mut create = create.clone();
                create.starts_at =
                    Timestamp::from_millis(starts_at.as_millis() + i64::from(day) * 86_400_000);
                let performance = client.create_performance(&show, &create, None).await?;
                made.push((show.to_string(), performance.body.performance_id.to_string()));
            }
        }
        let placements = ledger.placements().await?;
        let performance = |(show, id): (String, String)| {
            let shard = *placements.get(&show).ok_or_else(|| format!("{show} is on no shard"))?;
            Ok::<_, Failure>(Performance { show, id, shard })
        };
        let performances = made.into_iter().map(performance).collect::<Result<Vec<_>, _>>()?;
        let customer = |n: u32| {
            let id = format!("customer-{n}");
            let token = stage.token(&id, Role::Customer, TOKEN_TTL)?;
            Ok::<_, Failure>(Customer { id, token })
        };
        let customers = (0..wares.customers).map(customer).collect::<Result<_, _>>()?;
        Ok(Self { performances, seats, customers })
    }

    /// The n-th purchase. Every other one picks, the others name a seat that
    /// nobody else names.
    pub(crate) fn purchase(&self, n: u64) -> Purchase<'_> {
        let count = self.performances.len() as u64;
        let place = usize::try_from(n % count).unwrap_or(0);
        let turn = n / count;
        // Coprime to the number of customers: neighbours in time are others.
        let customer = (turn + (n % count) * 149) % self.customers.len() as u64;
        let named = u32::try_from(turn / 2).unwrap_or(u32::MAX);
        Purchase {
            place,
            performance: &self.performances[place],
            customer: &self.customers[usize::try_from(customer).unwrap_or(0)],
            seat: (turn % 2 == 1).then(|| self.seats.saturating_add(named)),
        }
    }
}

/// The key of a run's n-th purchase.
pub(crate) fn key_of(run: &str, n: u64) -> String {
    format!("{run}.{n}")
}

/// The purchase with this key, if it is one of the run's.
pub(crate) fn number_of(run: &str, key: &str) -> Option<u64> {
    key.strip_prefix(run)?.strip_prefix('.')?.parse().ok()
}

#[cfg(test)]
impl World {
    /// Two performances on two shards, without a cluster.
    pub(crate) fn sample() -> Self {
        let performance = |shard: usize| Performance {
            show: format!("s{shard}"),
            id: format!("p{shard}"),
            shard,
        };
        let customer = |n: usize| Customer { id: format!("customer-{n}"), token: String::new() };
        Self {
            performances: (0..2).map(performance).collect(),
            seats: 100,
            customers: (0..7).map(customer).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_purchases_name_one_seat_and_half_of_them_name_none() {
        let world = World::sample();
        let mut named = HashSet::new();
        for n in 0..200 {
            let purchase = world.purchase(n);
            if let Some(seat) = purchase.seat {
                assert!((100..200).contains(&seat));
                assert!(named.insert((purchase.place, seat)));
            }
        }
        assert_eq!(named.len(), 100);
    }

    #[test]
    fn a_purchase_is_found_again_by_its_key() {
        assert_eq!(number_of("r1", &key_of("r1", 17)), Some(17));
        assert_eq!(number_of("r1", &key_of("r10", 17)), None);
    }
}
