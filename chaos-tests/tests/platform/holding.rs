//! Promise 3: a seat someone holds is theirs until the deadline, and nobody
//! holds it by accident, twice, or against the rules.

use std::time::Duration;

use chaos_tests::eventually;
use seat_model::Code;
use serde_json::{Value, json};

use crate::world::{CITY, World, date_in};

fn guids(booking: &Value) -> Vec<String> {
    let seats = booking["seats"].as_array().expect("seats");
    seats.iter().map(|seat| seat.as_str().expect("a guid").to_owned()).collect()
}

pub(crate) async fn the_best_pair_is_nearest_the_focal_point(world: &World) {
    let show = world.show("best").await;
    let buyer = world.customer("anna");
    let answer = buyer.post_once(show.book_path(), show.best("Stalls", 2)).expect(201).await;
    let booking = answer.json();
    assert_eq!(guids(&booking), ["S-A-5", "S-A-6"]);
    assert_eq!(booking["state"], "held");
    assert_eq!(booking["amount"], 9000);
    assert_eq!(booking["currency"], "EUR");
    assert_eq!(booking["next_to_each_other"], true);
    assert_eq!(booking["items"][0], json!({"seat": "S-A-5", "tier": "Stalls", "price": 4500}));
    assert!(booking["fence"].as_u64().expect("a fence") > 0);
    let location = answer.header("location");
    assert!(location.ends_with(&show.booking_path(&booking)), "Location: {location}");
    let read = buyer.get(show.booking_path(&booking)).expect(200).await.json();
    assert_eq!(read["seats"], booking["seats"]);
    assert_eq!(read["expires_at"], booking["expires_at"]);
    world.seats_become(&show, json!({"S-A-5": "held", "S-A-6": "held"})).await;
}

pub(crate) async fn an_ordinary_request_never_gets_an_accessible_seat(world: &World) {
    let show = world.show("accessible").await;
    let all = world.customer("all");
    let ordinary = all.post_once(show.book_path(), show.best("Balcony", 8)).expect(201).await;
    let seats = guids(&ordinary.json());
    assert!(!seats.contains(&"B-1-1".to_owned()) && !seats.contains(&"B-1-2".to_owned()));
    let more = world.customer("more");
    more.post_once(show.book_path(), show.best("Balcony", 1)).refused(Code::SoldOut).await;
    let mut wheelchair = show.best("Balcony", 1);
    wheelchair["accessible_seats"] = json!(1);
    let booking = more.post_once(show.book_path(), wheelchair).expect(201).await.json();
    assert!(["B-1-1", "B-1-2"].contains(&guids(&booking)[0].as_str()));
}

pub(crate) async fn an_accessible_pick_brings_its_companion(world: &World) {
    let show = world.show("companion").await;
    let mut body = show.best("Balcony", 2);
    body["accessible_seats"] = json!(1);
    let buyer = world.customer("wheel");
    let booking = buyer.post_once(show.book_path(), body).expect(201).await.json();
    assert_eq!(guids(&booking), ["B-1-2", "B-1-3"]);
}

pub(crate) async fn apart_only_when_it_is_accepted(world: &World) {
    let show = world.show("apart").await;
    let buyer = world.customer("five");
    buyer.post_once(show.book_path(), show.best("Box", 4)).refused(Code::NoAdjacentSeats).await;
    let mut split = show.best("Box", 4);
    split["accept_split"] = json!(true);
    let booking = buyer.post_once(show.book_path(), split).expect(201).await.json();
    assert_eq!(guids(&booking).len(), 4);
    assert_eq!(booking["next_to_each_other"], false);
    buyer.post_once(show.book_path(), show.best("Box", 2)).refused(Code::SoldOut).await;
}

pub(crate) async fn taken_seats_are_named(world: &World) {
    let show = world.show("taken").await;
    let (first, second) = (world.customer("first"), world.customer("second"));
    first.post_once(show.book_path(), show.named(&["S-B-1", "S-B-2"])).expect(201).await;
    let problem = second
        .post_once(show.book_path(), show.named(&["S-B-2", "S-B-3"]))
        .refused(Code::SeatTaken)
        .await;
    assert_eq!(
        serde_json::to_value(&problem.conflicts).expect("JSON"),
        json!([{"seat": "S-B-2", "state": "held"}])
    );
    // All or nothing (INV-9): S-B-3 stayed free.
    second.post_once(show.book_path(), show.named(&["S-B-3"])).expect(201).await;
}

