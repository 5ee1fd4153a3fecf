//! Redis with Sentinels and as a Cluster, for real: a primary is killed, views
//! go on from memory, and the promoted replica has the projection, and is read
//! again, without a restart of anything (INV-11).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lock_service_client::{LockClient, LockClientConfig};
use prometheus::Registry;
use redis::{ConnectionLike, FromRedisValue};
use seat_model::{PerformanceId, PublicSeatState, SeatId};
use serde_json::json;
use service_kit::{Background, Readiness};
use tokio::sync::mpsc;
use view_service::cache::{Deadlines, Link, LinkConfig, RedisServers, SeatStore};
use view_service::projection::Projection;
use view_service::{Config, Follower, Metrics, Seating, SeatingLimits, Writer};
use view_service_client::wire::Source;

use support::{Feed, Server, eventually, free_port, redis_url, redis_with};

const AWAY_FOR: Duration = Duration::from_millis(300);

const LIMITS: SeatingLimits = SeatingLimits {
    locks_deadline: Duration::from_millis(500),
    stale_after: Duration::from_millis(2_000),
    away_for: AWAY_FOR,
    regressed_after_ms: 3_000,
};

/// Enough to be in every partition's and every primary's part.
const PERFORMANCES: usize = 40;

fn performance(number: usize) -> PerformanceId {
    format!("evening-{number}").parse().unwrap()
}

fn seat(name: &str) -> SeatId {
    SeatId::new(name).unwrap()
}

/// What view-service does with its projection, without HTTP.
struct Instance {
    feed: Feed,
    seating: Seating,
    /// The same without a memory of its own: it shows what Redis has.
    forgetful: Seating,
    background: Background,
}

impl Instance {
    async fn start(servers: serde_json::Value) -> Self {
        let feed = Feed::start().await;
        let config: Config = serde_json::from_value(json!({
            "name": "view-service-t", "listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:1",
            "lock_services": [feed.url], "redis": servers,
            "catalogue_replica_urls": [], "catalogue_primary_url": "mysql://nobody@127.0.0.1:1/none",
        }))
        .unwrap();
        let metrics = Metrics::new(&Registry::new()).unwrap();
        let reading = link(&config.redis, Duration::from_millis(200), &metrics);
        let writing = link(&config.redis, Duration::from_secs(1), &metrics);
        let projection = Arc::new(Projection::new(8, 8, 3_000));
        let (steps, heard) = mpsc::channel(1_024);
        let component = Readiness::default().optional("change-feed");
        let follower = Follower::new(&config, Arc::clone(&projection), steps, component);
        let follower = Arc::new(follower.unwrap());
        let background = Background::default();
        background.supervise("change-feed", move || {
            let follower = Arc::clone(&follower);
            async move { follower.follow().await }
        });
        let store = SeatStore::new(&writing, 3_000);
        let writer = Writer::new(&store, Arc::clone(&projection), 2_000, metrics.clone());
        background.finish(writer.run(heard));
        let locks = LockClient::new(LockClientConfig {
            instances: vec![feed.url.clone()],
            try_timeout: Duration::from_millis(500),
            away_for: Duration::from_millis(500),
        });
        let locks = locks.unwrap();
        let seating = |projection| {
            let store = SeatStore::new(&reading, 3_000);
            Seating::new(store, projection, locks.clone(), LIMITS, &metrics)
        };
        let forgetful = seating(Arc::new(Projection::new(8, 8, 3_000)));
        Self { feed, seating: seating(projection), forgetful, background }
    }

    fn sell(&self, name: &str) {
        for number in 0..PERFORMANCES {
            self.feed.change(performance(number).as_str(), &[(name, PublicSeatState::Sold)]);
        }
    }

