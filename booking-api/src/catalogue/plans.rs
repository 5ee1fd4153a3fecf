//! Seating plans: written once, never changed, kept in memory by id.

use std::sync::Arc;

use booking_api_client::TierSeats;
use seat_model::{Chart, Plan, PlanId};

use super::keyed::{Begun, StatementError};
use super::performance::{broken, get};
use super::{Catalogue, CatalogueError, FirstAnswer, Keyed};

/// A plan and its chart.
#[derive(Debug)]
pub(crate) struct KnownPlan {
    /// As imported.
    pub(crate) plan: Arc<Plan>,
    /// Ready for look-ups.
    pub(crate) chart: Arc<Chart>,
}

/// A plan to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewPlan {
    /// Made from `body`.
    pub(crate) plan_id: PlanId,
    /// What the place is called.
    pub(crate) name: String,
    /// Canonical JSON.
    pub(crate) body: String,
    /// How many seats.
    pub(crate) seats: u64,
    /// How they are spread over the tiers.
    pub(crate) tiers: Vec<TierSeats>,
    /// Milliseconds since the epoch.
    pub(crate) created_at_ms: i64,
}

impl Catalogue {
    /// A plan by its id; `None`: there is none.
    ///
    /// # Errors
    /// `Unavailable` only for a plan this instance has not met before.
    pub(crate) async fn plan(&self, id: &PlanId) -> Result<Option<Arc<KnownPlan>>, CatalogueError> {
        let met = self
            .known
            .plans
            .try_get_with(id.clone(), async {
                self.load_plan(id).await.map_err(Some)?.ok_or(None::<CatalogueError>)
            })
            .await;
        match met {
            Ok(plan) => Ok(Some(plan)),
            Err(error) => match &*error {
                None => Ok(None),
                Some(error) => Err(error.clone()),
            },
        }
    }

    async fn load_plan(&self, id: &PlanId) -> Result<Option<Arc<KnownPlan>>, CatalogueError> {
        let mut leased = self.connection().await?;
        let row = sqlx::query("SELECT body FROM plans WHERE plan_id = ?")
            .bind(id.as_str())
            .fetch_optional(leased.get()?);
        let row = self.limited(row).await;
        let Some(row) = leased.read(row)? else { return Ok(None) };
        let body: String = get(&row, "body")?;
        // A large plan takes some milliseconds to read.
        let known = tokio::task::spawn_blocking(move || {
            let plan: Plan = serde_json::from_str(&body).map_err(broken)?;
            let chart = Arc::new(Chart::new(&plan));
            Ok::<_, CatalogueError>(KnownPlan { plan: Arc::new(plan), chart })
        })
        .await
        .map_err(broken)??;
        Ok(Some(Arc::new(known)))
    }

    /// Writes a plan; one that is there already stays as it is.
    ///
    /// # Errors
    /// See [`CatalogueError`].
    pub(crate) async fn add_plan(
        &self,
        plan: &NewPlan,
        first: Option<&FirstAnswer>,
    ) -> Result<Keyed<()>, CatalogueError> {
        let tiers = serde_json::to_string(&plan.tiers).map_err(broken)?;
        let mut change = match self.begin(first).await? {
            Begun::Fresh(change) => change,
            Begun::Seen(seen) => return Ok(seen.into()),
        };
        let insert = sqlx::query(
            "INSERT INTO plans (plan_id, name, body, seats, tiers, created_at_ms) \
             VALUES (?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE plan_id = plan_id",
        )
        .bind(plan.plan_id.as_str())
        .bind(&plan.name)
        .bind(&plan.body)
        .bind(plan.seats)
        .bind(&tiers)
        .bind(plan.created_at_ms);
        change.execute(insert).await.map_err(StatementError::unexpected)?;
        change.commit().await?;
        Ok(Keyed::Done(()))
    }
}
