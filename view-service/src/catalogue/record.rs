//! Records of the catalogue as this service keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use seat_model::{Chart, Money, PerformanceId, Plan, PlanId, ShowId, Timestamp};
use serde::{Deserialize, Serialize};

/// A show with all of its performances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowRecord {
    /// The show.
    pub show_id: ShowId,
    /// Its title.
    pub name: String,
    /// By start time, then id.
    pub performances: Vec<PerformanceRecord>,
    /// When it was read from a database.
    pub read_at: Timestamp,
}

impl ShowRecord {
    /// One of its performances.
    #[must_use]
    pub fn performance(&self, id: &PerformanceId) -> Option<&PerformanceRecord> {
        self.performances.iter().find(|performance| performance.performance_id == *id)
    }
}

/// One evening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerformanceRecord {
    /// The performance.
    pub performance_id: PerformanceId,
    /// As people read it.
    pub location: String,
    /// As it is compared: without case, accents and superfluous blanks.
    pub location_key: String,
    /// The house.
    pub venue: String,
    /// An IANA name.
    pub time_zone: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// Its date in the venue's time zone, `YYYY-MM-DD`.
    pub local_date: String,
    /// Its seating plan.
    pub plan_id: PlanId,
    /// What a seat of each tier costs.
    pub prices: BTreeMap<String, Money>,
    /// When its sale begins; `None`: it has begun.
    pub on_sale_at: Option<Timestamp>,
}

/// A seating plan; never changes.
#[derive(Debug, Clone)]
pub struct PlanRecord {
    /// As it is served.
    pub body: Bytes,
    /// Made ready for counting.
    pub chart: Arc<Chart>,
    /// Seats by tier, in the chart's order of tiers.
    pub seats_per_tier: Arc<[usize]>,
}

impl PlanRecord {
    /// Reads a plan's body.
    ///
    /// # Errors
    /// When it is no plan.
    pub fn new(body: Bytes) -> Result<Self, serde_json::Error> {
        let plan: Plan = serde_json::from_slice(&body)?;
        let chart = Arc::new(Chart::new(&plan));
        let seats_per_tier = chart.seats_per_tier().into();
        Ok(Self { body, chart, seats_per_tier })
    }

    /// Seats of the plan.
    #[must_use]
    pub fn seats_total(&self) -> usize {
        self.chart.seats.len()
    }
}
