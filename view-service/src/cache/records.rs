//! Catalogue records, kept in Redis for an instance that starts while the
//! catalogue is away. Written through, long-lived, never decisive.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::AsyncCommands;
use seat_model::{PlanId, ShowId};

use crate::cache::link::{CacheAway, Link};

/// The records behind a link.
#[derive(Clone)]
pub struct RecordStore {
    link: Arc<Link>,
    keep: Duration,
}

impl RecordStore {
    /// Records that are forgotten this long after they were last written.
    #[must_use]
    pub fn new(link: Arc<Link>, keep: Duration) -> Self {
        Self { link, keep }
    }

    /// A show's record.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn show(&self, show: &ShowId) -> Result<Option<Bytes>, CacheAway> {
        self.get(self.link.key(&format!("show:{show}"))).await
    }

    /// Keeps a show's record.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn keep_show(&self, show: &ShowId, record: Vec<u8>) -> Result<(), CacheAway> {
        self.set(self.link.key(&format!("show:{show}")), record).await
    }

    /// A plan's body.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn plan(&self, plan: &PlanId) -> Result<Option<Bytes>, CacheAway> {
        self.get(self.link.key(&format!("plan:{plan}"))).await
    }

    /// Keeps a plan's body.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn keep_plan(&self, plan: &PlanId, body: Vec<u8>) -> Result<(), CacheAway> {
        self.set(self.link.key(&format!("plan:{plan}")), body).await
    }

    async fn get(&self, key: String) -> Result<Option<Bytes>, CacheAway> {
        let found: Option<Vec<u8>> =
            self.link.run(async |mut connection| connection.get(key).await).await?;
        Ok(found.map(Bytes::from))
    }

    async fn set(&self, key: String, value: Vec<u8>) -> Result<(), CacheAway> {
        let seconds = self.keep.as_secs().max(1);
        self.link.run(async |mut connection| connection.set_ex(key, value, seconds).await).await
    }
}
