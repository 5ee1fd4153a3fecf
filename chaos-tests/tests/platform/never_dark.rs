//! Promise 4, layer by layer: whatever stands behind the views is taken away
//! whole, while several people look through the load balancer without a pause
//! and without asking twice. Not one view may fail, a view that got old says
//! so, and all are fresh again once the layer is back.

use std::time::{Duration, Instant};

use chaos_tests::{Caller, eventually, visited};
use futures_util::future::try_join_all;
use local_cluster::NodeKind;
use serde_json::{Value, json};

use crate::world::{Show, World};

/// People who look at the same time.
const VISITORS: usize = 6;

/// How long a layer stays away: several times as long as a breaker stays open
/// and a view stays fresh.
const AWAY_FOR: Duration = Duration::from_secs(4);

/// Everything a visitor looks at: the map, the show, the list, the plan.
pub(crate) fn pages(world: &World, show: &Show) -> [String; 4] {
    [
        show.seats_path(),
        format!("/v1/show/{}", show.show_id),
        "/v1/shows?limit=5".to_owned(),
        format!("/v1/plans/{}", world.plan_id),
    ]
}

/// Every view-service by itself: the load balancer gives no choice.
fn instances(world: &World) -> Vec<Caller> {
    let urls = world.cluster.service_urls(NodeKind::ViewService);
    urls.into_iter().map(|url| world.anybody.at(url)).collect()
}

/// Waits until every instance's map is what is wanted.
async fn every_map(world: &World, show: &Show, wanted: impl Fn(&Value) -> Result<(), String>) {
    for instance in instances(world) {
        eventually(Duration::from_secs(15), || async {
            let map = instance.get(show.seats_path()).expect(200).await;
            wanted(&map.json()).map_err(|why| format!("{}: {why}", instance.base_url()))
        })
        .await;
    }
}

/// A seat that is taken now is seen now, by every instance, in map and show.
async fn views_are_fresh(world: &World, show: &Show, seat: &str) {
    eventually(Duration::from_secs(20), || async {
        let buyer = world.customer("fresh");
        let sent = buyer.post_once(show.book_path(), show.named(&[seat])).try_send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        // Taken by an earlier try whose answer was lost: that is as good.
        if matches!(answer.status.as_u16(), 201 | 409) { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    every_map(world, show, |map| {
        let fresh = map["stale"] == false && map["seats"][seat] == "held";
        if fresh { Ok(()) } else { Err(format!("{seat} is not held, or the map is old: {map}")) }
    })
    .await;
    for instance in instances(world) {
        eventually(Duration::from_secs(5), || async {
            let page = instance.get(format!("/v1/show/{}", show.show_id)).expect(200).await;
            let age: u64 = page.header("age").parse().map_err(|_| "no age".to_owned())?;
            if age <= 2 { Ok(()) } else { Err(format!("the show is {age} s old")) }
        })
        .await;
    }
}

/// What is seen while a layer is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Everything, as new as ever.
    Fresh,
    /// The last known map, which says how old it is.
    Stale,
}

async fn a_layer_goes(world: &World, layer: &[NodeKind], seen: Seen) {
    let show = world.show("dark").await;
    world.seats(&show).await;
    for instance in instances(world) {
        for path in pages(world, &show) {
            eventually(Duration::from_secs(5), || async {
                let answer = instance.get(path.as_str()).send().await;
                if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
            })
            .await;
        }
    }
    views_are_fresh(world, &show, "S-A-1").await;
    let (visits, ()) = visited(&world.anybody, VISITORS, &pages(world, &show), async {
        let nodes: Vec<String> = layer.iter().flat_map(|kind| world.names_of(*kind)).collect();
        let killed = nodes.iter().map(|node| world.cluster.kill(node));
        try_join_all(killed).await.expect("killed");
        let began = Instant::now();
        every_map(world, &show, |map| {
            let taken = map["seats"] == json!({"S-A-1": "held"});
            let as_expected = map["stale"] == (seen == Seen::Stale) && taken;
            let long_enough = began.elapsed() >= AWAY_FOR;
            if as_expected && long_enough { Ok(()) } else { Err(format!("the map is {map}")) }
        })
        .await;
        if seen == Seen::Stale {
            let map = world.anybody.get(show.seats_path()).expect(200).await;
            let age: u64 = map.header("age").parse().expect("an age");
            assert!(age >= 2, "a stale map says how old it is, not {age} s");
        }
        // Stores before those who need them; of each kind all at once: one
        // member of three cannot become healthy alone.
        for kind in layer {
            let nodes = world.names_of(*kind);
            let restarted = nodes.iter().map(|node| world.cluster.restart(node));
            try_join_all(restarted).await.expect("restarted");
        }
        world.cluster.wait_healthy(Duration::from_secs(40)).await.expect("healthy again");
        views_are_fresh(world, &show, "S-A-2").await;
    })
    .await;
    println!("without {layer:?}: {} views, the longest {:?}", visits.answered, visits.longest);
    assert!(visits.failed.is_empty(), "without {layer:?}: {:#?}", visits.failed);
    assert!(visits.answered >= 500, "people were looking: {}", visits.answered);
}

pub(crate) async fn without_redis_every_view_is_answered(world: &World) {
    a_layer_goes(world, &[NodeKind::Redis], Seen::Fresh).await;
}

pub(crate) async fn without_the_replica_every_view_is_answered(world: &World) {
    a_layer_goes(world, &[NodeKind::CatalogueReplica], Seen::Fresh).await;
}

pub(crate) async fn without_any_catalogue_every_view_is_answered(world: &World) {
    let layer = [NodeKind::Catalogue, NodeKind::CatalogueReplica];
    a_layer_goes(world, &layer, Seen::Fresh).await;
}

pub(crate) async fn without_etcd_every_view_is_answered(world: &World) {
    a_layer_goes(world, &[NodeKind::Etcd], Seen::Stale).await;
}

pub(crate) async fn without_lock_services_every_view_is_answered(world: &World) {
    a_layer_goes(world, &[NodeKind::LockService], Seen::Stale).await;
}

pub(crate) async fn without_booking_apis_every_view_is_answered(world: &World) {
    a_layer_goes(world, &[NodeKind::BookingApi], Seen::Fresh).await;
}

pub(crate) async fn with_nothing_behind_them_views_are_answered_from_memory(world: &World) {
    let layer = [
        NodeKind::Etcd,
        NodeKind::Catalogue,
        NodeKind::CatalogueReplica,
        NodeKind::Redis,
        NodeKind::LockService,
        NodeKind::BookingApi,
    ];
    a_layer_goes(world, &layer, Seen::Stale).await;
}
