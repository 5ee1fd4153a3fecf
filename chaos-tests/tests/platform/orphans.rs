//! INV-6 seen from outside: what the stores say is compared past the services.
//! Each test plants a fault straight in a store, sees it named, sees it mended
//! and sees that the platform is as it was. The last ones lose etcd as a whole.

use std::time::Duration;

use chaos_tests::{Caller, eventually};
use etcd_client::{Client, GetOptions, KeyValue};
use local_cluster::NodeKind;
use seat_model::Code;
use serde_json::{Value, json};
use sqlx::{Connection as _, MySqlConnection};
use store_audit::{Finding, Kind, Limits, Mended, Patience, Report, Stores, audit, mend};

use crate::books;
use crate::operator::{json_of, seatlock, text};
use crate::world::{Show, World};

/// The fault is planted when the audit begins: it need not be waited for as
/// long as one on a busy cluster.
const SHORT: Patience = Patience {
    moment: Duration::from_millis(1_500),
    services: Duration::from_secs(6),
    every: Duration::from_millis(250),
};

pub(crate) struct Auditor {
    stores: Stores,
}

impl Auditor {
    pub(crate) async fn new(world: &World) -> Self {
        let stores = Stores::new(&world.cluster.store_addresses()).await.expect("addresses");
        Self { stores }
    }

    async fn look(&self, patience: &Patience) -> Report {
        audit(&self.stores, &Limits::default(), patience).await.expect("every store answers")
    }

    /// Sees these kinds and no other, mends every finding, sees nothing.
    async fn mends(&self, world: &World, kinds: &[Kind]) {
        // What may still resolve by itself is no fault for a while.
        let faults = eventually(Duration::from_secs(40), || async {
            let report = self.look(&SHORT).await;
            let found: Vec<Kind> = report.faults.iter().map(|fault| fault.kind).collect();
            if found == kinds { Ok(report.faults) } else { Err(format!("{report:#?}")) }
        })
        .await;
        // What follows from others is clean with them.
        for fault in faults.iter().filter(|fault| fault.remedy.is_some()) {
            let mended = self.mend(world, fault).await;
            assert!(matches!(mended, Mended::Done(_) | Mended::Gone), "{fault:?}: {mended:?}");
        }
        self.clean().await;
    }

    async fn mend(&self, world: &World, finding: &Finding) -> Mended {
        let locks = world.cluster.lock_client().expect("lock-services");
        mend(&self.stores, &locks, &Limits::default(), finding).await.expect("the stores answer")
    }

    pub(crate) async fn clean(&self) {
        let report = self.look(&SHORT).await;
        assert!(report.is_clean(), "{:#?}", report.faults);
    }
}

/// What kills and pauses have left behind, before anything is planted.
pub(crate) async fn nothing_is_left_by_what_was_killed(world: &World) {
    let report = Auditor::new(world).await.look(&Patience::default()).await;
    assert!(report.is_clean(), "{:#?}", report.faults);
}

/// What the whole run has left behind: nothing that does not fit together.
pub(crate) async fn the_stores_agree_after_all_of_it(world: &World) {
    let report = Auditor::new(world).await.look(&Patience::default()).await;
    assert!(report.is_clean(), "{:#?}", report.faults);
    assert!(
        report.bookings > 50 && report.seats > 50,
        "there was something to compare: {report:?}"
    );
}

async fn bought(world: &World, show: &Show, seats: &[&str]) -> (Caller, Value) {
    let buyer = world.customer("owner");
    let mut body = show.named(seats);
    body["confirm"] = json!(true);
    body["payment_token"] = json!("tok_ok");
    let booking = buyer.post_once(show.book_path(), body).expect(201).await.json();
    let sold = seats.iter().map(|seat| ((*seat).to_owned(), json!("sold"))).collect();
    world.seats_become(show, Value::Object(sold)).await;
    // Its money is taken: what is planted then is all that is wrong.
    books::in_order(world, show).await.expect("nothing waits in the outbox");
    (buyer, booking)
}

async fn etcd(world: &World) -> Client {
    Client::connect(world.cluster.etcd_endpoints(), None).await.expect("etcd")
}

fn seat_key(show: &Show, seat: &str) -> String {
    format!("/seatlock/v1/seat/{}/{seat}", show.performance_id)
}

async fn value_of(world: &World, key: &str) -> KeyValue {
    let answer = etcd(world).await.get(key, None).await.expect("etcd answers");
    answer.kvs().first().cloned().unwrap_or_else(|| panic!("{key} is absent"))
}

