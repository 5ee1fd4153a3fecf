//! The catalogue as the views see it: one load at a time for each show, fresh
//! for about a second, and what was read before when every database is away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::future::Cache;
use seat_model::{PerformanceId, PlanId, ShowId, Timestamp};
use service_kit::{Background, clock};
use view_service_client::wire::Source;

use crate::cache::RecordStore;
use crate::catalogue::database::{CatalogueAway, Database};
use crate::catalogue::filter::ListQuery;
use crate::catalogue::record::{PerformanceRecord, PlanRecord, ShowRecord};
use crate::config::Config;

/// A show that did not change is written to Redis again after so long.
const WRITE_AGAIN: Duration = Duration::from_secs(60);

/// A show and who said so.
#[derive(Debug, Clone)]
pub struct Found {
    /// The show.
    pub record: Arc<ShowRecord>,
    /// Who said so.
    pub source: Source,
}

/// One performance of a show.
#[derive(Debug, Clone)]
pub struct Performance {
    /// The performance.
    pub record: PerformanceRecord,
    /// Who said so.
    pub source: Source,
}

/// A page of shows.
#[derive(Debug, Clone)]
pub struct Listed {
    /// By show id.
    pub shows: Vec<Arc<ShowRecord>>,
    /// Whether there is a next page.
    pub more: bool,
    /// Who said so.
    pub source: Source,
    /// When it was read.
    pub read_at: Timestamp,
}

/// What was loaded; `record` is `None` where nobody knows the show.
#[derive(Debug, Clone)]
struct Loaded {
    record: Option<Arc<ShowRecord>>,
    source: Source,
    /// The primary said so: nobody knows better.
    decided: bool,
}

impl Loaded {
    fn new(record: Option<Arc<ShowRecord>>, source: Source) -> Self {
        Self { record, source, decided: source == Source::Primary }
    }
}

/// Why a plan is not there.
#[derive(Debug, Clone, thiserror::Error)]
enum NoPlan {
    #[error("unknown")]
    Unknown,
    #[error(transparent)]
    Away(CatalogueAway),
}

/// The catalogue.
pub struct Catalogue {
    replicas: Vec<Database>,
    primary: Database,
    /// All of them once more, for what nothing else can answer.
    last_resorts: Vec<Database>,
    store: RecordStore,
    background: Background,
    /// One load a show, fresh for about a second.
    fresh: Cache<ShowId, Loaded>,
    /// What the primary said of a show that a replica did not know well enough.
    confirmed: Cache<ShowId, Loaded>,
    /// The last record of every show, for when all databases are away.
    known: Cache<ShowId, Arc<ShowRecord>>,
    /// Shows that were written to Redis a short while ago.
    written: Cache<ShowId, ()>,
    fresh_lists: Cache<ListQuery, Listed>,
    known_lists: Cache<ListQuery, Listed>,
    plans: Cache<PlanId, (Arc<PlanRecord>, Source)>,
    unknown_plans: Cache<PlanId, ()>,
    confirmations: Allowance,
}

impl Catalogue {
    /// Joins the databases and what is kept of them.
    #[must_use]
    pub fn new(
        config: &Config,
        replicas: Vec<Database>,
        primary: Database,
        store: RecordStore,
        background: Background,
    ) -> Self {
        let fresh_for = Duration::from_millis(config.fresh_ms);
        let keep = Duration::from_secs(config.keep_s);
        let patience = Duration::from_millis(config.last_resort_deadline_ms);
        let all = replicas.iter().chain(std::iter::once(&primary));
        Self {
            last_resorts: all.map(|database| database.last_resort(patience)).collect(),
            replicas,
            primary,
            store,
            background,
            fresh: Cache::builder().max_capacity(config.kept_shows).time_to_live(fresh_for).build(),
            confirmed: Cache::builder()
                .max_capacity(config.kept_shows)
                .time_to_live(fresh_for)
                .build(),
            known: Cache::builder().max_capacity(config.kept_shows).time_to_live(keep).build(),
            written: Cache::builder()
                .max_capacity(config.kept_shows)
                .time_to_live(WRITE_AGAIN)
                .build(),
            fresh_lists: Cache::builder()
                .max_capacity(config.kept_lists)
                .time_to_live(fresh_for)
                .build(),
            known_lists: Cache::builder()
                .max_capacity(config.kept_lists)
                .time_to_live(keep)
                .build(),
            // A plan made ready takes a few times the room of its text.
            plans: Cache::builder()
                .max_capacity(config.kept_plan_bytes)
                .weigher(|_, (plan, _): &(Arc<PlanRecord>, Source)| {
                    u32::try_from(plan.body.len().saturating_mul(3)).unwrap_or(u32::MAX)
                })
                .build(),
            unknown_plans: Cache::builder()
                .max_capacity(config.kept_lists)
                .time_to_live(fresh_for)
                .build(),
            confirmations: Allowance::new(config.confirmations_per_s),
        }
    }

