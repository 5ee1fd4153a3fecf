//! The catalogue under view-service, on a real MariaDB: a cold start with an
//! empty Redis does not stampede it, and lists are searched and paged as
//! people expect while shows are added.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "tests tell what they saw")]

mod support;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use prometheus::Registry;
use seat_model::{PublicSeatState, ShowId};
use support::catalogue::{Catalogue, Instance, instance, views_added};
use support::{Feed, Server, eventually, fetch, free_port, mariadb, redis, redis_url};
use view_service_client::wire::{ShowList, ShowQuery, Source};
use view_service_client::{ViewClient, Viewed};

const SHOWS: [&str; 4] = ["aida", "carmen", "fidelio", "tosca"];

/// Clients that look at the same time, without a pause.
const CLIENTS: usize = 64;

const LOOK_FOR: Duration = Duration::from_secs(4);

/// How often views asked the catalogue so far.
fn questions(registry: &Registry) -> f64 {
    let families = registry.gather();
    let found = families.iter().find(|family| family.name() == "view_catalogue_queries_total");
    let counted = found.map(|family| family.get_metric().iter());
    counted.into_iter().flatten().map(|one| one.get_counter().get_value()).sum()
}

fn query(pairs: &[(&str, &str)]) -> ShowQuery {
    let object = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    serde_json::from_value(serde_json::Value::Object(object)).unwrap()
}

struct Stage {
    primary: Catalogue,
    database: Server,
    config: serde_json::Value,
    feed: Feed,
    _redis: Server,
    _dir: tempfile::TempDir,
}

