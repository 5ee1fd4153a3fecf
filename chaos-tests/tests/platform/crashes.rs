//! Every step of the protocol killed once, and reconciled: whatever the dying
//! process left behind ends as one truth that all stores agree on (INV-6).

use std::time::Duration;

use booking_api_client::CRASH_POINTS;
use chaos_tests::eventually;
use seat_model::Code;
use serde_json::{Value, json};

use crate::world::{Show, World};

/// What is tried at the instance that will die.
#[derive(Debug, Clone, Copy)]
enum Journey {
    /// Hold, then confirm.
    TwoCalls,
    /// Hold and confirm in one call.
    OneCall,
    /// Confirmed elsewhere, cancelled here.
    Cancel,
    /// Confirmed elsewhere, one ticket cancelled here.
    CancelTicket,
}

const JOURNEYS: [Journey; 4] =
    [Journey::TwoCalls, Journey::OneCall, Journey::Cancel, Journey::CancelTicket];

pub async fn every_step_killed_once(world: &World) {
    let victim = "booking-api-0";
    let mut reached: Vec<(&str, bool)> = Vec::new();
    for point in CRASH_POINTS {
        let mut died = false;
        for journey in JOURNEYS {
            let show = world.show("crash").await;
            let env = [("BOOKING_API_SALE__CRASH_AT", *point)];
            world.cluster.restart_with(victim, &env).await.expect("restarted");
            let door = world.cluster.url_of(victim).expect("a url");
            let before = travel_first(world, &show, journey).await;
            travel(world, &show, journey, &door, before.as_ref()).await;
            // Background steps (finish, the relay, the reconciler) die on their own time.
            let dead = chaos_tests::wait_until(Duration::from_millis(1500), || async {
                if world.cluster.is_running(victim) { Err("alive") } else { Ok(()) }
            })
            .await
            .is_ok();
            println!("{point} {journey:?}: {}", if dead { "died" } else { "not reached" });
            died |= dead;
            if dead {
                settles(world, &show, journey).await;
            }
        }
        reached.push((point, died));
    }
    world.cluster.restart(victim).await.expect("restarted");
    world.cluster.wait_healthy(Duration::from_secs(30)).await.expect("healthy again");
    let never: Vec<_> = reached.iter().filter(|(_, died)| !died).map(|(point, _)| point).collect();
    assert!(never.is_empty(), "no journey reached {never:?}");
}

fn buyer(world: &World, show: &Show) -> chaos_tests::Caller {
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

/// What must have happened before, at an instance that lives.
async fn travel_first(world: &World, show: &Show, journey: Journey) -> Option<Value> {
    let healthy = world.anybody.at(world.cluster.url_of("booking-api-1").expect("a url"));
    let buyer = buyer(world, show).at(healthy.base_url());
    match journey {
        Journey::TwoCalls | Journey::OneCall => None,
        Journey::Cancel | Journey::CancelTicket => {
            let made = buyer.post(show.book_path(), paid(show)).key("journey");
            Some(made.expect(201).await.json())
        }
    }
}

/// The journey at the doomed instance; a broken connection is expected.
async fn travel(world: &World, show: &Show, journey: Journey, door: &str, before: Option<&Value>) {
    let buyer = buyer(world, show).at(door);
    match (journey, before) {
        (Journey::OneCall, _) => {
            let _ = buyer.post(show.book_path(), paid(show)).key("journey").try_send().await;
        }
        (Journey::Cancel, Some(booking)) => {
            let _ = buyer.delete(show.booking_path(booking)).try_send().await;
        }
        (Journey::CancelTicket, Some(booking)) => {
            let ticket = booking["tickets"][0]["ticket_id"].as_str().expect("a ticket");
            let path = format!("{}/tickets/{ticket}", show.booking_path(booking));
            let _ = buyer.delete(path).try_send().await;
        }
        (Journey::TwoCalls | Journey::Cancel | Journey::CancelTicket, _) => {
            let held = buyer.post(show.book_path(), order(show)).key("journey").try_send().await;
            if let Ok(held) = held.as_ref().map(chaos_tests::Answer::json)
                && held["booking_id"].is_string()
            {
                let path = format!("{}/confirm", show.booking_path(&held));
                let pay = json!({"payment_token": "tok_ok"});
                let _ = buyer.post(path, pay).key("journey-pay").try_send().await;
            }
        }
    }
}

/// The survivors find the truth, and it is the same everywhere.
async fn settles(world: &World, show: &Show, journey: Journey) {
    let buyer = buyer(world, show);
    let body = match journey {
        Journey::TwoCalls => order(show),
        Journey::OneCall | Journey::Cancel | Journey::CancelTicket => paid(show),
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

pub async fn a_dying_lock_service_loses_nobodys_seat(world: &World) {
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
