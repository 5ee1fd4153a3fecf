//! Promises 1 and 2: paid for once, never lost; cancelled once, refunded once.

use seat_model::Code;
use serde_json::{Value, json};

use crate::world::{Show, World};

async fn held(world: &World, show: &Show, seats: &[&str]) -> (chaos_tests::Caller, Value) {
    let buyer = world.customer("buyer");
    let held = buyer.post_once(show.book_path(), show.named(seats)).expect(201).await.json();
    (buyer, held)
}

fn pay(token: &str) -> Value {
    json!({"payment_token": token})
}

pub(crate) async fn hold_pay_ticket_cancel(world: &World) {
    let show = world.show("journey").await;
    let (buyer, held) = held(world, &show, &["S-A-1", "S-A-2"]).await;
    let path = show.booking_path(&held);
    let key = format!("pay-{}", show.show_id);
    let confirm = || buyer.post(format!("{path}/confirm"), pay("tok_ok")).key(&key);
    let first = confirm().expect(200).await.json();
    assert_eq!(first["state"], "confirmed");
    assert_eq!(first["amount"], 9000);
    assert!(first.get("expires_at").is_none_or(Value::is_null), "a booking does not expire");
    let tickets = first["tickets"].as_array().expect("tickets").clone();
    assert_eq!(tickets.len(), 2);
    assert!(tickets.iter().all(|ticket| ticket["state"] == "valid"));
    assert_ne!(tickets[0]["code"], tickets[1]["code"]);
    assert_eq!(confirm().expect(200).await.json(), first, "INV-8");
    let reused = buyer.post(format!("{path}/confirm"), pay("tok_slow")).key(&key);
    reused.refused(Code::IdempotencyKeyReused).await;
    // A second key does not pay twice.
    let second = buyer.post_once(format!("{path}/confirm"), pay("tok_ok")).expect(200).await;
    assert_eq!(second.json()["tickets"], first["tickets"]);
    world.seats_become(&show, json!({"S-A-1": "sold", "S-A-2": "sold"})).await;

    let one = tickets[0]["ticket_id"].as_str().expect("an id").to_owned();
    let seat = tickets[0]["seat"].as_str().expect("a seat").to_owned();
    let kept = tickets[1]["seat"].as_str().expect("a seat").to_owned();
    let qr = buyer.get(format!("{path}/tickets/{one}/qr")).expect(200).await;
    assert_eq!(qr.header("content-type"), "image/svg+xml");
    assert!(qr.text().contains("<svg"), "{}", qr.text());
    let stranger = world.customer("stranger");
    stranger.get(format!("{path}/tickets/{one}/qr")).refused(Code::NotFound).await;
    let part = buyer.delete(format!("{path}/tickets/{one}")).expect(200).await.json();
    buyer.get(format!("{path}/tickets/{one}/qr")).refused(Code::NotFound).await;
    assert_eq!(part["state"], "confirmed");
    assert_eq!(part["seats"], json!([kept]));
    assert_eq!(part["amount"], 4500);
    assert_eq!(part["tickets"].as_array().expect("tickets").len(), 2);
    let again = buyer.delete(format!("{path}/tickets/{one}")).expect(200).await.json();
    assert_eq!(again, part, "again: the same 200");
    buyer.delete(format!("{path}/tickets/no-such-ticket")).refused(Code::NotFound).await;
    world.seats_become(&show, json!({kept.clone(): "sold"})).await;
    // The replay still gets the first answer.
    assert_eq!(confirm().expect(200).await.json(), first);
    // The freed seat can be sold again, and the old booking cannot touch it (INV-7).
    let other = world.customer("next");
    other.post_once(show.book_path(), show.named(&[&seat])).expect(201).await;

    let all = buyer.delete(path.clone()).expect(200).await.json();
    assert_eq!(all["state"], "cancelled");
    assert_eq!(all["seats"], json!([]));
    assert_eq!(buyer.delete(path.clone()).expect(200).await.json(), all);
    assert_eq!(buyer.get(path).expect(200).await.json()["state"], "cancelled");
    world.seats_become(&show, json!({seat: "held"})).await;
}

