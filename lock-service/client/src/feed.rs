//! The change feed as a caller reads it: lines of JSON, cut from a stream of
//! packets. Must not know where they come from.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::client::LockError;
use crate::wire::ChangeLine;

/// The longest line a feed may carry before it is given up as broken.
const MAX_LINE_BYTES: usize = 16 << 20;

/// The lines of a change feed.
pub struct ChangeFeed {
    stream: std::pin::Pin<Box<dyn Stream<Item = hyper::Result<Bytes>> + Send>>,
    buffer: Vec<u8>,
    /// Where the next line begins in `buffer`.
    start: usize,
}

impl ChangeFeed {
    pub(crate) fn new(stream: impl Stream<Item = hyper::Result<Bytes>> + Send + 'static) -> Self {
        Self { stream: Box::pin(stream), buffer: Vec::new(), start: 0 }
    }

    /// The next line; `Ok(None)` when the instance ended the feed.
    ///
    /// # Errors
    /// `Unknown` when the connection broke or a line makes no sense: open a new feed.
    pub async fn next(&mut self) -> Result<Option<ChangeLine>, LockError> {
        let mut searched = self.start;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let line = &self.buffer[self.start..searched + at];
                let read = serde_json::from_slice(line);
                self.start = searched + at + 1;
                return read.map(Some).map_err(|error| LockError::Unknown(error.to_string()));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            searched = self.buffer.len();
            if searched > MAX_LINE_BYTES {
                return Err(LockError::Unknown("a line of the feed is too long".into()));
            }
            match self.stream.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(LockError::Unknown(error.to_string())),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_wherever_the_packets_end() {
        let text =
            "{\"line\":\"snapshot\",\"revision\":1}\n{\"line\":\"snapshot_end\",\"revision\":1}\n";
        let packets: Vec<_> =
            text.as_bytes().chunks(7).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        let mut feed = ChangeFeed::new(futures_util::stream::iter(packets));
        assert_eq!(feed.next().await, Ok(Some(ChangeLine::Snapshot { revision: 1 })));
        assert_eq!(feed.next().await, Ok(Some(ChangeLine::SnapshotEnd { revision: 1 })));
        assert_eq!(feed.next().await, Ok(None));
    }
}
