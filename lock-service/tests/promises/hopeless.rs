//! Requests for seats that cannot be had: refused without asking etcd, but
//! only while the mirror is known to be fresh.

use std::sync::Arc;
use std::time::Duration;

use lock_service_client::LockError;
use lock_service_client::wire::Acquired;
use seat_model::PublicSeatState;

use crate::world::*;

const REFUSALS: &str = "lock_fast_refusals_total";

pub(crate) async fn a_hopeless_request_is_refused_at_once_by_a_fresh_mirror_only(_: Arc<World>) {
    let world = World::start(1).await;
    let (client, service) = (world.client(), &world.services[0]);
    taken(client.acquire(&named("hopeless", &["A1"])).await);
    let refused = || async {
        let refused = client.acquire(&named("hopeless", &["A0", "A1"])).await;
        let Ok(Acquired::SeatTaken { conflicts }) = &refused else { return refused };
        assert_eq!(conflicts.len(), 1);
        assert_eq!((conflicts[0].seat.as_str(), conflicts[0].state), ("A1", PublicSeatState::Held));
        refused
    };
    wait_for("a fast refusal", Duration::from_secs(10), || async {
        refused().await.unwrap();
        service.metric(REFUSALS).await >= 1.0
    })
    .await;
    // What may be gone in a moment is etcd's to decide.
    let mut brief = named("hopeless", &["B1"]);
    brief.ttl_ms = 1_900;
    taken(client.acquire(&brief).await);
    let before = service.metric(REFUSALS).await;
    let near = client.acquire(&named("hopeless", &["B1"])).await;
    assert!(matches!(near, Ok(Acquired::SeatTaken { .. } | Acquired::Taken { .. })), "{near:?}");
    assert!(service.metric(REFUSALS).await <= before, "its deadline was near");

    world.etcd.signal(0, "STOP");
    wait_for("the mirror to be stale", Duration::from_secs(20), || async {
        refused().await.is_err()
    })
    .await;
    let before = service.metric(REFUSALS).await;
    for _ in 0..3 {
        let stale = refused().await;
        assert!(
            matches!(stale, Err(LockError::NotApplied(_) | LockError::Unknown(_))),
            "{stale:?}"
        );
    }
    assert!(service.metric(REFUSALS).await <= before, "a stale mirror decides nothing");
    world.etcd.signal(0, "CONT");
    wait_for("refusals from a fresh mirror again", Duration::from_secs(20), || async {
        refused().await.is_ok() && service.metric(REFUSALS).await > before
    })
    .await;
}

pub(crate) async fn ones_own_seats_are_never_refused_fast(world: Arc<World>) {
    let client = world.client();
    let request = named("own", &["A1", "A2"]);
    let held = taken(client.acquire(&request).await);
    for _ in 0..20 {
        let again = client.acquire(&request).await;
        assert_eq!(again, Ok(Acquired::Replay { seats: held.clone() }), "a replay (INV-8)");
    }
}
