//! The projection in a real Redis: guards against late and repeated writes,
//! and what happens when Redis forgets or goes away.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lock_service_client::wire::ChangeLine;
use lock_service_client::{LockClient, LockClientConfig};
use prometheus::Registry;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use seat_model::{PerformanceId, PublicSeatState, SeatId, Timestamp};
use service_kit::{Background, Readiness};
use tokio::sync::mpsc;
use view_service::cache::{
    Change, Deadlines, Link, LinkConfig, RedisServers, Said, SeatPartition, SeatStore, Write,
};
use view_service::projection::{Exported, Projection};
use view_service::{Config, Follower, Metrics, Seating, SeatingLimits, Writer};
use view_service_client::wire::Source;

use support::{Feed, eventually, flush, free_port, redis, redis_url};

const AWAY_FOR: Duration = Duration::from_millis(100);

const LIMITS: SeatingLimits = SeatingLimits {
    locks_deadline: Duration::from_millis(500),
    stale_after: Duration::from_millis(2_000),
    away_for: AWAY_FOR,
    regressed_after_ms: 3_000,
};

const SEATS: [&str; 5] = ["A-1", "A-2", "A-3", "A-4", "A-5"];

fn store(port: u16, prefix: &str) -> SeatStore {
    let config = LinkConfig {
        servers: RedisServers::Single { url: redis_url(port) },
        prefix: prefix.to_owned(),
        deadlines: Deadlines { call: Duration::from_secs(1), connect: Duration::from_secs(1) },
        away_for: AWAY_FOR,
    };
    let metrics = Metrics::new(&Registry::new()).unwrap();
    SeatStore::new(&Arc::new(Link::new(&config, metrics).unwrap()), 3_000)
}

/// The one partition of a single server.
fn whole(store: &SeatStore) -> &SeatPartition {
    assert_eq!(store.partitions().len(), 1);
    &store.partitions()[0]
}

/// One instance that writes: what it has heard, and the generation it believes in.
struct Instance {
    projection: Projection,
    position: usize,
    generation: Option<String>,
}

impl Instance {
    fn new() -> Self {
        let projection = Projection::new(8, 8, 3_000);
        for line in [
            ChangeLine::Snapshot { revision: 0 },
            ChangeLine::SnapshotEnd { revision: 0 },
            ChangeLine::Progress { revision: 0, as_of: Timestamp::from_millis(0) },
        ] {
            projection.apply(line).unwrap();
        }
        Self { projection, position: 0, generation: None }
    }

    fn hear(&mut self, change: &Change) {
        let line = ChangeLine::Seats {
            performance: change.performance.clone(),
            revision: change.revision,
            seats: change.seats.clone(),
        };
        self.projection.apply(line).unwrap();
        let as_of = Timestamp::from_millis(0);
        let progress = ChangeLine::Progress { revision: change.revision, as_of };
        self.projection.apply(progress).unwrap();
        self.position += 1;
    }

    /// Writes everything under the generation that holds, as often as it takes.
    async fn write_whole(
        &mut self,
        store: &SeatPartition,
        performance: &PerformanceId,
        fresh: &str,
    ) {
        let generation = store.begin("", fresh).await.unwrap();
        let whole = self.projection.export(performance).unwrap();
        assert_eq!(store.replace(&generation, performance, &whole).await.unwrap(), Said::Ok);
        self.generation = Some(generation);
    }

    async fn write(&mut self, store: &SeatPartition, change: &Change, fresh: &str) {
        let Some(generation) = self.generation.clone() else {
            return self.write_whole(store, &change.performance, fresh).await;
        };
        let said = store.write(&generation, &[Write::Change(change.clone())]).await.unwrap();
        if said != [Said::Ok] {
            self.write_whole(store, &change.performance, fresh).await;
        }
    }
}