    /// The databases, replicas first: the order in which they are asked.
    pub fn databases(&self) -> impl Iterator<Item = &Database> {
        self.replicas.iter().chain(std::iter::once(&self.primary))
    }

    /// A show; `None` where nobody knows it.
    ///
    /// # Errors
    /// When every database is away and the show was never seen.
    pub async fn show(&self, id: &ShowId) -> Result<Option<Found>, CatalogueAway> {
        Ok(self.loaded(id).await?.found())
    }

    /// A performance of a show; `None` where nobody knows it, or it is another show's.
    ///
    /// # Errors
    /// When every database is away and the show was never seen.
    pub async fn performance(
        &self,
        show: &ShowId,
        id: &PerformanceId,
    ) -> Result<Option<Performance>, CatalogueAway> {
        let loaded = self.loaded(show).await?;
        if let Some(performance) = loaded.performance(id) {
            return Ok(Some(performance));
        }
        if loaded.record.is_none() || loaded.decided {
            return Ok(None);
        }
        // What was just made may not have reached the replica yet.
        let confirmed = self.confirmed.try_get_with_by_ref(show, self.ask_primary(show)).await;
        let Ok(confirmed) = confirmed else { return Ok(None) };
        let performance = confirmed.performance(id);
        if performance.is_some() {
            self.fresh.insert(show.clone(), confirmed).await;
        }
        Ok(performance)
    }

    /// A page of shows.
    ///
    /// # Errors
    /// When every database is away and no show was ever seen.
    pub async fn list(&self, query: &ListQuery) -> Result<Listed, CatalogueAway> {
        if let Some(mut listed) = self.fresh_lists.get(query).await {
            listed.source = Source::Memory;
            return Ok(listed);
        }
        let entry = self.fresh_lists.entry_by_ref(query).or_try_insert_with(self.load_list(query));
        let entry = Box::pin(entry).await.map_err(|away| CatalogueAway::clone(&away))?;
        let fresh = entry.is_fresh();
        let mut listed = entry.into_value();
        if !fresh {
            listed.source = Source::Memory;
        }
        Ok(listed)
    }

    /// A plan; `None` where nobody knows it.
    ///
    /// # Errors
    /// When every database is away and the plan was never seen.
    pub async fn plan(
        &self,
        id: &PlanId,
    ) -> Result<Option<(Arc<PlanRecord>, Source)>, CatalogueAway> {
        if self.unknown_plans.contains_key(id) {
            return Ok(None);
        }
        let entry = self.plans.entry_by_ref(id).or_try_insert_with(self.load_plan(id)).await;
        match entry {
            Ok(entry) => {
                let fresh = entry.is_fresh();
                let (plan, source) = entry.into_value();
                Ok(Some((plan, if fresh { source } else { Source::Memory })))
            }
            Err(why) => match &*why {
                NoPlan::Unknown => {
                    self.unknown_plans.insert(id.clone(), ()).await;
                    Ok(None)
                }
                NoPlan::Away(away) => Err(away.clone()),
            },
        }
    }

    /// Several plans at once; those nobody knows are left out.
    ///
    /// # Errors
    /// When every database is away and one of them was never seen.
    pub async fn plans(
        &self,
        mut ids: Vec<PlanId>,
    ) -> Result<HashMap<PlanId, Arc<PlanRecord>>, CatalogueAway> {
        ids.sort_unstable();
        ids.dedup();
        let loaded = futures_util::future::join_all(ids.iter().map(|id| self.plan(id))).await;
        let mut plans = HashMap::with_capacity(ids.len());
        for (id, plan) in ids.into_iter().zip(loaded) {
            if let Some((plan, _)) = plan? {
                plans.insert(id, plan);
            }
        }
        Ok(plans)
    }

