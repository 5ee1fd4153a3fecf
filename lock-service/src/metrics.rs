//! What can be read off this service. Labels come from closed lists: never a
//! seat, a show or a customer.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::etcd::{EtcdFault, MemberSpace};

/// Bucket edges in seconds.
const EDGES: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Bucket edges in transactions.
const BATCH_EDGES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// All metrics; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    operations: IntCounterVec,
    operation_duration: HistogramVec,
    etcd_duration: HistogramVec,
    etcd_errors: IntCounterVec,
    seats: IntGaugeVec,
    /// The revision the mirror has reached.
    pub mirror_revision: IntGauge,
    /// Times the mirror was read anew from a listing.
    pub mirror_listings: IntCounter,
    /// Time until a catch-up was done.
    pub catch_up: Histogram,
    /// Feeds open now.
    pub feed_clients: IntGauge,
    /// Overdue holds deleted by this instance.
    pub expired: IntCounter,
    /// Seats taken under a booking that had others already.
    pub strays: IntCounter,
    /// Conflicts of picks: a choice that somebody else had by then.
    pub pick_conflicts: IntCounter,
    /// Hopeless requests answered without asking etcd.
    pub fast_refusals: IntCounter,
    /// The space each etcd member may use, in bytes.
    pub space_quota: IntGauge,
    /// Whether etcd's space alarm is raised.
    pub space_alarm: IntGauge,
    space: IntGaugeVec,
    space_file: IntGaugeVec,
    /// Seats reserved in memory for requests in flight.
    pub reserved: IntGauge,
    /// Leases open for sharing.
    pub open_leases: IntGauge,
    /// Leases being granted.
    pub grants_in_flight: IntGauge,
    /// Grants begun before anybody needed them.
    pub grants_ahead: IntCounter,
    /// Grants that somebody waited for.
    pub grants_on_demand: IntCounter,
    /// Holds whose lease was there.
    pub leases_ready: IntCounter,
    /// Holds that waited for their lease.
    pub leases_waited: IntCounter,
    /// Lengths of holds that leases are granted ahead for.
    pub lease_lanes: IntGauge,
    /// Requests that the catch-up read under way is for, and those after it.
    pub catch_up_waiting: IntGauge,
    /// Acquires of unknown outcome that are still being sent.
    pub unresolved: IntGauge,
    /// Changes remembered for feeds.
    pub remembered_changes: IntGauge,
    /// Feeds that ended: the client left, stalled or fell behind.
    pub feeds_ended: IntCounter,
    /// Requests being worked on.
    pub in_flight: IntGauge,
    /// Transactions in a batch.
    pub batch_size: Histogram,
    /// Batches sent and not answered yet.
    pub batches_under_way: IntGauge,
    /// Transactions that wait for their batch.
    pub combiner_waiting: IntGauge,
    /// Transactions answered by what another one had just shown.
    pub answered_beside: IntCounter,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When the registry has others of these names.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let counter = |name: &str, help: &str| {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let seats = IntGaugeVec::new(
            Opts::new("lock_seats", "Seats in the mirror, by state."),
            &["state"],
        )?;
        registry.register(Box::new(seats.clone()))?;
        let etcd_duration = HistogramVec::new(
            HistogramOpts::new("lock_etcd_call_duration_seconds", "Time of answered etcd calls.")
                .buckets(EDGES.to_vec()),
            &["call"],
        )?;
        registry.register(Box::new(etcd_duration.clone()))?;
        let operation_duration = HistogramVec::new(
            HistogramOpts::new(
                "lock_operation_duration_seconds",
                "Time from an operation's arrival to its answer, whatever that is.",
            )
            .buckets(EDGES.to_vec()),
            &["operation"],
        )?;
        registry.register(Box::new(operation_duration.clone()))?;
        let catch_up = Histogram::with_opts(
            HistogramOpts::new(
                "lock_mirror_catch_up_duration_seconds",
                "Time until the mirror had reached etcd's revision.",
            )
            .buckets(EDGES.to_vec()),
        )?;
        registry.register(Box::new(catch_up.clone()))?;
        let by_member = |name: &str, help: &str| {
            let metric = IntGaugeVec::new(Opts::new(name, help), &["member"])?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let space =
            by_member("lock_etcd_space_bytes", "Space in use, by member in the order configured.")?;
        let space_file = by_member(
            "lock_etcd_file_bytes",
            "Size of the database file, by member in the order configured.",
        )?;
        let grants = counters(
            "lock_lease_grants_total",
            "Lease grants begun: ahead of their need, or on demand of a hold that waits.",
            &["why"],
        )?;
        let leases = counters(
            "lock_lease_uses_total",
            "Holds put on a lease that was ready, or that they waited for.",
            &["lease"],
        )?;
        let batch_size = Histogram::with_opts(
            HistogramOpts::new("lock_batch_transactions", "Transactions in a batch sent to etcd.")
                .buckets(BATCH_EDGES.to_vec()),
        )?;
        registry.register(Box::new(batch_size.clone()))?;
        Ok(Self {
            operations: counters(
                "lock_operations_total",
                "Operations of the seat protocol, by verdict.",
                &["operation", "verdict"],
            )?,
            operation_duration,
            etcd_duration,
            etcd_errors: counters(
                "lock_etcd_call_errors_total",
                "Etcd calls without an answer, by what is known of the outcome.",
                &["call", "fault"],
            )?,
            seats,
            mirror_revision: gauge(
                "lock_mirror_revision",
                "The etcd revision that the mirror has reached.",
            )?,
            mirror_listings: counter(
                "lock_mirror_listings_total",
                "Times the mirror was read anew from a listing.",
            )?,
            catch_up,
            feed_clients: gauge("lock_feed_clients", "Change feeds that are open.")?,
            expired: counter(
                "lock_expired_holds_total",
                "Overdue holds that this instance deleted.",
            )?,
            strays: counter(
                "lock_stray_seats_total",
                "Seats found under a booking that had taken others before; should stay 0.",
            )?,
            pick_conflicts: counter(
                "lock_pick_conflicts_total",
                "Choices that somebody else had by the time they were tried.",
            )?,
            fast_refusals: counter(
                "lock_fast_refusals_total",
                "Requests for seats that cannot be had, refused from a fresh mirror.",
            )?,
            space_quota: gauge(
                "lock_etcd_space_quota_bytes",
                "Space that each etcd member may use.",
            )?,
            space_alarm: gauge("lock_etcd_alarm", "Whether etcd's space alarm is raised.")?,
            space,
            space_file,
            reserved: gauge(
                "lock_reserved_seats",
                "Seats that requests in flight are about to take.",
            )?,
            open_leases: gauge("lock_open_leases", "Leases that holds can still be put on.")?,
            grants_in_flight: gauge("lock_lease_grants_in_flight", "Leases being granted.")?,
            grants_ahead: grants.with_label_values(&["ahead"]),
            grants_on_demand: grants.with_label_values(&["on_demand"]),
            leases_ready: leases.with_label_values(&["ready"]),
            leases_waited: leases.with_label_values(&["waited"]),
            lease_lanes: gauge(
                "lock_lease_lanes",
                "Lengths of holds that leases are granted ahead for.",
            )?,
            catch_up_waiting: gauge(
                "lock_catch_up_waiting",
                "Requests that wait for a catch-up read.",
            )?,
            unresolved: gauge(
                "lock_unresolved_acquires",
                "Acquires of unknown outcome that are sent until it is known.",
            )?,
            remembered_changes: gauge(
                "lock_remembered_changes",
                "Changes remembered for feeds that come back.",
            )?,
            feeds_ended: counter(
                "lock_feeds_ended_total",
                "Change feeds that ended: the client left, stalled or fell behind.",
            )?,
            in_flight: gauge("lock_requests_in_flight", "Requests being worked on.")?,
            batch_size,
            batches_under_way: gauge(
                "lock_batches_under_way",
                "Batches sent to etcd and not answered yet.",
            )?,
            combiner_waiting: gauge(
                "lock_combiner_waiting",
                "Transactions that wait for their batch.",
            )?,
            answered_beside: counter(
                "lock_answered_beside_total",
                "Transactions refused by what another one's batch had just shown, unsent.",
            )?,
        })
    }

    /// Counts a verdict.
    pub fn operation(&self, operation: &'static str, verdict: &'static str) {
        self.operations.with_label_values(&[operation, verdict]).inc();
    }

    /// Counts the time an operation took.
    pub(crate) fn operation_took(&self, operation: &'static str, took: Duration) {
        self.operation_duration.with_label_values(&[operation]).observe(took.as_secs_f64());
    }

    /// Shows how many seats are in which state.
    pub fn seats(&self, held: usize, confirming: usize, sold: usize) {
        for (state, count) in [("held", held), ("confirming", confirming), ("sold", sold)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.seats.with_label_values(&[state]).set(count);
        }
    }

    /// Shows what a member uses; one that does not say has none to show.
    pub(crate) fn member_space(&self, member: usize, space: Option<&MemberSpace>) {
        let member = member.to_string();
        let member = [member.as_str()];
        let Some(space) = space else {
            // They may never have been there.
            let _ = self.space.remove_label_values(&member);
            let _ = self.space_file.remove_label_values(&member);
            return;
        };
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.space.with_label_values(&member).set(bytes(space.used_bytes));
        self.space_file.with_label_values(&member).set(bytes(space.file_bytes));
    }

    pub(crate) fn etcd_answered(&self, call: &'static str, took: Duration) {
        self.etcd_duration.with_label_values(&[call]).observe(took.as_secs_f64());
    }

    pub(crate) fn etcd_failed(&self, call: &'static str, fault: &EtcdFault) {
        let fault = match fault {
            EtcdFault::Away(_) => "away",
            EtcdFault::LeaseGone => "lease_gone",
            EtcdFault::NoSpace => "no_space",
            EtcdFault::Compacted => "compacted",
            EtcdFault::Refused(_) => "refused",
            EtcdFault::Unknown(_) => "unknown",
        };
        self.etcd_errors.with_label_values(&[call, fault]).inc();
    }
}
