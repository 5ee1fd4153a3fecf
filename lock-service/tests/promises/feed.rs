//! The change feed: everything first, then each change; it can be resumed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lock_service_client::ChangeFeed;
use lock_service_client::wire::{ChangeLine, Moved};
use seat_model::{PublicSeatState, SeatId};

use crate::world::*;

async fn line(feed: &mut ChangeFeed) -> ChangeLine {
    let next = tokio::time::timeout(Duration::from_secs(10), feed.next()).await;
    next.expect("a line within ten seconds").unwrap().expect("the feed goes on")
}

/// The next change of this test's performance.
async fn change(feed: &mut ChangeFeed) -> (u64, BTreeMap<SeatId, PublicSeatState>) {
    loop {
        if let ChangeLine::Seats { performance: of, revision, seats } = line(feed).await
            && of == performance("feed")
        {
            return (revision, seats);
        }
    }
}

async fn progress(feed: &mut ChangeFeed, at_least: u64) -> u64 {
    loop {
        if let ChangeLine::Progress { revision, .. } = line(feed).await
            && revision >= at_least
        {
            return revision;
        }
    }
}

pub(crate) async fn a_feed_begins_with_everything_and_comes_back(world: Arc<World>) {
    let client = world.client();
    let held = taken(client.acquire(&named("feed", &["A1", "A2"])).await);
    client.booking(&show(), held.booking).await.unwrap();
    let mut feed = client.changes(0).await.unwrap();
    let first = line(&mut feed).await;
    let ChangeLine::Snapshot { revision: as_of } = first else { panic!("{first:?}") };
    assert!(as_of >= held.fence.revision());
    let mut mine = BTreeMap::new();
    loop {
        match line(&mut feed).await {
            ChangeLine::Seats { performance: of, seats, .. } => {
                if of == performance("feed") {
                    mine = seats;
                }
            }
            ChangeLine::SnapshotEnd { revision } => {
                assert_eq!(revision, as_of);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    let both = |state| BTreeMap::from([(seat("A1"), state), (seat("A2"), state)]);
    assert_eq!(mine, both(PublicSeatState::Held));
    let before = progress(&mut feed, as_of).await;

    assert_eq!(client.release(&show(), &at(&held)).await, Ok(Moved::Done { seats: None }));
    let (revision, seats) = change(&mut feed).await;
    assert_eq!(seats, both(PublicSeatState::Free));
    assert!(revision > before, "a change after what progress vouched for");

    let mut resumed = client.changes(before).await.unwrap();
    let (again, seats) = change(&mut resumed).await;
    assert_eq!((again, seats), (revision, both(PublicSeatState::Free)), "without a snapshot");
    let far = progress(&mut resumed, revision).await;
    let mut later = client.changes(far).await.unwrap();
    let next = taken(client.acquire(&named("feed", &["A9"])).await);
    let (revision, seats) = change(&mut later).await;
    assert_eq!(revision, next.fence.revision());
    assert_eq!(seats, BTreeMap::from([(seat("A9"), PublicSeatState::Held)]));

    let mut unknown = client.changes(1).await.unwrap();
    let first = line(&mut unknown).await;
    assert!(matches!(first, ChangeLine::Snapshot { .. }), "too old to resume: {first:?}");
}