pub(crate) async fn a_declined_card_may_be_followed_by_another(world: &World) {
    let show = world.show("declined").await;
    let (buyer, held) = held(world, &show, &["S-A-1"]).await;
    let confirm = format!("{}/confirm", show.booking_path(&held));
    let key = format!("declined-{}", show.show_id);
    let declined = || buyer.post(confirm.clone(), pay("tok_declined")).key(&key);
    declined().refused(Code::PaymentDeclined).await;
    declined().refused(Code::PaymentDeclined).await;
    let reused = buyer.post(confirm.clone(), pay("tok_ok")).key(&key);
    reused.refused(Code::IdempotencyKeyReused).await;
    let read = buyer.get(show.booking_path(&held)).expect(200).await.json();
    assert_eq!(read["state"], "held", "the hold stays");
    let invalid = buyer.post_once(confirm.clone(), pay("tok_imaginary"));
    invalid.refused(Code::InvalidRequest).await;
    buyer.post(confirm.clone(), pay("tok_ok")).refused(Code::IdempotencyKeyMissing).await;
    buyer.post_once(confirm, pay("tok_ok")).expect(200).await;
}

pub(crate) async fn an_unanswered_payment_captures_nothing(world: &World) {
    let show = world.show("unknown").await;
    let (buyer, held) = held(world, &show, &["S-A-1"]).await;
    let confirm = format!("{}/confirm", show.booking_path(&held));
    buyer.post_once(confirm.clone(), pay("tok_unknown")).refused(Code::OutcomeUnknown).await;
    let read = buyer.get(show.booking_path(&held)).expect(200).await.json();
    assert_eq!(read["state"], "held", "the hold stays");
    let slow = buyer.post_once(confirm, pay("tok_slow")).expect(200).await.json();
    assert_eq!(slow["state"], "confirmed");
}

pub(crate) async fn hold_and_pay_in_one_call(world: &World) {
    let show = world.show("at-once").await;
    let buyer = world.customer("quick");
    let mut body = show.best("Stalls", 2);
    body["confirm"] = json!(true);
    body["payment_token"] = json!("tok_declined");
    let problem =
        buyer.post_once(show.book_path(), body.clone()).refused(Code::PaymentDeclined).await;
    let booking_id = problem.more["booking_id"].as_str().expect("a booking id").to_owned();
    let path = format!("{}/{booking_id}", show.book_path());
    let read = buyer.get(path.clone()).expect(200).await.json();
    assert_eq!(read["state"], "held", "the hold stays");
    buyer.delete(path).expect(200).await;

    body["payment_token"] = json!("tok_ok");
    let key = format!("at-once-{}", show.show_id);
    let send = || buyer.post(show.book_path(), body.clone()).key(&key);
    let first = send().expect(201).await.json();
    assert_eq!(first["state"], "confirmed");
    assert_eq!(first["tickets"].as_array().expect("tickets").len(), 2);
    assert_eq!(send().expect(201).await.json(), first, "INV-8");
    let path = show.booking_path(&first);
    buyer.delete(path.clone()).expect(200).await;
    assert_eq!(send().expect(201).await.json(), first, "the key is remembered after a cancel");
    assert_eq!(buyer.get(path).expect(200).await.json()["state"], "cancelled");
}

pub(crate) async fn my_bookings_newest_first(world: &World) {
    let (one, two) = (world.show("mine-a").await, world.show("mine-b").await);
    let buyer = world.customer("collector");
    let mut made = Vec::new();
    for (show, seat) in [(&one, "S-A-1"), (&two, "S-A-1"), (&one, "S-A-2")] {
        let mut body = show.named(&[seat]);
        body["confirm"] = json!(true);
        body["payment_token"] = json!("tok_ok");
        made.push(buyer.post_once(show.book_path(), body).expect(201).await.json());
    }
    let only_held = buyer.post_once(one.book_path(), one.named(&["S-A-3"])).expect(201).await;
    buyer.delete(one.booking_path(&made[0])).expect(200).await;
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = buyer.get(format!("/v1/bookings?limit=2{cursor}")).expect(200).await.json();
        let bookings = page["bookings"].as_array().expect("bookings").clone();
        assert!(bookings.len() <= 2);
        found.extend(bookings);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        assert!(found.len() <= 3, "the pages do not end");
    }
    let ids: Vec<&Value> = found.iter().map(|booking| &booking["booking_id"]).collect();
    let wanted: Vec<&Value> = made.iter().rev().map(|booking| &booking["booking_id"]).collect();
    assert_eq!(ids, wanted, "without the hold {}", only_held.json()["booking_id"]);
    assert_eq!(found[2]["state"], "cancelled");
    buyer.get("/v1/bookings?limit=0").refused(Code::InvalidRequest).await;
    buyer.get("/v1/bookings?cursor=nonsense").refused(Code::InvalidRequest).await;
}
