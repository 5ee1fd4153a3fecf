//! The catalogue on a real server: two instances at once, a key used twice, a
//! server that is paused, killed and started again.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use booking_api_client::{OrphanRule, TierSeats};
use seat_model::{Currency, Money, PerformanceId, PlanId, SeatId, ShowId, Timestamp, UserId};
use tokio::net::TcpSocket;

use super::*;
use crate::config::CatalogueConfig;
use crate::store::SalesHour;

/// A MariaDB of this test's own, on a free port; gone with it.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
    process: Child,
    /// Bound and not listened at: the server may, however often it is started,
    /// and no outgoing connection is given its port.
    _reserved: TcpSocket,
}

impl Server {
    fn install_and_start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let installed = Command::new("mariadb-install-db")
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg("--innodb-log-file-size=8M")
            .args(as_root(folder.path()))
            // A server that starts clears `#sql…` from its folder for temporary files,
            // and with it what others have there.
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(installed.is_ok_and(|status| status.success()), "apt install mariadb-server");
        // --skip-name-resolve makes 127.0.0.1 another host than localhost.
        let init = "CREATE DATABASE IF NOT EXISTS catalogue;\n\
                    CREATE OR REPLACE USER 'test'@'127.0.0.1' IDENTIFIED BY 'test';\n\
                    GRANT ALL ON catalogue.* TO 'test'@'127.0.0.1';\n";
        std::fs::write(folder.path().join("init.sql"), init).unwrap();
        let reserved = TcpSocket::new_v4().unwrap();
        reserved.set_reuseaddr(true).unwrap();
        reserved.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let port = reserved.local_addr().unwrap().port();
        let process = spawn(folder.path(), port);
        Self { folder, port, process, _reserved: reserved }
    }

    fn url(&self) -> String {
        format!("mysql://test:test@127.0.0.1:{}/catalogue", self.port)
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.process.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    fn kill_and_start_again(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = spawn(self.folder.path(), self.port);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// As root the server must be told that this is meant; others may not say it.
fn as_root(folder: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    (std::fs::metadata(folder).unwrap().uid() == 0).then_some("--user=root")
}

fn spawn(folder: &Path, port: u16) -> Child {
    let server = ["/usr/sbin/mariadbd", "/usr/sbin/mysqld"];
    let server = server.into_iter().find(|path| Path::new(path).exists()).expect("mariadb-server");
    Command::new(server)
        .arg("--no-defaults")
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--socket={}", folder.join("socket").display()))
        .arg(format!("--pid-file={}", folder.join("pid").display()))
        .arg(format!("--init-file={}", folder.join("init.sql").display()))
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
        .args(as_root(folder))
        .env("TMPDIR", folder)
        .args(["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M"])
        .args(["--performance-schema=OFF", "--character-set-server=utf8mb4"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn instance(server: &Server) -> Catalogue {
    let config = CatalogueConfig {
        acquire_timeout_ms: 500,
        query_timeout_ms: 1_000,
        fresh_for_ms: 50,
        quiet_after_failure_ms: 200,
        ..CatalogueConfig::default()
    };
    Catalogue::new(&server.url(), &config).unwrap()
}

/// Waits until a question is answered; a minute without it fails the test.
async fn until_answered<T, F: Future<Output = Result<T, CatalogueError>>>(
    ask: impl Fn() -> F,
) -> T {
    let begun = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => {
                assert!(begun.elapsed() < Duration::from_secs(60), "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalogue_on_a_real_server() {
    let mut server = Server::install_and_start();
    let (one, two) = (instance(&server), instance(&server));
    two_instances_migrate_at_once(&one, &two).await;
    a_migration_that_died_is_run_again(&one).await;
    a_show_is_written_once(&one, &two).await;
    a_key_gets_its_first_answer(&one, &two).await;
    an_address_is_one_user(&one).await;
    what_one_instance_makes_the_other_can_sell(&one, &two).await;
    sales_are_written_over_and_demand_is_added_up(&one, &two).await;
    what_began_long_ago_is_forgotten(&one).await;
    known_shows_outlive_the_catalogue(&mut server, &one).await;
}

async fn two_instances_migrate_at_once(one: &Catalogue, two: &Catalogue) {
    until_answered(|| async { one.connection().await.map(|_| ()) }).await;
    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    first.unwrap();
    second.unwrap();
    one.probe().await.unwrap();
}

async fn a_migration_that_died_is_run_again(one: &Catalogue) {
    for ruin in ["UPDATE _sqlx_migrations SET success = FALSE", "DROP TABLE idempotency_keys"] {
        sqlx::query(ruin).execute(&one.pool).await.unwrap();
    }
    one.migrate().await.unwrap();
    one.migrate().await.unwrap();
    assert!(!one.forget_keys(0).await.unwrap());
}

fn show(id: &str, name: &str) -> NewShow {
    NewShow { show_id: ShowId::new(id).unwrap(), name: name.into(), created_at_ms: 1 }
}

async fn a_show_is_written_once(one: &Catalogue, two: &Catalogue) {
    let hamlet = show("hamlet", "Hamlet");
    let (first, second) = tokio::join!(one.add_show(&hamlet, None), two.add_show(&hamlet, None));
    assert_eq!(first.unwrap(), Keyed::Done(ShowWritten::There));
    assert_eq!(second.unwrap(), Keyed::Done(ShowWritten::There));
    let other = one.add_show(&show("hamlet", "Macbeth"), None).await.unwrap();
    assert_eq!(other, Keyed::Done(ShowWritten::Taken));
    assert_eq!(one.show_name(&hamlet.show_id).await.unwrap().as_deref(), Some("Hamlet"));
    let there = one.performances_of(&hamlet.show_id).await.unwrap().unwrap();
    assert!(there.is_empty());
    assert!(one.performances_of(&ShowId::new("nothing").unwrap()).await.unwrap().is_none());
}

async fn a_key_gets_its_first_answer(one: &Catalogue, two: &Catalogue) {
    let scope = || Scope::user(&UserId::new("olga").unwrap());
    let first = |fingerprint: u8, body: &str| FirstAnswer {
        scope: scope(),
        key: "k-1".into(),
        fingerprint: [fingerprint; 32],
        answer: StoredAnswer { status: 201, body: body.into() },
        now_ms: 1_000,
    };
    // Two instances get the same request at once, each with an id of its own.
    let (show_a, show_b) = (show("drawn-a", "Faust"), show("drawn-b", "Faust"));
    let (answer_a, answer_b) = (first(7, "a"), first(7, "b"));
    let (a, b) = tokio::join!(
        one.add_show(&show_a, Some(&answer_a)),
        two.add_show(&show_b, Some(&answer_b))
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    let done = [&a, &b].into_iter().filter(|k| **k == Keyed::Done(ShowWritten::There)).count();
    assert_eq!(done, 1, "{a:?} {b:?}");
    let winner = if a == Keyed::Done(ShowWritten::There) { "a" } else { "b" };
    let again = one.add_show(&show_b, Some(&first(7, "again"))).await.unwrap();
    let stored = StoredAnswer { status: 201, body: winner.into() };
    assert_eq!(again, Keyed::Replay(stored.clone()));
    let looked = two.first_answer(&scope(), "k-1", &[7; 32]).await.unwrap();
    assert_eq!(looked, Some(Keyed::Replay(stored)));
    let other = one.add_show(&show("drawn-c", "Faust"), Some(&first(8, "c"))).await.unwrap();
    assert_eq!(other, Keyed::OtherRequest);
    assert_eq!(one.show_name(&ShowId::new("drawn-c").unwrap()).await.unwrap(), None);
    // Another customer's key of the same name is another key.
    let stranger = Scope::user(&UserId::new("otto").unwrap());
    assert_eq!(one.first_answer(&stranger, "k-1", &[7; 32]).await.unwrap(), None);
    // A change that is refused forgets its key with it.
    let taken = FirstAnswer { key: "k-2".into(), ..first(9, "taken") };
    let refused = one.add_show(&show("hamlet", "Lear"), Some(&taken)).await.unwrap();
    assert_eq!(refused, Keyed::Done(ShowWritten::Taken));
    assert_eq!(one.first_answer(&scope(), "k-2", &[9; 32]).await.unwrap(), None);

    assert!(!one.forget_keys(1_001).await.unwrap());
    assert_eq!(one.first_answer(&scope(), "k-1", &[7; 32]).await.unwrap(), None);
}

async fn an_address_is_one_user(one: &Catalogue) {
    let ada = |id: &str| NewUser {
        user_id: UserId::new(id).unwrap(),
        name: "Ada".into(),
        phone: "12345".into(),
        address: "London".into(),
        email: "Ada@example.org".into(),
        email_key: "ada@example.org".into(),
        password_hash: "$argon2id$…".into(),
        role: "customer",
        created_at_ms: 1,
    };
    assert_eq!(one.add_user(&ada("us-1"), None).await.unwrap(), Keyed::Done(UserWritten::Done));
    let again = one.add_user(&ada("us-2"), None).await.unwrap();
    assert_eq!(again, Keyed::Done(UserWritten::EmailTaken));
    let stored = one.user_by_email("ada@example.org").await.unwrap().unwrap();
    assert_eq!(stored.user_id.as_str(), "us-1");
    assert_eq!(stored.role, "customer");
    assert!(one.user_by_email("nobody@example.org").await.unwrap().is_none());
}

const PLAN: &str = r#"{"name":"Hall","categories":[{"name":"A"}],"zones":[{"position":{"x":0,"y":0},
    "rows":[{"row_number":"1","seats":[{"seat_guid":"A-1","seat_number":"1",
    "position":{"x":1,"y":1},"category":"A"}]}]}],"size":{"width":10,"height":10}}"#;

fn performance(id: &str) -> NewPerformance {
    let price = Money { price: 4500, currency: Currency::new("EUR").unwrap() };
    NewPerformance {
        performance_id: PerformanceId::new(id).unwrap(),
        show_id: ShowId::new("hamlet").unwrap(),
        location: "Zürich".into(),
        venue: "Schauspielhaus".into(),
        time_zone: "Europe/Zurich".into(),
        starts_at: Timestamp::from_millis(1_800_000_000_000),
        local_date: "2027-01-15".into(),
        plan_id: PlanId::new("pl-1").unwrap(),
        prices: BTreeMap::from([("A".to_owned(), price)]),
        on_sale_at: None,
        hold_ttl_ms: 3_000,
        hold_max_ms: 9_000,
        max_seats_per_customer: 4,
        orphan_rule: OrphanRule::Refuse,
        created_at_ms: 1,
    }
}

async fn what_one_instance_makes_the_other_can_sell(one: &Catalogue, two: &Catalogue) {
    let hamlet = ShowId::new("hamlet").unwrap();
    let plan = NewPlan {
        plan_id: PlanId::new("pl-1").unwrap(),
        name: "Hall".into(),
        body: PLAN.into(),
        seats: 1,
        tiers: vec![TierSeats { tier: "A".into(), seats: 1 }],
        created_at_ms: 1,
    };
    for _ in 0..2 {
        assert_eq!(one.add_plan(&plan, None).await.unwrap(), Keyed::Done(()));
    }
    assert!(two.performances_of(&hamlet).await.unwrap().unwrap().is_empty());
    one.add_performance(&performance("pf-1"), None).await.unwrap();
    let fresh = two.fresh_performances_of(&hamlet).await.unwrap().unwrap();
    assert_eq!(fresh.len(), 1);
    let known = &fresh[0];
    assert!(known.is_at(" ZÜRICH ") && !known.is_at("Bern"));
    assert_eq!((known.venue.as_str(), known.hold_ttl_ms), ("Schauspielhaus", 3_000));
    assert!(known.orphan_rule_refuse && known.on_sale_at.is_none());
    assert_eq!((known.chart.seats.len(), known.prices["A"].price), (1, 4500));
    // What is known is taken over, not read again.
    let again = two.fresh_performances_of(&hamlet).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(known, &again[0]));
    assert_eq!(one.count_performances(&hamlet).await.unwrap(), 1);

    let id = PerformanceId::new("pf-1").unwrap();
    assert_eq!(one.deletable(&hamlet, &id).await.unwrap(), Deletable::There);
    one.delete_performance(&hamlet, &id, None).await.unwrap();
    assert_eq!(one.deletable(&hamlet, &id).await.unwrap(), Deletable::Deleted);
    let other = ShowId::new("faust").unwrap();
    assert_eq!(one.deletable(&other, &id).await.unwrap(), Deletable::Unknown);
    assert!(two.fresh_performances_of(&hamlet).await.unwrap().unwrap().is_empty());
    one.add_performance(&performance("pf-2"), None).await.unwrap();
}

fn counted(seq: u64) -> Counted {
    Counted { shard: "shard-0".into(), seq, at: Timestamp::from_millis(seq.cast_signed()) }
}

fn sold(hour_ms: i64, tickets: u64) -> SalesHour {
    SalesHour { hour_ms, bookings: 1, tickets, revenue: tickets * 100, ..SalesHour::default() }
}

async fn sales_are_written_over_and_demand_is_added_up(one: &Catalogue, two: &Catalogue) {
    let id = PerformanceId::new("pf-1").unwrap();
    let all = Hours { from: 0, to: 1_000 };
    assert_eq!(one.sales_counted(&id).await.unwrap(), None);
    assert_eq!(one.analytics_hours(&id, all).await.unwrap(), AnalyticsHours::default());

    let count = |by: &Catalogue, seq: u64, hours: Vec<SalesHour>| {
        let (by, id) = (by.clone(), id.clone());
        async move {
            let read = async { Ok::<_, CatalogueError>(hours) };
            by.write_sales(&id, &counted(seq), read).await
        }
    };
    for _ in 0..2 {
        count(one, 7, vec![sold(100, 2), sold(200, 3), sold(300, 1)]).await.unwrap();
    }
    count(two, 9, vec![sold(100, 2), sold(300, 4)]).await.unwrap();
    assert_eq!(two.sales_counted(&id).await.unwrap(), Some(counted(9)));
    let known = one.analytics_hours(&id, all).await.unwrap();
    assert_eq!(known.sales, [sold(100, 2), sold(300, 4)]);
    let later = one.analytics_hours(&id, Hours { from: 200, to: 300 }).await.unwrap();
    assert_eq!((later.sales.len(), later.before.tickets, later.before.revenue), (0, 2, 200));

    // A count that cannot read changes nothing.
    let nothing = async { Err(CatalogueError::Unavailable("the shard is away".into())) };
    one.write_sales(&id, &counted(11), nothing).await.unwrap_err();
    assert_eq!(one.sales_counted(&id).await.unwrap(), Some(counted(9)));
    // While one reads, another waits, and gives up: it would be first to write.
    let twelfth = counted(12);
    let slow = one.write_sales(&id, &twelfth, async {
        let other = count(two, 13, vec![sold(100, 1)]).await;
        assert!(matches!(other, Err(CatalogueError::Unavailable(_))), "{other:?}");
        Ok::<_, CatalogueError>(vec![sold(100, 5)])
    });
    // Its own time may be over by then; nothing is written in that case.
    let written = slow.await.is_ok();
    let known = one.analytics_hours(&id, Hours { from: 0, to: 101 }).await.unwrap();
    assert_eq!(known.sales, [sold(100, if written { 5 } else { 2 })]);

    let demand = Demand { holds: 1, seats_held: 2, released: 3, refused: 4, views: 0 };
    let row = |hour_ms| DemandRow { performance: id.clone(), hour_ms, demand };
    let conflict = |seat: &str, conflicts| ConflictRow {
        performance: id.clone(),
        seat: SeatId::new(seat).unwrap(),
        conflicts,
    };
    let (rows, seats) = ([row(100), row(200)], [conflict("A-1", 1), conflict("A-2", 2)]);
    for by in [one, two] {
        by.add_demand(&rows).await.unwrap();
        by.add_conflicts(&seats).await.unwrap();
    }
    let known = one.analytics_hours(&id, Hours { from: 200, to: 201 }).await.unwrap();
    let twice = Demand { holds: 2, seats_held: 4, released: 6, refused: 8, views: 0 };
    assert_eq!(known.demand, [(200, twice)]);
    let contested = one.seat_conflicts(&id, 10).await.unwrap();
    let contested: Vec<_> = contested.iter().map(|(seat, n)| (seat.as_str(), *n)).collect();
    assert_eq!(contested, [("A-2", 4), ("A-1", 2)]);
    assert_eq!(one.seat_conflicts(&id, 1).await.unwrap().len(), 1);
}

async fn what_began_long_ago_is_forgotten(one: &Catalogue) {
    let id = PerformanceId::new("pf-1").unwrap();
    let all = Hours { from: 0, to: 1_000 };
    let begins = performance("pf-1").starts_at.as_millis();
    assert!(!one.forget_analytics(begins).await.unwrap());
    assert_ne!(one.analytics_hours(&id, all).await.unwrap(), AnalyticsHours::default());
    assert!(!one.forget_analytics(begins + 1).await.unwrap());
    assert_eq!(one.analytics_hours(&id, all).await.unwrap(), AnalyticsHours::default());
    assert_eq!(one.sales_counted(&id).await.unwrap(), None);
    assert_eq!(one.seat_conflicts(&id, 10).await.unwrap(), []);
}

async fn known_shows_outlive_the_catalogue(server: &mut Server, one: &Catalogue) {
    let hamlet = ShowId::new("hamlet").unwrap();
    one.fresh_performances_of(&hamlet).await.unwrap();

    server.signal("-STOP");
    let begun = Instant::now();
    // More callers than the pool has connections, over and over.
    for _ in 0..3 {
        let callers: Vec<_> = (0..40)
            .map(|_| {
                let (one, hamlet) = (one.clone(), hamlet.clone());
                tokio::spawn(async move { one.performances_of(&hamlet).await })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap().unwrap().unwrap().len(), 1);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let begun = Instant::now();
    let unknown = ShowId::new("unknown").unwrap();
    let late = show("late", "Late");
    let (fresh, met, written) = tokio::join!(
        one.fresh_performances_of(&hamlet),
        one.performances_of(&unknown),
        one.add_show(&late, None)
    );
    assert!(matches!(fresh, Err(CatalogueError::Unavailable(_))), "{fresh:?}");
    assert!(matches!(met, Err(CatalogueError::Unavailable(_))), "{met:?}");
    assert!(matches!(written, Err(CatalogueError::Unavailable(_))), "{written:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    server.signal("-CONT");
    until_answered(|| one.fresh_performances_of(&hamlet)).await;
    assert_eq!(one.show_name(&ShowId::new("late").unwrap()).await.unwrap(), None);

    server.kill_and_start_again();
    assert_eq!(one.performances_of(&hamlet).await.unwrap().unwrap().len(), 1);
    until_answered(|| one.probe()).await;
    let written = until_answered(|| one.add_show(&late, None));
    assert_eq!(written.await, Keyed::Done(ShowWritten::There));
}