/// INV-11: whatever the order, the repetitions and the losses, what Redis says
/// in the end is what is true, and no instance's past comes back.
#[tokio::test(flavor = "multi_thread")]
async fn two_instances_that_write_late_and_twice_converge() {
    let server = redis(free_port()).await;
    for seed in 0..40_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let store = store(server.port, &format!("t{seed}"));
        let performance: PerformanceId = "evening".parse().unwrap();
        let mut truth: BTreeMap<SeatId, PublicSeatState> = BTreeMap::new();
        let changes: Vec<Change> = (1..=60_u64)
            .map(|revision| {
                let seat = SeatId::new(SEATS[random.random_range(0..SEATS.len())]).unwrap();
                let state = match random.random_range(0..3) {
                    0 => PublicSeatState::Free,
                    1 => PublicSeatState::Held,
                    _ => PublicSeatState::Sold,
                };
                if state == PublicSeatState::Free {
                    truth.remove(&seat);
                } else {
                    truth.insert(seat.clone(), state);
                }
                let seats = BTreeMap::from([(seat, state)]);
                Change { performance: performance.clone(), revision, seats }
            })
            .collect();
        let mut instances = [Instance::new(), Instance::new()];
        let mut step = 0;
        while instances.iter().any(|instance| instance.position < changes.len()) {
            step += 1;
            let fresh = format!("g{step}");
            let instance = &mut instances[random.random_range(0..2)];
            match random.random_range(0..20) {
                0 => flush(server.port).await,
                1 => instance.write_whole(whole(&store), &performance, &fresh).await,
                2..6 if instance.position > 0 => {
                    let old = &changes[random.random_range(0..instance.position)];
                    instance.write(whole(&store), old, &fresh).await;
                }
                _ if instance.position < changes.len() => {
                    let next = &changes[instance.position];
                    instance.hear(next);
                    instance.write(whole(&store), next, &fresh).await;
                }
                _ => {}
            }
        }
        // Both have heard everything; a loss at the very end is repaired by either.
        for instance in &mut instances {
            instance.write(whole(&store), &changes[changes.len() - 1], "last").await;
        }
        let generation = instances[1].generation.clone().unwrap();
        let as_of = Timestamp::from_millis(5_000);
        let reached = Write::Reached { revision: 60, as_of };
        assert_eq!(whole(&store).write(&generation, &[reached]).await.unwrap(), [Said::Ok]);
        let read = store.read(&[performance]).await.unwrap().remove(0).expect("it is whole");
        assert_eq!(read.seats, truth, "seed {seed}");
        assert_eq!((read.projected.revision, read.projected.as_of), (60, as_of));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_that_go_back_begin_a_new_generation_only_when_it_is_no_delay() {
    let server = redis(free_port()).await;
    let store = store(server.port, "back");
    let store = whole(&store);
    let generation = store.begin("", "one").await.unwrap();
    let at = Timestamp::from_millis;
    let reached = |revision, as_of| Write::Reached { revision, as_of: at(as_of) };
    let say = async |write| store.write(&generation, &[write]).await.unwrap()[0];
    assert_eq!(say(reached(100, 10_000)).await, Said::Ok);
    assert_eq!(say(reached(90, 12_000)).await, Said::Ok, "a delay");
    assert_eq!(store.projected().await.unwrap().unwrap().revision, 100);
    assert_eq!(say(reached(5, 14_000)).await, Said::Regressed);
    assert_eq!(store.begin("one", "two").await.unwrap(), "two");
    assert_eq!(store.begin("one", "three").await.unwrap(), "two", "somebody was faster");
    assert_eq!(say(reached(101, 15_000)).await, Said::OtherGeneration);
}

/// INV-11: a replica that took over may lack what came right after a whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_of_the_same_revision_brings_back_what_came_after_it_and_an_older_one_nothing() {
    let server = redis(free_port()).await;
    let store = store(server.port, "tail");
    let performance: PerformanceId = "evening".parse().unwrap();
    let generation = whole(&store).begin("", "one").await.unwrap();
    let seat = |name: &str| SeatId::new(name).unwrap();
    let first = (seat("A-1"), 90, PublicSeatState::Sold);
    let second = (seat("A-2"), 101, PublicSeatState::Held);
    let wholes = [
        Exported { upto: 100, seats: vec![first.clone()] },
        Exported { upto: 100, seats: vec![first.clone(), second.clone()] },
        Exported { upto: 95, seats: vec![(seat("A-3"), 93, PublicSeatState::Sold)] },
    ];
    for exported in &wholes {
        let said = whole(&store).replace(&generation, &performance, exported).await.unwrap();
        assert_eq!(said, Said::Ok);
    }
    let reached = Write::Reached { revision: 101, as_of: Timestamp::from_millis(5_000) };
    assert_eq!(whole(&store).write(&generation, &[reached]).await.unwrap(), [Said::Ok]);
    let read = store.read(&[performance]).await.unwrap().remove(0).expect("it is whole");
    let wanted = BTreeMap::from([(first.0, first.2), (second.0, second.2)]);
    assert_eq!(read.seats, wanted);
}

fn config(feed: &Feed, port: u16) -> Config {
    let text = serde_json::json!({
        "name": "view-service-t", "listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:1",
        "lock_services": [feed.url], "redis": { "mode": "single", "url": redis_url(port) },
        "catalogue_replica_urls": [], "catalogue_primary_url": "mysql://nobody@127.0.0.1:1/none",
    });
    serde_json::from_value(text).unwrap()
}

