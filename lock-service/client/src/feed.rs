//! The change feed as a caller reads it.

use bytes::Bytes;
use courier::JsonLines;
use futures_util::Stream;

use crate::client::LockError;
use crate::wire::ChangeLine;

/// The lines of a change feed.
pub struct ChangeFeed {
    lines: JsonLines,
}

impl ChangeFeed {
    pub(crate) fn new(stream: impl Stream<Item = hyper::Result<Bytes>> + Send + 'static) -> Self {
        Self { lines: JsonLines::new(stream) }
    }

    /// The next line; `Ok(None)` when the instance ended the feed.
    ///
    /// # Errors
    /// `Unknown` when the connection broke or a line makes no sense: open a new feed.
    pub async fn next(&mut self) -> Result<Option<ChangeLine>, LockError> {
        self.lines.next().await.map_err(LockError::Unknown)
    }
}
