//! A real etcd and real lock-service processes, started for the tests and
//! killed at their end.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lock_service_client::wire::{
    Acquire, Acquired, AtFence, BookedSeats, Choice, Pin, PricedSeat, PutShardMap, ShardMap,
};
use lock_service_client::{LockClient, LockClientConfig, LockError};
use seat_model::{
    BookingId, Nonce, PerformanceId, Plan, PlanId, SeatId, ShardEpoch, ShardId, ShowId, UserId,
};
use tokio::net::TcpSocket;

mod etcd;

pub(crate) use etcd::{Etcd, put as etcd_put};

/// A process that dies with its owner.
pub(crate) struct Running(Child);

impl Running {
    /// Sends it a signal by its name.
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").arg(format!("-{name}")).arg(id).status();
        assert!(sent.unwrap().success(), "kill -{name}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be dead already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A lock-service process.
pub(crate) struct Service {
    process: Running,
    folder: tempfile::TempDir,
    pub(crate) url: String,
    pub(crate) admin: String,
}

/// An etcd with two instances of the service.
pub(crate) struct World {
    pub(crate) services: Vec<Service>,
    pub(crate) etcd: Etcd,
}

/// A port of loopback that stays this process's own: bound and not listened at,
/// so that a server may (both have `SO_REUSEADDR`) and no outgoing connection
/// is given it meanwhile.
fn free_port() -> u16 {
    static RESERVED: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    RESERVED.lock().unwrap().push(socket);
    port
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(40);
            eprintln!("the end of the log of {}:\n{}", self.url, lines[last..].join("\n"));
        }
    }
}

impl Service {
    pub(crate) fn start(etcd: &Etcd, more: &str) -> Self {
        let (port, admin) = (free_port(), free_port());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let text = format!(
            "name = \"lock-service-{port}\"\nlisten = \"127.0.0.1:{port}\"\n\
             admin_listen = \"127.0.0.1:{admin}\"\netcd_endpoints = {:?}\n{more}",
            etcd.urls()
        );
        std::fs::write(&file, text).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(Path::new(env!("CARGO_BIN_EXE_lock-service")))
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            process: Running(child),
            folder,
            url: format!("http://127.0.0.1:{port}"),
            admin: format!("http://127.0.0.1:{admin}"),
        }
    }

    pub(crate) async fn ready(&self) -> bool {
        let answer = reqwest::get(format!("{}/readyz", self.admin)).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The sum of a metric over its labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = reqwest::get(format!("{}/metrics", self.admin)).await.unwrap();
        let text = text.text().await.unwrap();
        text.lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    pub(crate) fn client(&self) -> LockClient {
        client(&[self])
    }

    /// Stops the process or lets it go on: `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }
}

pub(crate) fn client(services: &[&Service]) -> LockClient {
    LockClient::new(LockClientConfig {
        instances: services.iter().map(|service| service.url.clone()).collect(),
        try_timeout: Duration::from_secs(5),
        away_for: Duration::from_millis(200),
    })
    .unwrap()
}

impl World {
    pub(crate) async fn start(instances: usize) -> Self {
        Self::on(Etcd::new(), instances, "").await
    }

    /// On this etcd, with more in the services' configuration.
    pub(crate) async fn on(etcd: Etcd, instances: usize, more: &str) -> Self {
        let services: Vec<_> = (0..instances).map(|_| Service::start(&etcd, more)).collect();
        for service in &services {
            wait_for("a service to be ready", Duration::from_secs(20), || service.ready()).await;
        }
        Self { services, etcd }
    }

    pub(crate) fn client(&self) -> LockClient {
        self.services[0].client()
    }
}

/// Waits for a condition; panics with what was waited for.
pub(crate) async fn wait_for<F: Future<Output = bool>>(
    what: &str,
    at_most: Duration,
    condition: impl Fn() -> F,
) {
    let until = Instant::now() + at_most;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while !condition().await {
        assert!(Instant::now() < until, "still waiting for {what} after {at_most:?}");
        ticks.tick().await;
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A booking that nobody else has.
pub(crate) fn booking() -> BookingId {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    BookingId::from_bytes((u128::from(std::process::id()) << 64 | u128::from(n)).to_be_bytes())
}

pub(crate) fn seat(name: &str) -> SeatId {
    SeatId::new(name).unwrap()
}

pub(crate) fn show() -> ShowId {
    ShowId::new("hamlet").unwrap()
}

pub(crate) fn performance(name: &str) -> PerformanceId {
    PerformanceId::new(name).unwrap()
}

pub(crate) fn pin(nonce: u64) -> Pin {
    let shard = ShardId::new("shard-0").unwrap();
    Pin { shard, epoch: ShardEpoch::FIRST, nonce: Nonce::new(nonce) }
}

/// An acquire of these seats, by a customer of its own.
pub(crate) fn named(at: &str, seats: &[&str]) -> Acquire {
    let seats = seats
        .iter()
        .map(|name| PricedSeat { seat: seat(name), tier: "Stalls".into(), price: 4200 })
        .collect();
    let booking = booking();
    Acquire {
        performance: performance(at),
        show: show(),
        plan: PlanId::new("none").unwrap(),
        booking,
        user: UserId::new(format!("user-{booking}")).unwrap(),
        body_hash: "body".into(),
        choice: Choice::Seats { seats, refuse_orphans: false },
        ttl_ms: 60_000,
        max_ms: 180_000,
        max_seats_per_customer: 10,
        pin: None,
    }
}

/// A pick of so many stalls.
pub(crate) fn picked(at: &str, plan: &PlanId, quantity: u32) -> Acquire {
    let choice = Choice::Pick {
        tier: "Stalls".into(),
        price: 4200,
        quantity,
        accessible: 0,
        accept_split: false,
    };
    Acquire { plan: plan.clone(), choice, ..named(at, &[]) }
}

/// One row of stalls, named S1, S2 …
pub(crate) fn row(seats: usize) -> Plan {
    let seats: Vec<String> = (1..=seats)
        .map(|n| {
            format!(
                r#"{{"seat_guid":"S{n}","seat_number":"{n}","position":{{"x":{n},"y":5}},
                "category":"Stalls"}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"name":"Row","categories":[{{"name":"Stalls","color":"red"}}],
        "size":{{"width":99,"height":9}},"zones":[{{"name":"Z","zone_id":"z","position":
        {{"x":0,"y":0}},"rows":[{{"row_number":"A","position":{{"x":0,"y":0}},"seats":[{}]}}]}}]}}"#,
        seats.join(",")
    );
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn taken(acquired: Result<Acquired, LockError>) -> BookedSeats {
    match acquired {
        Ok(Acquired::Taken { seats }) => seats,
        other => panic!("not taken: {other:?}"),
    }
}

pub(crate) fn names(seats: &BookedSeats) -> Vec<&str> {
    seats.seats.iter().map(|seat| seat.seat.as_str()).collect()
}

pub(crate) fn at(seats: &BookedSeats) -> AtFence {
    AtFence { booking: seats.booking, fence: seats.fence }
}

/// The revision of the shard map, which is written if there is none.
pub(crate) async fn shards_revision(client: &LockClient) -> u64 {
    let now = client.shard_map().await.unwrap();
    if now.revision > 0 {
        return now.revision;
    }
    let map = ShardMap { shards: vec![ShardId::new("shard-0").unwrap()], ..ShardMap::default() };
    client.put_shard_map(&PutShardMap { if_revision: 0, map }).await.unwrap().revision
}
