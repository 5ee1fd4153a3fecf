//! Answers that stand in no booking's row, kept so that a replay gets the same.
//! Best effort: a shard that does not answer at once is passed over, both ways.

use seat_model::{ShowId, UserId};

use super::Sale;
use super::answer::Reply;
use super::error::SaleError;
use crate::store::Remembered;

impl Sale {
    /// What this request was told before.
    pub(super) async fn recall(
        &self,
        show: &ShowId,
        user: &UserId,
        scope: &str,
        key: &str,
    ) -> Option<Remembered> {
        let look = async { self.shard_of(show).await.ok()?.recall(user, scope, key).await.ok()? };
        tokio::time::timeout(self.config.glance_timeout(), look).await.ok()?
    }

    /// Keeps an answer for the next time.
    pub(super) async fn remember(
        &self,
        show: &ShowId,
        user: &UserId,
        scope: &str,
        key: &str,
        answer: &Remembered,
    ) {
        let Ok(shard) = self.shard_of(show).await else { return };
        if let Err(error) =
            shard.remember(user, scope, key, answer, service_kit::clock::now()).await
        {
            tracing::warn!(%error, "an answer was not kept for a replay");
        }
    }

    /// Answers a request under a key as the first time, where it was answered
    /// before; keeps the answer of one that worked. `call` names the request
    /// with everything that matters in it.
    pub(super) async fn once(
        &self,
        show: &ShowId,
        user: &UserId,
        call: &str,
        key: Option<String>,
        work: impl Future<Output = Result<Reply, SaleError>>,
    ) -> Result<Reply, SaleError> {
        let Some(key) = key else { return work.await };
        let _guard = self.in_flight.enter(user, call, &key)?;
        if let Some(kept) = self.recall(show, user, call, &key).await {
            return Ok(Reply::Kept { status: kept.status, body: kept.body });
        }
        let reply = work.await?;
        if let Reply::Booking(status @ 200, booking) = &reply {
            let answer = Remembered {
                body_hash: String::new(),
                status: *status,
                body: serde_json::to_string(booking).unwrap_or_default(),
            };
            self.remember(show, user, call, &key, &answer).await;
        }
        Ok(reply)
    }
}
