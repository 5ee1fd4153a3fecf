//! What organisers do: plans, shows, performances, sales.

use std::path::PathBuf;

use seat_model::Code;
use serde_json::{Value, json};

use crate::world::{World, date_in, hall, performance_body};

/// A real seating plan that lies beside the checkout on some machines.
pub(crate) fn shared_plan(name: &str) -> Option<Vec<u8>> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "..", "shared", "data", "plans", name].iter().collect();
    std::fs::read(path).ok()
}

pub(crate) async fn every_fault_of_a_plan_is_named(world: &World) {
    let mut plan = hall();
    plan["zones"][0]["rows"][0]["seats"][1]["seat_guid"] = json!("S-A-1");
    plan["zones"][0]["rows"][1]["seats"][0]["category"] = json!("Gods");
    plan["x-seatlock"]["seats"]["nowhere"] = json!({"accessible": true});
    let refused = world.organiser.post_once("/v1/admin/plans", plan);
    let problem = refused.refused(Code::InvalidPlan).await;
    let all = serde_json::to_string(&problem.errors).expect("JSON");
    for part in ["S-A-1", "Gods", "nowhere", "zones[0].rows[0].seats[1]"] {
        assert!(all.contains(part), "{part} is not named in {all}");
    }
    assert_eq!(problem.errors.len(), 3, "{all}");
    let mut plan = hall();
    plan["zones"][0]["rows"][0]["seats"][1]["seat_gid"] = json!("typo");
    let problem =
        world.organiser.post_once("/v1/admin/plans", plan).refused(Code::InvalidPlan).await;
    assert!(problem.errors[0].message.contains("seat_gid"), "{:?}", problem.errors);
}

pub(crate) async fn a_published_plan_with_duplicate_guids_is_refused(world: &World) {
    let Some(plan) = shared_plan("stadium-duplicate-guids.json") else {
        println!("skipped: stadium-duplicate-guids.json is not on this machine");
        return;
    };
    let before: Value = serde_json::from_slice(&plan).expect("JSON");
    let refused = world.organiser.post_once("/v1/admin/plans", before.clone());
    let problem = refused.refused(Code::InvalidPlan).await;
    let mut times = std::collections::HashMap::<String, usize>::new();
    for zone in before["zones"].as_array().expect("zones") {
        for row in zone["rows"].as_array().expect("rows") {
            for seat in row["seats"].as_array().expect("seats") {
                *times.entry(seat["seat_guid"].to_string()).or_default() += 1;
            }
        }
    }
    let duplicates: Vec<&String> = times.iter().filter(|(_, n)| **n > 1).map(|(g, _)| g).collect();
    assert!(!duplicates.is_empty());
    let all: Vec<&str> = problem.errors.iter().map(|error| error.message.as_str()).collect();
    for guid in &duplicates {
        assert!(all.iter().any(|message| message.contains(guid.as_str())), "{guid} is not named");
    }
    assert_eq!(all.len(), duplicates.len());
}

pub(crate) async fn the_same_plan_has_the_same_id(world: &World) {
    let again = world.organiser.post_once("/v1/admin/plans", hall()).expect(201).await.json();
    assert_eq!(again["plan_id"], world.plan_id.as_str());
    assert_eq!(again["seats"], 65);
    let plan = world.anybody.get(format!("/v1/plans/{}", world.plan_id)).expect(200).await;
    assert!(plan.header("cache-control").contains("immutable"));
    assert_eq!(plan.json()["zones"].as_array().expect("zones").len(), 3);
    world.anybody.get("/v1/plans/no-such-plan").refused(Code::NotFound).await;
}

pub(crate) async fn a_performance_is_checked_field_by_field(world: &World) {
    let show = world.show("fields").await;
    let path = format!("/v1/admin/shows/{}/performances", show.show_id);
    let good = performance_body(&world.plan_id);
    let cases = [
        ("time_zone", json!("Mars/Olympus")),
        ("starts_at", json!("soon")),
        ("plan_id", json!("no-such-plan")),
        ("location", json!("")),
        ("hold_ttl_s", json!(2)),
        ("hold_max_s", json!(10)),
        ("max_seats_per_customer", json!(0)),
        ("orphan_rule", json!("sometimes")),
        ("prices", json!({"Stalls": {"price": 1, "currency": "EUR"}})),
        ("prices", json!({"Stalls": {"price": -1, "currency": "EUR"}})),
        ("surprise", json!(1)),
    ];
    for (field, value) in cases {
        let mut body = good.clone();
        body[field] = value;
        let problem = world
            .organiser
            .post_once(path.clone(), body.clone())
            .refused(Code::InvalidRequest)
            .await;
        let named = problem
            .errors
            .iter()
            .any(|error| error.field.contains(field) || error.message.contains(field));
        assert!(named, "{body} should blame {field}: {:?}", problem.errors);
    }
    let nowhere = "/v1/admin/shows/no-such-show/performances";
    world.organiser.post_once(nowhere, good).refused(Code::NotFound).await;
    let bad = json!({"show_id": "Not A Slug", "name": "x"});
    world.organiser.post_once("/v1/admin/shows", bad).refused(Code::InvalidRequest).await;
    let generated =
        world.organiser.post_once("/v1/admin/shows", json!({"name": "Nameless"})).expect(201).await;
    assert!(generated.json()["show_id"].as_str().is_some_and(|id| !id.is_empty()));
}

