//! A lean HTTP/1.1 client: connections that stay open, one request at a time on
//! each, whole bodies. The load generator shares the cores with what it
//! measures, so it does no more than this. Must not know what is asked.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far above any latency worth reporting, so that a slow answer counts as slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest head and body that are read.
const LONGEST: usize = 1 << 20;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// `Retry-After`, where it says so.
    pub(crate) retry_after: Option<Duration>,
    /// `ETag`, where it has one.
    pub(crate) etag: Option<String>,
    /// Bytes of everything before the body.
    pub(crate) head_bytes: usize,
    /// The whole body.
    pub(crate) body: Vec<u8>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Nobody was reached.
    NotSent,
    /// It may have been received.
    Lost,
}

/// One server, and the connections to it that nobody uses just now.
pub(crate) struct Server {
    address: SocketAddr,
    idle: Mutex<Vec<TcpStream>>,
}

impl Server {
    /// The one at this address; connects on first use.
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::new(Vec::new()) }
    }

    /// Posts JSON, on a connection that was used last if there is one.
    pub(crate) async fn post(
        &self,
        path: &str,
        token: &str,
        key: &str,
        json: &str,
    ) -> Result<Answer, NoAnswer> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
             idempotency-key: {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{json}",
            self.address,
            json.len()
        );
        self.send(&request).await
    }

    /// Deletes, as [`Self::post`] posts.
    pub(crate) async fn delete(
        &self,
        path: &str,
        token: &str,
        key: &str,
    ) -> Result<Answer, NoAnswer> {
        let request = format!(
            "DELETE {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
             idempotency-key: {key}\r\ncontent-length: 0\r\n\r\n",
            self.address
        );
        self.send(&request).await
    }

    /// Gets, with these header lines.
    pub(crate) async fn get(&self, path: &str, headers: &str) -> Result<Answer, NoAnswer> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", self.address);
        self.send(&request).await
    }

    async fn send(&self, request: &str) -> Result<Answer, NoAnswer> {
        let mut stream = match self.kept() {
            Some(stream) => stream,
            None => self.connect().await.map_err(|_| NoAnswer::NotSent)?,
        };
        let asked = tokio::time::timeout(PATIENCE, ask(&mut stream, request.as_bytes())).await;
        let (answer, stays) = asked.ok().and_then(Result::ok).ok_or(NoAnswer::Lost)?;
        if stays {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        }
        Ok(answer)
    }

    /// A connection that is still open: one that was idle during a long
    /// measurement may have been closed meanwhile.
    fn kept(&self) -> Option<TcpStream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let open = |stream: &TcpStream| {
            let read = stream.try_read(&mut [0]);
            read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        };
        std::iter::from_fn(|| idle.pop()).find(open)
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Answers also whether the connection may be used again.
async fn ask(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<(Answer, bool)> {
    let malformed = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    stream.write_all(request).await?;
    let mut read = Vec::with_capacity(4 << 10);
    let head = loop {
        if let Some(head) = Head::parse(&read) {
            break head.ok_or_else(malformed)?;
        }
        if read.len() > LONGEST || stream.read_buf(&mut read).await? == 0 {
            return Err(malformed());
        }
    };
    let whole = head.bytes + head.body_bytes;
    if whole > LONGEST {
        return Err(malformed());
    }
    while read.len() < whole {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(malformed());
        }
    }
    let body = read.split_off(head.bytes);
    let Head { status, retry_after, etag, stays, bytes, .. } = head;
    Ok((Answer { status, retry_after, etag, head_bytes: bytes, body }, stays))
}

struct Head {
    bytes: usize,
    body_bytes: usize,
    status: u16,
    retry_after: Option<Duration>,
    etag: Option<String>,
    stays: bool,
}

impl Head {
    /// `None` until the head is whole; then `None` inside where it makes no sense.
    fn parse(read: &[u8]) -> Option<Option<Self>> {
        let end = read.windows(4).position(|four| four == b"\r\n\r\n")?;
        Some(std::str::from_utf8(&read[..end]).ok().and_then(|text| Self::read(text, end + 4)))
    }

    fn read(text: &str, bytes: usize) -> Option<Self> {
        let (first, fields) = text.split_once("\r\n")?;
        let status = first.split(' ').nth(1)?.parse().ok()?;
        let field = |name: &str| {
            fields.split("\r\n").find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let seconds = field("retry-after").and_then(|value| value.parse().ok());
        // A 304 has no body, whatever its length says that the body would be.
        let body_bytes = match status {
            304 => 0,
            _ => field("content-length")?.parse().ok()?,
        };
        Some(Self {
            bytes,
            body_bytes,
            status,
            retry_after: seconds.map(Duration::from_secs),
            etag: field("etag").map(str::to_owned),
            stays: !field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let text = b"HTTP/1.1 503 Busy\r\nContent-Length: 12\r\nRetry-After: 1\r\n\r\nbody";
        assert!(Head::parse(&text[..50]).is_none());
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, head.bytes), (503, 12, text.len() - 4));
        assert_eq!(head.retry_after, Some(Duration::from_secs(1)));
        assert!(head.stays);
    }

    #[test]
    fn what_has_not_changed_has_no_body() {
        let text = b"HTTP/1.1 304 Not Modified\r\nETag: W/\"7\"\r\nContent-Length: 12\r\n\r\n";
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, head.bytes), (304, 0, text.len()));
        assert_eq!(head.etag.as_deref(), Some("W/\"7\""));
    }

    #[test]
    fn an_answer_without_a_length_makes_no_sense() {
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n").unwrap().is_none());
    }
}
