//! From hold to sale: pinned, sold, freed; and every way aside.

use std::sync::Arc;
use std::time::Duration;

use lock_service_client::wire::{
    AcquireToConfirm, Acquired, BeginConfirm, BookedSeats, FreeSeats, Freed, Moved, PutShardMap,
};
use lock_service_client::{LockClient, LockError};
use seat_model::SeatState;

use crate::world::*;

fn done(moved: Result<Moved, LockError>) -> BookedSeats {
    match moved {
        Ok(Moved::Done { seats: Some(seats) }) => seats,
        other => panic!("not done: {other:?}"),
    }
}

async fn begin(client: &LockClient, held: &BookedSeats, nonce: u64) -> Result<Moved, LockError> {
    begin_at(client, held, nonce, shards_revision(client).await).await
}

async fn begin_at(
    client: &LockClient,
    held: &BookedSeats,
    nonce: u64,
    shards_revision: u64,
) -> Result<Moved, LockError> {
    let begin =
        BeginConfirm { booking: held.booking, fence: held.fence, pin: pin(nonce), shards_revision };
    client.begin_confirm(&show(), &begin).await
}

fn free(of: &BookedSeats, seats: &[&str]) -> FreeSeats {
    let seats = seats.iter().map(|name| seat(name)).collect();
    FreeSeats { performance: of.performance.clone(), booking: of.booking, seats }
}

pub(crate) async fn a_hold_becomes_a_sale_and_is_freed_ticket_by_ticket(world: Arc<World>) {
    let client = world.client();
    let request = named("sale", &["A1", "A2", "A3"]);
    let held = taken(client.acquire(&request).await);
    let pinned = done(begin(&client, &held, 7).await);
    assert_eq!((pinned.state, pinned.pin.clone()), (SeatState::Confirming, Some(pin(7))));
    assert!(pinned.fence > held.fence);
    let other = world.services[1].client();
    assert_eq!(done(begin(&other, &held, 7).await), pinned, "a resend of the same attempt");
    let replay = client.acquire(&request).await;
    assert_eq!(replay, Ok(Acquired::Replay { seats: pinned.clone() }));
    assert_eq!(client.free(&show(), &free(&pinned, &["A1"])).await, Ok(Freed::Confirming));

    let sold = done(client.finish(&show(), &at(&pinned)).await);
    assert_eq!(sold.state, SeatState::Sold);
    assert_eq!(done(other.finish(&show(), &at(&pinned)).await), sold, "again is the same");
    let aborted = client.abort(&show(), &at(&pinned)).await;
    assert!(matches!(aborted, Ok(Moved::Changed { .. })), "{aborted:?}");
    let counts = client.counts(&show(), &performance("sale")).await.unwrap();
    assert_eq!((counts.sold["Stalls"], counts.held.len()), (3, 0));

    assert_eq!(client.free(&show(), &free(&sold, &["A2"])).await, Ok(Freed::Done));
    assert_eq!(other.free(&show(), &free(&sold, &["A2"])).await, Ok(Freed::Done));
    let left = client.booking(&show(), sold.booking).await.unwrap().unwrap();
    assert_eq!((names(&left), left.taken, left.fence), (vec!["A1", "A3"], 3, sold.fence));
    let replay = client.acquire(&request).await;
    assert_eq!(replay, Ok(Acquired::Replay { seats: left }), "what is there");
    let next = taken(client.acquire(&named("sale", &["A2"])).await);
    assert_eq!(client.free(&show(), &free(&sold, &["A2"])).await, Ok(Freed::Done));
    let theirs = client.booking(&show(), next.booking).await.unwrap();
    assert_eq!(theirs, Some(next), "never a later owner's seat (INV-7)");
    let both = tokio::join!(async { client.free(&show(), &free(&sold, &["A1"])).await }, async {
        other.free(&show(), &free(&sold, &["A3"])).await
    });
    assert_eq!(both, (Ok(Freed::Done), Ok(Freed::Done)));
    assert_eq!(client.booking(&show(), sold.booking).await, Ok(None));
}

pub(crate) async fn another_attempt_never_commits(world: Arc<World>) {
    let client = world.client();
    let held = taken(client.acquire(&named("nonce", &["A1"])).await);
    let pinned = done(begin(&client, &held, 1).await);
    let other = world.services[1].client();
    for service in [&client, &other] {
        let refused = begin(service, &held, 2).await;
        assert_eq!(refused, Ok(Moved::OtherAttempt { seats: pinned.clone() }));
        let refused = begin(service, &pinned, 2).await;
        assert_eq!(refused, Ok(Moved::OtherAttempt { seats: pinned.clone() }), "INV-4");
    }
    wait_for("the booking to be listed", Duration::from_secs(5), || async {
        let listed = client.confirming(Duration::from_millis(50)).await.unwrap();
        listed.contains(&pinned)
    })
    .await;
    let long = client.confirming(Duration::from_secs(3600)).await.unwrap();
    assert!(long.is_empty(), "nothing has been confirming for an hour");
    assert_eq!(client.abort(&show(), &at(&pinned)).await, Ok(Moved::Done { seats: None }));
    assert_eq!(begin(&client, &held, 1).await, Ok(Moved::Gone));
    assert_eq!(client.finish(&show(), &at(&pinned)).await, Ok(Moved::Gone));
}

