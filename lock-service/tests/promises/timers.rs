//! What happens when nobody acts: holds run out, not before their deadline and
//! not long after it (INV-5).

use std::sync::Arc;
use std::time::Duration;

use lock_service_client::wire::{BeginConfirm, Moved};
use seat_model::SeatState;
use service_kit::clock;

use crate::world::*;

/// What a busy two-core machine may add to deadline + 2 s.
const SLACK_MS: i64 = 1500;

pub(crate) async fn holds_run_out_on_time(world: Arc<World>) {
    let client = world.client();
    let shards_revision = shards_revision(&client).await;
    let tasks = (0..8_u64).map(|n| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut request = named("expiry", &[&format!("A{n}")]);
            request.ttl_ms = 3_000 + n * 130;
            let held = taken(client.acquire(&request).await);
            let mut ticks = tokio::time::interval(Duration::from_millis(25));
            let mut refused = false;
            loop {
                ticks.tick().await;
                let asked_at = clock::now();
                let there = client.booking(&show(), held.booking).await.unwrap();
                let late = asked_at.as_millis() - held.deadline.as_millis();
                if there.is_none() {
                    let late = clock::now().as_millis() - held.deadline.as_millis();
                    assert!(late >= 0, "vanished {late} ms before its deadline");
                    break;
                }
                assert!(late <= 2_000 + SLACK_MS, "still there {late} ms after its deadline");
                if late > 0 && !refused {
                    refused = true;
                    let begin = BeginConfirm {
                        booking: held.booking,
                        fence: held.fence,
                        pin: pin(1),
                        shards_revision,
                    };
                    let moved = client.begin_confirm(&show(), &begin).await.unwrap();
                    assert!(matches!(moved, Moved::Expired | Moved::Gone), "{moved:?}");
                    let moved = client.extend(&show(), &at(&held)).await.unwrap();
                    assert!(matches!(moved, Moved::Expired | Moved::Gone), "{moved:?}");
                }
            }
            let next = taken(client.acquire(&named("expiry", &[&format!("A{n}")])).await);
            assert!(next.fence > held.fence, "sold to another (INV-3)");
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// A hold's value as the service writes it.
pub(crate) fn value(booking: seat_model::BookingId, deadline_ms: i64, ttl_ms: u64) -> String {
    format!(
        r#"{{"s":"held","b":"{booking}","u":"ann","w":"hamlet","t":"Stalls","p":1,"n":1,"h":"h",
        "a":1,"d":{deadline_ms},"e":{deadline_ms},"c":{deadline_ms},"l":{ttl_ms}}}"#
    )
}

pub(crate) async fn a_hold_without_a_lease_is_expired(world: Arc<World>) {
    // As a lease that a leader change restarted leaves it.
    let client = world.client();
    let booking = booking();
    let deadline = clock::now().as_millis() + 500;
    world.etcd.put("/seatlock/v1/seat/unleased/A1", &value(booking, deadline, 1500)).await;
    let held = client.booking(&show(), booking).await.unwrap().unwrap();
    assert_eq!(held.state, SeatState::Held);
    wait_for("the expiry", Duration::from_secs(8), || async {
        let there = client.booking(&show(), booking).await.unwrap();
        let late = clock::now().as_millis() - deadline;
        assert!(there.is_some() || late >= 2_000, "deleted {late} ms after the deadline");
        there.is_none()
    })
    .await;
}

pub(crate) async fn a_crowd_of_holds_without_leases_is_expired(world: Arc<World>) {
    // As a leader change leaves an on-sale: all of them overdue together.
    let client = world.client();
    let deadline = clock::now().as_millis() + 2_500;
    for chunk in 0..30 {
        let puts = (0..100).map(|n| {
            let key = format!("/seatlock/v1/seat/stretched/S{chunk}-{n}");
            (key, value(booking(), deadline, 1_500))
        });
        world.etcd.put_all(puts.collect()).await;
    }
    wait_for("all of them to be expired", Duration::from_secs(20), || async {
        let counts = client.counts(&show(), &performance("stretched")).await.unwrap();
        let late = clock::now().as_millis() - deadline;
        let there = counts.held.get("Stalls").copied().unwrap_or(0);
        assert!(there == 3_000 || late >= 2_000, "{there} left {late} ms after their deadline");
        there == 0
    })
    .await;
}

pub(crate) async fn strays_are_released(world: Arc<World>) {
    let client = world.client();
    let booking = booking();
    let value = value(booking, clock::now().as_millis() + 60_000, 60_000);
    world.etcd.put("/seatlock/v1/seat/stray/A1", &value).await;
    world.etcd.put("/seatlock/v1/seat/stray/B1", &value).await;
    wait_for("the stray's release", Duration::from_secs(5), || async {
        let counts = client.counts(&show(), &performance("stray")).await.unwrap();
        counts.held.get("Stalls") == Some(&1)
    })
    .await;
    let left = client.booking(&show(), booking).await.unwrap().unwrap();
    assert_eq!(names(&left), ["A1"], "the first acquire keeps its seat");
    wait_for("the counter", Duration::from_secs(5), || async {
        let both = [&world.services[0], &world.services[1]];
        let [one, two] = both.map(|service| service.metric("lock_stray_seats_total"));
        one.await + two.await >= 1.0
    })
    .await;
}
