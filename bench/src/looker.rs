//! People who look: one request at a time on connections that stay open, over
//! HTTP or Redis' protocol. What is sent back is read to its end and not kept.
//! The load generator shares the cores with what it measures, so it does no
//! more than this; the same code asks every system.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::load::{Holder, Outcome, Proof};

/// Far above any latency worth reporting, so that a slow answer counts as slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is read at once; a large answer comes in several parts.
const READ_BYTES: usize = 256 << 10;

/// An answer may be so much longer or shorter than the first one: it is
/// compressed anew every second, with another time in it.
const TOLERANCE_BYTES: usize = 1_024;

/// Connections that stay open, as a load balancer keeps them. Whoever comes when
/// all are busy waits for one, and the wait counts: an open loop that opened one
/// more for everybody who waits would measure a crowd of connections.
const CONNECTIONS: usize = 256;

const SEEN: Outcome = Outcome::Taken(Proof { lease: None, revision: None });

/// Which protocol is spoken, and what is a success in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1, 200.
    Http,
    /// HTTP/1.1, 304: nothing has changed.
    Unchanged,
    /// Redis' own.
    Redis,
}

/// Somebody who asks the same thing again and again.
pub(crate) struct Looker {
    address: SocketAddr,
    protocol: Protocol,
    request: Vec<u8>,
    /// Bytes of the body, about.
    expected: usize,
    tolerance: usize,
    places: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Looker {
    /// Over HTTP, with these header lines.
    pub(crate) fn http(address: SocketAddr, path: &str, headers: &str, expected: usize) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
        Self::new(address, Protocol::Http, request.into_bytes(), expected)
    }

    /// Over HTTP, asking with these header lines for what has not changed.
    pub(crate) fn unchanged(address: SocketAddr, path: &str, headers: &str) -> Self {
        let looker = Self::http(address, path, headers, 0);
        Self { protocol: Protocol::Unchanged, ..looker }
    }

    /// The same for an answer that may grow or shrink by so many bytes meanwhile.
    pub(crate) fn tolerating(self, bytes: usize) -> Self {
        Self { tolerance: self.tolerance + bytes, ..self }
    }

    /// Redis, a connection for each caller.
    pub(crate) fn redis(address: SocketAddr, key: &str, expected: usize) -> Self {
        let request = format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len());
        Self::new(address, Protocol::Redis, request.into_bytes(), expected)
    }

    fn new(address: SocketAddr, protocol: Protocol, request: Vec<u8>, expected: usize) -> Self {
        let (places, idle) = (Semaphore::new(CONNECTIONS), Mutex::new(Vec::new()));
        let tolerance = TOLERANCE_BYTES;
        Self { address, protocol, request, expected, tolerance, places, idle }
    }

    async fn look(&self) -> std::io::Result<bool> {
        let _place = self.places.acquire().await.map_err(std::io::Error::other)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                Connection { stream, buffer: vec![0; READ_BYTES] }
            }
        };
        let bytes = connection.ask(&self.request, self.protocol).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(bytes.is_some_and(|bytes| bytes.abs_diff(self.expected) <= self.tolerance))
    }
}

impl Connection {
    /// The length of the body; `None` where it is no success.
    async fn ask(&mut self, request: &[u8], protocol: Protocol) -> std::io::Result<Option<usize>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let head = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if let Some(head) = Head::parse(&self.buffer[..filled], protocol) {
                break head;
            }
        };
        let mut left = (head.bytes + head.body_bytes + head.end_bytes).saturating_sub(filled);
        while left > 0 {
            let most = left.min(self.buffer.len());
            let read = self.stream.read(&mut self.buffer[..most]).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            left -= read;
        }
        Ok(head.success.then_some(head.body_bytes))
    }
}

/// What stands before a body.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    success: bool,
    bytes: usize,
    body_bytes: usize,
    end_bytes: usize,
}

