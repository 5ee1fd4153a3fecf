//! A clock finer than the runtime's milliseconds: a timer of the kernel's,
//! waited for like a socket. Without it an open loop would add up to two
//! milliseconds of its own to every latency.

use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

/// Ticks at an interval. The timer is read like a pipe on which the kernel
/// writes, at each tick, how many there were since the last.
pub(crate) struct Ticker(pipe::Receiver);

impl Ticker {
    /// Begins to tick.
    ///
    /// # Errors
    /// When the system gives no timer.
    pub(crate) fn every(interval: Duration) -> std::io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let interval = TimeSpec::from_duration(interval);
        timer.set(Expiration::Interval(interval), TimerSetTimeFlags::empty())?;
        Ok(Self(pipe::Receiver::from_owned_fd_unchecked(OwnedFd::from(timer))?))
    }

    /// Waits for the next tick; ticks missed meanwhile count as one.
    ///
    /// # Errors
    /// When the timer fails.
    pub(crate) async fn tick(&mut self) -> std::io::Result<()> {
        let mut ticks = [0; 8];
        self.0.read_exact(&mut ticks).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn it_ticks_finer_than_a_millisecond() {
        let mut ticker = Ticker::every(Duration::from_micros(100)).unwrap();
        let since = Instant::now();
        for _ in 0..100 {
            ticker.tick().await.unwrap();
        }
        assert!(since.elapsed() >= Duration::from_micros(9_900), "{:?}", since.elapsed());
    }
}
