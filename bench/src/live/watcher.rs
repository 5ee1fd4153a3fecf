//! Somebody who watches: one event stream over a bare connection. Only what the
//! measurement needs is read of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::Failure;

/// How long the first snapshot may take.
const PATIENCE: Duration = Duration::from_secs(60);

const READ_BYTES: usize = 16 << 10;

/// A seat that changed, by its number, and when it was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) seat: u32,
    pub(super) at: Instant,
    /// Bytes of the stream since the one seen before.
    pub(super) bytes: usize,
}

/// An open stream.
pub(super) struct Watcher {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Watcher {
    /// Opens one and reads its snapshot.
    pub(super) async fn open(address: SocketAddr, path: &str) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(address).await?;
        let ask =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut watcher = Self { stream, rest: Vec::new() };
        tokio::time::timeout(PATIENCE, watcher.snapshot()).await??;
        Ok(watcher)
    }

    async fn snapshot(&mut self) -> Result<(), Failure> {
        let mut head = Vec::new();
        let mut part = vec![0; READ_BYTES];
        let mut last = 0;
        loop {
            let read = self.stream.read(&mut part).await?;
            if read == 0 {
                return Err("a stream ended before its snapshot".into());
            }
            // A blank line ends an event, and the head of the answer is none.
            let mut ended = false;
            for byte in &part[..read] {
                ended |= last == b'\n' && *byte == b'\n';
                last = *byte;
            }
            if head.len() < READ_BYTES {
                head.extend_from_slice(&part[..read]);
                if head.len() > 12 && !head.starts_with(b"HTTP/1.1 200") {
                    return Err(format!("no stream: {}", String::from_utf8_lossy(&head)).into());
                }
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Says what it sees until nobody wants to know, or the stream ends.
    pub(super) async fn watch(mut self, seen: mpsc::UnboundedSender<Seen>) {
        let mut part = vec![0; READ_BYTES];
        loop {
            let Ok(read @ 1..) = self.stream.read(&mut part).await else { return };
            let at = Instant::now();
            self.rest.extend_from_slice(&part[..read]);
            let Some(end) = self.rest.windows(2).rposition(|two| two == b"\n\n") else { continue };
            let whole: Vec<u8> = self.rest.drain(..end + 2).collect();
            let mut bytes = whole.len();
            for seat in held(&whole) {
                if seen.send(Seen { seat, at, bytes: std::mem::take(&mut bytes) }).is_err() {
                    return;
                }
            }
        }
    }
}

/// The seats that some events say are held.
fn held(events: &[u8]) -> impl Iterator<Item = u32> {
    let text = std::str::from_utf8(events).unwrap_or_default();
    text.split("\"S-").skip(1).filter_map(|rest| {
        let (seat, rest) = rest.split_once('"')?;
        rest.starts_with(":\"held\"").then(|| seat.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_held_is_seen() {
        let text =
            b"7a\r\nevent: change\nid: 7\ndata: {\"revision\":7,\"seats\":{\"S-12\":\"held\",\
                     \"S-13\":\"free\",\"S-140\":\"held\"}}\n\n\r\n";
        assert_eq!(held(text).collect::<Vec<_>>(), [12, 140]);
        assert_eq!(held(b": here\n\n").count(), 0);
    }
}
