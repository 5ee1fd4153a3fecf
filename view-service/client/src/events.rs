//! Reads an event stream (`text/event-stream`) of a seat map.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::client::Unviewed;
use crate::wire::{SeatChange, SeatMap};

/// One thing an event stream says.
#[derive(Debug, Clone, PartialEq)]
pub enum SeatEvent {
    /// Forget what you know: this is the whole map.
    Snapshot {
        /// The revision; say it as `Last-Event-ID` when coming again.
        id: u64,
        /// The map.
        map: SeatMap,
    },
    /// Some seats changed.
    Change {
        /// The revision; say it as `Last-Event-ID` when coming again.
        id: u64,
        /// What changed.
        change: SeatChange,
    },
    /// A sign of life.
    Comment,
}

/// The longest event accepted, in bytes.
const MAX_EVENT_BYTES: usize = 32 << 20;

/// The events of one connection.
pub struct SeatEvents {
    stream: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    buffer: Vec<u8>,
}

impl SeatEvents {
    pub(crate) fn new(stream: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static) -> Self {
        Self { stream: Box::pin(stream), buffer: Vec::new() }
    }

    /// The next event; `Ok(None)` when the instance ended the stream.
    ///
    /// # Errors
    /// `NoAnswer` when the connection broke, `Garbled` when an event makes no sense.
    pub async fn next(&mut self) -> Result<Option<SeatEvent>, Unviewed> {
        let mut searched = 0_usize;
        loop {
            let from = searched.saturating_sub(1);
            if let Some(at) = self.buffer[from..].windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..from + at + 2).collect();
                searched = 0;
                if let Some(event) = parse(&block)? {
                    return Ok(Some(event));
                }
                continue;
            }
            searched = self.buffer.len();
            if searched > MAX_EVENT_BYTES {
                return Err(Unviewed::Garbled("an event is too long".into()));
            }
            match self.stream.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(Unviewed::NoAnswer(error.to_string())),
                None => return Ok(None),
            }
        }
    }
}

/// One block of lines; `None` for a kind of event this reader does not know.
fn parse(block: &[u8]) -> Result<Option<SeatEvent>, Unviewed> {
    let garbled = |why: &str| Unviewed::Garbled(why.to_owned());
    let text = std::str::from_utf8(block).map_err(|_| garbled("an event is not UTF-8"))?;
    let (mut kind, mut id, mut data, mut comment) = ("", None, String::new(), false);
    for line in text.lines() {
        if line.starts_with(':') {
            comment = true;
        } else if let Some((name, value)) = line.split_once(':') {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "event" => kind = value,
                "id" => id = value.parse::<u64>().ok(),
                "data" => data.push_str(value),
                _ => {}
            }
        }
    }
    let id_of = |id: Option<u64>| id.ok_or_else(|| garbled("an event has no id"));
    let bad = |error: serde_json::Error| Unviewed::Garbled(error.to_string());
    match kind {
        "snapshot" => {
            let map = serde_json::from_str(&data).map_err(bad)?;
            Ok(Some(SeatEvent::Snapshot { id: id_of(id)?, map }))
        }
        "change" => {
            let change = serde_json::from_str(&data).map_err(bad)?;
            Ok(Some(SeatEvent::Change { id: id_of(id)?, change }))
        }
        _ if comment => Ok(Some(SeatEvent::Comment)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_are_cut_wherever_the_packets_end() {
        let text = ": hello\n\nid: 7\nevent: change\ndata: {\"revision\":7,\"as_of\":\
                    \"2026-11-23T10:00:00.000Z\",\"seats\":{\"A-1\":\"free\"}}\n\n";
        for size in 1..9 {
            let packets: Vec<_> =
                text.as_bytes().chunks(size).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
            let mut events = SeatEvents::new(futures_util::stream::iter(packets));
            assert_eq!(events.next().await, Ok(Some(SeatEvent::Comment)));
            let Ok(Some(SeatEvent::Change { id: 7, change })) = events.next().await else {
                panic!("a change was sent");
            };
            assert_eq!(change.seats.len(), 1);
            assert_eq!(events.next().await, Ok(None));
        }
    }
}