pub(crate) async fn a_lone_seat_is_refused_where_the_rule_says_so(world: &World) {
    let show = world.show_with("orphans", json!({"orphan_rule": "refuse"})).await;
    let buyer = world.customer("picky");
    let path = show.book_path();
    buyer.post_once(path.clone(), show.named(&["S-C-2"])).refused(Code::LeavesSingleSeat).await;
    buyer.post_once(path, show.named(&["S-C-1"])).expect(201).await;
}

pub(crate) async fn the_limit_counts_held_and_bought_seats(world: &World) {
    let show = world.show_with("limit", json!({"max_seats_per_customer": 3})).await;
    let buyer = world.customer("greedy");
    let path = show.book_path();
    let booking =
        buyer.post_once(path.clone(), show.named(&["S-A-1", "S-A-2"])).expect(201).await.json();
    let confirm = format!("{}/confirm", show.booking_path(&booking));
    buyer.post_once(confirm, json!({"payment_token": "tok_ok"})).expect(200).await;
    let two = show.named(&["S-A-3", "S-A-4"]);
    buyer.post_once(path.clone(), two).refused(Code::LimitPerCustomer).await;
    buyer.post_once(path.clone(), show.named(&["S-A-3"])).expect(201).await;
    buyer.post_once(path, show.named(&["S-A-4"])).refused(Code::LimitPerCustomer).await;
}

pub(crate) async fn the_sale_begins_when_the_organiser_says(world: &World) {
    let opens = format!("{}T10:00:00.000Z", date_in(5));
    let show = world.show_with("early", json!({"on_sale_at": opens})).await;
    let buyer = world.customer("early");
    buyer.post_once(show.book_path(), show.best("Stalls", 1)).refused(Code::NotOnSale).await;
}

pub(crate) async fn two_performances_on_one_evening_must_be_told_apart(world: &World) {
    let show = world.show("matinee").await;
    let second = world.performance(&show.show_id, json!({})).await;
    let buyer = world.customer("vague");
    let path = show.book_path();
    let problem = buyer
        .post_once(path.clone(), show.best("Stalls", 1))
        .refused(Code::AmbiguousPerformance)
        .await;
    let listed = problem.more["performances"].to_string();
    assert!(listed.contains(&second) && listed.contains(&show.performance_id), "{listed}");
    let mut exact = show.best("Stalls", 1);
    exact["performance_id"] = json!(second);
    let booking = buyer.post_once(path, exact).expect(201).await.json();
    assert_eq!(booking["performance_id"], second.as_str());
}

pub(crate) async fn a_hold_expires_and_is_sold_to_another(world: &World) {
    let show = world.show_with("expiry", json!({"hold_ttl_s": 3, "hold_max_s": 3})).await;
    let (slow, quick) = (world.customer("slow"), world.customer("quick"));
    let path = show.book_path();
    let held = slow.post_once(path.clone(), show.named(&["S-A-1"])).expect(201).await.json();
    let deadline: seat_model::Timestamp =
        serde_json::from_value(held["expires_at"].clone()).expect("a time");
    let wanted = || quick.post_once(path.clone(), show.named(&["S-A-1"]));
    wanted().refused(Code::SeatTaken).await;
    // INV-5: by deadline + 2 s; the rest is for a noisy machine.
    let sold = eventually(Duration::from_secs(12), || async {
        let answer = wanted().send().await;
        let now = jiff::Timestamp::now().as_millisecond();
        if answer.status == 201 {
            assert!(now >= deadline.as_millis(), "the hold ended before its deadline");
            Ok(answer.json())
        } else {
            Err(answer.text())
        }
    })
    .await;
    let confirm = format!("{}/confirm", show.booking_path(&sold));
    let sold = quick.post_once(confirm, json!({"payment_token": "tok_ok"})).expect(200).await;
    assert_eq!(sold.json()["state"], "confirmed");
    assert!(sold.json()["fence"].as_u64() > held["fence"].as_u64(), "fences only grow (INV-3)");

    let late = show.booking_path(&held);
    slow.get(late.clone()).refused(Code::HoldExpired).await;
    slow.call(reqwest::Method::POST, format!("{late}/extend")).refused(Code::HoldExpired).await;
    let pay = json!({"payment_token": "tok_ok"});
    slow.post_once(format!("{late}/confirm"), pay).refused(Code::HoldExpired).await;
    quick.get(late).refused(Code::NotFound).await;
}

