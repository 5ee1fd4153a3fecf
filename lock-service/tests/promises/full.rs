//! etcd without space: nothing new is taken or confirmed some time before it is
//! full, what frees space always goes, and when there is room again nothing
//! needs a restart.

use std::sync::Arc;
use std::time::Duration;

use lock_service_client::LockError;
use lock_service_client::wire::{Acquired, BeginConfirm, Moved};
use seat_model::SeatState;

use crate::world::*;

const QUOTA_BYTES: usize = 16 << 20;

/// A key that is not Seatlock's, written again and again.
async fn fill(world: &World) -> Result<(), String> {
    let body = etcd_put("filler", &"x".repeat(100_000));
    world.etcd.try_ask("kv/put", body).await.map(|_| ())
}

pub(crate) async fn a_full_etcd_refuses_the_new_and_recovers(_: Arc<World>) {
    let etcd = Etcd::cluster(1, &[&format!("--quota-backend-bytes={QUOTA_BYTES}")]);
    let more = format!(
        "[bounds]\nspace_quota_bytes = {QUOTA_BYTES}\n[timing]\nspace_every_ms = 100\nfresh_ms = 0"
    );
    let world = World::on(etcd, 1, &more).await;
    let (client, service) = (world.client(), &world.services[0]);
    let shards_revision = shards_revision(&client).await;
    assert_eq!(client.room(&show()).await, Ok(()));
    let request = named("full", &["A1"]);
    let held = taken(client.acquire(&request).await);
    let other = taken(client.acquire(&named("full", &["A2"])).await);
    let used = service.metric("lock_etcd_space_bytes").await;
    assert!(used > 0.0 && used < 0.8 * QUOTA_BYTES as f64, "{used} bytes");

    // Nearly full: by our own count, before etcd says anything.
    wait_for("no room by our count", Duration::from_secs(60), || async {
        if service.metric("lock_etcd_space_bytes").await < 0.8 * QUOTA_BYTES as f64 {
            fill(&world).await.unwrap();
        }
        let refused = client.acquire(&named("full", &["A1"])).await;
        matches!(&refused, Err(LockError::NotApplied(why)) if why.contains("space"))
    })
    .await;
    assert!(service.metric("lock_etcd_alarm").await < 1.0, "etcd itself is content");
    let begin =
        BeginConfirm { booking: held.booking, fence: held.fence, pin: pin(1), shards_revision };
    let refused = client.begin_confirm(&show(), &begin).await;
    assert!(
        matches!(&refused, Err(LockError::NotApplied(why)) if why.contains("space")),
        "{refused:?}"
    );
    let room = client.room(&show()).await;
    assert!(
        matches!(&room, Err(LockError::NotApplied(why)) if why.contains("space")),
        "told before anything is paid: {room:?}"
    );
    let seen = client.booking(&show(), held.booking).await.unwrap().unwrap();
    assert_eq!(seen.state, SeatState::Held, "nothing was changed");
    let replay = client.acquire(&request).await;
    assert_eq!(replay, Ok(Acquired::Replay { seats: held.clone() }), "what is there is told");
    assert_eq!(client.release(&show(), &at(&other)).await, Ok(Moved::Done { seats: None }));

    // Full.
    wait_for("the alarm", Duration::from_secs(60), || async {
        let full = fill(&world).await.is_err();
        full && service.metric("lock_etcd_alarm").await >= 1.0
    })
    .await;
    let refused = client.acquire(&named("full", &["A3"])).await;
    assert!(
        matches!(&refused, Err(LockError::NotApplied(why)) if why.contains("alarm")),
        "{refused:?}"
    );
    assert_eq!(client.release(&show(), &at(&held)).await, Ok(Moved::Done { seats: None }));

    // Compacted, defragmented, disarmed: as docs say, and no restart.
    let status = world.etcd.ask("maintenance/status", "{}".into()).await;
    let revision = status["header"]["revision"].as_str().unwrap();
    let compact = format!(r#"{{"revision":"{revision}","physical":true}}"#);
    world.etcd.ask("kv/compaction", compact).await;
    world.etcd.ask("maintenance/defragment", "{}".into()).await;
    let member = status["header"]["member_id"].as_str().unwrap();
    let disarm = format!(r#"{{"action":"DEACTIVATE","memberID":"{member}","alarm":"NOSPACE"}}"#);
    world.etcd.ask("maintenance/alarm", disarm).await;
    wait_for("holds again", Duration::from_secs(20), || async {
        client.acquire(&named("full", &["A1"])).await.is_ok()
    })
    .await;
    assert_eq!(client.room(&show()).await, Ok(()));
    assert!(service.metric("lock_etcd_alarm").await < 1.0);
}
