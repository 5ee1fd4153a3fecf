//! INV-8, sentence by sentence: the same Idempotency-Key gets the same booking
//! and the same answer, whatever happened since; with another body, an error.

use std::time::{Duration, Instant};

use chaos_tests::{Caller, eventually};
use futures_util::future::{Either, select};
use local_cluster::NodeKind;
use reqwest::Method;
use seat_model::Code;
use serde_json::{Value, json};

use crate::extra::Extra;
use crate::world::{Show, World, hall, performance_body};

fn pay() -> Value {
    json!({"payment_token": "tok_ok"})
}

fn at_once(show: &Show, seats: &[&str]) -> Value {
    let mut body = show.named(seats);
    body["confirm"] = json!(true);
    body["payment_token"] = json!("tok_ok");
    body
}

/// The same caller at each instance behind the load balancer.
fn at_each(world: &World, caller: &Caller) -> Vec<Caller> {
    let urls = world.cluster.service_urls(NodeKind::BookingApi);
    urls.into_iter().map(|url| caller.at(url)).collect()
}

pub(crate) async fn a_key_is_asked_for_and_must_be_one(world: &World) {
    let show = world.show("keyless").await;
    let buyer = world.customer("keyless");
    let path = show.book_path();
    let body = show.best("Stalls", 1);
    buyer.post(path.clone(), body.clone()).refused(Code::IdempotencyKeyMissing).await;
    let longest = "k".repeat(255);
    for bad in ["two words", "", &"k".repeat(256)] {
        let refused = buyer.post(path.clone(), body.clone()).key(bad);
        let problem = refused.refused(Code::InvalidRequest).await;
        assert_eq!(problem.errors[0].field, "Idempotency-Key", "{bad:?}");
    }
    let held = buyer.post(path, body).key(&longest).expect(201).await.json();
    let booking = show.booking_path(&held);
    // Where it may be left out it must be one all the same.
    let extend = buyer.call(Method::POST, format!("{booking}/extend")).key("two words");
    extend.refused(Code::InvalidRequest).await;
    buyer.delete(booking).key("two words").refused(Code::InvalidRequest).await;
}

pub(crate) async fn extending_under_a_key_extends_once(world: &World) {
    let show = world.show_with("extend-once", json!({"hold_ttl_s": 600})).await;
    let buyer = world.customer("extend-once");
    let held = buyer.post_once(show.book_path(), show.best("Stalls", 1)).expect(201).await.json();
    let path = format!("{}/extend", show.booking_path(&held));
    let key = format!("extend-{}", show.show_id);
    let first = buyer.call(Method::POST, path.clone()).key(&key).expect(200).await.json();
    let other = buyer.call(Method::POST, path.clone()).key("another").expect(200).await.json();
    assert!(other["fence"].as_u64() > first["fence"].as_u64(), "another key extends again");
    for instance in at_each(world, &buyer) {
        let again = instance.call(Method::POST, path.clone()).key(&key).expect(200).await;
        assert_eq!(again.json(), first);
    }
}

pub(crate) async fn a_cancel_is_told_what_it_did_whatever_was_cancelled_since(world: &World) {
    let show = world.show("cancels").await;
    let buyer = world.customer("cancels");
    let made = buyer.post_once(show.book_path(), at_once(&show, &["S-A-1", "S-A-2", "S-A-3"]));
    let booking = made.expect(201).await.json();
    let path = show.booking_path(&booking);
    let ticket = |index: usize| {
        let id = booking["tickets"][index]["ticket_id"].as_str().expect("a ticket");
        format!("{path}/tickets/{id}")
    };
    let first = buyer.delete(ticket(0)).key("first").expect(200).await.json();
    assert_eq!(first["amount"], 9_000);
    let second = buyer.delete(ticket(1)).key("second").expect(200).await.json();
    assert_eq!(second["amount"], 4_500);
    let whole = buyer.delete(path.clone()).key("whole").expect(200).await.json();
    assert_eq!((whole["state"].as_str(), whole["amount"].as_u64()), (Some("cancelled"), Some(0)));
    for instance in at_each(world, &buyer) {
        let again = |path: String, key: &'static str| {
            let call = instance.delete(path).key(key);
            async move { call.expect(200).await.json() }
        };
        assert_eq!(again(ticket(0), "first").await, first);
        assert_eq!(again(ticket(1), "second").await, second);
        assert_eq!(again(path.clone(), "whole").await, whole);
        // Without a key, or under a new one, it is what it is now.
        assert_eq!(again(ticket(0), "later").await["state"], "cancelled");
    }
}

pub(crate) async fn a_release_is_told_the_same_again(world: &World) {
    let show = world.show("released").await;
    let buyer = world.customer("released");
    let held = buyer.post_once(show.book_path(), show.named(&["S-A-1"])).expect(201).await.json();
    let path = show.booking_path(&held);
    let first = buyer.delete(path.clone()).key("release").expect(200).await.json();
    assert_eq!(first["state"], "cancelled");
    for instance in at_each(world, &buyer) {
        let again = instance.delete(path.clone()).key("release").expect(200).await.json();
        assert_eq!(again, first);
    }
}

