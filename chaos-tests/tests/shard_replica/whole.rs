//! The shard as the tests find it and leave it: who leads, who follows, what is
//! sold, and whether the stores agree about it.

use std::time::Duration;

use chaos_tests::{Caller, eventually};
use local_cluster::StartedCluster;
use serde_json::{Value, json};
use sqlx::{Connection as _, MySqlConnection};
use store_audit::{Limits, Patience, Stores, audit};

use crate::world::{Show, World};
use crate::{SHARD, TAG};

/// How long what was started or promoted may take to have all it needs.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(30);

/// A sale that was acknowledged.
pub(crate) struct Sale {
    pub(crate) buyer: Caller,
    pub(crate) booking: Value,
}

impl Sale {
    pub(crate) fn id(&self) -> &str {
        self.booking["booking_id"].as_str().expect("a booking id")
    }
}

/// Who leads the shard, and who follows or should.
pub(crate) fn servers(world: &World) -> (String, String) {
    let primary = world.cluster.primary_of(SHARD).expect("the shard");
    let replica = world.cluster.replica_of(SHARD).expect("the shard").expect("it has a replica");
    (primary, replica)
}

/// The cluster as others have left it.
pub(crate) fn attach(world: &mut World) {
    world.cluster = StartedCluster::attach(None, TAG).expect("the cluster");
}

/// Brings back whatever an earlier test has left away, but for a server that
/// must be made anew.
pub(crate) async fn mend(world: &mut World) {
    attach(world);
    for node in world.cluster.nodes().expect("the nodes") {
        if world.cluster.must_be_made_anew(&node.name) {
            continue;
        }
        if node.pid.is_none() {
            world.cluster.restart(&node.name).await.expect("restarted");
        } else {
            world.cluster.resume(&node.name).await.expect("resumed");
        }
    }
    world.cluster.wait_healthy(BACK_WITHIN).await.expect("healthy");
}

/// Sees to it that the shard has its replica.
pub(crate) async fn with_replica(world: &mut World) {
    let (_, replica) = servers(world);
    if world.cluster.must_be_made_anew(&replica) {
        world.cluster = world.cluster.seed_replica(&replica).await.expect("made anew");
    }
    world.cluster.wait_healthy(BACK_WITHIN).await.expect("healthy with its replica");
}

/// The primary is gone for good, and its replica leads.
pub(crate) async fn lose_the_primary(world: &mut World) {
    let (primary, replica) = servers(world);
    world.cluster.kill(&primary).await.expect("killed");
    world.cluster = world.cluster.promote(&replica, false).await.expect("promoted");
}

/// Buys a seat; the same request is sent until it is acknowledged.
pub(crate) async fn buy(world: &World, show: &Show, seat: &str) -> Sale {
    let buyer = world.customer("keeper");
    let key = format!("{}-{seat}", show.show_id);
    let booking = eventually(BACK_WITHIN, || async {
        let sent = buyer.post(show.book_path(), paid(show, seat)).key(&key).try_send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        if answer.status == 201 { Ok(answer.json()) } else { Err(answer.text()) }
    })
    .await;
    Sale { buyer, booking }
}

/// Holds a seat and pays for it in one call.
pub(crate) fn paid(show: &Show, seat: &str) -> Value {
    let mut body = show.named(&[seat]);
    body["confirm"] = json!(true);
    body["payment_token"] = json!("tok_ok");
    body
}

/// INV-2: the booking is as it was acknowledged, with its ticket.
pub(crate) async fn is_there(show: &Show, sale: &Sale) {
    let again = eventually(BACK_WITHIN, || async {
        let answer = sale.buyer.get(show.booking_path(&sale.booking)).send().await;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
    })
    .await;
    for what in ["state", "seats", "amount", "currency"] {
        assert_eq!(again[what], sale.booking[what], "{what} of {again}");
    }
    assert_eq!(again["state"], "confirmed", "{again}");
    assert_eq!(again["tickets"].as_array().map(Vec::len), Some(1), "{again}");
}

/// How many rows a server has of a booking, past every service.
pub(crate) async fn rows_on(world: &World, server: &str, booking: &str) -> Result<i64, String> {
    let url = world.cluster.database_url(server).map_err(|error| error.to_string())?;
    let connected = MySqlConnection::connect(&url).await;
    let mut connection = connected.map_err(|error| error.to_string())?;
    sqlx::query_scalar("SELECT COUNT(*) FROM booking WHERE id = ?")
        .bind(booking)
        .fetch_one(&mut connection)
        .await
        .map_err(|error| error.to_string())
}

/// The replica has the booking: received it had it before it was acknowledged,
/// applied a moment later.
pub(crate) async fn is_on(world: &World, server: &str, sale: &Sale) {
    eventually(BACK_WITHIN, || async {
        match rows_on(world, server, sale.id()).await? {
            1 => Ok(()),
            other => Err(format!("{server} has {other} rows of {}", sale.id())),
        }
    })
    .await;
}

/// etcd, the shard, the views and the money agree.
pub(crate) async fn the_stores_agree(world: &World) {
    let stores = Stores::new(&world.cluster.store_addresses()).await.expect("addresses");
    let report = audit(&stores, &Limits::default(), &Patience::default()).await;
    let report = report.expect("every store answers");
    assert!(report.is_clean(), "{:#?}", report.faults);
    assert!(report.bookings > 0, "there was something to compare: {report:?}");
}
