//! A store that is lost comes back from its backup, with the commands that an
//! operator types: every booking that was acknowledged is there afterwards
//! (INV-2), those made since the backup from etcd, and the books balance.
//!
//! etcd is never restored: `orphans::a_lost_etcd_is_rebuilt_from_the_shards`.
//! Redis fills itself: `bad_days::an_emptied_redis_fills_itself`.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use chaos_tests::{Caller, eventually};
use local_cluster::NodeKind;
use seat_model::Code;
use serde_json::{Value, json};
use sqlx::{Connection as _, MySqlConnection};

use crate::books;
use crate::operator::{json_of, seatlock, text};
use crate::orphans::Auditor;
use crate::world::{Show, World, hall};

/// How long a service that was started may take to have all it needs.
const BACK_WITHIN: Duration = Duration::from_secs(30);

struct Sale {
    buyer: Caller,
    booking: Value,
}

async fn buy(world: &World, show: &Show, seat: &str) -> Sale {
    let buyer = world.customer("keeper");
    let mut body = show.named(&[seat]);
    body["confirm"] = json!(true);
    body["payment_token"] = json!("tok_ok");
    let booking = buyer.post_once(show.book_path(), body).expect(201).await.json();
    Sale { buyer, booking }
}

/// The booking as it was acknowledged, as soon as its shard is known again.
async fn is_there(show: &Show, sale: &Sale) -> Value {
    let again = eventually(BACK_WITHIN, || async {
        let answer = sale.buyer.get(show.booking_path(&sale.booking)).send().await;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
    })
    .await;
    for what in ["state", "seats", "amount", "currency"] {
        assert_eq!(again[what], sale.booking[what], "{what} of {again}");
    }
    assert_eq!(again["tickets"].as_array().map(Vec::len), Some(1), "INV-2: {again}");
    again
}

/// A folder that goes with the cluster.
fn folder(world: &World, name: &str) -> String {
    world.cluster.root().join("backups").join(name).display().to_string()
}

async fn backed_up(world: &World, name: &str) -> String {
    let dir = folder(world, name);
    let output = seatlock(world, &["backup", &dir, "-o", "json"]).await;
    assert!(output.status.success(), "{} {}", text(&output.stdout), text(&output.stderr));
    let manifest = json_of(&output);
    assert_eq!((&manifest["complete"], &manifest["missing"]), (&json!(true), &json!([])));
    let saved = manifest["stores"].as_array().expect("stores").iter();
    let saved: Vec<&str> = saved.filter_map(|store| store["node"].as_str()).collect();
    assert_eq!(saved, ["shard-0", "shard-1", "catalogue", "payment-gateway"]);
    dir
}

async fn restored(world: &World, dir: &str, node: &str) {
    let output = seatlock(world, &["restore", dir, "--only", node, "--stop"]).await;
    assert!(output.status.success(), "{} {}", text(&output.stdout), text(&output.stderr));
    world.cluster.wait_healthy(BACK_WITHIN).await.expect("healthy again");
}

