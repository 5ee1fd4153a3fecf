//! Answers are kept, and nobody can tell but by their speed: a change is seen
//! at once, every form says the same, and a validator is that of the content.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::io::Read as _;

use seat_model::{Chart, PerformanceId, PublicSeatState, SeatId, ShowId};
use support::house::House;
use support::{eventually, fetch};
use view_service_client::SeatEvent;
use view_service_client::wire::{SeatMap, Source};

fn hamlet() -> (ShowId, PerformanceId) {
    ("hamlet".parse().unwrap(), "h-1".parse().unwrap())
}

/// Every state in turn, by the names of the plan.
fn change_of(n: usize) -> (&'static str, PublicSeatState) {
    let seat = ["A-1", "A-2", "A-3"][n % 3];
    let state = [PublicSeatState::Held, PublicSeatState::Sold, PublicSeatState::Free][n / 3 % 3];
    (seat, state)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_told_of_a_change_finds_it_in_every_view() {
    let Some(house) = House::open(serde_json::json!({})).await else {
        println!("skipped: no MariaDB or MySQL server is installed");
        return;
    };
    let (show, performance) = hamlet();
    let client = &house.client;
    let plan = client.plan(&"plan".parse().unwrap()).await.unwrap().into_answer().unwrap();
    let chart = Chart::new(&plan);
    let mut events = client.events(&show, &performance, None).await.unwrap();
    assert!(matches!(events.next().await.unwrap(), Some(SeatEvent::Snapshot { .. })));
    let mut taken: BTreeMap<SeatId, PublicSeatState> = BTreeMap::new();
    let mut etags: BTreeMap<String, BTreeMap<SeatId, PublicSeatState>> = BTreeMap::new();
    for n in 0..60 {
        let (seat, state) = change_of(n);
        let revision = house.feed.change("h-1", &[(seat, state)]);
        match state {
            PublicSeatState::Free => drop(taken.remove(&seat.parse().unwrap())),
            _ => drop(taken.insert(seat.parse().unwrap(), state)),
        }
        loop {
            match events.next().await.unwrap() {
                Some(SeatEvent::Change { id, .. }) if id == revision => break,
                Some(_) => {}
                None => panic!("the stream goes on"),
            }
        }
        // The projection has it, so that no answer may be older.
        let viewed = client.seats(&show, &performance, None).await.unwrap();
        assert_eq!(viewed.source, Some(Source::Memory));
        let etag = viewed.etag.clone().unwrap();
        let map = viewed.into_answer().unwrap();
        assert_eq!(map.seats, taken);
        assert!(map.revision >= revision && !map.stale);
        // A validator stands for one content, and a content has one.
        assert_eq!(etags.entry(etag.clone()).or_insert_with(|| taken.clone()), &taken);
        let same = client.seats(&show, &performance, Some(&etag)).await.unwrap();
        assert_eq!(same.answer, None, "304");

        let bits = client.seat_bits(&show, &performance, Some(&etag)).await.unwrap();
        let bits_etag = bits.etag.clone().unwrap();
        let bits = bits.into_answer().expect("JSON's validator is none of the other form");
        assert_eq!(bits.into_map(&chart).unwrap().seats, taken);
        let same = client.seat_bits(&show, &performance, Some(&bits_etag)).await.unwrap();
        assert_eq!(same.answer, None, "304");

        let page = client.show(&show, None, None).await.unwrap().into_answer().unwrap();
        let list = client.shows(&serde_json::from_str("{}").unwrap()).await.unwrap();
        let left = |tiers: &[view_service_client::wire::TierView]| {
            tiers.iter().map(|tier| tier.seats_available).sum::<u64>()
        };
        let wanted = 3 - taken.len() as u64;
        assert_eq!(left(&page.performances[0].tiers), wanted);
        assert_eq!(left(&list.answer.unwrap().shows[0].performances[0].tiers), wanted);
    }
    assert!(etags.len() > 8, "{}", etags.len());
    house.background.shutdown().cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_map_is_younger_every_second() {
    let Some(house) = House::open(serde_json::json!({"answer_fresh_ms": 300})).await else {
        println!("skipped: no MariaDB or MySQL server is installed");
        return;
    };
    let (show, performance) = hamlet();
    let look = async || {
        let viewed = house.client.seats(&show, &performance, None).await.unwrap();
        (viewed.etag.clone(), viewed.into_answer().unwrap())
    };
    let (etag, first) = eventually("somebody vouches for it", || async {
        let (etag, map) = look().await;
        (!map.stale).then_some((etag, map))
    })
    .await;
    for _ in 0..3 {
        let before = look().await.1;
        let after = eventually("it was known to be true again", || async {
            let (again, map) = look().await;
            assert_eq!(again, etag);
            (map.as_of > before.as_of).then_some(map)
        })
        .await;
        assert!(!after.stale && after.revision >= first.revision, "{first:?} then {after:?}");
    }
    house.background.shutdown().cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_in_the_form_that_is_asked_for() {
    let Some(house) = House::open(serde_json::json!({})).await else {
        println!("skipped: no MariaDB or MySQL server is installed");
        return;
    };
    let base = house.client.base_url();
    for path in ["/v1/show/hamlet", "/v1/shows", "/v1/plans/plan", "/"] {
        let plain = fetch(base, path, &[]).await;
        assert_eq!((plain.status, plain.header("content-encoding")), (200, None), "{path}");
        for (asked, sent) in [
            ("gzip, deflate, br, zstd", "br"),
            ("gzip", "gzip"),
            ("br;q=0.1, gzip;q=0.9", "gzip"),
            ("br;q=0, *", "gzip"),
        ] {
            // Every second what is kept is made anew: ages may differ, contents do not.
            let packed = fetch(base, path, &[("accept-encoding", asked)]).await;
            assert_eq!(packed.header("content-encoding"), Some(sent), "{path} {asked}");
            assert_eq!(packed.header("vary"), Some("accept-encoding"));
            assert_eq!(packed.header("etag"), plain.header("etag"));
            assert!(packed.body.len() < plain.body.len());
            assert_eq!(unpacked(&packed.body, sent), plain.body, "{path} {asked}");
        }
        for asked in ["identity", "identity;q=1, br;q=0.5", "br;q=0", "zstd"] {
            let whole = fetch(base, path, &[("accept-encoding", asked)]).await;
            assert_eq!(whole.header("content-encoding"), None, "{path} {asked}");
        }
        let etag = plain.header("etag").unwrap();
        for asked in ["br", "identity"] {
            let known =
                fetch(base, path, &[("if-none-match", etag), ("accept-encoding", asked)]).await;
            assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
            assert_eq!(known.header("vary"), Some("accept-encoding"));
        }
    }
    let path = "/v1/show/hamlet/performances/h-1/seats";
    let json = fetch(base, path, &[("accept", "text/html, */*;q=0.8")]).await;
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert_eq!(json.header("vary"), Some("accept, accept-encoding"));
    assert!(serde_json::from_slice::<SeatMap>(&json.body).is_ok());
    let bits = fetch(base, path, &[("accept", "application/octet-stream")]).await;
    assert_eq!(bits.header("content-type"), Some("application/octet-stream"));
    assert_eq!(bits.header("vary"), Some("accept, accept-encoding"));
    assert_eq!(bits.body.len(), 32 + "plan".len() + 1);
    house.background.shutdown().cancel();
}

fn unpacked(body: &[u8], encoding: &str) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
        _ => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
    }
    .unwrap();
    plain
}