impl Stage {
    /// `None` where there is no database server.
    async fn set() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let Some((database, url)) = mariadb(dir.path()).await else {
            println!("skipped: no MariaDB or MySQL server is installed");
            return None;
        };
        let primary = Catalogue::new(&url).await;
        let redis = redis(free_port()).await;
        let feed = Feed::start().await;
        let config = serde_json::json!({
            "name": "view-service-t", "listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:1",
            "lock_services": [feed.url],
            "redis": { "mode": "single", "url": redis_url(redis.port) },
            "catalogue_replica_urls": [url], "catalogue_primary_url": url,
            // Of a catalogue that is too slow what was seen is shown: where that is
            // meant, the database hangs.
            "catalogue_deadline_ms": 2_000,
        });
        Some(Self { primary, database, config, feed, _redis: redis, _dir: dir })
    }

    async fn play(&mut self, show: &str, place: &str, date: &str) {
        self.primary.show(show).await;
        let at = format!("{date}T19:00:00.000Z");
        self.primary.performance(show, &format!("{show}-1"), place, &at, date).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_under_load_asks_the_catalogue_about_once_a_second_for_each_show() {
    let Some(mut stage) = Stage::set().await else { return };
    for show in SHOWS {
        stage.play(show, "Wien", "2026-11-24").await;
        stage.feed.change(&format!("{show}-1"), &[("A-1", PublicSeatState::Sold)]);
    }
    let Instance { url, background, registry, .. } = instance(stage.config.clone()).await;
    let began = Instant::now();
    let client = async |number: usize| {
        // A connection of its own; nobody waits until the service is ready.
        let client = ViewClient::new(&url, Duration::from_secs(15)).unwrap();
        let mut answered = 0;
        while began.elapsed() < LOOK_FOR {
            let id = SHOWS[(number + answered) % SHOWS.len()];
            let show: ShowId = id.parse().unwrap();
            let evening = format!("{id}-1").parse().unwrap();
            let page = client.show(&show, None, None).await.unwrap();
            assert_eq!(page.answer.unwrap().performances.len(), 1);
            let list = client.shows(&query(&[])).await.unwrap();
            assert_eq!(list.answer.unwrap().shows.len(), SHOWS.len());
            let map = client.seats(&show, &evening, None).await.unwrap();
            assert_eq!(map.answer.unwrap().seats_total, 3);
            answered += 3;
        }
        answered
    };
    let answered: usize = join_all((0..CLIENTS).map(client)).await.into_iter().sum();
    // A show is one question, the list is two, the plan is one for ever.
    let per_second = SHOWS.len() + 2;
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
    let most = u32::try_from(per_second * seconds + 1).unwrap();
    let asked = questions(&registry);
    println!("{answered} views, {asked} questions, at most {most} expected");
    assert!(asked <= f64::from(most), "{asked} questions for {answered} views, not {most}");
    assert!(answered > 10 * per_second * seconds, "{answered} views are no load");
    background.shutdown().cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_is_counted_once_and_what_is_left_at_the_end_too() {
    let Some(mut stage) = Stage::set().await else { return };
    stage.play("aida", "Wien", "2026-11-24").await;
    stage.feed.change("aida-1", &[("A-1", PublicSeatState::Sold)]);
    let database = stage.config["catalogue_primary_url"].as_str().unwrap().to_owned();
    let path = "/v1/show/aida/performances/aida-1/seats";
    // Once while it runs, once by one that ends before it would have.
    for (every_ms, so_far) in [(50, 0), (3_600_000, 2)] {
        let mut config = stage.config.clone();
        config["add_views_every_ms"] = every_ms.into();
        let Instance { url, background, .. } = instance(config).await;
        let seen = eventually("a seat map", || async {
            let answer = fetch(&url, path, &[]).await;
            (answer.status == 200).then_some(answer)
        })
        .await;
        assert_eq!(fetch(&url, path, &[]).await.status, 200);
        // Whether it changed; and what is not there.
        fetch(&url, path, &[("if-none-match", seen.header("etag").unwrap())]).await;
        let nowhere = "/v1/show/aida/performances/aida-9/seats";
        assert_eq!(fetch(&url, nowhere, &[]).await.status, 404);
        if every_ms > 1_000 {
            assert_eq!(views_added(&database).await, so_far, "not yet");
            background.shutdown().cancel();
        }
        eventually("the views are added up", || async {
            (views_added(&database).await == so_far + 2).then_some(())
        })
        .await;
        background.shutdown().cancel();
    }
}

fn ids(list: &ShowList) -> Vec<&str> {
    list.shows.iter().map(|show| show.show_id.as_str()).collect()
}

async fn listed(client: &ViewClient, pairs: &[(&str, &str)]) -> ShowList {
    client.shows(&query(pairs)).await.unwrap().into_answer().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_places_are_found_as_people_type_them() {
    let Some(mut stage) = Stage::set().await else { return };
    // As booking-api writes them, and as it wrote them before names were folded.
    stage.primary.show_called("new", "Opéra  Façade", "opera facade").await;
    stage.primary.show_called("old", "L''Opéra", "l''opéra").await;
    stage.primary.show_called("other", "100 % Hamlet_", "100 % hamlet_").await;
    let at = "2026-11-24T19:00:00.000Z";
    stage.primary.performance("new", "n-1", "Zurich", at, "2026-11-24").await;
    stage.primary.performance("old", "o-1", "Zürich", at, "2026-11-24").await;
    stage.primary.performance("other", "x-1", "Graz", at, "2026-11-24").await;
    let Instance { client, background, .. } = instance(stage.config.clone()).await;
    for (typed, found) in [
        (("q", "OPÉRA"), vec!["new", "old"]),
        (("q", "opera"), vec!["new"]),
        (("q", "opera façade "), vec!["new"]),
        (("q", "Op\u{65}\u{301}ra fa"), vec!["new"]),
        (("q", "%"), vec!["other"]),
        (("q", "t_"), vec!["other"]),
        (("q", "hamlet%"), vec![]),
        (("q", "\\"), vec![]),
        (("q", "'"), vec!["old"]),
        (("q", "  "), vec!["new", "old", "other"]),
        (("loc", "ZÜRICH"), vec!["new", "old"]),
        (("loc", " zurich"), vec!["new"]),
        (("loc", "zür"), vec![]),
    ] {
        assert_eq!(ids(&listed(&client, &[typed]).await), found, "{typed:?}");
    }

    // Every database hangs: what was seen is searched in memory, by the same rules.
    stage.database.signal("-STOP");
    let from_memory: Viewed<ShowList> = eventually("a list from memory", || async {
        let viewed = client.shows(&query(&[("q", "ópera"), ("limit", "3")])).await.ok()?;
        (viewed.source == Some(Source::Memory)).then_some(viewed)
    })
    .await;
    assert_eq!(ids(&from_memory.into_answer().unwrap()), ["new", "old"]);
    assert_eq!(ids(&listed(&client, &[("loc", "GRAZ"), ("limit", "3")]).await), ["other"]);
    stage.database.signal("-CONT");
    background.shutdown().cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_added_while_somebody_pages_is_not_repeated_and_hides_no_other() {
    let Some(mut stage) = Stage::set().await else { return };
    let there = ["b", "d", "f", "h", "j", "l", "n"];
    for show in there {
        stage.play(show, "Wien", "2026-11-24").await;
    }
    stage.play("m", "Wien", "2026-11-25").await;
    let Instance { client, background, .. } = instance(stage.config.clone()).await;
    // Before what was read, right after it, and far behind.
    let mut added = [["a", "e"], ["c", "g"], ["i", "z"]].into_iter();
    let mut seen: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut pairs = vec![("limit", "2"), ("date", "2026-11-24"), ("loc", "wien")];
        if !cursor.is_empty() {
            pairs.push(("cursor", &cursor));
        }
        let page = listed(&client, &pairs).await;
        assert!(page.shows.len() <= 2);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        for show in added.next().into_iter().flatten() {
            stage.play(show, "Wien", "2026-11-24").await;
        }
        match page.next_cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once, seen, "in order, and none twice");
    assert!(there.iter().all(|show| seen.iter().any(|id| id == show)), "{seen:?}");
    assert!(seen.iter().any(|id| id == "z"), "what was added behind the cursor is seen: {seen:?}");
    assert!(!seen.iter().any(|id| id == "m"), "another date");
    background.shutdown().cancel();
}
