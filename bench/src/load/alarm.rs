//! A clock finer than the runtime's milliseconds: a timer of the kernel's,
//! waited for like a pipe. Without it an open loop would add up to two
//! milliseconds of its own to every latency.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

/// Wakes at moments.
pub(crate) struct Alarm {
    timer: TimerFd,
    /// The same timer, read like a pipe on which the kernel writes when it is time.
    rings: pipe::Receiver,
    /// The shortest wait: waking for each of a crowd of moments costs more
    /// processor time than what they are waited for.
    at_least: Duration,
}

impl Alarm {
    /// One that never waits for less than this.
    ///
    /// # Errors
    /// When the system gives no timer.
    pub(crate) fn new(at_least: Duration) -> std::io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let again = timer.as_fd().try_clone_to_owned()?;
        Ok(Self { timer, rings: pipe::Receiver::from_owned_fd_unchecked(again)?, at_least })
    }

    /// Waits until the moment, if it has not come yet; wakes late by at most
    /// the shortest wait and what the machine adds.
    ///
    /// # Errors
    /// When the timer fails.
    pub(crate) async fn until(&mut self, moment: Instant) -> std::io::Result<()> {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let wait = TimeSpec::from_duration(left.max(self.at_least));
        self.timer.set(Expiration::OneShot(wait), TimerSetTimeFlags::empty())?;
        let mut times = [0; 8];
        self.rings.read_exact(&mut times).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_never_wakes_early_and_does_not_wait_for_the_past() {
        let mut alarm = Alarm::new(Duration::from_micros(50)).unwrap();
        let start = Instant::now();
        for micros in (100..10_000).step_by(100) {
            let moment = start + Duration::from_micros(micros);
            alarm.until(moment).await.unwrap();
            assert!(Instant::now() >= moment);
        }
        alarm.until(start).await.unwrap();
    }
}