pub(crate) async fn a_second_key_that_confirms_keeps_its_own_answer(world: &World) {
    let show = world.show("second-key").await;
    let buyer = world.customer("second-key");
    let body = show.named(&["S-A-1", "S-A-2"]);
    let held = buyer.post_once(show.book_path(), body).expect(201).await.json();
    let path = show.booking_path(&held);
    let confirm = |key: &str| buyer.post(format!("{path}/confirm"), pay()).key(key);
    let first = confirm("one").expect(200).await.json();
    let ticket = first["tickets"][0]["ticket_id"].as_str().expect("a ticket").to_owned();
    buyer.delete(format!("{path}/tickets/{ticket}")).expect(200).await;
    let second = confirm("two").expect(200).await.json();
    assert_eq!(second["amount"], 4_500, "what it is by then");
    buyer.delete(path.clone()).expect(200).await;
    assert_eq!(confirm("one").expect(200).await.json(), first);
    assert_eq!(confirm("two").expect(200).await.json(), second);
    let other = buyer.post(format!("{path}/confirm"), json!({"payment_token": "tok_slow"}));
    other.key("two").refused(Code::IdempotencyKeyReused).await;
    confirm("three").refused(Code::HoldExpired).await;
}

pub(crate) async fn a_performance_taken_off_leaves_the_answers_of_its_sales(world: &World) {
    let show = world.show("taken-off").await;
    let buyer = world.customer("taken-off");
    let (direct, held) = (at_once(&show, &["S-A-1"]), show.named(&["S-A-2"]));
    let send = |body: &Value, key: &str| buyer.post(show.book_path(), body.clone()).key(key);
    let sold = send(&direct, "direct").expect(201).await.json();
    let hold = send(&held, "held").expect(201).await.json();
    let confirm = format!("{}/confirm", show.booking_path(&hold));
    let paid = buyer.post(confirm.clone(), pay()).key("paid").expect(200).await.json();
    let path = format!("/v1/admin/shows/{}/performances/{}", show.show_id, show.performance_id);
    world.organiser.delete(format!("{path}?cancel_bookings=true")).expect(200).await;
    eventually(Duration::from_secs(5), || async {
        let late = buyer.post_once(show.book_path(), show.named(&["S-A-3"])).send().await;
        if late.status == 404 { Ok(()) } else { Err(late.text()) }
    })
    .await;
    assert_eq!(send(&direct, "direct").expect(201).await.json(), sold);
    assert_eq!(send(&held, "held").expect(201).await.json(), hold);
    assert_eq!(buyer.post(confirm, pay()).key("paid").expect(200).await.json(), paid);
    send(&held, "direct").refused(Code::IdempotencyKeyReused).await;
}

pub(crate) async fn what_is_not_kept_is_decided_anew(world: &World) {
    let show = world.show("anew").await;
    let (first, second) = (world.customer("first"), world.customer("second"));
    let seats = || show.named(&["S-A-1"]);
    let held = first.post_once(show.book_path(), seats()).expect(201).await.json();
    let again = || second.post(show.book_path(), seats()).key("anew");
    again().refused(Code::SeatTaken).await;
    again().refused(Code::SeatTaken).await;
    first.delete(show.booking_path(&held)).expect(200).await;
    let theirs = again().expect(201).await.json();
    assert_eq!(again().expect(201).await.json(), theirs);
    // A refusal is no answer of the key either: another body may follow.
    let nowhere = second.post(show.book_path(), show.named(&["no-such-seat"])).key("odd");
    nowhere.refused(Code::InvalidRequest).await;
    let somewhere = second.post(show.book_path(), show.named(&["S-A-2"])).key("odd");
    somewhere.expect(201).await;
    let confirm = format!("{}/confirm", show.booking_path(&theirs));
    let unknown = json!({"payment_token": "tok_unknown"});
    second.post(confirm.clone(), unknown).key("pay").refused(Code::OutcomeUnknown).await;
    // A 504 is not kept; but the payment that nobody knew of was given up for
    // good under its key, so that a late answer can reserve nothing (INV-10).
    second.post(confirm.clone(), pay()).key("pay").refused(Code::PaymentDeclined).await;
    let paid = second.post(confirm, pay()).key("pay-again").expect(200).await.json();
    assert_eq!(paid["state"], "confirmed");
}

pub(crate) async fn a_key_whose_hold_ran_out_simply_holds_again(world: &World) {
    let show = world.show_with("ran-out", json!({"hold_ttl_s": 3, "hold_max_s": 3})).await;
    let buyer = world.customer("ran-out");
    let send = || buyer.post(show.book_path(), show.named(&["S-A-1"])).key("again");
    let first = send().expect(201).await.json();
    let second = eventually(Duration::from_secs(12), || async {
        let answer = send().send().await;
        let answer = if answer.status == 201 { answer.json() } else { return Err(answer.text()) };
        if answer["fence"].as_u64() > first["fence"].as_u64() {
            return Ok(answer);
        }
        // As long as the hold lives it is the first answer, to the letter.
        assert_eq!(answer, first);
        Err("the first hold lives".to_owned())
    })
    .await;
    assert_eq!(second["booking_id"], first["booking_id"]);
    assert!(second["expires_at"].as_str() > first["expires_at"].as_str());
    // And under another body, too: the key is free.
    buyer.delete(show.booking_path(&second)).expect(200).await;
    let other = buyer.post(show.book_path(), show.named(&["S-A-2"])).key("again");
    assert_eq!(other.expect(201).await.json()["seats"], json!(["S-A-2"]));
}

