//! Leases are shared and granted ahead; what is on them runs out together,
//! each hold after its own deadline (INV-5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lock_service_client::wire::BookedSeats;
use service_kit::clock;

use crate::world::*;

async fn hold(world: &Arc<World>, at: &str, seat: String, ttl_ms: u64) -> BookedSeats {
    let mut request = named(at, &[&seat]);
    request.ttl_ms = ttl_ms;
    taken(world.client().acquire(&request).await)
}

pub(crate) async fn holds_of_one_second_share_a_lease(world: Arc<World>) {
    let held = (0..60).map(|n| {
        let world = world.clone();
        tokio::spawn(async move { hold(&world, "shared", format!("A{n}"), 45_000).await })
    });
    let mut deadlines: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for held in held.collect::<Vec<_>>() {
        let held = held.await.unwrap();
        let key = format!("/seatlock/v1/seat/shared/{}", held.seats[0].seat);
        let lease = world.etcd.lease_of(&key).await.expect("a hold is on a lease");
        deadlines.entry(lease).or_default().push(held.deadline.as_millis());
    }
    let all: Vec<i64> = deadlines.values().flatten().copied().collect();
    let seconds = (all.iter().max().unwrap() - all.iter().min().unwrap()) / 1000;
    let leases = i64::try_from(deadlines.len()).unwrap();
    assert!(leases <= 2 + seconds * 2, "{leases} leases for holds within {seconds} s");
    for (lease, deadlines) in &deadlines {
        let apart = deadlines.iter().max().unwrap() - deadlines.iter().min().unwrap();
        assert!(apart <= 1_200, "{apart} ms apart on lease {lease:x}");
    }
}

pub(crate) async fn steady_holds_find_their_lease_granted(world: Arc<World>) {
    let service = &world.services[0];
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for n in 0..40 {
        ticks.tick().await;
        hold(&world, "steady", format!("A{n}"), 71_000).await;
    }
    let ahead = service.metric("lock_lease_grants_total{why=\"ahead\"}").await;
    assert!(ahead >= 2.0, "{ahead} grants ahead in four seconds of holds");
    let ready = service.metric("lock_lease_uses_total{lease=\"ready\"}").await;
    assert!(ready >= 30.0, "{ready} of 40 holds found their lease ready");
}

pub(crate) async fn many_holds_of_one_second_run_out_together(world: Arc<World>) {
    const HOLDS: u64 = 1_500;
    let first = hold(&world, "together", "first".into(), 6_000).await;
    let client = world.client();
    let begun = clock::now();
    let held = (0..30).map(|chunk| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut latest = 0;
            for n in 0..HOLDS / 30 {
                let mut request = named("together", &[&format!("A{chunk}-{n}")]);
                // All are due in the same second, whenever they were made.
                let late = clock::now().as_millis() - begun.as_millis();
                request.ttl_ms = 8_000_u64.saturating_sub(u64::try_from(late).unwrap()).max(1_000);
                let seats = taken(client.acquire(&request).await);
                latest = latest.max(seats.deadline.as_millis());
            }
            latest
        })
    });
    let mut latest = first.deadline.as_millis();
    for held in held.collect::<Vec<_>>() {
        latest = latest.max(held.await.unwrap());
    }
    wait_for("all holds to run out", Duration::from_secs(20), || async {
        let counts = client.counts(&show(), &performance("together")).await.unwrap();
        counts.held.is_empty()
    })
    .await;
    let late = clock::now().as_millis() - latest;
    assert!(late >= 0, "the last vanished {late} ms before its deadline");
}
