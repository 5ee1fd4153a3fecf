//! Lines of JSON, cut from a stream of packets. Must not know where they come
//! from or what they say.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;

/// The longest line that is read before it is given up as broken.
const MAX_LINE_BYTES: usize = 16 << 20;

/// The lines of an answer that is read as it comes.
pub struct JsonLines {
    stream: std::pin::Pin<Box<dyn Stream<Item = hyper::Result<Bytes>> + Send>>,
    buffer: Vec<u8>,
    /// Where the next line begins in `buffer`.
    start: usize,
}

impl JsonLines {
    /// Of this stream.
    pub fn new(stream: impl Stream<Item = hyper::Result<Bytes>> + Send + 'static) -> Self {
        Self { stream: Box::pin(stream), buffer: Vec::new(), start: 0 }
    }

    /// The next line; `Ok(None)` when the other side ended it.
    ///
    /// # Errors
    /// When the connection broke or a line makes no sense.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        let mut searched = self.start;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let line = &self.buffer[self.start..searched + at];
                let read = serde_json::from_slice(line);
                self.start = searched + at + 1;
                return read.map(Some).map_err(|error| error.to_string());
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            searched = self.buffer.len();
            if searched > MAX_LINE_BYTES {
                return Err("a line is too long".into());
            }
            match self.stream.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(error.to_string()),
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
        let text = "{\"one\":1}\n[2,\"two\"]\n";
        let packets: Vec<_> =
            text.as_bytes().chunks(7).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        let mut lines = JsonLines::new(futures_util::stream::iter(packets));
        assert_eq!(lines.next().await, Ok(Some(serde_json::json!({"one": 1}))));
        assert_eq!(lines.next().await, Ok(Some(serde_json::json!([2, "two"]))));
        assert_eq!(lines.next::<serde_json::Value>().await, Ok(None));
    }
}
