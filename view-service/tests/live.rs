//! Event streams: they show that they live, end with the process, and cost no
//! more for a reader that does not read.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::{Duration, Instant};

use seat_model::{PerformanceId, PublicSeatState, ShowId};
use support::catalogue::{Instance, instance};
use support::eventually;
use support::house::House;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use view_service::Config;
use view_service_client::{SeatEvent, SeatEvents, ViewClient};

fn hamlet() -> (ShowId, PerformanceId) {
    ("hamlet".parse().unwrap(), "h-1".parse().unwrap())
}

async fn open(client: &ViewClient) -> SeatEvents {
    let (show, performance) = hamlet();
    let mut events = client.events(&show, &performance, None).await.unwrap();
    assert!(matches!(events.next().await.unwrap(), Some(SeatEvent::Snapshot { .. })));
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_that_it_lives_and_ends_with_the_process() {
    let Some(house) = House::open(serde_json::json!({"heartbeat_ms": 200})).await else {
        println!("skipped: no MariaDB or MySQL server is installed");
        return;
    };
    let mut events = open(&house.client).await;
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(events.next().await.unwrap(), Some(SeatEvent::Comment));
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}: not more often than it should");
    house.background.shutdown().cancel();
    let end = async {
        loop {
            match events.next().await.unwrap() {
                Some(SeatEvent::Comment) => {}
                other => return other,
            }
        }
    };
    let end = tokio::time::timeout(Duration::from_secs(5), end).await;
    assert_eq!(end.expect("it ends at once"), None, "and it ends cleanly");
}

#[test]
fn a_heartbeat_is_never_rarer_than_promised() {
    let refused = |heartbeat_ms: u64| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = format!(
            r#"name = "v"
            listen = "127.0.0.1:1"
            admin_listen = "127.0.0.1:2"
            lock_services = ["http://127.0.0.1:3"]
            redis = {{ mode = "single", url = "redis://127.0.0.1:4" }}
            catalogue_replica_urls = []
            catalogue_primary_url = "mysql://x@127.0.0.1:5/y"
            heartbeat_ms = {heartbeat_ms}"#
        );
        std::fs::write(&path, text).unwrap();
        // A prefix that no variable of this machine has.
        service_kit::load_config::<Config>(&path, "SEATLOCK_NOBODY_SETS_").is_err()
    };
    assert!(!refused(15_000));
    assert!(refused(15_001) && refused(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_streams_as_there_may_be_and_places_come_back() {
    let Some(house) = House::open(serde_json::json!({"event_streams": 2})).await else {
        println!("skipped: no MariaDB or MySQL server is installed");
        return;
    };
    let (show, performance) = hamlet();
    let first = open(&house.client).await;
    let _second = open(&house.client).await;
    let third = house.client.events(&show, &performance, None).await;
    assert!(third.is_err_and(|why| why.to_string().contains("as many event streams")));
    drop(first);
    eventually("there is a place again", || async {
        house.client.events(&show, &performance, None).await.ok()
    })
    .await;
    house.background.shutdown().cancel();
}

/// Names as long as they may be, so that a change is a lot to send.
fn long_names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:0>200}")).collect()
}

/// A connection that asks for events and reads as slowly as its owner likes.
async fn slow_reader(base: &str) -> TcpStream {
    let address = base.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    // A window below the loopback's segment size would let the sender wait for
    // a timer before each piece.
    socket.set_recv_buffer_size(128 << 10).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let ask = "GET /v1/show/hamlet/performances/h-1/seats/events HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    stream
}

/// Reads until `until` stands in what was read, and a whole event behind it.
async fn read_on(stream: &mut TcpStream, text: &mut String, until: &str) {
    let mut part = vec![0; 64 << 10];
    let mut looked_at = 0;
    loop {
        if let Some(at) = text[looked_at..].find(until).map(|at| looked_at + at) {
            if text[at..].contains("\n\n") {
                return;
            }
            looked_at = at;
        } else {
            // It may begin in what was read and end in what comes.
            looked_at = text.len().saturating_sub(until.len());
        }
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut part)).await;
        let count = read.unwrap_or_else(|_| panic!("{until} did not come")).unwrap();
        assert!(count > 0, "the stream goes on");
        text.push_str(&String::from_utf8_lossy(&part[..count]));
    }
}