impl Head {
    /// `None` until it is whole.
    fn parse(read: &[u8], protocol: Protocol) -> Option<Self> {
        match protocol {
            Protocol::Unchanged => {
                let end = read.windows(4).position(|four| four == b"\r\n\r\n")?;
                let success = read.starts_with(b"HTTP/1.1 304 ");
                Some(Self { success, bytes: end + 4, body_bytes: 0, end_bytes: 0 })
            }
            Protocol::Http => {
                let end = read.windows(4).position(|four| four == b"\r\n\r\n")?;
                let success = read.starts_with(b"HTTP/1.1 200 ");
                let mut lines = read[..end].split(|byte| *byte == b'\n');
                let length = lines.find_map(|line| {
                    let (name, value) = line.split_at_checked(15)?;
                    name.eq_ignore_ascii_case(b"content-length:").then(|| number(value))
                });
                let body_bytes = length.flatten();
                let success = success && body_bytes.is_some();
                let body_bytes = body_bytes.unwrap_or(0);
                Some(Self { success, bytes: end + 4, body_bytes, end_bytes: 0 })
            }
            Protocol::Redis => {
                let end = read.windows(2).position(|two| two == b"\r\n")?;
                let length = read.strip_prefix(b"$").and_then(|text| number(&text[..end - 1]));
                let success = length.is_some();
                let end_bytes = if success { 2 } else { 0 };
                Some(Self { success, bytes: end + 2, body_bytes: length.unwrap_or(0), end_bytes })
            }
        }
    }
}

fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

impl Holder for Looker {
    async fn hold(&self, _: usize, _: u64) -> Outcome {
        match tokio::time::timeout(PATIENCE, self.look()).await {
            Ok(Ok(true)) => SEEN,
            Ok(Ok(false)) => Outcome::NotApplied,
            Ok(Err(_)) | Err(_) => Outcome::Unknown,
        }
    }
}

/// Redis, many callers on few connections.
pub(crate) struct Multiplexed {
    connections: Vec<MultiplexedConnection>,
    key: String,
    expected: usize,
}

impl Multiplexed {
    /// Connects.
    ///
    /// # Errors
    /// When Redis is not there.
    pub(crate) async fn connect(
        url: &str,
        count: usize,
        key: &str,
        expected: usize,
    ) -> redis::RedisResult<Self> {
        let client = redis::Client::open(url)?;
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(client.get_multiplexed_async_connection().await?);
        }
        Ok(Self { connections, key: key.to_owned(), expected })
    }
}

impl Holder for Multiplexed {
    async fn hold(&self, caller: usize, _: u64) -> Outcome {
        let mut connection = self.connections[caller % self.connections.len()].clone();
        let mut get = redis::cmd("GET");
        let got = get.arg(&self.key).query_async::<redis::Value>(&mut connection).await;
        match got {
            Ok(redis::Value::BulkString(bytes)) if bytes.len() == self.expected => SEEN,
            Ok(_) => Outcome::NotApplied,
            Err(_) => Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_both_protocols_are_read_when_they_are_whole() {
        let http = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 12\r\nx: y\r\n\r\nbody";
        assert_eq!(Head::parse(&http[..30], Protocol::Http), None);
        let head = Head { success: true, bytes: http.len() - 4, body_bytes: 12, end_bytes: 0 };
        assert_eq!(Head::parse(http, Protocol::Http), Some(head));
        let none = Head::parse(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", Protocol::Http);
        assert!(!none.unwrap().success);
        let unchanged = b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n";
        assert!(Head::parse(unchanged, Protocol::Unchanged).unwrap().success);
        assert!(!Head::parse(http, Protocol::Unchanged).unwrap().success);
        let head = Head { success: true, bytes: 5, body_bytes: 12, end_bytes: 2 };
        assert_eq!(Head::parse(b"$12\r\nab", Protocol::Redis), Some(head));
        assert!(!Head::parse(b"$-1\r\n", Protocol::Redis).unwrap().success);
        assert_eq!(Head::parse(b"$1", Protocol::Redis), None);
    }
}