async fn is_refused(world: &World, arguments: &[&str], why: &str) {
    let output = seatlock(world, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(said.contains(why), "{why} is not in {said}");
}

fn data_of(world: &World, node: &str) -> PathBuf {
    world.cluster.root().join(node).join("data")
}

/// Its disk is gone, with everything on it.
async fn lose(world: &World, node: &str) {
    world.cluster.kill(node).await.expect("killed");
    std::fs::remove_dir_all(data_of(world, node)).expect("removed");
}

pub(crate) async fn a_lost_shard_comes_back_from_its_backup_and_from_etcd(world: &World) {
    let shows = world.a_show_on_each_shard("saved").await;
    let show = &shows[0];
    let before = buy(world, show, "S-A-1").await;
    let cancelled = buy(world, show, "S-A-3").await;
    books::in_order(world, show).await.expect("nothing is under way");
    let known = is_there(show, &before).await;

    // Sold while it is saved: in the backup or not.
    let ended = Cell::new(false);
    let save = async {
        let dir = backed_up(world, "shard").await;
        ended.set(true);
        dir
    };
    let sell = async {
        let mut sales = Vec::new();
        let rows = ["B", "C"].iter();
        for seat in rows.flat_map(|row| (1..=10).map(move |number| format!("S-{row}-{number}"))) {
            sales.push(buy(world, show, &seat).await);
            if ended.get() {
                break;
            }
        }
        sales
    };
    let (dir, mut sales) = tokio::join!(save, sell);
    // Sold and cancelled since, and a show that was made since.
    cancelled.buyer.delete(show.booking_path(&cancelled.booking)).expect(200).await;
    for seat in ["S-D-1", "S-D-2"] {
        sales.push(buy(world, show, seat).await);
    }
    let since = world.a_show_on_each_shard("since").await.swap_remove(0);
    let late = buy(world, &since, "S-A-1").await;
    for show in [show, &since] {
        books::in_order(world, show).await.expect("nothing is under way");
    }

    let shard = world.names_of(NodeKind::Shard)[0].clone();
    lose(world, &shard).await;
    is_refused(world, &["restore", &dir, "--only", &shard], "booking-api-0").await;
    restored(world, &dir, &shard).await;
    assert_eq!(is_there(show, &before).await, known, "what was saved is what it was");
    for sale in &sales {
        is_there(show, sale).await;
    }
    // Cancelled again, it is not given back again (INV-7).
    is_there(show, &cancelled).await;
    cancelled.buyer.delete(show.booking_path(&cancelled.booking)).expect(200).await;
    books::balanced_within(world, show, BACK_WITHIN).await.expect("money and tickets");

    // The shard does not know the show that was made since: said again, it is placed.
    eventually(BACK_WITHIN, || async {
        let body = json!({"show_id": since.show_id, "name": format!("The {}", since.show_id)});
        let answer = world.organiser.post_once("/v1/admin/shows", body).send().await;
        if answer.status == 201 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    let mended = seatlock(world, &["fsck", "--repair"]).await;
    assert!(mended.status.success(), "{} {}", text(&mended.stdout), text(&mended.stderr));
    is_there(&since, &late).await;
    books::balanced_within(world, &since, BACK_WITHIN).await.expect("money and tickets");

    // INV-1: nobody else gets what was sold before, and since.
    let other = world.customer("other");
    for (show, seat) in [(show, "S-A-1"), (show, "S-D-1"), (&since, "S-A-1")] {
        let taken = other.post_once(show.book_path(), show.named(&[seat]));
        taken.refused(Code::SeatTaken).await;
    }
    buy(world, show, "S-E-1").await;
    books::balanced_within(world, show, BACK_WITHIN).await.expect("money and tickets");
    Auditor::new(world).await.clean().await;
}

/// The replica has the show.
async fn is_on_the_replica(world: &World, show: &Show) {
    let replica = world.names_of(NodeKind::CatalogueReplica)[0].clone();
    let url = world.cluster.database_url(&replica).expect("a replica");
    eventually(BACK_WITHIN, || async {
        let connected = MySqlConnection::connect(&url).await;
        let mut connection = connected.map_err(|error| error.to_string())?;
        let there: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM shows WHERE show_id = ?")
            .bind(&show.show_id)
            .fetch_one(&mut connection)
            .await
            .map_err(|error| error.to_string())?;
        if there == 1 { Ok(()) } else { Err(format!("{} is not on {replica}", show.show_id)) }
    })
    .await;
}

pub(crate) async fn a_lost_catalogue_comes_back_and_its_replica_follows(world: &World) {
    let show = world.show("listed").await;
    let sale = buy(world, &show, "S-A-1").await;
    books::in_order(world, &show).await.expect("nothing is under way");
    let dir = backed_up(world, "catalogue").await;
    lose(world, "catalogue").await;
    is_refused(world, &["restore", &dir, "--only", "catalogue"], "view-service-0").await;
    restored(world, &dir, "catalogue").await;

    is_on_the_replica(world, &show).await;
    let page = eventually(BACK_WITHIN, || async {
        let answer = world.anybody.get(format!("/v1/show/{}", show.show_id)).send().await;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
    })
    .await;
    assert_eq!(page["name"], format!("The {}", show.show_id), "{page}");
    world.seats_become(&show, json!({"S-A-1": "sold"})).await;
    is_there(&show, &sale).await;

    // What is made now goes the usual way.
    eventually(BACK_WITHIN, || async {
        let made = world.organiser.post_once("/v1/admin/plans", hall()).send().await;
        if made.status == 201 { Ok(()) } else { Err(made.text()) }
    })
    .await;
    let next = world.show("listed-next").await;
    is_on_the_replica(world, &next).await;
    buy(world, &next, "S-A-1").await;
    world.seats_become(&next, json!({"S-A-1": "sold"})).await;
    Auditor::new(world).await.clean().await;
}

pub(crate) async fn the_sandboxs_ledger_comes_back(world: &World) {
    let show = world.show("paid").await;
    let sale = buy(world, &show, "S-A-1").await;
    books::in_order(world, &show).await.expect("nothing is under way");
    let references = async || {
        let payments = world.payments().await?;
        Ok::<Vec<_>, String>(payments.into_iter().map(|payment| payment.reference).collect())
    };
    let known = references().await.expect("the gateway's ledger");
    let dir = backed_up(world, "gateway").await;
    lose(world, "payment-gateway").await;
    restored(world, &dir, "payment-gateway").await;
    assert_eq!(references().await.expect("the gateway's ledger"), known);
    books::balanced_within(world, &show, BACK_WITHIN).await.expect("money and tickets");
    // It is refunded from the ledger that was restored.
    eventually(BACK_WITHIN, || async {
        let answer = sale.buyer.delete(show.booking_path(&sale.booking)).send().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    books::in_order(world, &show).await.expect("given back");
}

pub(crate) async fn a_partial_or_damaged_backup_is_not_restored(world: &World) {
    let dir = folder(world, "partial");
    world.cluster.kill("shard-1").await.expect("killed");
    let output = seatlock(world, &["backup", &dir, "-o", "json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let manifest = json_of(&output);
    assert_eq!(manifest["complete"], false);
    assert_eq!(manifest["missing"][0]["node"], "shard-1");
    assert_eq!(manifest["stores"].as_array().map(Vec::len), Some(3));
    world.cluster.restart("shard-1").await.expect("restarted");
    world.cluster.wait_healthy(BACK_WITHIN).await.expect("healthy again");

    is_refused(world, &["backup", &dir], "not empty").await;
    is_refused(world, &["restore", &dir], "shard-1 is missing").await;
    is_refused(world, &["restore", &dir, "--only", "shard-1"], "not in the backup").await;
    let file = PathBuf::from(&dir).join("shard-0.sql");
    let mut sql = std::fs::read(&file).expect("the file");
    sql.push(b'\n');
    std::fs::write(&file, sql).expect("written");
    is_refused(world, &["restore", &dir, "--only", "shard-0"], "not what was saved").await;
    let apis = world.names_of(NodeKind::BookingApi);
    let runs = |api: &String| world.cluster.node(api).is_ok_and(|node| node.pid.is_some());
    assert!(apis.iter().all(runs), "a refusal stops nobody");
}
