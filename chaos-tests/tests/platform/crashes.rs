//! Every step of the protocol killed once, and reconciled: whatever the dying
//! process left behind ends as one truth that all stores agree on (INV-6).

use std::time::Duration;

use booking_api_client::CRASH_POINTS;
use chaos_tests::{Answer, Caller, eventually};
use seat_model::Code;
use serde_json::{Value, json};

use crate::extra::Extra;
use crate::world::{Show, World};

/// What is tried at the instance that will die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Journey {
    /// Hold, then confirm.
    TwoCalls,
    /// Hold and confirm in one call.
    OneCall,
    /// Hold, then give it back.
    Release,
    /// Confirmed elsewhere, cancelled here.
    Cancel,
    /// Confirmed elsewhere, one ticket cancelled here.
    CancelTicket,
    /// Another instance died before its commit; this one reconciles.
    LeftConfirming,
    /// Another instance died after its commit; this one reconciles.
    LeftCommitted,
    /// Hold, then confirm while the shard is down.
    ShardAway,
}

const JOURNEYS: [Journey; 8] = [
    Journey::TwoCalls,
    Journey::OneCall,
    Journey::Release,
    Journey::Cancel,
    Journey::CancelTicket,
    Journey::LeftConfirming,
    Journey::LeftCommitted,
    Journey::ShardAway,
];

/// The journey that is known to reach a step, to save time: without an entry,
/// or where the entry is wrong, every journey is tried.
fn shortcut(point: &str) -> Option<Journey> {
    match point {
        "after-release" => Some(Journey::Release),
        "after-tombstone" | "after-abort" => Some(Journey::LeftConfirming),
        "after-reconciled-finish" => Some(Journey::LeftCommitted),
        "after-step-back" => Some(Journey::ShardAway),
        "after-cancel-commit" => Some(Journey::Cancel),
        "after-free" => Some(Journey::CancelTicket),
        _ => None,
    }
}

pub(crate) async fn every_step_killed_once(world: &World) {
    let mut never = Vec::new();
    for point in CRASH_POINTS {
        let mut died = false;
        for journey in shortcut(point).into_iter().chain(JOURNEYS) {
            died = dies_on(world, point, journey).await;
            println!("{point} {journey:?}: {}", if died { "died" } else { "not reached" });
            if died {
                break;
            }
        }
        if !died {
            never.push(point);
        }
    }
    assert!(never.is_empty(), "no journey reached {never:?}");
}

/// One journey with a crash at this step; whatever happened must settle.
async fn dies_on(world: &World, point: &str, journey: Journey) -> bool {
    let show = world.show("crash").await;
    let booking = travel_first(world, &show, journey).await;
    let reconciles = matches!(journey, Journey::LeftConfirming | Journey::LeftCommitted);
    // The reconcilers of the cluster wait three seconds: this one is first, or never.
    let soon = if reconciles { "1200" } else { "60000" };
    let settings = [
        ("BOOKING_API_SALE__CRASH_AT", point),
        ("BOOKING_API_SALE__CONFIRMING_FOR_MS", soon),
        ("BOOKING_API_SALE__RECONCILE_EVERY_MS", "50"),
        ("BOOKING_API_SALE__COMMITTER__WAIT_MAX_MS", "50"),
        ("BOOKING_API_SALE__CONNECTIONS__ACQUIRE_TIMEOUT_MS", "50"),
        ("BOOKING_API_SALE__CONNECTIONS__STATEMENT_TIMEOUT_MS", "1000"),
    ];
    let mut doomed = Extra::start(world, "booking-api-doomed", &settings).await;
    if journey == Journey::ShardAway {
        let shard = world.shard_of(&show).await;
        let buyer = buyer(world, &show).at(&doomed.url);
        let held = buyer.post(show.book_path(), order(&show)).key("journey").try_send().await;
        world.cluster.kill(&shard).await.expect("killed");
        if let Ok(held) = held {
            confirm(&buyer, &show, &held).await;
        }
        let died = doomed.dies_within(Duration::from_secs(5)).await;
        world.cluster.restart(&shard).await.expect("restarted");
        settles(world, &show, journey).await;
        return died;
    }
    travel(world, &show, journey, &doomed.url, booking.as_ref()).await;
    // Steps in the background (finish, the relay, the reconciler) die in their own time.
    let died = doomed.dies_within(Duration::from_millis(2500)).await;
    drop(doomed);
    settles(world, &show, journey).await;
    died
}

fn buyer(world: &World, show: &Show) -> Caller {
    world.customer_named(&format!("crash-{}", show.show_id))
}

fn order(show: &Show) -> Value {
    json!({"performance_id": show.performance_id, "seats": ["S-A-1", "S-A-2"]})
}

fn paid(show: &Show) -> Value {
    let mut order = order(show);
    order["confirm"] = json!(true);
    order["payment_token"] = json!("tok_ok");
    order
}

async fn confirm(buyer: &Caller, show: &Show, held: &Answer) {
    if held.status == 201 {
        let path = format!("{}/confirm", show.booking_path(&held.json()));
        let pay = json!({"payment_token": "tok_ok"});
        let _ = buyer.post(path, pay).key("journey-pay").try_send().await;
    }
}

