//! Threads that answer, each with a runtime of its own: a connection stays on
//! one of them, so that no answer wakes another thread. It must not know what
//! a connection is for.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The threads; they end when this is dropped, with whatever still runs there.
#[derive(Debug)]
pub(crate) struct Lanes {
    handles: Vec<Handle>,
    next: AtomicUsize,
    _open: DropGuard,
}

impl Lanes {
    /// None: connections stay where they are accepted.
    pub(crate) fn none() -> Self {
        let open = CancellationToken::new().drop_guard();
        Self { handles: Vec::new(), next: AtomicUsize::new(0), _open: open }
    }

    /// So many.
    ///
    /// # Errors
    /// When the system gives no thread or no runtime.
    pub(crate) fn open(count: usize) -> io::Result<Self> {
        let closed = CancellationToken::new();
        let mut handles = Vec::with_capacity(count);
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let closed = closed.clone();
            std::thread::Builder::new()
                .name(format!("lane-{number}"))
                .spawn(move || runtime.block_on(closed.cancelled_owned()))?;
        }
        Ok(Self { handles, next: AtomicUsize::new(0), _open: closed.drop_guard() })
    }

    /// Gives a connection to the next thread in turn: they come from a load
    /// balancer that keeps them, so that each is as busy as the other.
    ///
    /// # Errors
    /// When the connection cannot be moved; it is closed.
    pub(crate) fn hand_over<F>(
        &self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.handles.is_empty() {
            tokio::spawn(serve(stream));
            return Ok(());
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.handles.len();
        // Whoever polls it must be woken by the runtime that watches its socket.
        let stream = stream.into_std()?;
        self.handles[turn].spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::warn!(%error, "a connection could not be watched"),
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    /// The names of the threads that serve four connections.
    async fn served_by(lanes: Lanes) -> BTreeSet<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, mut heard) = mpsc::unbounded_channel();
        for _ in 0..4 {
            let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            let told = told.clone();
            let (stream, _client) = (accepted.unwrap().0, client.unwrap());
            let serve = move |stream: TcpStream| async move {
                stream.writable().await.unwrap();
                let name = std::thread::current().name().unwrap_or_default().to_owned();
                told.send(name).unwrap();
            };
            lanes.hand_over(stream, serve).unwrap();
        }
        drop(told);
        let mut names = BTreeSet::new();
        while let Some(name) = heard.recv().await {
            names.insert(name);
        }
        names
    }

    #[tokio::test]
    async fn connections_are_spread_over_all_lanes() {
        let both = ["lane-0", "lane-1"].map(str::to_owned).into();
        assert_eq!(served_by(Lanes::open(2).unwrap()).await, both);
    }

    #[tokio::test]
    async fn without_lanes_they_stay_where_they_are() {
        let here = std::thread::current().name().unwrap_or_default().to_owned();
        assert_eq!(served_by(Lanes::none()).await, BTreeSet::from([here]));
    }
}