pub(crate) async fn a_hold_can_be_extended_up_to_its_cap(world: &World) {
    let show = world.show_with("extend", json!({"hold_ttl_s": 600, "hold_max_s": 601})).await;
    let buyer = world.customer("patient");
    let held = buyer.post_once(show.book_path(), show.best("Stalls", 2)).expect(201).await.json();
    let path = format!("{}/extend", show.booking_path(&held));
    let time = |booking: &Value| -> seat_model::Timestamp {
        serde_json::from_value(booking["expires_at"].clone()).expect("a time")
    };
    let cap = time(&held).plus_millis(1000);
    let extended = eventually(Duration::from_secs(10), || async {
        let now = buyer.call(reqwest::Method::POST, path.clone()).expect(200).await.json();
        if time(&now) == cap { Ok(now) } else { Err(format!("{} of {cap}", time(&now))) }
    })
    .await;
    assert_eq!(extended["seats"], held["seats"]);
    let again = buyer.call(reqwest::Method::POST, path).expect(200).await.json();
    assert_eq!(time(&again), cap, "never past the cap");
}

pub(crate) async fn a_released_hold_frees_its_seats(world: &World) {
    let show = world.show("release").await;
    let buyer = world.customer("fickle");
    let held = buyer.post_once(show.book_path(), show.named(&["S-D-1"])).expect(201).await.json();
    let path = show.booking_path(&held);
    let cancelled = buyer.delete(path.clone()).expect(200).await.json();
    assert_eq!(cancelled["state"], "cancelled");
    let other = world.customer("glad");
    other.post_once(show.book_path(), show.named(&["S-D-1"])).expect(201).await;
    buyer.get(path.clone()).refused(Code::HoldExpired).await;
    let again = buyer.delete(path).expect(200).await.json();
    assert_eq!(again, cancelled, "again: the same 200");
}

pub(crate) async fn the_same_key_is_the_same_hold(world: &World) {
    let show = world.show("replay").await;
    let buyer = world.customer("nervous");
    let (path, key) = (show.book_path(), format!("replay-{}", show.show_id));
    let first = buyer.post(path.clone(), show.best("Stalls", 2)).key(&key).expect(201).await;
    for _ in 0..4 {
        let again = buyer.post(path.clone(), show.best("Stalls", 2)).key(&key).expect(201).await;
        assert_eq!(again.json(), first.json(), "INV-8");
    }
    let other_body = show.best("Stalls", 3);
    buyer.post(path.clone(), other_body).key(&key).refused(Code::IdempotencyKeyReused).await;
    let booking = first.json();
    world.seats_become(&show, json!({"S-A-5": "held", "S-A-6": "held"})).await;
    // Once confirmed, the first answer is still the first answer.
    let confirm = format!("{}/confirm", show.booking_path(&booking));
    buyer.post_once(confirm, json!({"payment_token": "tok_ok"})).expect(200).await;
    let again = buyer.post(path.clone(), show.best("Stalls", 2)).key(&key).expect(201).await;
    assert_eq!(again.json()["booking_id"], booking["booking_id"]);
    assert_eq!(again.json()["state"], "held");
    // The key belongs to its customer.
    let other = world.customer("other");
    let theirs = other.post(path, show.best("Stalls", 2)).key(&key).expect(201).await.json();
    assert_ne!(theirs["booking_id"], booking["booking_id"]);
}

pub(crate) async fn the_same_key_at_the_same_time_takes_the_seats_once(world: &World) {
    let show = world.show("double-click").await;
    let buyer = world.customer("double");
    for round in 0..10 {
        let key = format!("double-{}-{round}", show.show_id);
        let send = || buyer.post(show.book_path(), show.best("Stalls", 1)).key(&key).send();
        let answers = futures_util::future::join_all((0..4).map(|_| send())).await;
        let mut ids: Vec<String> = Vec::new();
        for answer in answers {
            if answer.status == 201 {
                ids.push(answer.json()["seats"].to_string());
            } else {
                assert_eq!(answer.checked_problem().code, Code::RequestInFlight);
            }
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "one key, one set of seats: {ids:?}");
        let held = send().await.json();
        buyer.delete(show.booking_path(&held)).expect(200).await;
    }
}

