//! What this instance knows of shows and plans: bounded caches whose entries
//! outlive any outage of the catalogue.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::future::Cache;
use seat_model::{PlanId, ShowId};

use super::performance::Performances;
use super::{Catalogue, CatalogueError, KnownPlan};
use crate::config::CatalogueConfig;

/// A show that exists, and when that was last asked for.
struct KnownShow {
    /// The latest answer there was.
    latest: Mutex<Latest>,
    /// Held by whoever asks the catalogue for this show: single flight.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Latest {
    performances: Performances,
    /// When the question was sent that `performances` answers.
    asked: Instant,
    /// Until then nobody asks again: the last question was not answered.
    quiet_until: Option<Instant>,
}

/// The caches.
pub(super) struct Known {
    shows: Cache<ShowId, Arc<KnownShow>>,
    pub(super) plans: Cache<PlanId, Arc<KnownPlan>>,
    fresh_for: Duration,
    quiet_for: Duration,
    /// How long a caller waits for news of a show that is known already.
    patience: Duration,
}

impl Known {
    pub(super) fn new(config: &CatalogueConfig) -> Self {
        Self {
            shows: Cache::new(config.max_known_shows),
            plans: Cache::new(config.max_known_plans),
            fresh_for: Duration::from_millis(config.fresh_for_ms),
            quiet_for: Duration::from_millis(config.quiet_after_failure_ms),
            patience: Duration::from_millis(config.refresh_patience_ms),
        }
    }

    /// See [`Catalogue::performances_of`].
    pub(super) async fn performances(
        &self,
        catalogue: &Catalogue,
        show: &ShowId,
    ) -> Result<Option<Performances>, CatalogueError> {
        let Some(known) = self.shows.get(show).await else {
            return self.meet(catalogue, show).await;
        };
        let latest = known.latest();
        let now = Instant::now();
        if now.duration_since(latest.asked) < self.fresh_for
            || latest.quiet_until.is_some_and(|until| now < until)
        {
            return Ok(Some(latest.performances));
        }
        // One caller asks, the crowd goes on with what is known.
        let Ok(asking) = known.asking.try_lock() else { return Ok(Some(latest.performances)) };
        let asked = Instant::now();
        let answer = catalogue.load_performances(show, &latest.performances);
        let answer = tokio::time::timeout(self.patience, answer).await;
        drop(asking);
        match answer {
            Ok(Ok(Some(performances))) => {
                known.learn(asked, &performances);
                Ok(Some(performances))
            }
            Ok(Ok(None)) => {
                self.shows.invalidate(show).await;
                Ok(None)
            }
            Ok(Err(error @ CatalogueError::Broken(_))) => Err(error),
            Ok(Err(_)) | Err(_) => {
                known.be_quiet_until(Instant::now() + self.quiet_for);
                Ok(Some(latest.performances))
            }
        }
    }

    /// See [`Catalogue::fresh_performances_of`].
    pub(super) async fn fresh_performances(
        &self,
        catalogue: &Catalogue,
        show: &ShowId,
    ) -> Result<Option<Performances>, CatalogueError> {
        let wanted_since = Instant::now();
        let Some(known) = self.shows.get(show).await else {
            return self.meet(catalogue, show).await;
        };
        let _asking = known.asking.lock().await;
        let latest = known.latest();
        if latest.asked >= wanted_since {
            return Ok(Some(latest.performances));
        }
        // Whoever waited in line behind an unanswered question is not made to
        // wait for another one.
        if latest.quiet_until.is_some_and(|until| Instant::now() < until) {
            return Err(CatalogueError::Unavailable("it did not answer a moment ago".into()));
        }
        let asked = Instant::now();
        match catalogue.load_performances(show, &latest.performances).await {
            Ok(Some(performances)) => {
                known.learn(asked, &performances);
                Ok(Some(performances))
            }
            Ok(None) => {
                self.shows.invalidate(show).await;
                Ok(None)
            }
            Err(error) => {
                known.be_quiet_until(Instant::now() + self.quiet_for);
                Err(error)
            }
        }
    }

    /// A show not met before: callers that arrive together share one query.
    /// Shows that do not exist are not remembered.
    async fn meet(
        &self,
        catalogue: &Catalogue,
        show: &ShowId,
    ) -> Result<Option<Performances>, CatalogueError> {
        let met = self
            .shows
            .try_get_with(show.clone(), async {
                let asked = Instant::now();
                let performances = catalogue
                    .load_performances(show, &[])
                    .await
                    .map_err(Some)?
                    .ok_or(None::<CatalogueError>)?;
                let latest = Latest { performances, asked, quiet_until: None };
                Ok::<_, Option<CatalogueError>>(Arc::new(KnownShow {
                    latest: Mutex::new(latest),
                    asking: tokio::sync::Mutex::new(()),
                }))
            })
            .await;
        match met {
            Ok(known) => Ok(Some(known.latest().performances)),
            Err(error) => match &*error {
                None => Ok(None),
                Some(error) => Err(error.clone()),
            },
        }
    }
}

impl KnownShow {
    fn latest(&self) -> Latest {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, asked: Instant, performances: &Performances) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // An answer to an older question never replaces a newer one.
        if latest.asked <= asked {
            *latest = Latest { performances: Arc::clone(performances), asked, quiet_until: None };
        }
    }

    fn be_quiet_until(&self, until: Instant) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).quiet_until = Some(until);
    }
}