pub(crate) async fn what_still_runs_is_told_to_come_again(world: &World) {
    let show = world.show("running").await;
    let buyer = world.customer("running");
    let held = buyer.post_once(show.book_path(), show.named(&["S-A-1"])).expect(201).await.json();
    let confirm = format!("{}/confirm", show.booking_path(&held));
    let here = at_each(world, &buyer).remove(0);
    let slow = || here.post(confirm.clone(), json!({"payment_token": "tok_slow"})).key("slow");
    // Either may be the one that runs; the other one comes while it does.
    let (one, other) = tokio::join!(slow().send(), slow().send());
    let (ran, told) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(ran.status, 200, "{}", ran.text());
    assert_eq!(told.checked_problem().code, Code::RequestInFlight);
    assert!(!told.header("retry-after").is_empty());
    let last = slow().expect(200).await.json();
    assert_eq!(last["state"], "confirmed");
    assert_eq!(last, ran.json());
}

pub(crate) async fn every_call_of_organisers_honours_its_key(world: &World) {
    let organiser = &world.organiser;
    let name = world.fresh_show_id("keyed");
    let key = |what: &str| format!("{name}-{what}");
    let twice = |path: String, body: Value, what: &str| {
        let key = key(what);
        async move {
            let first = organiser.post(path.clone(), body.clone()).key(&key).expect(201).await;
            let again = organiser.post(path, body).key(&key).expect(201).await;
            assert_eq!(again.json(), first.json());
            first.json()
        }
    };
    let shows = || "/v1/admin/shows".to_owned();
    twice("/v1/admin/plans".to_owned(), hall(), "plan").await;
    // Without an id of its own, a show made twice would be two.
    let show = twice(shows(), json!({"name": name}), "show").await;
    let reused = |path: String, body: Value, what: &str| {
        let call = organiser.post(path, body).key(&key(what));
        async move { call.refused(Code::IdempotencyKeyReused).await }
    };
    reused(shows(), json!({"name": "another"}), "show").await;
    // The same key at another call is another request.
    reused(shows(), json!({"name": name}), "plan").await;
    let path = format!("{}/{}/performances", shows(), show["show_id"].as_str().expect("an id"));
    let performance = twice(path.clone(), performance_body(&world.plan_id), "performance").await;
    let gone = format!("{path}/{}", performance["performance_id"].as_str().expect("an id"));
    let first = organiser.delete(gone.clone()).key(&key("gone")).expect(200).await.json();
    let again = organiser.delete(gone.clone()).key(&key("gone")).expect(200).await.json();
    assert_eq!(again, first);
    let other = organiser.delete(format!("{gone}?cancel_bookings=true")).key(&key("gone"));
    other.refused(Code::IdempotencyKeyReused).await;
    // A key belongs to who used it.
    let admin =
        world.cluster.mint_token("admin-1", local_cluster::Role::Admin, Duration::from_secs(60));
    let admin = world.anybody.with_token(admin.expect("a token"));
    let theirs = admin.post(shows(), json!({"name": name})).key(&key("show")).expect(201).await;
    assert_ne!(theirs.json()["show_id"], show["show_id"]);
}

/// The instance that ran the request dies in the middle of it: asked elsewhere
/// under the same key, the request comes to its end, and soon.
pub(crate) async fn a_request_cut_off_by_a_crash_runs_within_ten_seconds(world: &World) {
    let show = world.show("cut-off").await;
    let buyer = world.customer("cut-off");
    let held = buyer.post_once(show.book_path(), show.named(&["S-A-1"])).expect(201).await.json();
    let confirm = format!("{}/confirm", show.booking_path(&held));
    let slow = json!({"payment_token": "tok_slow"});
    let dying = Extra::start(world, "booking-api-cut-off", &[]).await;
    let there = buyer.at(&dying.url);
    let request = || Box::pin(there.post(confirm.clone(), slow.clone()).key("cut-off").try_send());
    // Of the two one runs, for three seconds, and the other is told so at once.
    let (told, cut_off) = match select(request(), request()).await {
        Either::Left(ended) | Either::Right(ended) => ended,
    };
    assert_eq!(told.expect("an answer").status, 409);
    drop(dying);
    assert!(cut_off.await.is_err(), "it died before it answered");
    let died = Instant::now();
    let paid = eventually(Duration::from_secs(10), || async {
        let again = buyer.post(confirm.clone(), slow.clone()).key("cut-off").send().await;
        if again.status == 200 { Ok(again.json()) } else { Err(again.text()) }
    })
    .await;
    assert_eq!(paid["state"], "confirmed");
    assert!(died.elapsed() < Duration::from_secs(10));
}
