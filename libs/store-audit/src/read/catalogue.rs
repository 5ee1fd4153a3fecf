//! The catalogue: which performances there are, and which seats their plans have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use seat_model::{Chart, PerformanceId, Plan, PlanId};
use serde::Deserialize;
use sqlx::{Connection as _, MySqlConnection, Row as _};

use super::{CALL, ReadError};
use crate::records::{Catalogue, PerformanceRow};

#[derive(Deserialize)]
struct Price {
    currency: String,
}

/// The catalogue's primary. Plans never change, so each is read once.
pub(crate) struct CatalogueReader {
    url: String,
    charts: Mutex<BTreeMap<PlanId, Arc<Chart>>>,
}

impl CatalogueReader {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), charts: Mutex::default() }
    }

    /// Every performance, and the plans of these.
    pub(crate) async fn read(
        &self,
        with_plans: &BTreeSet<PerformanceId>,
    ) -> Result<Catalogue, ReadError> {
        let wrong = ReadError::of("catalogue");
        let read = tokio::time::timeout(CALL, self.rows(with_plans)).await;
        read.map_err(|late| wrong(&late))?.map_err(|error| wrong(&error))
    }

    async fn rows(&self, with_plans: &BTreeSet<PerformanceId>) -> Result<Catalogue, sqlx::Error> {
        let mut connection = MySqlConnection::connect(&self.url).await?;
        let rows = sqlx::query("SELECT performance_id, show_id, plan_id, prices FROM performances")
            .fetch_all(&mut connection)
            .await?;
        let mut performances = BTreeMap::new();
        for row in &rows {
            let decode = |error: seat_model::IdError| sqlx::Error::Decode(Box::new(error));
            let id: String = row.try_get(0)?;
            let prices: BTreeMap<String, Price> =
                serde_json::from_str(row.try_get(3)?).unwrap_or_default();
            let found = PerformanceRow {
                show: row.try_get::<String, _>(1)?.parse().map_err(decode)?,
                plan: row.try_get::<String, _>(2)?.parse().map_err(decode)?,
                currency: prices.into_values().next().map(|one| one.currency).unwrap_or_default(),
            };
            performances.insert(id.parse().map_err(decode)?, found);
        }
        let wanted: BTreeSet<PlanId> = performances
            .iter()
            .filter(|(performance, _)| with_plans.contains(performance))
            .map(|(_, row): (_, &PerformanceRow)| row.plan.clone())
            .collect();
        let mut charts = self.charts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for plan in wanted {
            if charts.contains_key(&plan) {
                continue;
            }
            let body: Option<String> =
                sqlx::query_scalar("SELECT body FROM plans WHERE plan_id = ?")
                    .bind(plan.as_str())
                    .fetch_optional(&mut connection)
                    .await?;
            let read = body.and_then(|body| serde_json::from_str::<Plan>(&body).ok());
            if let Some(read) = read {
                charts.insert(plan, Arc::new(Chart::new(&read)));
            }
        }
        self.charts.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&charts);
        drop(connection.close().await);
        Ok(Catalogue { performances, charts })
    }
}