async fn shard(world: &World, show: &Show) -> MySqlConnection {
    let url = world.cluster.database_url(&world.shard_of(show).await).expect("a shard");
    MySqlConnection::connect(&url).await.expect("the shard")
}

fn id_of(booking: &Value) -> &str {
    booking["booking_id"].as_str().expect("a booking id")
}

pub(crate) async fn a_sold_seat_lost_from_etcd_is_sold_again(world: &World) {
    let show = world.show("lost-key").await;
    let auditor = Auditor::new(world).await;
    let (buyer, booking) = bought(world, &show, &["S-A-1", "S-A-2"]).await;
    etcd(world).await.delete(seat_key(&show, "S-A-1"), None).await.expect("deleted");
    auditor.mends(world, &[Kind::TicketSeatFree]).await;

    let other = world.customer("other");
    let taken = other.post_once(show.book_path(), show.named(&["S-A-1"]));
    taken.refused(Code::SeatTaken).await;
    // What a repair wrote is cancelled like what was never lost.
    buyer.delete(show.booking_path(&booking)).expect(200).await;
    world.seats_become(&show, json!({})).await;
    other.post_once(show.book_path(), show.named(&["S-A-1", "S-A-2"])).expect(201).await;
    auditor.clean().await;
}

pub(crate) async fn a_lost_tail_of_a_shard_is_written_again_from_etcd(world: &World) {
    let show = world.show("lost-tail").await;
    let auditor = Auditor::new(world).await;
    let (buyer, booking) = bought(world, &show, &["S-B-4", "S-B-5"]).await;
    let mut shard = shard(world, &show).await;
    for table in ["ticket", "seat_sale", "outbox"] {
        let sql = format!("DELETE FROM {table} WHERE booking_id = ?");
        let delete = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id_of(&booking));
        delete.execute(&mut shard).await.expect("deleted");
    }
    for sql in ["DELETE FROM booking WHERE id = ?", "DELETE FROM quota WHERE performance_id = ?"] {
        let what =
            if sql.contains("quota") { show.performance_id.as_str() } else { id_of(&booking) };
        sqlx::query(sql).bind(what).execute(&mut shard).await.expect("deleted");
    }
    let all = [Kind::SoldWithoutBooking, Kind::MoneyWithoutBooking];
    auditor.mends(world, &all).await;

    let again = buyer.get(show.booking_path(&booking)).expect(200).await.json();
    for what in ["state", "seats", "amount", "currency", "next_to_each_other"] {
        assert_eq!(again[what], booking[what], "{what} of {again}");
    }
    assert_eq!(again["tickets"].as_array().map(Vec::len), Some(2), "INV-2");
    // Its money is found by its id, taken once and given back once (INV-10).
    buyer.delete(show.booking_path(&booking)).expect(200).await;
    world.seats_become(&show, json!({})).await;
    books::in_order(world, &show).await.expect("taken and given back");
    auditor.clean().await;
}

pub(crate) async fn a_shards_rows_are_mended_from_what_agrees(world: &World) {
    let show = world.show("rows").await;
    let auditor = Auditor::new(world).await;
    let (buyer, booking) = bought(world, &show, &["S-C-1", "S-C-2"]).await;
    let mut shard = shard(world, &show).await;

    let more = "UPDATE quota SET sold = sold + 3 WHERE performance_id = ?";
    sqlx::query(more).bind(&show.performance_id).execute(&mut shard).await.expect("changed");
    auditor.mends(world, &[Kind::QuotaWrong]).await;

    let sale = "DELETE FROM seat_sale WHERE booking_id = ? AND seat = 'S-C-1'";
    sqlx::query(sale).bind(id_of(&booking)).execute(&mut shard).await.expect("deleted");
    auditor.mends(world, &[Kind::TicketWithoutSale]).await;

    let ticket = "DELETE FROM ticket WHERE booking_id = ? AND seat = 'S-C-2'";
    sqlx::query(ticket).bind(id_of(&booking)).execute(&mut shard).await.expect("deleted");
    let all =
        [Kind::SoldWithoutTicket, Kind::SaleWithoutTicket, Kind::QuotaWrong, Kind::MoneyDiffers];
    auditor.mends(world, &all).await;
    let again = buyer.get(show.booking_path(&booking)).expect(200).await.json();
    assert_eq!((&again["seats"], &again["amount"]), (&booking["seats"], &booking["amount"]));
}

