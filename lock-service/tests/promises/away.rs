//! etcd is away: refused quickly with nothing written, and back without a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lock_service_client::LockError;
use lock_service_client::wire::{ChangeLine, Moved};

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
