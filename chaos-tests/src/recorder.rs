//! Writes a run's history while it happens, on one monotonic clock.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::history::{Began, Event, Line, Phase, write_line};

/// The file and the clock.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    out: Mutex<BufWriter<File>>,
    ops: AtomicU64,
    clients: AtomicU32,
    holds: AtomicU64,
}

impl Recorder {
    /// Begins a history at this moment, which is written into it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(path: &Path, mut began: Began) -> io::Result<Self> {
        let recorder = Self {
            began: Instant::now(),
            out: Mutex::new(BufWriter::new(File::create(path)?)),
            ops: AtomicU64::new(1),
            clients: AtomicU32::new(1),
            holds: AtomicU64::new(0),
        };
        began.wall_ms = jiff::Timestamp::now().as_millisecond();
        recorder.write(Event::Began(began));
        Ok(recorder)
    }

    /// A number for a request.
    pub fn next_op(&self) -> u64 {
        self.ops.fetch_add(1, Ordering::Relaxed)
    }

    /// A number for somebody with one open request at a time.
    pub fn next_client(&self) -> u32 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes an event down, now. The clock is read under the lock, so that
    /// the file is in order.
    ///
    /// # Panics
    /// When the disk does not take it: a history with holes is worth nothing.
    #[expect(clippy::expect_used, reason = "a history with holes is worth nothing")]
    pub fn write(&self, event: Event) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let at_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        write_line(&mut *out, &Line { at_ns, event }).expect("the history can be written");
    }

    /// One more hold succeeded.
    pub fn count_hold(&self) {
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    /// Holds that succeeded so far.
    pub fn holds(&self) -> u64 {
        self.holds.load(Ordering::Relaxed)
    }

    /// A fault begins, is there, or is gone.
    pub fn fault(
        &self,
        number: u32,
        (kind, name): (&str, &str),
        phase: Phase,
        failed: Option<String>,
    ) {
        let (name, kind) = (name.to_owned(), kind.to_owned());
        self.write(Event::Fault { number, name, kind, phase, failed });
    }

    /// Everything is on its way to the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&self) -> io::Result<()> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