    async fn loaded(&self, id: &ShowId) -> Result<Loaded, CatalogueAway> {
        if let Some(mut loaded) = self.fresh.get(id).await {
            loaded.source = Source::Memory;
            return Ok(loaded);
        }
        // Boxed: once a second it is loaded, and the future of every answer would
        // be as large.
        let entry = self.fresh.entry_by_ref(id).or_try_insert_with(self.load_or_recall(id));
        let entry = Box::pin(entry).await.map_err(|away| CatalogueAway::clone(&away))?;
        let fresh = entry.is_fresh();
        let mut loaded = entry.into_value();
        if !fresh {
            loaded.source = Source::Memory;
        }
        Ok(loaded)
    }

    async fn load_or_recall(&self, id: &ShowId) -> Result<Loaded, CatalogueAway> {
        match self.load_show(id).await {
            Ok(loaded) => {
                if let Some(record) = &loaded.record {
                    self.keep(record).await;
                }
                Ok(loaded)
            }
            Err(_) => match self.recall(id).await {
                Some(recalled) => Ok(recalled),
                None => self.insist(|database| Self::show_from(database, id)).await,
            },
        }
    }

    async fn load_show(&self, id: &ShowId) -> Result<Loaded, CatalogueAway> {
        for replica in &self.replicas {
            let Ok(mut shows) = replica.shows(std::slice::from_ref(id)).await else { continue };
            let record = shows.pop().map(Arc::new);
            if record.is_some() || !self.confirmations.take() {
                return Ok(Loaded::new(record, replica.source()));
            }
            // The replica answers and does not know it: it may be new. Where
            // the primary is away nothing new is made either.
            let confirmed = self.ask_primary(id).await;
            return Ok(confirmed.unwrap_or(Loaded::new(None, replica.source())));
        }
        self.ask_primary(id).await
    }

    async fn ask_primary(&self, id: &ShowId) -> Result<Loaded, CatalogueAway> {
        Self::show_from(&self.primary, id).await
    }

    /// What is remembered of a show: here, or in Redis.
    async fn recall(&self, id: &ShowId) -> Option<Loaded> {
        if let Some(record) = self.known.get(id).await {
            return Some(Loaded::new(Some(record), Source::Memory));
        }
        let stored = self.store.show(id).await.ok().flatten()?;
        let record: Arc<ShowRecord> = Arc::new(serde_json::from_slice(&stored).ok()?);
        self.known.insert(id.clone(), Arc::clone(&record)).await;
        Some(Loaded::new(Some(record), Source::Redis))
    }

    async fn keep(&self, record: &Arc<ShowRecord>) {
        let id = &record.show_id;
        let before = self.known.get(id).await;
        self.known.insert(id.clone(), Arc::clone(record)).await;
        let same = before.is_some_and(|before| {
            before.name == record.name && before.performances == record.performances
        });
        if same && self.written.contains_key(id) {
            return;
        }
        self.written.insert(id.clone(), ()).await;
        let Ok(text) = serde_json::to_vec(&**record) else { return };
        let (store, id) = (self.store.clone(), id.clone());
        // Nobody who looks waits for this; Redis away is no loss.
        self.background.finish(async move {
            let _ = store.keep_show(&id, text).await;
        });
    }

    async fn show_from(database: &Database, id: &ShowId) -> Result<Loaded, CatalogueAway> {
        let mut shows = database.shows(std::slice::from_ref(id)).await?;
        Ok(Loaded::new(shows.pop().map(Arc::new), database.source()))
    }