    /// Looks at every performance until all of them come from Redis, as new as
    /// can be, with these seats sold. Meanwhile every look is answered, and
    /// what was seen sold before is never shown free by whoever remembers it.
    async fn shows_from_redis(&self, before: &[&str], sold: &[&str]) {
        let wanted: BTreeMap<SeatId, PublicSeatState> =
            sold.iter().map(|name| (seat(name), PublicSeatState::Sold)).collect();
        eventually(&format!("{sold:?} from Redis"), || async {
            let mut all = true;
            for number in 0..PERFORMANCES {
                let taken = self.seating.taken(&performance(number)).await.expect("an answer");
                for name in before {
                    assert!(taken.seats.contains_key(&seat(name)), "{name} in {taken:?}");
                }
                let taken = self.forgetful.taken(&performance(number)).await.expect("an answer");
                all &= taken.source == Source::Redis && !taken.stale && taken.seats == wanted;
            }
            all.then_some(())
        })
        .await;
    }

    /// A primary dies between two sales; nobody is told.
    async fn outlives(&self, kill: impl FnOnce()) {
        self.sell("A-1");
        // What was heard of for the first time is known from then on.
        eventually("the first sale is known", || async {
            let taken = self.seating.taken(&performance(PERFORMANCES - 1)).await?;
            taken.seats.contains_key(&seat("A-1")).then_some(())
        })
        .await;
        self.shows_from_redis(&["A-1"], &["A-1"]).await;
        self.sell("A-2");
        kill();
        self.sell("A-3");
        self.shows_from_redis(&["A-1"], &["A-1", "A-2", "A-3"]).await;
        // Written to the new primary as before to the old one.
        self.sell("A-4");
        self.shows_from_redis(&["A-1", "A-2", "A-3"], &["A-1", "A-2", "A-3", "A-4"]).await;
    }
}

fn link(servers: &RedisServers, call: Duration, metrics: &Metrics) -> Arc<Link> {
    let config = LinkConfig {
        servers: servers.clone(),
        prefix: "seatlock:v1".to_owned(),
        deadlines: Deadlines { call, connect: Duration::from_secs(1) },
        away_for: AWAY_FOR,
    };
    Arc::new(Link::new(&config, metrics.clone()).unwrap())
}

/// Says one command to the server on a port.
fn say<T: FromRedisValue>(port: u16, words: &[&str]) -> redis::RedisResult<T> {
    let client = redis::Client::open(redis_url(port))?;
    let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
    let mut command = redis::cmd(words[0]);
    let answer = connection.req_command(command.arg(&words[1..]))?;
    Ok(redis::from_redis_value(answer)?)
}

/// Whether what a server says of itself has all of these lines.
fn tells(port: u16, section: &str, lines: &[&str]) -> bool {
    let words = if section == "cluster" { ["CLUSTER", "INFO"] } else { ["INFO", section] };
    let said: String = say(port, &words).unwrap_or_default();
    lines.iter().all(|line| said.lines().any(|told| told.starts_with(line)))
}

/// A Sentinel needs a file it may write to.
fn sentinel(dir: &Path, primary: u16) -> Server {
    let port = free_port();
    let file = dir.join(format!("sentinel-{port}.conf"));
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor seats 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds seats 1500\nsentinel failover-timeout seats 6000\n",
        dir.display()
    );
    std::fs::write(&file, text).unwrap();
    Server::start(Command::new("redis-server").arg(&file).arg("--sentinel"), port)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_that_sentinels_promote_has_the_projection() {
    let dir = tempfile::tempdir().unwrap();
    let mut primary = redis_with(free_port(), &["--repl-diskless-sync-delay", "0"]).await;
    let port = primary.port.to_string();
    let follow = ["--replicaof", "127.0.0.1", &port];
    let replicas = [redis_with(free_port(), &follow).await, redis_with(free_port(), &follow).await];
    let sentinels: Vec<Server> = (0..3).map(|_| sentinel(dir.path(), primary.port)).collect();
    eventually("the Sentinels know the replicas and one another", || async {
        let known = |sentinel: &Server| {
            tells(sentinel.port, "sentinel", &["master0:name=seats,status=ok"]) && {
                let said: String = say(sentinel.port, &["INFO", "sentinel"]).unwrap_or_default();
                said.contains("slaves=2,sentinels=3")
            }
        };
        let up = |replica: &Server| tells(replica.port, "replication", &["master_link_status:up"]);
        (sentinels.iter().all(known) && replicas.iter().all(up)).then_some(())
    })
    .await;

    let urls: Vec<String> = sentinels.iter().map(|sentinel| redis_url(sentinel.port)).collect();
    let instance =
        Instance::start(json!({ "mode": "sentinel", "sentinels": urls, "primary": "seats" })).await;
    // One of them hangs: the others are asked all the same.
    sentinels[0].signal("-STOP");
    instance.shows_nothing_yet().await;
    sentinels[0].signal("-CONT");
    instance.outlives(|| primary.kill()).await;
    let promoted: (String, u16) =
        say(sentinels[1].port, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "seats"]).unwrap();
    assert!(replicas.iter().any(|replica| replica.port == promoted.1), "{promoted:?}");
    let key = format!("{{seatlock:v1:0/1}}:seats:{}", performance(0));
    let stored: Option<String> = say(promoted.1, &["HGET", &key, "A-4"]).unwrap();
    assert!(stored.is_some_and(|stored| stored.ends_with(":s")));
    instance.background.shutdown().cancel();
}