/// The projection of an instance that heard of nothing for a long time.
fn behind() -> Projection {
    let projection = Projection::new(8, 8, 3_000);
    let long_ago = Timestamp::from_millis(0);
    let held = BTreeMap::from([(SeatId::new("A-9").unwrap(), PublicSeatState::Held)]);
    let performance: PerformanceId = "evening".parse().unwrap();
    for line in [
        ChangeLine::Snapshot { revision: 0 },
        ChangeLine::Seats { performance, revision: 0, seats: held },
        ChangeLine::SnapshotEnd { revision: 0 },
        ChangeLine::Progress { revision: 0, as_of: long_ago },
    ] {
        projection.apply(line).unwrap();
    }
    projection
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_forget_everything_and_may_go_away() {
    let port = free_port();
    let mut server = redis(port).await;
    let feed = Feed::start().await;
    feed.change("evening", &[("A-1", PublicSeatState::Sold), ("A-2", PublicSeatState::Held)]);

    let config = config(&feed, port);
    let projection = Arc::new(Projection::new(8, 8, 3_000));
    let (steps, heard) = mpsc::channel(64);
    let component = Readiness::default().optional("change-feed");
    let follower =
        Arc::new(Follower::new(&config, Arc::clone(&projection), steps, component).unwrap());
    let background = Background::default();
    background.supervise("change-feed", move || {
        let follower = Arc::clone(&follower);
        async move { follower.follow().await }
    });
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let store = store(port, "seatlock:v1");
    background
        .finish(Writer::new(&store, Arc::clone(&projection), 2_000, metrics.clone()).run(heard));
    let locks = LockClient::new(LockClientConfig {
        instances: vec![feed.url.clone()],
        try_timeout: Duration::from_millis(500),
        away_for: Duration::from_millis(500),
    })
    .unwrap();
    let seating =
        |projection| Seating::new(store.clone(), projection, locks.clone(), LIMITS, &metrics);
    let own = seating(Arc::clone(&projection));
    // One that has just started, and one whose feed was lost long ago.
    let fresh = seating(Arc::new(Projection::new(8, 8, 3_000)));
    let lost = seating(Arc::new(behind()));

    let performance: PerformanceId = "evening".parse().unwrap();
    let seat = |name: &str| SeatId::new(name).unwrap();
    let from = async |seating: &Seating, source| {
        eventually(&format!("the map from {source:?}"), || async {
            let taken = seating.taken(&performance).await;
            taken.filter(|taken| taken.source == source && !taken.stale)
        })
        .await
    };

    for (seating, source) in
        [(&own, Source::Memory), (&fresh, Source::Redis), (&lost, Source::Redis)]
    {
        let taken = from(seating, source).await;
        assert_eq!(taken.seats[&seat("A-1")], PublicSeatState::Sold);
    }

    // At no moment after it may a sold seat look free (INV-11).
    flush(port).await;
    eventually("redis is written again", || async {
        for seating in [&own, &fresh] {
            let taken = seating.taken(&performance).await.unwrap();
            assert_eq!(taken.seats.get(&seat("A-1")), Some(&PublicSeatState::Sold));
        }
        let taken = fresh.taken(&performance).await.unwrap();
        (taken.source == Source::Redis).then_some(())
    })
    .await;

    server.kill();
    let revision = feed.change("evening", &[("A-2", PublicSeatState::Free)]);
    for (seating, source) in [(&own, Source::Memory), (&fresh, Source::Locks)] {
        eventually("the change is seen without redis", || async {
            let taken = seating.taken(&performance).await.unwrap();
            assert_eq!(taken.source, source);
            (taken.revision >= revision && !taken.seats.contains_key(&seat("A-2"))).then_some(())
        })
        .await;
    }

    let _again = redis(port).await;
    let taken = from(&fresh, Source::Redis).await;
    assert_eq!(taken.seats.keys().collect::<Vec<_>>(), [&seat("A-1")]);

    // The feed's source away: the last map, and it says so.
    feed.silent(true);
    let stale = eventually("the map is stale", || async {
        own.taken(&performance).await.filter(|taken| taken.stale)
    })
    .await;
    assert_eq!(stale.seats[&seat("A-1")], PublicSeatState::Sold);
    feed.silent(false);
    from(&own, Source::Memory).await;
    from(&fresh, Source::Redis).await;
    background.shutdown().cancel();
}