    /// Asks every database at once, whatever happened a moment ago; the first
    /// answer counts.
    async fn insist<'d, T, F>(&'d self, ask: impl Fn(&'d Database) -> F) -> Result<T, CatalogueAway>
    where
        F: Future<Output = Result<T, CatalogueAway>>,
    {
        let asked = self.last_resorts.iter().map(|database| Box::pin(ask(database)));
        futures_util::future::select_ok(asked).await.map(|(answer, _)| answer)
    }

    async fn load_list(&self, query: &ListQuery) -> Result<Listed, CatalogueAway> {
        for database in self.databases() {
            if let Ok(listed) = Self::list_from(database, query).await {
                for record in &listed.shows {
                    self.keep(record).await;
                }
                self.known_lists.insert(query.clone(), listed.clone()).await;
                return Ok(listed);
            }
        }
        if let Some(listed) = self.known_lists.get(query).await {
            return Ok(Listed { source: Source::Memory, ..listed });
        }
        match self.list_from_memory(query) {
            Some(listed) => Ok(listed),
            None => self.insist(|database| Self::list_from(database, query)).await,
        }
    }

    async fn list_from(database: &Database, query: &ListQuery) -> Result<Listed, CatalogueAway> {
        let read_at = clock::now();
        let mut ids = database.page(query).await?;
        let more = ids.len() > query.limit;
        ids.truncate(query.limit);
        let shows = database.shows(&ids).await?.into_iter().map(Arc::new).collect();
        Ok(Listed { shows, more, source: database.source(), read_at })
    }

    /// The page as far as this instance has seen shows.
    fn list_from_memory(&self, query: &ListQuery) -> Option<Listed> {
        let mut shows: Vec<Arc<ShowRecord>> = self
            .known
            .iter()
            .map(|(_, record)| record)
            .filter(|record| query.takes(record))
            .collect();
        let read_at = shows.iter().map(|record| record.read_at).min();
        shows.sort_unstable_by(|one, other| one.show_id.cmp(&other.show_id));
        let more = shows.len() > query.limit;
        shows.truncate(query.limit);
        let read_at = read_at.or_else(|| self.known.iter().map(|(_, r)| r.read_at).min())?;
        Some(Listed { shows, more, source: Source::Memory, read_at })
    }

    async fn load_plan(&self, id: &PlanId) -> Result<(Arc<PlanRecord>, Source), NoPlan> {
        let mut confirming = false;
        for database in self.databases() {
            if confirming && database.source() == Source::Primary && !self.confirmations.take() {
                return Err(NoPlan::Unknown);
            }
            match database.plan(id).await {
                Ok(Some(body)) => {
                    let plan = read_plan(id, body.clone())?;
                    let (store, id) = (self.store.clone(), id.clone());
                    self.background.finish(async move {
                        let _ = store.keep_plan(&id, body.to_vec()).await;
                    });
                    return Ok((plan, database.source()));
                }
                Ok(None) => confirming = true,
                Err(_) => {}
            }
        }
        if confirming {
            return Err(NoPlan::Unknown);
        }
        if let Ok(Some(body)) = self.store.plan(id).await {
            return Ok((read_plan(id, body)?, Source::Redis));
        }
        match self.insist(|database| database.plan_and_source(id)).await {
            Ok((Some(body), source)) => Ok((read_plan(id, body)?, source)),
            Ok((None, _)) => Err(NoPlan::Unknown),
            Err(away) => Err(NoPlan::Away(away)),
        }
    }
}

fn read_plan(id: &PlanId, body: Bytes) -> Result<Arc<PlanRecord>, NoPlan> {
    PlanRecord::new(body).map(Arc::new).map_err(|error| {
        tracing::error!(plan = %id, %error, "a plan in the catalogue is none");
        NoPlan::Unknown
    })
}

impl Loaded {
    fn found(self) -> Option<Found> {
        let source = self.source;
        self.record.map(|record| Found { record, source })
    }

    fn performance(&self, id: &PerformanceId) -> Option<Performance> {
        let record = self.record.as_ref()?.performance(id)?.clone();
        Some(Performance { record, source: self.source })
    }
}

/// So many a second, for everybody together.
struct Allowance {
    per_s: u32,
    window: Mutex<(Instant, u32)>,
}

impl Allowance {
    fn new(per_s: u32) -> Self {
        Self { per_s, window: Mutex::new((Instant::now(), 0)) }
    }

    fn take(&self) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.0.elapsed() >= Duration::from_secs(1) {
            *window = (Instant::now(), 0);
        }
        window.1 = window.1.saturating_add(1);
        window.1 <= self.per_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_unknown_names_reaches_the_primary_only_so_often() {
        let allowance = Allowance::new(3);
        assert_eq!((0..100).filter(|_| allowance.take()).count(), 3);
    }
}
