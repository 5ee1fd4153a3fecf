//! A comparison that a busy cluster survives: what one look suspects, further
//! looks must see as well, unchanged, for as long as the services may take to
//! end it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use seat_model::Timestamp;
use serde::Serialize;

use crate::compare::{Limits, compare};
use crate::finding::{Finding, Kind, Standing};
use crate::read::{ReadError, Scope, Stores};

/// How long a suspicion must last before it is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Of what two stores can only seem to disagree about.
    pub moment: Duration,
    /// Of what a reconciler or an outbox relay ends: longer than they take.
    pub services: Duration,
    /// Between two looks.
    pub every: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        // A reconciler begins after ten seconds, and looks every second.
        Self {
            moment: Duration::from_secs(3),
            services: Duration::from_secs(20),
            every: Duration::from_millis(500),
        }
    }
}

impl Patience {
    fn with(&self, finding: &Finding) -> Duration {
        if finding.kind.is_exact() || finding.kind == Kind::OutboxWaiting {
            Duration::ZERO
        } else if finding.standing == Standing::Pending || finding.kind.is_mended_by_services() {
            self.services
        } else {
            self.moment
        }
    }
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// When it began.
    pub at: Timestamp,
    /// etcd's revision then.
    pub revision: u64,
    /// Seats that were not free.
    pub seats: usize,
    /// Bookings on all shards.
    pub bookings: usize,
    /// Tickets on all shards.
    pub tickets: usize,
    /// How often was looked.
    pub looks: u32,
    /// What is wrong.
    pub faults: Vec<Finding>,
    /// What waits, and may end by itself.
    pub pending: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Compares all stores, and looks again at what it suspects.
///
/// # Errors
/// When a store cannot be read: then nothing is known.
pub async fn audit(
    stores: &Stores,
    limits: &Limits,
    patience: &Patience,
) -> Result<Report, ReadError> {
    let since = Instant::now();
    let first = stores.look_with_money(&Scope::Everything).await?;
    let mut report = Report {
        at: first.at,
        revision: first.cell.revision,
        seats: first.cell.seats.len(),
        bookings: first.shards.iter().map(|shard| shard.bookings.len()).sum(),
        tickets: first.shards.iter().map(|shard| shard.tickets.len()).sum(),
        looks: 1,
        faults: Vec::new(),
        pending: Vec::new(),
    };
    let mut suspects = compare(&first, limits);
    drop(first);
    // Work that is young enough is no suspicion.
    let young = |finding: &Finding| {
        finding.kind == Kind::OutboxWaiting && finding.standing == Standing::Pending
    };
    report.pending = suspects.extract_if(.., |finding| young(finding)).collect();
    let mut looked_after = Duration::ZERO;
    loop {
        let lasting = suspects.extract_if(.., |suspect| patience.with(suspect) <= looked_after);
        report.faults.extend(lasting.map(|fault| Finding { standing: Standing::Fault, ..fault }));
        if suspects.is_empty() {
            break;
        }
        tokio::time::sleep(patience.every).await;
        looked_after = since.elapsed();
        let seen = compare(&stores.look_with_money(&scope_of(&suspects)).await?, limits);
        report.looks += 1;
        // As it is seen now: whether it can be mended may have changed meanwhile.
        suspects = suspects
            .iter()
            .filter_map(|suspect| seen.iter().find(|again| again.is_same(suspect)).cloned())
            .collect();
    }
    report.faults.sort_by(|a, b| {
        (a.kind, &a.performance, &a.seats).cmp(&(b.kind, &b.performance, &b.seats))
    });
    Ok(report)
}

/// What must be read to look at these again.
pub(crate) fn scope_of(findings: &[Finding]) -> Scope {
    let performances: Option<BTreeSet<_>> =
        findings.iter().map(|finding| finding.performance.clone()).collect();
    performances.map_or(Scope::Everything, Scope::Performances)
}