pub(crate) async fn what_is_cancelled_or_abandoned_is_freed(world: &World) {
    let show = world.show("abandoned").await;
    let auditor = Auditor::new(world).await;
    let (buyer, booking) = bought(world, &show, &["S-D-1"]).await;
    let sold = value_of(world, &seat_key(&show, "S-D-1")).await;
    buyer.delete(show.booking_path(&booking)).expect(200).await;
    world.seats_become(&show, json!({})).await;
    // Or the relay would free them once more, as it should.
    books::in_order(world, &show).await.expect("nothing waits in the outbox");
    let mut client = etcd(world).await;
    // As if the free had been lost: the value is back.
    client.put(sold.key(), sold.value(), None).await.expect("put");
    auditor.mends(world, &[Kind::SoldAfterCancel]).await;

    // Confirming seats and nobody to reconcile them.
    for api in world.names_of(NodeKind::BookingApi) {
        world.cluster.kill(&api).await.expect("killed");
    }
    let mut value: Value = serde_json::from_slice(sold.value()).expect("JSON");
    value["s"] = json!("confirming");
    value["b"] = json!("00112233445566778899aabbccddeeff");
    let key = seat_key(&show, "S-D-2");
    client.put(key.as_str(), value.to_string(), None).await.expect("put");
    auditor.mends(world, &[Kind::Confirming]).await;
    world.mend().await;
    // A tombstone stands in the way of a commit that would come now.
    let mut shard = shard(world, &show).await;
    let state: String = sqlx::query_scalar("SELECT state FROM booking WHERE id = ?")
        .bind("00112233445566778899aabbccddeeff")
        .fetch_one(&mut shard)
        .await
        .expect("a row");
    assert_eq!(state, "ABORTED");

    let marker = format!("/seatlock/v1/pick/{}", "ff".repeat(16));
    let value = json!({"p": show.performance_id, "s": ["S-D-9"]}).to_string();
    client.put(marker, value, None).await.expect("put");
    auditor.mends(world, &[Kind::MarkerWithoutSeats]).await;
}

pub(crate) async fn an_old_map_in_redis_is_named_and_written_anew(world: &World) {
    let show = world.show("old-map").await;
    let auditor = Auditor::new(world).await;
    let (_, _) = bought(world, &show, &["S-E-1"]).await;
    let client = redis::Client::open(world.cluster.redis_url().expect("a Redis")).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis");
    let hash = format!("{{seatlock:v1:0/1}}:seats:{}", show.performance_id);
    let forget = redis::cmd("HDEL").arg(&hash).arg("S-E-1").exec_async(&mut connection).await;
    forget.expect("deleted");
    auditor.mends(world, &[Kind::SoldShownFree]).await;
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.expect("flushed");
    // It fills itself: nothing lasts long enough to be a fault.
    let usual = auditor.look(&Patience::default()).await;
    assert!(usual.is_clean(), "{:#?}", usual.faults);
    world.seats_become(&show, json!({"S-E-1": "sold"})).await;
}

pub(crate) async fn fsck_tells_by_its_exit_code(world: &World) {
    let show = world.show("exit-code").await;
    let (_, booking) = bought(world, &show, &["S-A-8"]).await;
    let clean = seatlock(world, &["fsck", "-o", "json"]).await;
    assert!(clean.status.success(), "{} {}", text(&clean.stdout), text(&clean.stderr));
    assert_eq!(json_of(&clean)["clean"], true);

    etcd(world).await.delete(seat_key(&show, "S-A-8"), None).await.expect("deleted");
    let found = seatlock(world, &["fsck", "--patience", "2"]).await;
    assert_eq!(found.status.code(), Some(1), "{}", text(&found.stderr));
    let said = text(&found.stdout);
    for part in ["ticket_seat_free", "S-A-8", id_of(&booking), "--repair"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let mended = seatlock(world, &["fsck", "--repair", "--patience", "2", "-o", "json"]).await;
    assert!(mended.status.success(), "{} {}", text(&mended.stdout), text(&mended.stderr));
    assert_eq!(json_of(&mended)["repairs"][0]["mended"], true);
    world.cluster.kill("shard-0").await.expect("killed");
    let unknown = seatlock(world, &["fsck"]).await;
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stdout));
    world.cluster.restart("shard-0").await.expect("restarted");
}

