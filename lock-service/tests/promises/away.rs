//! etcd is away, or a part of it: refused quickly with nothing written, and
//! back without a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lock_service_client::LockError;
use lock_service_client::wire::{Acquired, ChangeLine, Moved};
use service_kit::clock;

use crate::timers::value;
use crate::world::*;

pub(crate) async fn etcd_restarts_under_the_service(_shared: Arc<World>) {
    let mut world = World::start(1).await;
    let client = world.client();
    let held = taken(client.acquire(&named("away", &["A1"])).await);
    let mut feed = client.changes(0).await.unwrap();

    world.etcd.stop();
    let service = &world.services[0];
    wait_for("the service to notice", Duration::from_secs(10), || async { !service.ready().await })
        .await;
    let request = named("away", &["A2"]);
    let started = Instant::now();
    let refused = client.acquire(&request).await;
    assert!(matches!(refused, Err(LockError::NotApplied(_))), "{refused:?}");
    let looked = client.booking(&show(), held.booking).await;
    assert!(matches!(looked, Err(LockError::NotApplied(_))), "nothing stale decides: {looked:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());

    world.etcd.start();
    let service = &world.services[0];
    wait_for("the service to recover", Duration::from_secs(20), || service.ready()).await;
    assert_eq!(client.booking(&show(), request.booking).await, Ok(None), "nothing was written");
    assert_eq!(client.booking(&show(), held.booking).await, Ok(Some(held.clone())));
    assert_eq!(client.release(&show(), &at(&held)).await, Ok(Moved::Done { seats: None }));
    let freed = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let line = feed.next().await.unwrap().expect("the feed went on");
            if let ChangeLine::Seats { revision, .. } = line
                && revision > held.fence.revision()
            {
                return;
            }
        }
    });
    freed.await.expect("the watch goes on after the restart");
}

pub(crate) async fn holds_go_on_while_a_member_hangs(_shared: Arc<World>) {
    let world = World::on(Etcd::cluster(3, &[]), 1, "").await;
    let (client, service) = (world.client(), &world.services[0]);
    let others = service.metric("lock_mirror_listings_total").await;
    // It accepts connections and answers nothing. One of the three is the leader.
    for (member, holds) in [(0, 3), (1, 6), (2, 9)] {
        world.etcd.signal(member, "STOP");
        for n in 0..3 {
            let request = named("hanging", &[&format!("A{member}-{n}")]);
            wait_for("a hold", Duration::from_secs(30), || async {
                matches!(
                    client.acquire(&request).await,
                    Ok(Acquired::Taken { .. } | Acquired::Replay { .. })
                )
            })
            .await;
            let seen = client.booking(&show(), request.booking).await;
            assert!(!matches!(seen, Ok(None)), "what was answered is there");
        }
        wait_for("the mirror to follow", Duration::from_secs(30), || async {
            let counts = client.counts(&show(), &performance("hanging")).await;
            counts.is_ok_and(|counts| counts.held.get("Stalls") == Some(&holds))
        })
        .await;
        world.etcd.signal(member, "CONT");
        wait_for("everything to be well", Duration::from_secs(30), || service.ready()).await;
    }
    let listings = service.metric("lock_mirror_listings_total").await;
    assert!(listings <= others, "watches went on after their last revision");
}

pub(crate) async fn a_watch_whose_revision_was_compacted_lists_again(_shared: Arc<World>) {
    let mut world = World::start(1).await;
    let client = world.client();
    let held = taken(client.acquire(&named("compacted", &["A1"])).await);
    let value = |n: u64| value(booking(), clock::now().as_millis() + 600_000 + n as i64, 600_000);
    // What changes while the service is cut off is compacted away before it is back.
    world.services[0].signal("STOP");
    world.etcd.stop();
    world.etcd.start();
    wait_for("etcd", Duration::from_secs(20), || async {
        world.etcd.try_ask("kv/put", etcd_put("other", "up")).await.is_ok()
    })
    .await;
    let mut revision = String::new();
    for n in 0..5 {
        let key = format!("/seatlock/v1/seat/compacted/B{n}");
        revision = world.etcd.put(&key, &value(n)).await;
    }
    world.etcd.ask("kv/compaction", format!(r#"{{"revision":"{revision}"}}"#)).await;
    let service = &world.services[0];
    service.signal("CONT");
    wait_for("the mirror to have them", Duration::from_secs(30), || async {
        let counts = client.counts(&show(), &performance("compacted")).await;
        counts.is_ok_and(|counts| counts.held.get("Stalls") == Some(&6))
    })
    .await;
    assert!(service.metric("lock_mirror_listings_total").await >= 2.0, "it listed again");
    wait_for("the service to be ready", Duration::from_secs(20), || service.ready()).await;
    assert_eq!(client.booking(&show(), held.booking).await, Ok(Some(held)));
    taken(client.acquire(&named("compacted", &["A2"])).await);
}
