//! What an operator does about a shard with a replica, with the commands that
//! are typed: nothing brings an old primary back but being made anew, and a
//! restored shard has its replica again.

use local_cluster::ClusterError;

use crate::SHARD;
use crate::operator::{seatlock, text};
use crate::whole::{
    BACK_WITHIN, attach, buy, is_on, is_there, lose_the_primary, servers, the_stores_agree,
    with_replica,
};
use crate::world::World;

async fn types(world: &World, arguments: &[&str]) {
    let output = seatlock(world, arguments).await;
    let said = format!("{} {}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}");
}

pub(crate) async fn the_old_primary_comes_back_only_as_a_replica(world: &mut World) {
    let show = world.show("anew").await;
    let (_, replica) = servers(world);
    if !world.cluster.must_be_made_anew(&replica) {
        lose_the_primary(world).await;
    }
    let (primary, old) = servers(world);
    let alone = buy(world, &show, "S-A-1").await;

    let refused = world.cluster.restart(&old).await;
    assert!(matches!(refused, Err(ClusterError::MustBeMadeAnew(_))), "{refused:?}");
    types(world, &["up", "--detach", "--no-demo"]).await;
    assert_eq!(world.cluster.node(&old).expect("the old primary").pid, None);
    let promoted = world.cluster.promote(&old, false).await;
    assert!(promoted.is_err(), "{old} was promoted with the data it died with");
    assert_eq!(servers(world).0, primary);

    types(world, &["seed-replica", &old]).await;
    attach(world);
    world.cluster.wait_healthy(BACK_WITHIN).await.expect("healthy with its replica");
    let after = buy(world, &show, "S-A-3").await;
    for sale in [&alone, &after] {
        is_on(world, &old, sale).await;
    }
}

pub(crate) async fn a_shard_that_is_restored_has_its_replica_anew(world: &mut World) {
    with_replica(world).await;
    let show = world.show("restored").await;
    let before = buy(world, &show, "S-A-1").await;
    let dir = world.cluster.root().join("backups").join(SHARD).display().to_string();
    types(world, &["backup", &dir]).await;
    let since = buy(world, &show, "S-A-3").await;
    the_stores_agree(world).await;

    types(world, &["restore", &dir, "--only", SHARD, "--stop"]).await;
    world.cluster.wait_healthy(BACK_WITHIN).await.expect("healthy again");
    let (primary, replica) = servers(world);
    for sale in [&before, &since] {
        is_there(&show, sale).await;
        for server in [&primary, &replica] {
            is_on(world, server, sale).await;
        }
    }
    let after = buy(world, &show, "S-B-1").await;
    is_on(world, &replica, &after).await;
}
