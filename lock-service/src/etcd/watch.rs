//! One watch on all keys. It dies with its connection; whoever follows it
//! opens the next one after the last revision it was given.

use etcd_client::{Client, EventType, WatchOptions, WatchStream};

use super::{MAX_MESSAGE_BYTES, translate};
use crate::transaction::Kv;

/// Why a watch ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchFault {
    /// What it should have begun with was compacted away: list again.
    #[error("the revision was compacted away")]
    Compacted,
    /// The connection, the member or its leader is gone.
    #[error("{0}")]
    Broken(String),
}

/// A key that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchEvent {
    /// Which.
    pub key: String,
    /// When.
    pub revision: u64,
    /// What it is now; `None` when it was deleted.
    pub now: Option<Kv>,
}

/// Changes in the order of their revisions; a revision is never cut in two.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WatchBatch {
    /// The changes; those of keys that are not text are left out.
    pub events: Vec<WatchEvent>,
    /// The last revision delivered, also where its events were left out; 0 for none.
    pub revision: u64,
}

/// An open watch.
pub struct Watch {
    stream: WatchStream,
}

pub(super) async fn open(client: Client, from: u64) -> Result<Watch, WatchFault> {
    let from = i64::try_from(from).map_err(|error| WatchFault::Broken(error.to_string()))?;
    let options = WatchOptions::new().with_all_keys().with_start_revision(from);
    let stream = client
        .watch_client()
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .watch("", Some(options))
        .await
        .map_err(|error| WatchFault::Broken(error.to_string()))?;
    Ok(Watch { stream })
}

impl Watch {
    /// The next changes.
    ///
    /// # Errors
    /// When the watch is over.
    pub async fn next(&mut self) -> Result<WatchBatch, WatchFault> {
        let message = self
            .stream
            .message()
            .await
            .map_err(|error| WatchFault::Broken(error.to_string()))?
            .ok_or_else(|| WatchFault::Broken("the stream ended".into()))?;
        if message.compact_revision() > 0 {
            return Err(WatchFault::Compacted);
        }
        if message.canceled() {
            return Err(WatchFault::Broken(message.cancel_reason().to_owned()));
        }
        let mut batch = WatchBatch::default();
        for event in message.events() {
            let Some(kv) = event.kv() else { continue };
            // Of events, never of the header: that may be ahead of what was delivered.
            let revision = u64::try_from(kv.mod_revision()).unwrap_or(0);
            batch.revision = batch.revision.max(revision);
            let Some(read) = translate::kv(kv) else { continue };
            batch.events.push(match event.event_type() {
                EventType::Put => WatchEvent { key: read.key.clone(), revision, now: Some(read) },
                EventType::Delete => WatchEvent { key: read.key, revision, now: None },
            });
        }
        Ok(batch)
    }
}