/// What must have happened before, at an instance that lives or dies earlier.
async fn travel_first(world: &World, show: &Show, journey: Journey) -> Option<Value> {
    let buyer = buyer(world, show);
    let earlier = match journey {
        Journey::TwoCalls | Journey::OneCall | Journey::Release | Journey::ShardAway => {
            return None;
        }
        Journey::Cancel | Journey::CancelTicket => {
            let made = buyer.post(show.book_path(), paid(show)).key("journey");
            return Some(made.expect(201).await.json());
        }
        Journey::LeftConfirming => "after-begin-confirm",
        Journey::LeftCommitted => "after-commit",
    };
    let settings = [("BOOKING_API_SALE__CRASH_AT", earlier)];
    let mut first = Extra::start(world, "booking-api-first", &settings).await;
    let buyer = buyer.at(&first.url);
    let held = buyer.post(show.book_path(), order(show)).key("journey").expect(201).await;
    confirm(&buyer, show, &held).await;
    assert!(first.dies_within(Duration::from_secs(5)).await, "{earlier} was not reached");
    None
}

/// The journey at the doomed instance; a broken connection is expected.
async fn travel(world: &World, show: &Show, journey: Journey, door: &str, before: Option<&Value>) {
    let buyer = buyer(world, show).at(door);
    let hold = || buyer.post(show.book_path(), order(show)).key("journey").try_send();
    match journey {
        Journey::TwoCalls | Journey::ShardAway => {
            if let Ok(held) = hold().await {
                confirm(&buyer, show, &held).await;
            }
        }
        Journey::OneCall => {
            let _ = buyer.post(show.book_path(), paid(show)).key("journey").try_send().await;
        }
        Journey::Release => {
            if let Ok(held) = hold().await {
                let _ = buyer.delete(show.booking_path(&held.json())).try_send().await;
            }
        }
        Journey::Cancel => {
            let booking = before.expect("confirmed before");
            let _ = buyer.delete(show.booking_path(booking)).try_send().await;
        }
        Journey::CancelTicket => {
            let booking = before.expect("confirmed before");
            let ticket = booking["tickets"][0]["ticket_id"].as_str().expect("a ticket");
            let path = format!("{}/tickets/{ticket}", show.booking_path(booking));
            let _ = buyer.delete(path).try_send().await;
        }
        Journey::LeftConfirming | Journey::LeftCommitted => {}
    }
}

/// The survivors find the truth, and it is the same everywhere.
async fn settles(world: &World, show: &Show, journey: Journey) {
    let buyer = buyer(world, show);
    let body = match journey {
        Journey::OneCall | Journey::Cancel | Journey::CancelTicket => paid(show),
        Journey::TwoCalls
        | Journey::Release
        | Journey::LeftConfirming
        | Journey::LeftCommitted
        | Journey::ShardAway => order(show),
    };
    // The client does what the contract says: the same request, the same key.
    let answer = eventually(Duration::from_secs(40), || async {
        let sent = buyer.post(show.book_path(), body.clone()).key("journey").try_send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        match answer.status.as_u16() {
            201 | 410 => Ok(answer),
            _ => Err(answer.text()),
        }
    })
    .await;
    if answer.status == 410 {
        assert_eq!(answer.checked_problem().code, Code::HoldExpired);
        world.seats_become(show, json!({})).await;
        return;
    }
    let path = show.booking_path(&answer.json());
    let truth = eventually(Duration::from_secs(40), || async {
        let answer = buyer.get(path.clone()).send().await;
        match answer.status.as_u16() {
            410 => Ok(json!({"state": "gone"})),
            200 if answer.json()["state"] != "pending" => Ok(answer.json()),
            _ => Err(answer.text()),
        }
    })
    .await;
    let seats = truth["seats"].as_array().cloned().unwrap_or_default();
    let shown = match truth["state"].as_str() {
        Some("held") => "held",
        Some("confirmed") => "sold",
        Some("cancelled" | "gone") => "free",
        other => panic!("{other:?} is no end: {truth}"),
    };
    let mut map = serde_json::Map::new();
    for seat in seats.iter().filter(|_| shown != "free") {
        map.insert(seat.as_str().expect("a guid").to_owned(), json!(shown));
    }
    world.seats_become(show, Value::Object(map)).await;
    // What is free can be bought, what is not cannot.
    for seat in ["S-A-1", "S-A-2"] {
        let taken = shown != "free" && seats.iter().any(|s| s == seat);
        let other = world.customer("after");
        let answer = other.post_once(show.book_path(), show.named(&[seat])).send().await;
        let wanted = if taken { 409 } else { 201 };
        assert_eq!(answer.status, wanted, "{seat} of {truth}: {}", answer.text());
    }
}

pub(crate) async fn a_dying_lock_service_loses_nobodys_seat(world: &World) {
    let show = world.show("lock-crash").await;
    let buyer = world.customer("steady");
    for (round, node) in ["lock-service-0", "lock-service-1"].into_iter().enumerate() {
        let seat = format!("S-A-{}", round + 1);
        let held = buyer.post_once(show.book_path(), show.named(&[&seat])).expect(201).await;
        world.cluster.kill(node).await.expect("killed");
        let confirm = format!("{}/confirm", show.booking_path(&held.json()));
        let key = format!("steady-{}-{round}", show.show_id);
        let paid = eventually(Duration::from_secs(20), || async {
            let pay = json!({"payment_token": "tok_ok"});
            let answer = buyer.post(confirm.clone(), pay).key(&key).send().await;
            if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
        })
        .await;
        assert_eq!(paid["state"], "confirmed");
        world.cluster.restart(node).await.expect("restarted");
    }
    world.seats_become(&show, json!({"S-A-1": "sold", "S-A-2": "sold"})).await;
}