pub(crate) async fn others_bookings_do_not_exist(world: &World) {
    let show = world.show("private").await;
    let (owner, thief) = (world.customer("owner"), world.customer("thief"));
    let held = owner.post_once(show.book_path(), show.best("Stalls", 1)).expect(201).await.json();
    let path = show.booking_path(&held);
    thief.get(path.clone()).refused(Code::NotFound).await;
    thief.delete(path.clone()).refused(Code::NotFound).await;
    thief.call(reqwest::Method::POST, format!("{path}/extend")).refused(Code::NotFound).await;
    let pay = json!({"payment_token": "tok_ok"});
    thief.post_once(format!("{path}/confirm"), pay).refused(Code::NotFound).await;
    thief.delete(format!("{path}/tickets/any")).refused(Code::NotFound).await;
    let never = format!("{}/{}", show.book_path(), "0".repeat(32));
    owner.get(never).refused(Code::NotFound).await;
    let read = owner.get(path).expect(200).await.json();
    assert_eq!(read["state"], "held", "nothing of that changed it");
}

pub(crate) async fn nonsense_changes_nothing(world: &World) {
    let show = world.show("nonsense").await;
    let buyer = world.customer("odd");
    let path = show.book_path();
    let with = |key: &str, value: Value| {
        let mut body = show.best("Stalls", 1);
        body[key] = value;
        body
    };
    let eleven: Vec<String> =
        (1..=10).map(|i| format!("S-A-{i}")).chain(["S-B-1".to_owned()]).collect();
    let cases = [
        ("quantity", with("quantity", json!(0))),
        ("quantity", with("quantity", json!(11))),
        ("quantity", with("quantity", json!(-1))),
        ("quantity", with("quantity", json!("two"))),
        ("tier", with("tier", json!("Royal Box"))),
        ("accessible_seats", with("accessible_seats", json!(2))),
        ("date", with("date", json!("2026-02-30"))),
        ("date", with("date", json!("tomorrow"))),
        ("seats", show.named(&["S-A-1", "S-A-1"])),
        ("seats", show.named(&["S-A-1", "no-such-seat"])),
        ("seats", show.named(&[])),
        ("seats", json!({"performance_id": show.performance_id, "seats": eleven})),
        ("payment_token", with("confirm", json!(true))),
        ("colour", with("colour", json!("red"))),
        ("tier", json!({"performance_id": show.performance_id})),
        ("date", json!({"tier": "Stalls", "location": CITY})),
    ];
    for (field, body) in cases {
        let problem =
            buyer.post_once(path.clone(), body.clone()).refused(Code::InvalidRequest).await;
        let named = problem
            .errors
            .iter()
            .any(|error| error.field.contains(field) || error.message.contains(field));
        assert!(named, "{body} should blame {field}: {:?}", problem.errors);
    }
    buyer.post(path.clone(), show.best("Stalls", 1)).refused(Code::IdempotencyKeyMissing).await;
    for key in ["", &"k".repeat(256), "two words"] {
        let refused = buyer.post(path.clone(), show.best("Stalls", 1)).key(key).send().await;
        assert_eq!(refused.status, 400, "key {key:?}: {}", refused.text());
    }
    buyer.post_once("/v1/book/no-such-show", show.best("Stalls", 1)).refused(Code::NotFound).await;
    let elsewhere = with("location", json!("Nowhere"));
    buyer.post_once(path.clone(), elsewhere).refused(Code::NotFound).await;
    let another_day = with("date", json!(date_in(11)));
    buyer.post_once(path.clone(), another_day).refused(Code::NotFound).await;
    let foreign = with("performance_id", json!("no-such-performance"));
    buyer.post_once(path, foreign).refused(Code::NotFound).await;
    assert_eq!(world.seats(&show).await["seats"], json!({}), "nothing was taken");
}
