//! The looking calls over HTTP, on a real Redis and a real MariaDB, with parts
//! of them paused and away. The replica is a second database on the same
//! server, so that a test decides what it knows already.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::{Duration, Instant};

use seat_model::{Code, PerformanceId, PublicSeatState, SeatId, ShowId};
use service_kit::{Background, Readiness};
use support::catalogue::{self, Catalogue};
use support::{Feed, eventually, flush, free_port, mariadb, redis, redis_url};
use view_service_client::wire::{ShowQuery, Source};
use view_service_client::{SeatEvent, Unviewed, ViewClient};

async fn instance(config: serde_json::Value) -> (ViewClient, Background, Readiness) {
    let started = catalogue::instance(config).await;
    (started.client, started.background, started.readiness)
}

fn code<T: std::fmt::Debug>(answer: Result<T, Unviewed>) -> Code {
    match answer {
        Err(Unviewed::Problem(problem)) => problem.code,
        other => panic!("a problem was expected, not {other:?}"),
    }
}

fn show(id: &str) -> ShowId {
    id.parse().unwrap()
}

fn evening(id: &str) -> PerformanceId {
    id.parse().unwrap()
}

fn query(pairs: &[(&str, &str)]) -> ShowQuery {
    let object = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    serde_json::from_value(serde_json::Value::Object(object)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn looking() {
    let dir = tempfile::tempdir().unwrap();
    let Some((database, primary_url)) = mariadb(dir.path()).await else {
        println!("skipped: no MariaDB or MySQL server is installed");
        return;
    };
    let mut primary = Catalogue::new(&primary_url).await;
    primary.run("CREATE DATABASE copy".to_owned()).await;
    let replica_url = primary_url.replace("/catalogue", "/copy");
    let mut replica = Catalogue::new(&replica_url).await;
    for catalogue in [&mut primary, &mut replica] {
        catalogue.show("hamlet").await;
        catalogue.show("macbeth").await;
        let late = "2026-11-23T22:30:00.000Z";
        catalogue.performance("hamlet", "h-1", "Wien", late, "2026-11-23").await;
        catalogue
            .performance("hamlet", "h-2", "Graz", "2026-11-24T19:00:00.000Z", "2026-11-24")
            .await;
        catalogue
            .performance("macbeth", "m-1", "Wien", "2026-11-24T19:00:00.000Z", "2026-11-24")
            .await;
    }
    let redis_port = free_port();
    let redis_server = redis(redis_port).await;
    let feed = Feed::start().await;
    feed.change("h-1", &[("A-1", PublicSeatState::Sold)]);
    let config = serde_json::json!({
        "name": "view-service-t", "listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:1",
        "lock_services": [feed.url], "redis": { "mode": "single", "url": redis_url(redis_port) },
        "catalogue_replica_urls": [replica_url], "catalogue_primary_url": primary_url,
        "heartbeat_ms": 200,
    });
    let (client, background, readiness) = instance(config.clone()).await;
    eventually("ready", || async { readiness.is_ready().then_some(()) }).await;
    eventually("nothing is missing", || async { readiness.missing().is_empty().then_some(()) })
        .await;

    listing(&client).await;
    one_show(&client, &mut primary).await;
    let etag = seat_maps(&client, &feed).await;
    live(&client, &feed).await;

    // Another instance gives the same content the same validator.
    let (other, other_background, other_readiness) = instance(config.clone()).await;
    eventually("ready", || async { other_readiness.is_ready().then_some(()) }).await;
    let same = eventually("the other has it too", || async {
        let viewed = other.seats(&show("hamlet"), &evening("h-1"), None).await.ok()?;
        (viewed.etag.as_ref() == Some(&etag)).then_some(viewed)
    })
    .await;
    assert!(same.age_s.is_some());
    other_background.shutdown().cancel();

    away(&client, &config, &database, &redis_server, redis_port).await;
    background.shutdown().cancel();
}

async fn listing(client: &ViewClient) {
    let ids = async |pairs: &[(&str, &str)]| {
        let page = client.shows(&query(pairs)).await.unwrap().into_answer().unwrap();
        page.shows.iter().map(|show| show.show_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&[]).await, ["hamlet", "macbeth"]);
    assert_eq!(ids(&[("date", "2026-11-23")]).await, ["hamlet"], "22:30 UTC is 23:30 in Vienna");
    assert_eq!(ids(&[("loc", " WIEN ")]).await, ["hamlet", "macbeth"]);
    assert_eq!(ids(&[("loc", "wien"), ("date", "2026-11-24")]).await, ["macbeth"]);
    assert_eq!(ids(&[("q", "MAC")]).await, ["macbeth"]);
    assert_eq!(ids(&[("q", "%")]).await, [""; 0]);
    let first = client.shows(&query(&[("limit", "1")])).await.unwrap();
    assert!(matches!(first.source, Some(Source::Replica)));
    let first = first.into_answer().unwrap();
    assert_eq!(first.shows[0].performances.len(), 2);
    let cursor = first.next_cursor.expect("there is another page");
    let second = client.shows(&query(&[("limit", "1"), ("cursor", &cursor)])).await.unwrap();
    let second = second.into_answer().unwrap();
    assert_eq!((second.shows[0].show_id.as_str(), second.next_cursor), ("macbeth", None));
    for bad in [("date", "2026-02-30"), ("limit", "0"), ("limit", "101"), ("cursor", "zzz")] {
        assert_eq!(code(client.shows(&query(&[bad])).await), Code::InvalidRequest, "{bad:?}");
    }
}

async fn one_show(client: &ViewClient, primary: &mut Catalogue) {
    let viewed = client.show(&show("hamlet"), None, Some("wien")).await.unwrap();
    assert!(viewed.etag.as_ref().is_some_and(|etag| etag.starts_with("W/")));
    let hamlet = viewed.into_answer().unwrap();
    assert_eq!(hamlet.performances.len(), 1);
    let tiers = &hamlet.performances[0].tiers;
    let left: Vec<_> =
        tiers.iter().map(|t| (t.tier.as_str(), t.seats_total, t.seats_available)).collect();
    eventually("the sold seat is counted", || async {
        let again = client.show(&show("hamlet"), None, Some("wien")).await.unwrap();
        let again = again.into_answer().unwrap();
        (again.performances[0].tiers[0].seats_available == 1).then_some(())
    })
    .await;
    assert_eq!((left[0].0, left[0].1), ("Stalls", 2));
    assert_eq!(left[1], ("Box", 1, 1));
    assert_eq!(left.len(), 2, "a category without seats is no tier");
    assert_eq!(code(client.show(&show("lear"), None, None).await), Code::NotFound);
    assert_eq!(code(client.show(&show("hamlet"), Some("2030-01-01"), None).await), Code::NotFound);
    assert_eq!(code(client.show(&show("hamlet"), Some("soon"), None).await), Code::InvalidRequest);
    assert_eq!(
        code(client.seats(&show("macbeth"), &evening("h-1"), None).await),
        Code::NotFound,
        "another show's performance"
    );

    // Made a moment ago, and not yet on the replica.
    primary.show("lear").await;
    primary.performance("lear", "l-1", "Linz", "2026-11-24T19:00:00.000Z", "2026-11-24").await;
    primary.performance("hamlet", "h-3", "Linz", "2026-11-25T19:00:00.000Z", "2026-11-25").await;
    let lear = eventually("a new show is visible", || async {
        client.show(&show("lear"), None, None).await.ok()
    })
    .await;
    assert_eq!(lear.source, Some(Source::Primary));
    eventually("a new performance is visible", || async {
        client.seats(&show("hamlet"), &evening("h-3"), None).await.ok()
    })
    .await;

    let plan = client.plan(&"plan".parse().unwrap()).await.unwrap();
    assert!(plan.cache_control.is_some_and(|control| control.contains("immutable")));
    assert_eq!(plan.answer.unwrap().name, "Hall");
    assert_eq!(code(client.plan(&"nothing".parse().unwrap()).await), Code::NotFound);
}

async fn seat_maps(client: &ViewClient, feed: &Feed) -> String {
    let (hamlet, first) = (show("hamlet"), evening("h-1"));
    let viewed = eventually("the map comes from memory, and is fresh", || async {
        let viewed = client.seats(&hamlet, &first, None).await.unwrap();
        (viewed.source == Some(Source::Memory)).then_some(viewed)
    })
    .await;
    let etag = viewed.etag.clone().unwrap();
    let map = viewed.into_answer().unwrap();
    assert!(!map.stale);
    assert_eq!((map.seats_total, map.seats_available, map.seats.len()), (3, 2, 1));
    // The revision moves on, this performance does not: the content is the same.
    feed.change("h-2", &[("A-1", PublicSeatState::Held)]);
    eventually("the revision moves on", || async {
        let viewed = client.seats(&hamlet, &first, None).await.unwrap();
        assert_eq!(viewed.etag.as_ref(), Some(&etag));
        (viewed.into_answer().unwrap().revision > map.revision).then_some(())
    })
    .await;
    let unchanged = client.seats(&hamlet, &first, Some(&etag)).await.unwrap();
    assert_eq!(unchanged.answer, None);
    assert_eq!(unchanged.etag, Some(etag.clone()));
    assert!(unchanged.source.is_some() && unchanged.age_s.is_some());
    etag
}

async fn live(client: &ViewClient, feed: &Feed) {
    let (hamlet, second) = (show("hamlet"), evening("h-2"));
    let seat = SeatId::new("A-2").unwrap();
    let mut events = client.events(&hamlet, &second, None).await.unwrap();
    let Some(SeatEvent::Snapshot { map, .. }) = events.next().await.unwrap() else {
        panic!("a snapshot comes first");
    };
    assert_eq!(map.seats.len(), 1);
    let revision = feed.change("h-2", &[("A-2", PublicSeatState::Held)]);
    let mut commented = false;
    let change = loop {
        match events.next().await.unwrap() {
            Some(SeatEvent::Change { id, change }) => break (id, change),
            Some(SeatEvent::Comment) => commented = true,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((change.0, change.1.revision), (revision, revision));
    assert_eq!(change.1.seats[&seat], PublicSeatState::Held);
    while !commented {
        commented = matches!(events.next().await.unwrap(), Some(SeatEvent::Comment));
    }
    drop(events);

    let missed = feed.change("h-2", &[("A-2", PublicSeatState::Free)]);
    let mut events = eventually("the missed change is told on coming back", || async {
        let mut events = client.events(&hamlet, &second, Some(revision)).await.unwrap();
        assert_eq!(events.next().await.unwrap(), Some(SeatEvent::Comment));
        match events.next().await.unwrap() {
            Some(SeatEvent::Change { id, .. }) if id == missed => Some(events),
            _ => None,
        }
    })
    .await;
    assert_eq!(events.next().await.unwrap(), Some(SeatEvent::Comment));
    let mut lost = client.events(&hamlet, &second, Some(u64::MAX >> 12)).await.unwrap();
    assert!(matches!(lost.next().await.unwrap(), Some(SeatEvent::Snapshot { .. })));
    assert_eq!(
        code(client.events(&hamlet, &evening("none"), None).await.map(drop)),
        Code::NotFound
    );
}

async fn away(
    client: &ViewClient,
    config: &serde_json::Value,
    database: &support::Server,
    redis_server: &support::Server,
    redis_port: u16,
) {
    let look = async || {
        let began = Instant::now();
        let seats = client.seats(&show("hamlet"), &evening("h-1"), None).await.unwrap();
        let page = client.show(&show("hamlet"), None, None).await.unwrap();
        let list = client.shows(&query(&[])).await.unwrap();
        assert_eq!(seats.answer.unwrap().seats.len(), 1);
        assert_eq!(page.answer.unwrap().name, "HAMLET");
        assert!(!list.answer.unwrap().shows.is_empty());
        (began.elapsed(), seats.source, page.source)
    };
    look().await;

    // An instance without a feed has the seats from Redis.
    let mut deaf = config.clone();
    deaf["lock_services"] = serde_json::json!([format!("http://127.0.0.1:{}", free_port())]);
    let (deaf, deaf_background, _) = instance(deaf).await;
    let heard = async || {
        let began = Instant::now();
        let seats = deaf.seats(&show("hamlet"), &evening("h-1"), None).await.unwrap();
        let map = seats.answer.unwrap();
        assert_eq!(map.seats.len(), 1);
        (began.elapsed(), seats.source, map.stale)
    };
    eventually("the seats from redis", || async {
        let (_, source, stale) = heard().await;
        (source == Some(Source::Redis) && !stale).then_some(())
    })
    .await;

    // Redis hangs: whoever has a feed does not notice. Whoever has none waits for
    // a deadline once in a while, and shows what it saw, as old as it is.
    redis_server.signal("-STOP");
    let (took, source, _) = look().await;
    assert_eq!(source, Some(Source::Memory));
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    eventually("the last map grows old", || async {
        let (took, _, stale) = heard().await;
        assert!(took < Duration::from_millis(1_500), "{took:?}");
        stale.then_some(())
    })
    .await;
    redis_server.signal("-CONT");
    eventually("redis is used again", || async {
        let (_, source, stale) = heard().await;
        (source == Some(Source::Redis) && !stale).then_some(())
    })
    .await;
    deaf_background.shutdown().cancel();

    // Both databases hang: what was seen is still shown.
    database.signal("-STOP");
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_millis(2_500) {
        let (took, _, source) = look().await;
        assert!(took < Duration::from_millis(3_000), "{took:?}");
        assert!(!matches!(source, Some(Source::Replica | Source::Redis)), "{source:?}");
    }
    // An instance that starts now has the shows that were written to Redis.
    let (fresh, background, readiness) = instance(config.clone()).await;
    eventually("ready without the catalogue", || async { readiness.is_ready().then_some(()) })
        .await;
    let page = eventually("a show from redis", || async {
        fresh.show(&show("hamlet"), None, None).await.ok()
    })
    .await;
    assert_eq!(page.source, Some(Source::Redis));
    assert_eq!(code(fresh.show(&show("never-seen"), None, None).await), Code::Unavailable);
    background.shutdown().cancel();
    database.signal("-CONT");
    // Only the page is looked at: of several who look within the second that an
    // answer stays fresh, the first one asks the catalogue, the others see memory.
    eventually("the catalogue is asked again", || async {
        let page = client.show(&show("hamlet"), None, None).await.unwrap();
        (page.source == Some(Source::Replica)).then_some(())
    })
    .await;
    flush(redis_port).await;
    look().await;
}
