//! Brings the demo's world into a cluster through its public API. Loading
//! again adds nothing: show ids are fixed, evenings are looked up first, and
//! every sale has its own key.

use std::collections::BTreeMap;
use std::time::Duration;

use booking_api_client::{
    Answer, Book, BookingClient, CallError, PerformanceCreate, Sales, ShowCreate,
};
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use seat_model::{Code, Currency, IdError, Money, PerformanceId, PlanId, ShowId};

use super::houses::{arena, cinema, theatre};
use super::shows::{DemoPerformance, DemoShow, House, shows};
use crate::cluster::{ClusterError, StartedCluster};
use crate::token::Role;

/// Calls at the same time: enough to be quick on two cores, too few to look
/// like an on-sale.
const AT_ONCE: usize = 8;

/// A call that met a dependency that was away is sent so many times.
const TRIES: u32 = 5;

/// The tokens are used within this loading.
const TOKEN_TTL: Duration = Duration::from_secs(600);

/// Why the world could not be loaded; what was loaded stays.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A call was refused or not answered.
    #[error("{what}: {source}")]
    Call {
        /// What was being done.
        what: String,
        /// What the API said.
        source: CallError,
    },
    /// A token could not be made.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An id or a plan of the demo is not valid: a bug.
    #[error("the demo world itself is not valid: {0}")]
    World(String),
}

impl From<IdError> for DemoError {
    fn from(error: IdError) -> Self {
        Self::World(error.to_string())
    }
}

/// What was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Evenings that were not there.
    pub performances: usize,
    /// Seats sold now.
    pub seats_sold: usize,
}

/// Loads what is missing of the demo's world.
///
/// # Errors
/// On the first call that fails for good.
pub async fn load(cluster: &StartedCluster) -> Result<Loaded, DemoError> {
    let admin = cluster.mint_token("admin", Role::Admin, TOKEN_TTL)?;
    let client = BookingClient::new(&cluster.base_url(), Some(admin))
        .map_err(|source| DemoError::Call { what: "preparing a client".to_owned(), source })?;
    let loader = Loader { cluster, client };
    let plans = loader.import_plans().await?;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let added: Vec<Loaded> = stream::iter(shows(today))
        .map(|show| loader.load_show(show, &plans))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(added.into_iter().fold(Loaded::default(), |sum, one| Loaded {
        performances: sum.performances + one.performances,
        seats_sold: sum.seats_sold + one.seats_sold,
    }))
}

struct Loader<'c> {
    cluster: &'c StartedCluster,
    client: BookingClient,
}