/// Nothing is sold, and the answer says so.
async fn is_closed(world: &World, show: &Show) {
    eventually(Duration::from_secs(20), || async {
        let buyer = world.customer("early");
        let sent = buyer.post_once(show.book_path(), show.named(&["S-E-9"])).try_send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        if answer.status == 503 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

async fn lose_etcd(world: &World) {
    let members = world.names_of(NodeKind::Etcd);
    for member in &members {
        world.cluster.kill(member).await.expect("killed");
    }
    for member in &members {
        let data = world.cluster.root().join(member).join("data");
        std::fs::remove_dir_all(data).expect("removed");
    }
    // Together: a lone member cannot become healthy.
    let restarts = members.iter().map(|member| world.cluster.restart(member));
    for restarted in futures_util::future::join_all(restarts).await {
        restarted.expect("restarted");
    }
}

pub(crate) async fn a_lost_etcd_is_rebuilt_from_the_shards(world: &World) {
    let shows = world.a_show_on_each_shard("rebuilt").await;
    let show = &shows[0];
    let (buyer, booking) = bought(world, show, &["S-A-1", "S-A-2"]).await;
    let (part, cancelled) = bought(world, &shows[1], &["S-A-1", "S-A-2"]).await;
    let ticket = cancelled["tickets"][0]["ticket_id"].as_str().expect("an id");
    let (gone, kept) = (&cancelled["tickets"][0]["seat"], &cancelled["tickets"][1]["seat"]);
    let path = format!("{}/tickets/{ticket}", shows[1].booking_path(&cancelled));
    part.delete(path).expect(200).await;
    let holder = world.customer("holder");
    let held = holder.post_once(show.book_path(), show.named(&["S-B-1"])).expect(201).await.json();

    lose_etcd(world).await;
    is_closed(world, show).await;
    let rebuilt = seatlock(world, &["rebuild-locks", "-o", "json"]).await;
    assert!(rebuilt.status.success(), "{} {}", text(&rebuilt.stdout), text(&rebuilt.stderr));
    let first = json_of(&rebuilt)["epoch"].as_u64().expect("an epoch");

    // What was sold is sold: to look at, and to buy.
    let sold_seat = kept.as_str().expect("a seat");
    world.seats_become(show, json!({"S-A-1": "sold", "S-A-2": "sold"})).await;
    world.seats_become(&shows[1], json!({sold_seat: "sold"})).await;
    let other = world.customer("other");
    for (show, seat) in [(show, "S-A-1"), (&shows[1], sold_seat)] {
        let taken = other.post_once(show.book_path(), show.named(&[seat]));
        taken.refused(Code::SeatTaken).await;
    }
    let (next, seat) = (gone.as_str().expect("a seat"), "S-B-1");
    bought_again(world, &shows[1], next).await;
    let again = other.post_once(show.book_path(), show.named(&[seat])).expect(201).await.json();
    assert!(again["fence"].as_u64() > held["fence"].as_u64(), "INV-3: {again} after {held}");
    let row = buyer.get(show.booking_path(&booking)).expect(200).await.json();
    assert_eq!((&row["state"], &row["seats"]), (&json!("confirmed"), &booking["seats"]), "INV-2");
    // A hold is lost with etcd, and says so.
    holder.get(show.booking_path(&held)).refused(Code::HoldExpired).await;
    // What was rebuilt is cancelled as what never was lost.
    buyer.delete(show.booking_path(&booking)).expect(200).await;
    world.seats_become(show, json!({"S-B-1": "held"})).await;
    Auditor::new(world).await.clean().await;

    // A rebuild that died in the middle leaves the cell closed; the next opens it.
    etcd(world)
        .await
        .put("/seatlock/v1/epoch", format!("closed {first}"), None)
        .await
        .expect("put");
    is_closed(world, show).await;
    let second = seatlock(world, &["rebuild-locks", "-o", "json"]).await;
    assert!(second.status.success(), "{}", text(&second.stderr));
    assert!(json_of(&second)["epoch"].as_u64() > Some(first));
    assert_eq!(json_of(&second)["written"], 0, "everything was there");
    let seats = GetOptions::new().with_prefix().with_count_only();
    let held = etcd(world).await.get(seat_key(show, ""), Some(seats)).await.expect("etcd answers");
    assert_eq!(held.count(), 0, "holds do not survive");
    bought_again(world, show, "S-E-9").await;
    Auditor::new(world).await.clean().await;
}

async fn bought_again(world: &World, show: &Show, seat: &str) {
    eventually(Duration::from_secs(10), || async {
        let buyer = world.customer("again");
        let mut body = show.named(&[seat]);
        body["confirm"] = json!(true);
        body["payment_token"] = json!("tok_ok");
        let sent = buyer.post_once(show.book_path(), body).try_send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        if answer.status == 201 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}
