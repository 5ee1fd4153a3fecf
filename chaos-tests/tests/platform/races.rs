//! Promise 1: a seat is never sold twice, however many want it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chaos_tests::eventually;
use futures_util::future::{self, join_all};
use futures_util::stream::{self, StreamExt};
use local_cluster::NodeKind;
use seat_model::Code;
use serde_json::{Value, json};

use crate::organising::shared_plan;
use crate::world::{CITY, Show, World, date_in};

pub(crate) async fn two_buyers_race_for_one_seat(world: &World) {
    let show = world.show("race").await;
    // Straight at different instances, so that no single process can referee.
    let doors = world.cluster.service_urls(NodeKind::BookingApi);
    for round in 0..30 {
        let buyers = [world.customer("left"), world.customer("right")];
        let seat = format!("S-{}-{}", ["A", "B", "C"][round / 10], round % 10 + 1);
        let answers = join_all(buyers.iter().enumerate().map(|(i, buyer)| {
            let (show, seat, door) = (show.clone(), seat.clone(), &doors[i % doors.len()]);
            async move {
                let mut body = show.named(&[&seat]);
                body["confirm"] = json!(true);
                body["payment_token"] = json!("tok_ok");
                buyer.at(door.as_str()).post_once(show.book_path(), body).send().await
            }
        }))
        .await;
        let won = answers.iter().filter(|answer| answer.status == 201).count();
        let lost = answers.iter().filter(|answer| answer.status == 409).count();
        assert_eq!((won, lost), (1, 1), "round {round}: {:?}", texts(&answers));
    }
    let sales = format!("/v1/admin/shows/{}/sales", show.show_id);
    let sales = world.organiser.get(sales).expect(200).await.json();
    let tiers = sales["performances"][0]["tiers"].as_array().expect("tiers").clone();
    let stalls = tiers.iter().find(|tier| tier["tier"] == "Stalls").expect("the stalls");
    assert_eq!(stalls["sold"], 30);
}

fn texts(answers: &[chaos_tests::Answer]) -> Vec<String> {
    answers.iter().map(chaos_tests::Answer::text).collect()
}

pub(crate) async fn a_crowd_buys_a_tier_to_the_last_seat(world: &World) {
    let show = world.show("crowd").await;
    let sold = sell_out(world, &show, "Stalls", 40, 2).await;
    assert_eq!(sold.len(), 50);
}

/// Buyers come until the tier is sold out; answers who has which seat.
async fn sell_out(
    world: &World,
    show: &Show,
    tier: &str,
    at_once: usize,
    quantity: u32,
) -> BTreeMap<String, String> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let sold_out = AtomicUsize::new(0);
    // Once it is sold out nobody new comes; those under way are waited for.
    let still_selling = |_: &u32| future::ready(sold_out.load(Ordering::Relaxed) <= at_once);
    let mut buyers = stream::iter(0..10_000_u32)
        .take_while(still_selling)
        .map(|_| {
            let buyer = world.customer("crowd");
            let mut body = show.best(tier, quantity);
            body["accept_split"] = json!(true);
            body["confirm"] = json!(true);
            body["payment_token"] = json!("tok_ok");
            async move { buyer.post_once(show.book_path(), body).send().await }
        })
        .buffer_unordered(at_once);
    while let Some(answer) = buyers.next().await {
        if answer.status == 201 {
            let booking = answer.json();
            for seat in booking["seats"].as_array().expect("seats") {
                let seat = seat.as_str().expect("a guid").to_owned();
                let id = booking["booking_id"].to_string();
                let before = owners.insert(seat.clone(), id);
                assert_eq!(before, None, "INV-1: {seat} was sold twice");
            }
        } else {
            assert_eq!(answer.checked_problem().code, Code::SoldOut, "{}", answer.text());
            sold_out.fetch_add(1, Ordering::Relaxed);
        }
    }
    owners
}

pub(crate) async fn a_real_plan_is_imported_and_sold(world: &World) {
    let Some(plan) = shared_plan("race-track-8897.json") else {
        println!("skipped: race-track-8897.json is not on this machine");
        return;
    };
    let import = world.organiser.post_once("/v1/admin/plans", json!({})).bytes(plan);
    let imported = import.expect(201).await.json();
    assert_eq!(imported["seats"], 8897);
    let show_id = world.fresh_show_id("derby");
    let made = json!({"show_id": show_id, "name": "The Derby"});
    world.organiser.post_once("/v1/admin/shows", made).expect(201).await;
    let performance_id = world
        .performance(
            &show_id,
            json!({"plan_id": imported["plan_id"], "prices": {
                "Goal Stands": {"price": 6000, "currency": "EUR"},
                "Mid Track Stand": {"price": 9000, "currency": "EUR"}}}),
        )
        .await;
    let show = Show { show_id, performance_id, date: date_in(10) };
    let crowd = 300_usize;
    let answers: Vec<_> = stream::iter(0..crowd)
        .map(|i| {
            let buyer = world.customer("punter");
            let tier = ["Goal Stands", "Mid Track Stand"][i % 2];
            let quantity = i % 4 + 1;
            let body = json!({"tier": tier, "date": show.date, "location": CITY,
                "quantity": quantity, "confirm": true, "payment_token": "tok_ok"});
            let path = show.book_path();
            async move { (quantity, buyer.post_once(path, body).expect(201).await.json()) }
        })
        .buffer_unordered(32)
        .collect()
        .await;
    let mut owners = BTreeMap::new();
    for (quantity, booking) in &answers {
        let seats = booking["seats"].as_array().expect("seats");
        assert_eq!(seats.len(), *quantity);
        assert_eq!(booking["next_to_each_other"], true);
        for seat in seats {
            let owner = booking["booking_id"].clone();
            assert_eq!(owners.insert(seat.to_string(), owner), None, "{seat} was sold twice");
        }
    }
    eventually(Duration::from_secs(10), || async {
        let map = world.seats(&show).await;
        let sold: Vec<&Value> = map["seats"].as_object().expect("seats").values().collect();
        let right = sold.len() == owners.len() && sold.iter().all(|state| **state == "sold");
        if right { Ok(()) } else { Err(format!("{} of {} shown", sold.len(), owners.len())) }
    })
    .await;
    let map = world.seats(&show).await;
    assert_eq!(map["seats_available"], 8897 - owners.len());
}
