//! Sales of performances, from the ledger into the catalogue.
//!
//! A relay marks on the shard whose sales changed. Any instance reads the
//! marks, has the shard add the performance up, and writes the result over
//! what was there: doing it twice, or in the middle of a crash, comes to the
//! same numbers. A mark goes only if no newer one has taken its place.

use service_kit::clock;

use super::Analytics;
use crate::catalogue::{CatalogueError, Counted};
use crate::fail_points;
use crate::store::{ChangedSales, Shard, StoreError};

/// Why a count came to nothing; its mark is still there.
#[derive(Debug, thiserror::Error)]
pub(super) enum CountError {
    /// The ledger did not answer.
    #[error(transparent)]
    Shard(#[from] StoreError),
    /// The catalogue did not.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl Analytics {
    pub(super) async fn count_forever(self, shard: Shard) -> Result<(), CountError> {
        let changed = self.metrics.changed.with_label_values(&[shard.id().as_str()]);
        loop {
            changed.set(shard.count_changed_sales().await?);
            let mut failed = None;
            for seen in shard.changed_sales(self.config.count_batch).await? {
                match self.count(&shard, &seen).await {
                    Ok(()) => {}
                    // A performance that takes too long is in no other's way.
                    Err(error @ CountError::Shard(_)) => failed = Some(error),
                    Err(error @ CountError::Catalogue(_)) => return Err(error),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            tokio::time::sleep(self.config.count_every()).await;
        }
    }

    async fn count(&self, shard: &Shard, seen: &ChangedSales) -> Result<(), CountError> {
        let now = clock::now();
        if let Some(last) = self.catalogue.sales_counted(&seen.performance).await? {
            let again = last.shard == shard.id().as_str() && last.seq == seen.seq;
            if again && seen.seq > 0 {
                // Whoever counted after this mark did not live to take it away.
                return Ok(shard.sales_are_counted(seen).await?);
            }
            let age = now.as_millis().saturating_sub(last.at.as_millis());
            let wait = i64::try_from(self.config.count_every().as_millis()).unwrap_or(i64::MAX);
            // A clock that went back must not stop the counting.
            if (0..wait / 2).contains(&age) {
                return Ok(());
            }
        }
        let counted = Counted { shard: shard.id().to_string(), seq: seen.seq, at: now };
        self.catalogue
            .write_sales(&seen.performance, &counted, async {
                Ok::<_, CountError>(shard.sales_by_hour(&seen.show, &seen.performance).await?)
            })
            .await?;
        fail_points::SALES_COUNTED.reach().await;
        self.metrics.counted.inc();
        Ok(shard.sales_are_counted(seen).await?)
    }
}