impl Loader<'_> {
    /// The same plan has the same id: importing it again changes nothing.
    async fn import_plans(&self) -> Result<BTreeMap<House, PlanId>, DemoError> {
        let import = async |house: House| {
            let plan = match house {
                House::Cinema => cinema(),
                House::Theatre => theatre(),
                House::Arena => arena(),
            };
            let text = serde_json::to_vec(&plan).map_err(|e| DemoError::World(e.to_string()))?;
            let what = || format!("importing {}", plan.name);
            let imported = persist(what, || self.client.import_plan(text.clone(), None)).await?;
            Ok::<_, DemoError>((house, imported.body.plan_id))
        };
        Ok(try_join_all(House::ALL.map(import)).await?.into_iter().collect())
    }

    async fn load_show(
        &self,
        show: DemoShow,
        plans: &BTreeMap<House, PlanId>,
    ) -> Result<Loaded, DemoError> {
        let id = ShowId::new(show.show_id)?;
        let create = ShowCreate { show_id: Some(id.clone()), name: show.name.to_owned() };
        let what = || format!("making the show {id}");
        persist(what, || self.client.create_show(&create, None)).await?;
        // The ledger's own list, not a view: it is never behind.
        let what = || format!("reading the sales of {id}");
        let sales = persist(what, || self.client.sales(&id)).await?.body;
        let mut loaded = Loaded::default();
        for (i, performance) in show.performances.iter().enumerate() {
            let (performance_id, sold) = match existing(&sales, &show, i) {
                Some(there) => there,
                None => {
                    loaded.performances += 1;
                    (self.create_performance(&id, i, performance, plans).await?, 0)
                }
            };
            // Nobody tops up what customers have bought since.
            if sold == 0 && performance.sold > 0 {
                loaded.seats_sold += self.sell(&id, &performance_id, performance).await?;
            }
        }
        Ok(loaded)
    }

    async fn create_performance(
        &self,
        show: &ShowId,
        i: usize,
        performance: &DemoPerformance,
        plans: &BTreeMap<House, PlanId>,
    ) -> Result<PerformanceId, DemoError> {
        let currency = Currency::new(performance.currency)?;
        let price = |(tier, price): &(&str, u64)| {
            ((*tier).to_owned(), Money { price: *price, currency: currency.clone() })
        };
        let plan = plans.get(&performance.house);
        let create = PerformanceCreate {
            location: performance.location.to_owned(),
            venue: performance.venue.to_owned(),
            time_zone: performance.time_zone.to_owned(),
            starts_at: performance.starts_at,
            plan_id: plan.cloned().ok_or_else(|| DemoError::World("no plan".to_owned()))?,
            prices: performance.house.prices().iter().map(price).collect(),
            on_sale_at: None,
            hold_ttl_s: None,
            hold_max_s: None,
            max_seats_per_customer: None,
            orphan_rule: None,
        };
        // With a key, a lost answer does not make a second evening.
        let key = format!("demo-{show}-{i}-{}", performance.starts_at);
        let what = || format!("making a performance of {show}");
        let made =
            persist(what, || self.client.create_performance(show, &create, Some(&key))).await?;
        Ok(made.body.performance_id)
    }

    /// Sells groups of two to five, tier after tier, each to a customer of
    /// its own; returns how many seats were sold.
    async fn sell(
        &self,
        show: &ShowId,
        performance_id: &PerformanceId,
        performance: &DemoPerformance,
    ) -> Result<usize, DemoError> {
        let tiers = performance.house.prices();
        let mut groups = Vec::new();
        let mut left = performance.sold;
        while left > 0 {
            let i = groups.len();
            let size = (2 + u32::try_from(i * 7 % 4).unwrap_or(0)).min(left);
            groups.push((i, size, tiers[i % tiers.len()].0));
            left -= size;
        }
        let sold: Vec<usize> = stream::iter(groups)
            .map(|(i, size, tier)| self.sell_one(show, performance_id, i, size, tier))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(sold.into_iter().sum())
    }

    async fn sell_one(
        &self,
        show: &ShowId,
        performance_id: &PerformanceId,
        i: usize,
        size: u32,
        tier: &str,
    ) -> Result<usize, DemoError> {
        let customer = format!("demo-{show}-{i}");
        let token = self.cluster.mint_token(&customer, Role::Customer, TOKEN_TTL)?;
        let client = self.client.as_user(token);
        let book = Book {
            tier: Some(tier.to_owned()),
            quantity: Some(size),
            accept_split: true,
            performance_id: Some(performance_id.clone()),
            confirm: true,
            payment_token: Some("tok_ok".to_owned()),
            ..Book::default()
        };
        let key = format!("demo-{performance_id}-{i}");
        let what = || format!("selling seats of {show}");
        match persist(what, || client.book(show, &book, &key)).await {
            Ok(answer) => Ok(answer.body.seats.len()),
            // A small tier may be full by now: then this group stays at home.
            Err(DemoError::Call { source, .. })
                if source.problem().is_some_and(|p| p.code == Code::SoldOut) =>
            {
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }
}

/// The evening that is there already, and how many seats of it are sold. The
/// n-th of a show at a place is the same evening on every later day, too.
fn existing(sales: &Sales, show: &DemoShow, i: usize) -> Option<(PerformanceId, u64)> {
    let wanted = &show.performances[i];
    let same = |p: &&DemoPerformance| p.location == wanted.location && p.venue == wanted.venue;
    let before = show.performances[..i].iter().filter(same).count();
    let found = sales
        .performances
        .iter()
        .filter(|p| p.location == wanted.location && p.venue == wanted.venue)
        .nth(before)?;
    let sold = found.tiers.iter().map(|tier| tier.sold).sum();
    Some((found.performance_id.clone(), sold))
}

/// Sends a call again, with its key, while something is away.
async fn persist<T, F>(
    what: impl Fn() -> String,
    call: impl Fn() -> F,
) -> Result<Answer<T>, DemoError>
where
    F: Future<Output = Result<Answer<T>, CallError>>,
{
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let passing = match &error {
            CallError::Refused(refusal) => matches!(
                refusal.problem.code,
                Code::Unavailable
                    | Code::OutcomeUnknown
                    | Code::RequestInFlight
                    | Code::RateLimited
            ),
            CallError::NotReached(_) | CallError::NoAnswer(_) => true,
            CallError::OutsideContract { .. } => false,
        };
        if !passing || tries == TRIES {
            return Err(DemoError::Call { what: what(), source: error });
        }
        tokio::time::sleep(Duration::from_millis(200) * tries).await;
    }
}