impl Instance {
    /// Redis is reached, and has the whole of what is not taken.
    async fn shows_nothing_yet(&self) {
        self.shows_from_redis(&[], &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_that_a_cluster_promotes_has_its_part_of_the_projection() {
    let dir = tempfile::tempdir().unwrap();
    let mut servers = Vec::new();
    for _ in 0..6 {
        let (port, bus) = (free_port(), free_port().to_string());
        let file = format!("nodes-{port}.conf");
        let folder = dir.path().display().to_string();
        let further = [
            ["--cluster-enabled", "yes"],
            ["--cluster-config-file", &file],
            ["--cluster-port", &bus],
            ["--cluster-node-timeout", "1500"],
            ["--repl-diskless-sync-delay", "0"],
            ["--dir", &folder],
        ];
        servers.push((redis_with(port, further.as_flattened()).await, bus));
    }
    let (first, others) = (servers[0].0.port, &servers[1..]);
    for (other, bus) in others {
        let port = other.port.to_string();
        say::<()>(first, &["CLUSTER", "MEET", "127.0.0.1", &port, bus]).unwrap();
    }
    let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    for ((server, _), (from, to)) in servers.iter().zip(slots) {
        say::<()>(server.port, &["CLUSTER", "ADDSLOTSRANGE", from, to]).unwrap();
    }
    for at in 0..3 {
        let (primary, replica) = (servers[at].0.port, servers[at + 3].0.port);
        let id: String = say(primary, &["CLUSTER", "MYID"]).unwrap();
        eventually("the replica knows its primary", || async {
            say::<()>(replica, &["CLUSTER", "REPLICATE", &id]).ok()
        })
        .await;
    }
    eventually("the Cluster is whole", || async {
        let whole = servers.iter().all(|(server, _)| {
            let lines = ["cluster_state:ok", "cluster_known_nodes:6", "cluster_size:3"];
            tells(server.port, "cluster", &lines)
        });
        let up = servers[3..].iter();
        let mut up =
            up.map(|(server, _)| tells(server.port, "replication", &["master_link_status:up"]));
        (whole && up.all(|up| up)).then_some(())
    })
    .await;

    let urls: Vec<String> = servers.iter().map(|(server, _)| redis_url(server.port)).collect();
    let instance = Instance::start(json!({ "mode": "cluster", "nodes": urls })).await;
    instance.shows_nothing_yet().await;
    let took_over = servers[3].0.port;
    instance.outlives(|| servers[0].0.kill()).await;
    assert!(tells(took_over, "replication", &["role:master"]), "it took over");
    // Every primary has a part, and the promoted one has what the dead one had.
    for (server, _) in &servers[1..4] {
        let keys: u64 = say(server.port, &["DBSIZE"]).unwrap();
        assert!(keys > 0, "nothing is on {}", server.port);
    }
    instance.background.shutdown().cancel();
}
