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

    /// Keeps an answer for the next time. Whether it is the first one, as far
    /// as anybody knows.
    pub(super) async fn remember(
        &self,
        show: &ShowId,
        user: &UserId,
        scope: &str,
        key: &str,
        answer: &Remembered,
    ) -> bool {
        let Ok(shard) = self.shard_of(show).await else { return true };
        match shard.remember(user, scope, key, answer, service_kit::clock::now()).await {
            Ok(first) => first,
            Err(error) => {
                tracing::warn!(%error, "an answer was not kept for a replay");
                true
            }
        }
    }

    /// Keeps the answer of a request that worked. Where the same request was
    /// answered at another instance meanwhile, that one's answer is the answer.
    pub(super) async fn keep_first(
        &self,
        show: &ShowId,
        user: &UserId,
        scope: &str,
        key: &str,
        body_hash: &str,
        reply: Reply,
    ) -> Reply {
        let Reply::Booking(status @ 200, booking) = &reply else { return reply };
        let answer = Remembered {
            body_hash: body_hash.to_owned(),
            status: *status,
            body: serde_json::to_string(booking).unwrap_or_default(),
        };
        if self.remember(show, user, scope, key, &answer).await {
            return reply;
        }
        match self.recall(show, user, scope, key).await {
            Some(kept) => Reply::Kept { status: kept.status, body: kept.body },
            None => reply,
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
        key: Option<&str>,
        work: impl Future<Output = Result<Reply, SaleError>>,
    ) -> Result<Reply, SaleError> {
        let Some(key) = key else { return work.await };
        let _guard = self.in_flight.enter(user, call, key)?;
        if let Some(kept) = self.recall(show, user, call, key).await {
            return Ok(Reply::Kept { status: kept.status, body: kept.body });
        }
        let reply = work.await?;
        Ok(self.keep_first(show, user, call, key, "", reply).await)
    }
}