pub(crate) async fn sales_add_up(world: &World) {
    let show = world.show("sales").await;
    let buyer = world.customer("patron");
    let mut body = show.named(&["S-A-1", "S-A-2", "X-1-1"]);
    body["confirm"] = json!(true);
    body["payment_token"] = json!("tok_ok");
    let booking = buyer.post_once(show.book_path(), body).expect(201).await.json();
    let ticket = booking["tickets"].as_array().expect("tickets");
    let first = ticket.iter().find(|ticket| ticket["seat"] == "S-A-1").expect("a ticket");
    let id = first["ticket_id"].as_str().expect("an id");
    buyer.delete(format!("{}/tickets/{id}", show.booking_path(&booking))).expect(200).await;
    let other = world.customer("browser");
    other.post_once(show.book_path(), show.named(&["S-E-1"])).expect(201).await;
    let path = format!("/v1/admin/shows/{}/sales", show.show_id);
    // The cancelled seat is freed right after the answer.
    chaos_tests::eventually(std::time::Duration::from_secs(5), || async {
        let sales = world.organiser.get(path.clone()).expect(200).await.json();
        let text = sales.to_string();
        let tiers = sales["performances"][0]["tiers"].as_array().cloned().unwrap_or_default();
        let stalls = tiers.iter().find(|tier| tier["tier"] == "Stalls").ok_or(text.clone())?;
        let wanted = [("sold", 1), ("held", 1), ("free", 48), ("revenue", 4500), ("cancelled", 1)];
        let right = wanted.iter().all(|(key, value)| stalls[*key] == *value);
        if right { Ok(()) } else { Err(text) }
    })
    .await;
    world.organiser.get("/v1/admin/shows/no-such-show/sales").refused(Code::NotFound).await;
}

pub(crate) async fn a_performance_goes_only_without_live_tickets(world: &World) {
    let show = world.show("withdrawn").await;
    let buyer = world.customer("unlucky");
    let mut body = show.named(&["S-A-1"]);
    body["confirm"] = json!(true);
    body["payment_token"] = json!("tok_ok");
    let booking = buyer.post_once(show.book_path(), body).expect(201).await.json();
    let path = format!("/v1/admin/shows/{}/performances/{}", show.show_id, show.performance_id);
    let refused = world.organiser.delete(path.clone()).send().await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(
        buyer.get(show.booking_path(&booking)).expect(200).await.json()["state"],
        "confirmed"
    );
    world.organiser.delete(format!("{path}?cancel_bookings=true")).send().await;
    chaos_tests::eventually(std::time::Duration::from_secs(8), || async {
        let read = buyer.get(show.booking_path(&booking)).expect(200).await.json();
        if read["state"] == "cancelled" { Ok(()) } else { Err(read.to_string()) }
    })
    .await;
    chaos_tests::eventually(std::time::Duration::from_secs(5), || async {
        let answer = world.anybody.get(show.seats_path()).send().await;
        if answer.status == 404 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    chaos_tests::eventually(std::time::Duration::from_secs(5), || async {
        let late = buyer.post_once(show.book_path(), show.named(&["S-A-2"])).send().await;
        if late.status == 404 { Ok(()) } else { Err(late.text()) }
    })
    .await;
    let never = format!("/v1/admin/shows/{}/performances/no-such", show.show_id);
    world.organiser.delete(never).refused(Code::NotFound).await;
}

pub(crate) async fn what_is_made_is_bookable_at_once(world: &World) {
    for _ in 0..5 {
        let show = world.show("fresh").await;
        let buyer = world.customer("first");
        buyer.post_once(show.book_path(), show.best("Stalls", 1)).expect(201).await;
        let later = world.performance(
            &show.show_id,
            json!({"starts_at": format!("{}T18:00:00.000Z", date_in(12))}),
        );
        let later = later.await;
        let mut body = show.best("Stalls", 1);
        body["date"] = json!(date_in(12));
        let booked = buyer.post_once(show.book_path(), body).expect(201).await.json();
        assert_eq!(booked["performance_id"], later.as_str());
    }
}
