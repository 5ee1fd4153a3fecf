//! Organisers are told of bookings: at least once, in order, signed; and a
//! receiver that is slow or away is nobody else's trouble.

use std::time::{Duration, Instant};

use chaos_tests::{Caller, eventually};
use local_cluster::NodeKind;
use seat_model::Code;
use serde_json::{Value, json};

use crate::receiver::{Hook, Received, Receiver, Verdict};
use crate::world::{Show, World};

/// Told within this when everything is well; the rest is for a noisy machine.
const SOON: Duration = Duration::from_secs(8);

async fn bought(buyer: &Caller, show: &Show, seats: &[&str]) -> Value {
    let mut body = show.named(seats);
    body["confirm"] = json!(true);
    body["payment_token"] = json!("tok_ok");
    buyer.post_once(show.book_path(), body).expect(201).await.json()
}

/// What waits for a hook, or was given up, of one booking.
async fn deliveries(world: &World, hook: &Hook, state: &str, booking: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{}/deliveries?state={state}&limit=3{cursor}", hook.path());
        let page = world.organiser.get(path).expect(200).await.json();
        let some = page["deliveries"].as_array().expect("deliveries").clone();
        assert!(some.len() <= 3);
        found.extend(some.into_iter().filter(|one| one["booking_id"] == booking["booking_id"]));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// As soon as exactly one is in this state.
async fn the_delivery(world: &World, hook: &Hook, state: &str, booking: &Value) -> Value {
    eventually(SOON, || async {
        match deliveries(world, hook, state, booking).await.as_slice() {
            [one] => Ok(one.clone()),
            others => Err(format!("{} are {state}", others.len())),
        }
    })
    .await
}

pub(crate) async fn a_sale_and_its_cancels_are_told_signed_and_in_order(world: &World) {
    let receiver = Receiver::start().await;
    let hook = world.hook(&receiver, None).await;
    let show = world.show("told").await;
    let buyer = world.customer("told");
    let booking = bought(&buyer, &show, &["S-A-1", "S-A-2", "S-A-3"]).await;
    let path = show.booking_path(&booking);
    let ticket = booking["tickets"][0]["ticket_id"].as_str().expect("a ticket").to_owned();
    buyer.delete(format!("{path}/tickets/{ticket}")).expect(200).await;
    buyer.delete(path).expect(200).await;
    let told = receiver.accepted(&show, 3, SOON).await;
    let kinds: Vec<String> = told.iter().map(Received::kind).collect();
    assert_eq!(kinds, ["booking.confirmed", "booking.cancelled", "booking.cancelled"]);
    for message in &told {
        hook.verifies(message);
        let data = message.json()["data"].clone();
        for key in ["booking_id", "show_id", "performance_id", "user_id"] {
            assert_eq!(data[key], booking[key], "{key}");
        }
        assert_eq!(data["currency"], "EUR");
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let code = booking["tickets"][0]["code"].as_str().expect("a code");
        assert!(!text.contains(code), "a code opens the door: {text}");
    }
    let seats = |message: &Received| {
        let tickets = message.json()["data"]["tickets"].as_array().expect("tickets").clone();
        tickets.iter().map(|t| t["seat"].as_str().expect("a seat").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(seats(&told[0]), ["S-A-1", "S-A-2", "S-A-3"]);
    assert_eq!(
        (seats(&told[1]), seats(&told[2])),
        (vec!["S-A-1".to_owned()], vec!["S-A-2".to_owned(), "S-A-3".to_owned()])
    );
    let amounts: Vec<Value> = told.iter().map(|m| m.json()["data"]["amount"].clone()).collect();
    assert_eq!(amounts, [json!(13_500), json!(4_500), json!(9_000)]);
    let mut ids: Vec<&str> = told.iter().map(Received::id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each message has an id of its own");
    world.unhook(&hook).await;
}

pub(crate) async fn each_webhook_is_told_what_it_asked_for(world: &World) {
    let (all, some) = (Receiver::start().await, Receiver::start().await);
    let hooks =
        [world.hook(&all, None).await, world.hook(&some, Some(&["booking.cancelled"])).await];
    let show = world.show("asked").await;
    let buyer = world.customer("asked");
    let booking = bought(&buyer, &show, &["S-A-1"]).await;
    buyer.delete(show.booking_path(&booking)).expect(200).await;
    assert_eq!(all.accepted(&show, 2, SOON).await.len(), 2);
    let told = some.accepted(&show, 1, SOON).await;
    assert_eq!(told.iter().map(Received::kind).collect::<Vec<_>>(), ["booking.cancelled"]);
    for hook in &hooks {
        world.unhook(hook).await;
    }
}

pub(crate) async fn what_comes_later_of_a_booking_waits_for_what_came_before(world: &World) {
    let receiver = Receiver::start().await;
    // Whatever is sold fails twice; what is cancelled would be taken at once.
    let show = world.show("order").await;
    receiver.answers_about(&show, |message, times| {
        if message["type"] == "booking.confirmed" && times <= 2 {
            Verdict::Answer(500)
        } else {
            Verdict::Accept
        }
    });
    let hook = world.hook(&receiver, None).await;
    let buyer = world.customer("order");
    let mut bookings = Vec::new();
    for seat in ["S-A-1", "S-A-2", "S-A-3", "S-A-4"] {
        let booking = bought(&buyer, &show, &[seat]).await;
        buyer.delete(show.booking_path(&booking)).expect(200).await;
        bookings.push(booking);
    }
    receiver.accepted(&show, 8, SOON).await;
    let all = receiver.of(&show);
    for booking in &bookings {
        let of_it: Vec<(String, bool)> = all
            .iter()
            .filter(|message| message.json()["data"]["booking_id"] == booking["booking_id"])
            .map(|message| (message.kind(), message.verdict == Verdict::Accept))
            .collect();
        let sold = |accepted| ("booking.confirmed".to_owned(), accepted);
        let wanted = [sold(false), sold(false), sold(true), ("booking.cancelled".to_owned(), true)];
        assert_eq!(of_it, wanted);
    }
    world.unhook(&hook).await;
}

pub(crate) async fn what_is_given_up_is_listed_and_can_be_sent_again(world: &World) {
    let receiver = Receiver::start().await;
    let show = world.show("dead").await;
    receiver.answers_about(&show, |_, _| Verdict::Answer(500));
    let hook = world.hook(&receiver, None).await;
    let buyer = world.customer("dead");
    let booking = bought(&buyer, &show, &["S-A-1"]).await;
    let dead = the_delivery(world, &hook, "dead", &booking).await;
    assert_eq!((dead["attempts"].clone(), dead["last_status"].clone()), (json!(4), json!(500)));
    assert_eq!(
        (dead["event"].as_str(), dead["state"].as_str()),
        (Some("booking.confirmed"), Some("dead"))
    );
    let tries = receiver.of(&show);
    assert_eq!(tries.len(), 4, "as often as is configured");
    assert!(tries.iter().all(|one| Some(one.id()) == dead["message_id"].as_str()), "one id");
    for message in &tries {
        hook.verifies(message);
    }

    let id = dead["delivery_id"].as_str().expect("an id");
    let again = format!("{}/deliveries/{id}/redeliver", hook.path());
    receiver.answers(|_, _| Verdict::Accept);
    let key = format!("again-{}", show.show_id);
    let send = || world.organiser.post(again.clone(), json!({})).key(&key);
    let first = send().expect(200).await.json();
    assert_eq!((first["state"].as_str(), first["attempts"].as_u64()), (Some("waiting"), Some(0)));
    let told = receiver.accepted(&show, 1, SOON).await;
    assert_eq!(Some(told[0].id()), dead["message_id"].as_str(), "still the same message");
    eventually(SOON, || async {
        let left = deliveries(world, &hook, "dead", &booking).await.len()
            + deliveries(world, &hook, "waiting", &booking).await.len();
        if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
    })
    .await;
    assert_eq!(send().expect(200).await.json(), first, "INV-8");
    world.organiser.post(again, json!({})).refused(Code::NotFound).await;
    let never = format!("{}/deliveries/7-no-such-shard/redeliver", hook.path());
    world.organiser.post(never, json!({})).refused(Code::NotFound).await;
    assert_eq!(receiver.of(&show).len(), 5, "and nothing was sent once more");
    world.unhook(&hook).await;
}

pub(crate) async fn a_receiver_that_hangs_delays_neither_money_nor_others(world: &World) {
    let (hung, well) = (Receiver::start().await, Receiver::start().await);
    hung.answers(|_, _| Verdict::Hang);
    let hooks = [world.hook(&hung, None).await, world.hook(&well, None).await];
    let show = world.show("hung").await;
    let buyers: Vec<Caller> = (0..20).map(|_| world.customer("hung")).collect();
    let mut seats = Vec::new();
    for row in ["A", "B"] {
        seats.extend((1..=10).map(|number| format!("S-{row}-{number}")));
    }
    let all = buyers.iter().zip(&seats).map(|(buyer, seat)| async {
        let started = Instant::now();
        bought(buyer, &show, &[seat.as_str()]).await;
        started.elapsed()
    });
    futures_util::future::join_all(all).await;
    well.accepted(&show, 20, SOON).await;
    // Its own places are taken, by this show or another test's; the outbox is not.
    let shard = world.shard_of(&show).await;
    let url = world.cluster.database_url(&shard).expect("a shard");
    eventually(SOON, || async {
        let mut connection =
            <sqlx::MySqlConnection as sqlx::Connection>::connect(&url).await.expect("the shard");
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE show_id = ?")
            .bind(&show.show_id)
            .fetch_one(&mut connection)
            .await
            .expect("the outbox");
        if left == 0 { Ok(()) } else { Err(format!("{left} captures wait")) }
    })
    .await;
    assert!(hung.accepted_none(&show), "it hung all the while");
    for hook in &hooks {
        world.unhook(hook).await;
    }
}

pub(crate) async fn a_receiver_that_comes_back_gets_what_it_missed(world: &World) {
    let mut receiver = Receiver::start().await;
    let hook = world.hook(&receiver, None).await;
    let show = world.show("back").await;
    let buyer = world.customer("back");
    receiver.stop().await;
    let booking = bought(&buyer, &show, &["S-A-1"]).await;
    let waiting = eventually(SOON, || async {
        let found = deliveries(world, &hook, "waiting", &booking).await;
        let dead = deliveries(world, &hook, "dead", &booking).await;
        match found.into_iter().chain(dead).next() {
            Some(one) if one["attempts"].as_u64() > Some(0) => Ok(one),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let why = waiting["last_error"].as_str().unwrap_or_default();
    assert!(why.starts_with("not reached"), "{waiting}");
    receiver.restart().await;
    // It may have been given up meanwhile: the attempts of this cluster are few.
    let again = format!(
        "{}/deliveries/{}/redeliver",
        hook.path(),
        waiting["delivery_id"].as_str().expect("an id")
    );
    world.organiser.post(again, json!({})).try_send().await.expect("an answer");
    let told = receiver.accepted(&show, 1, SOON).await;
    hook.verifies(&told[0]);
    world.unhook(&hook).await;
}

pub(crate) async fn a_receiver_that_asks_for_a_pause_gets_it(world: &World) {
    let receiver = Receiver::start().await;
    let show = world.show("pause").await;
    receiver.answers_about(&show, |_, times| match times {
        1 => Verdict::Later(503, 2),
        _ => Verdict::Accept,
    });
    let hook = world.hook(&receiver, None).await;
    bought(&world.customer("pause"), &show, &["S-A-1"]).await;
    receiver.accepted(&show, 1, SOON).await;
    let [first, second] = &receiver.of(&show)[..] else { panic!("two attempts") };
    let pause = second.at - first.at;
    assert!(pause >= Duration::from_millis(1_990), "it came again after {pause:?}");
    world.unhook(&hook).await;
}

pub(crate) async fn a_receiver_that_is_gone_is_left_alone(world: &World) {
    let receiver = Receiver::start().await;
    let hook = world.hook(&receiver, None).await;
    let show = world.show("gone").await;
    let buyer = world.customer("gone");
    receiver.answers_about(&show, |_, _| Verdict::Answer(410));
    let booking = bought(&buyer, &show, &["S-A-1"]).await;
    eventually(SOON, || async {
        let all = world.organiser.get("/v1/admin/webhooks").expect(200).await.json();
        let all = all["webhooks"].as_array().cloned().unwrap_or_default();
        let this = all.into_iter().find(|one| one["webhook_id"] == hook.id.as_str());
        match this {
            Some(this) if this["state"] == "disabled" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let dead = the_delivery(world, &hook, "dead", &booking).await;
    assert_eq!(dead["last_status"], 410, "{dead}");
    assert_eq!(receiver.of(&show).len(), 1, "once was enough");
    let again = format!(
        "{}/deliveries/{}/redeliver",
        hook.path(),
        dead["delivery_id"].as_str().expect("an id")
    );
    world.organiser.post(again, json!({})).refused(Code::InvalidRequest).await;
    world.unhook(&hook).await;
}

pub(crate) async fn a_webhook_is_checked_field_by_field(world: &World) {
    let cases = [
        ("url", json!({"url": "http://example.org/"})),
        ("url", json!({"url": "https://10.0.0.1/"})),
        ("url", json!({"url": "https://169.254.169.254/latest/meta-data"})),
        ("url", json!({"url": "https://ann:secret@example.org/"})),
        ("url", json!({"url": "not a url"})),
        (
            "events[1]",
            json!({"url": "https://example.org/", "events":
            ["booking.confirmed", "seat.held"]}),
        ),
        ("events", json!({"url": "https://example.org/", "events": []})),
        ("colour", json!({"url": "https://example.org/", "colour": "red"})),
    ];
    for (field, body) in cases {
        let made = world.organiser.post_once("/v1/admin/webhooks", body.clone());
        let problem = made.refused(Code::InvalidRequest).await;
        let named = problem
            .errors
            .iter()
            .any(|error| error.field.contains(field) || error.message.contains(field));
        assert!(named, "{body} should blame {field}: {:?}", problem.errors);
    }
    let customer = world.customer("curious");
    let body = json!({"url": "https://example.org/"});
    customer.post_once("/v1/admin/webhooks", body).refused(Code::Forbidden).await;
    customer.get("/v1/admin/webhooks").refused(Code::Forbidden).await;
    let never = "/v1/admin/webhooks/wh-never";
    world.organiser.delete(never).refused(Code::NotFound).await;
    let list = |query: &str| format!("{never}/deliveries?{query}");
    world.organiser.get(list("state=dead")).refused(Code::NotFound).await;
    for bad in ["state=lost", "", "state=dead&limit=0", "state=dead&limit=101"] {
        world.organiser.get(list(bad)).refused(Code::InvalidRequest).await;
    }
}

pub(crate) async fn a_webhook_is_made_and_ended_once_under_its_key(world: &World) {
    let receiver = Receiver::start().await;
    let key = world.fresh_show_id("hook");
    let make = |body: Value| world.organiser.post("/v1/admin/webhooks", body).key(&key);
    let body = json!({"url": receiver.url(), "events": ["booking.cancelled"]});
    let first = make(body.clone()).expect(201).await.json();
    assert!(first["secret"].as_str().expect("a secret").starts_with("whsec_"));
    assert_eq!(make(body).expect(201).await.json(), first, "INV-8, and its secret too");
    let other = json!({"url": receiver.url()});
    make(other).refused(Code::IdempotencyKeyReused).await;
    let id = first["webhook_id"].as_str().expect("an id").to_owned();
    let all = world.organiser.get("/v1/admin/webhooks").expect(200).await;
    assert!(!all.text().contains("whsec_"), "shown once");
    let listed = all.json()["webhooks"].as_array().expect("webhooks").clone();
    assert_eq!(listed.iter().filter(|one| one["webhook_id"] == id.as_str()).count(), 1);
    let path = format!("/v1/admin/webhooks/{id}");
    let nonsense = format!("{path}/deliveries?state=dead&cursor=nonsense");
    world.organiser.get(nonsense).refused(Code::InvalidRequest).await;
    let gone = world.organiser.delete(path.clone()).expect(200).await.json();
    assert_eq!(world.organiser.delete(path.clone()).expect(200).await.json(), gone);
    world.organiser.get(format!("{path}/deliveries?state=dead")).refused(Code::NotFound).await;
}

pub(crate) async fn what_a_dying_instance_was_sending_is_sent_again_under_its_id(world: &World) {
    let receiver = Receiver::start().await;
    receiver.answers(|_, _| Verdict::Hang);
    let hook = world.hook(&receiver, None).await;
    let show = world.show("dying").await;
    let booking = bought(&world.customer("dying"), &show, &["S-A-1"]).await;
    let first = eventually(SOON, || async {
        receiver.of(&show).first().cloned().ok_or("nothing was sent")
    })
    .await;
    // Claimed and sent, and nobody will ever write what became of it.
    for node in world.names_of(NodeKind::BookingApi) {
        world.cluster.kill(&node).await.expect("killed");
    }
    receiver.answers(|_, _| Verdict::Accept);
    for node in world.names_of(NodeKind::BookingApi) {
        world.cluster.restart(&node).await.expect("restarted");
    }
    let told = receiver.accepted(&show, 1, Duration::from_secs(20)).await;
    assert_eq!(told[0].id(), first.id());
    assert_eq!(told[0].body, first.body);
    assert_eq!(told[0].json()["data"]["booking_id"], booking["booking_id"]);
    world.unhook(&hook).await;
}

pub(crate) async fn what_is_sold_while_the_catalogue_is_away_is_told_afterwards(world: &World) {
    let receiver = Receiver::start().await;
    let hook = world.hook(&receiver, None).await;
    let show = world.show("unknown-ears").await;
    // At one instance: without the catalogue it sells the shows that it knows.
    let door = world.cluster.service_urls(NodeKind::BookingApi).remove(0);
    let buyer = world.customer("ears").at(door);
    let early = bought(&buyer, &show, &["S-A-1"]).await;
    receiver.accepted(&show, 1, SOON).await;
    let catalogue = world.names_of(NodeKind::Catalogue).remove(0);
    world.cluster.kill(&catalogue).await.expect("killed");
    // What the instances read of the webhooks is too old by now.
    let since = Instant::now();
    eventually(Duration::from_secs(6), || async {
        if since.elapsed() > Duration::from_secs(3) { Ok(()) } else { Err("it is too early") }
    })
    .await;
    let late = bought(&buyer, &show, &["S-A-2"]).await;
    buyer.delete(show.booking_path(&late)).expect(200).await;
    buyer.delete(show.booking_path(&early)).expect(200).await;
    world.cluster.restart(&catalogue).await.expect("restarted");
    let told = receiver.accepted(&show, 4, Duration::from_secs(20)).await;
    for booking in [&early, &late] {
        let of_it: Vec<String> = told
            .iter()
            .filter(|message| message.json()["data"]["booking_id"] == booking["booking_id"])
            .map(Received::kind)
            .collect();
        assert_eq!(of_it, ["booking.confirmed", "booking.cancelled"]);
    }
    world.unhook(&hook).await;
}