pub(crate) async fn a_confirm_that_was_not_sent_is_a_hold_again(world: Arc<World>) {
    let client = world.client();
    let held = taken(client.acquire(&named("back", &["A1", "A2"])).await);
    let pinned = done(begin(&client, &held, 1).await);
    let again = done(client.step_back(&show(), &at(&pinned)).await);
    assert_eq!((again.state, again.pin.clone()), (SeatState::Held, None));
    assert!(again.fence > pinned.fence && again.deadline >= held.deadline);
    let other = world.services[1].client();
    assert_eq!(done(other.step_back(&show(), &at(&pinned)).await), again, "a resend");
    let old = client.finish(&show(), &at(&pinned)).await;
    assert_eq!(old, Ok(Moved::Changed { seats: again.clone() }));
    let pinned = done(begin(&client, &again, 2).await);
    assert_eq!(pinned.pin, Some(pin(2)));
}

pub(crate) async fn straight_to_confirming_and_aborted(world: Arc<World>) {
    let client = world.client();
    let shards_revision = shards_revision(&client).await;
    let mut acquire = named("straight", &["A1", "A2"]);
    acquire.pin = Some(pin(5));
    let request = AcquireToConfirm { acquire, shards_revision };
    let pinned = taken(client.acquire_to_confirm(&request).await);
    assert_eq!((pinned.state, pinned.pin.clone()), (SeatState::Confirming, Some(pin(5))));
    let other = world.services[1].client();
    assert_eq!(taken(other.acquire_to_confirm(&request).await), pinned, "the same attempt");
    let mut later = request.clone();
    later.acquire.pin = Some(pin(6));
    let replay = client.acquire_to_confirm(&later).await;
    assert_eq!(
        replay,
        Ok(Acquired::Replay { seats: pinned.clone() }),
        "with the first one's nonce"
    );
    assert_eq!(client.abort(&show(), &at(&pinned)).await, Ok(Moved::Done { seats: None }));
    assert_eq!(client.abort(&show(), &at(&pinned)).await, Ok(Moved::Done { seats: None }));
    let mut unpinned = request;
    unpinned.acquire.pin = None;
    let refused = client.acquire_to_confirm(&unpinned).await;
    assert!(matches!(refused, Err(LockError::Invalid(_))), "{refused:?}");
}

pub(crate) async fn a_moved_shard_map_stops_a_confirm(world: Arc<World>) {
    let client = world.client();
    let now = shards_revision(&client).await;
    let held = taken(client.acquire(&named("moved", &["A1"])).await);
    // A revision that the map had or will have, but not now.
    assert_eq!(begin_at(&client, &held, 1, now - 1).await, Ok(Moved::MapMoved));
    let mut acquire = named("moved", &["A2"]);
    acquire.pin = Some(pin(1));
    let request = AcquireToConfirm { acquire, shards_revision: now - 1 };
    assert_eq!(client.acquire_to_confirm(&request).await, Ok(Acquired::MapMoved));
    assert_eq!(client.booking(&show(), request.acquire.booking).await, Ok(None));
    let there = client.shard_map().await.unwrap();
    let late = PutShardMap { if_revision: 0, map: Default::default() };
    assert_eq!(client.put_shard_map(&late).await, Ok(there), "whoever wrote it");
    done(begin_at(&client, &held, 1, now).await);
}

pub(crate) async fn an_old_fence_does_nothing(world: Arc<World>) {
    let client = world.client();
    let held = taken(client.acquire(&named("old", &["A1"])).await);
    for moved in [
        client.finish(&show(), &at(&held)).await,
        client.abort(&show(), &at(&held)).await,
        client.step_back(&show(), &at(&held)).await,
    ] {
        assert_eq!(moved, Ok(Moved::Changed { seats: held.clone() }), "it is only held");
    }
    let pinned = done(begin(&client, &held, 1).await);
    for old in [&held, &pinned] {
        let moved = client.release(&show(), &at(old)).await;
        assert_eq!(moved, Ok(Moved::Changed { seats: pinned.clone() }));
        let moved = client.extend(&show(), &at(old)).await;
        assert_eq!(moved, Ok(Moved::Changed { seats: pinned.clone() }));
    }
    assert_eq!(client.abort(&show(), &at(&pinned)).await, Ok(Moved::Done { seats: None }));
    let next = taken(client.acquire(&named("old", &["A1"])).await);
    assert_eq!(client.release(&show(), &at(&held)).await, Ok(Moved::Done { seats: None }));
    let theirs = client.booking(&show(), next.booking).await.unwrap();
    assert_eq!(theirs, Some(next), "the next owner keeps it");
}