/// What fifty readers who do not read cost is the queue they share and one
/// snapshot each at most, not what they missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_gets_a_snapshot_after_the_gap_and_costs_no_more() {
    const READERS: usize = 50;
    let more = serde_json::json!({"event_queue": 4, "history_events": 4, "heartbeat_ms": 15_000});
    let Some(house) = House::open(more).await else {
        println!("skipped: no MariaDB or MySQL server is installed");
        return;
    };
    let base = house.client.base_url();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut reader = slow_reader(base).await;
        let mut text = String::new();
        read_on(&mut reader, &mut text, "event: snapshot").await;
        readers.push(reader);
    }
    let mut quick = open(&house.client).await;
    let names = long_names(300);
    let before = resident_bytes();
    let mut sent = 0_usize;
    let mut last = 0;
    // Far more than the sockets between them hold.
    for n in 0..120_usize {
        let state = if n % 2 == 0 { PublicSeatState::Held } else { PublicSeatState::Sold };
        let seats: Vec<(&str, PublicSeatState)> =
            names.iter().map(|name| (name.as_str(), state)).collect();
        last = house.feed.change("h-1", &seats);
        sent += seats.len() * 210;
        // Who reads misses nothing.
        loop {
            match quick.next().await.unwrap() {
                Some(SeatEvent::Change { id, .. }) if id == last => break,
                Some(SeatEvent::Change { .. } | SeatEvent::Comment) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let grown = resident_bytes().saturating_sub(before);
    let missed = sent * READERS;
    assert!(grown < missed / 5, "{grown} bytes more after {missed} bytes were not read");
    for mut reader in readers {
        let mut text = String::new();
        read_on(&mut reader, &mut text, "event: snapshot").await;
        let at = text.find("event: snapshot").unwrap();
        let id = text[at..].lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
        assert_eq!(id, last.to_string(), "the snapshot is of now");
    }
    house.background.shutdown().cancel();
}

/// Resident memory of this process: the instance is a part of it.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_begins_in_the_middle_of_a_storm_of_changes_ends_up_with_the_truth() {
    let Some(house) = House::open(serde_json::json!({})).await else {
        println!("skipped: no MariaDB or MySQL server is installed");
        return;
    };
    // A second instance: the same feed, other versions.
    let Instance { client: other, background: other_background, .. } =
        instance(house.config.clone()).await;
    let storm = tokio::spawn({
        let feed = house.feed.clone();
        async move {
            for n in 0..2_000_usize {
                let state =
                    [PublicSeatState::Held, PublicSeatState::Sold, PublicSeatState::Free][n % 3];
                feed.change("h-1", &[(["A-1", "A-2", "A-3"][n / 3 % 3], state)]);
                if n % 20 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            feed.change("h-1", &[("A-2", PublicSeatState::Sold)])
        }
    });
    let (show, performance) = hamlet();
    let mut watchers = Vec::new();
    for n in 0..40 {
        let client = if n % 2 == 0 { house.client.clone() } else { other.clone() };
        let (show, performance) = (show.clone(), performance.clone());
        watchers.push(tokio::spawn(async move {
            let mut events = eventually("a stream", || async {
                client.events(&show, &performance, None).await.ok()
            })
            .await;
            let mut seats = std::collections::BTreeMap::new();
            let mut last = 0;
            loop {
                match events.next().await.unwrap().unwrap() {
                    SeatEvent::Snapshot { id, map } => {
                        assert!(id >= last, "never back");
                        (seats, last) = (map.seats, id);
                    }
                    SeatEvent::Change { id, change } => {
                        assert!(id >= last, "never back: {id} after {last}");
                        last = id;
                        for (seat, state) in change.seats {
                            if state == PublicSeatState::Free {
                                seats.remove(&seat);
                            } else {
                                seats.insert(seat, state);
                            }
                        }
                    }
                    SeatEvent::Comment => {}
                }
                if last > 2_000 {
                    return seats;
                }
            }
        }));
    }
    let last = storm.await.unwrap();
    assert_eq!(last, 2_001);
    for watcher in watchers {
        let seats = tokio::time::timeout(Duration::from_secs(20), watcher).await;
        let seats = seats.expect("every watcher gets there").unwrap();
        let map = house.client.seats(&show, &performance, None).await.unwrap();
        assert_eq!(seats, map.into_answer().unwrap().seats);
    }
    other_background.shutdown().cancel();
    house.background.shutdown().cancel();
}
