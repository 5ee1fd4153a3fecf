//! Organisers are told how a performance sells: money and occupancy exactly,
//! whoever dies while it is counted; and nobody who sells waits for it.

use std::time::Duration;

use chaos_tests::{Caller, eventually};
use local_cluster::NodeKind;
use seat_model::Code;
use serde_json::{Value, json};
use sqlx::{Connection, MySqlConnection};

use crate::world::{Show, World};

/// Counted within this when everything is well; the rest is for a noisy machine.
const SOON: Duration = Duration::from_secs(10);

/// After something was away.
const LATER: Duration = Duration::from_secs(30);

fn analytics_path(show: &Show) -> String {
    format!("/v1/admin/shows/{}/performances/{}/analytics", show.show_id, show.performance_id)
}

/// The numbers, once those named are as they should be.
async fn told(world: &World, show: &Show, within: Duration, wanted: &[(&str, Value)]) -> Value {
    let path = analytics_path(show);
    eventually(within, || async {
        let answer = world.organiser.get(path.clone()).send().await;
        if answer.status != 200 {
            return Err(answer.text());
        }
        let told = answer.json();
        for (pointer, value) in wanted {
            if told.pointer(pointer) != Some(value) {
                return Err(format!("{pointer} is not {value}: {told}"));
            }
        }
        Ok(told)
    })
    .await
}

/// Buys under one key until it is known to be bought.
async fn bought(buyer: &Caller, show: &Show, seats: &[&str]) -> Value {
    let mut body = show.named(seats);
    body["confirm"] = json!(true);
    body["payment_token"] = json!("tok_ok");
    let key = seats.join("-");
    eventually(LATER, || async {
        let sent = buyer.post(show.book_path(), body.clone()).key(&key).try_send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        let booking = if answer.status == 201 { answer.json() } else { json!({}) };
        if booking["state"] == "confirmed" { Ok(booking) } else { Err(answer.text()) }
    })
    .await
}

pub(crate) async fn every_step_from_the_first_look_is_counted(world: &World) {
    let show = world.show("funnel").await;
    world.seats(&show).await;
    let seen = world.anybody.get(show.seats_path()).expect(200).await;
    let etag = seen.header("etag").to_owned();
    world.anybody.get(show.seats_path()).header("if-none-match", &etag).send().await;
    let buyer = world.customer("funnel");
    let booking = bought(&buyer, &show, &["S-A-1", "S-A-2", "S-A-3"]).await;
    let tickets = booking["tickets"].as_array().expect("tickets");
    let first = tickets.iter().find(|ticket| ticket["seat"] == "S-A-1").expect("a ticket");
    let ticket = first["ticket_id"].as_str().expect("an id");
    buyer.delete(format!("{}/tickets/{ticket}", show.booking_path(&booking))).expect(200).await;
    let fickle = world.customer("fickle");
    let held = fickle.post_once(show.book_path(), show.named(&["S-E-1"])).expect(201).await.json();
    fickle.delete(show.booking_path(&held)).expect(200).await;
    let slow = world.customer("slow");
    slow.post_once(show.book_path(), show.named(&["S-E-2"])).expect(201).await;
    let late = world.customer("late");
    for seats in [&["S-A-2"][..], &["S-A-2", "S-A-3"]] {
        late.post_once(show.book_path(), show.named(seats)).refused(Code::SeatTaken).await;
    }

    let told = told(
        world,
        &show,
        SOON,
        &[
            ("/demand/views", json!(2)),
            ("/demand/holds", json!(3)),
            ("/demand/seats_held", json!(5)),
            ("/demand/released", json!(1)),
            ("/demand/refused", json!(2)),
            ("/sales/bookings", json!(1)),
            ("/sales/tickets", json!(3)),
            ("/sales/revenue", json!(13_500)),
            ("/sales/cancels", json!(1)),
            ("/sales/cancelled_tickets", json!(1)),
            ("/sales/refunded", json!(4_500)),
            ("/seats_held_now", json!(1)),
            ("/seats_abandoned", json!(1)),
            ("/seats_total", json!(65)),
            ("/currency", json!("EUR")),
            ("/contested/0", json!({"seat": "S-A-2", "conflicts": 2})),
            ("/contested/1", json!({"seat": "S-A-3", "conflicts": 1})),
        ],
    )
    .await;
    let hours = told["hours"].as_array().expect("hours");
    // The clock may have struck while it was bought.
    let last = hours.last().expect("an hour");
    assert_eq!((&last["occupied"], &last["revenue_so_far"]), (&json!(2), &json!(9_000)));
    let tickets: u64 = hours.iter().filter_map(|hour| hour["sales"]["tickets"].as_u64()).sum();
    assert_eq!(tickets, 3);

    // The same as a table.
    let table = world.organiser.get(format!("{}.csv", analytics_path(&show))).expect(200).await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    let file = format!("attachment; filename=\"{}-hours.csv\"", show.performance_id);
    assert_eq!(table.header("content-disposition"), file);
    let text = table.text();
    let lines: Vec<Vec<&str>> =
        text.split_terminator("\r\n").map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), hours.len() + 1, "{text}");
    let of = |name: &str| lines[0].iter().position(|cell| *cell == name).expect("a heading");
    let last = lines.last().expect("an hour");
    assert_eq!((last[of("occupied")], last[of("currency")]), ("2", "EUR"));
    let seats = format!("{}.csv?table=seats", analytics_path(&show));
    let seats = world.organiser.get(seats).expect(200).await.text();
    assert_eq!(seats, "seat,conflicts\r\nS-A-2,2\r\nS-A-3,1\r\n");
}

pub(crate) async fn only_what_is_asked_for_and_only_to_organisers(world: &World) {
    let show = world.show("asked-analytics").await;
    let path = analytics_path(&show);
    bought(&world.customer("asked-analytics"), &show, &["S-A-1"]).await;
    told(world, &show, SOON, &[("/sales/tickets", json!(1))]).await;
    // A year that is over, and a month that is to come.
    let before = format!("{path}?from=2020-01-01T00:00:00Z&to=2020-12-31T00:00:00Z");
    let before = world.organiser.get(before).expect(200).await.json();
    assert_eq!((&before["sales"]["tickets"], &before["hours"]), (&json!(0), &json!([])));
    assert_eq!(before.get("seats_held_now"), None, "now is not in it");
    let after = format!("{path}?from=2090-01-01T00:30:00Z&to=2090-02-01T00:30:00Z");
    let after = world.organiser.get(after).expect(200).await.json();
    assert_eq!((&after["sales"]["tickets"], &after["hours"]), (&json!(0), &json!([])));
    assert_eq!(after["from"], "2090-01-01T00:00:00.000Z", "whole hours");
    assert_eq!(after["to"], "2090-02-01T01:00:00.000Z");

    for query in [
        "?from=2090-01-01T00:00:00Z",
        "?from=2020-01-01T00:00:00Z&to=2022-01-01T00:00:00Z",
        "?from=yesterday",
        "?since=2020-01-01T00:00:00Z",
    ] {
        let refused = world.organiser.get(format!("{path}{query}"));
        refused.refused(Code::InvalidRequest).await;
    }
    let table = world.organiser.get(format!("{path}.csv?table=people"));
    table.refused(Code::InvalidRequest).await;
    let customer = world.customer("curious");
    for path in [path.clone(), format!("{path}.csv")] {
        customer.get(path.clone()).refused(Code::Forbidden).await;
        world.anybody.get(path).refused(Code::Unauthenticated).await;
    }
    let elsewhere = world.show("elsewhere").await;
    for (show_id, performance_id) in [
        ("no-such-show", show.performance_id.as_str()),
        (elsewhere.show_id.as_str(), show.performance_id.as_str()),
    ] {
        let path = format!("/v1/admin/shows/{show_id}/performances/{performance_id}/analytics");
        world.organiser.get(path).refused(Code::NotFound).await;
    }
}

pub(crate) async fn whoever_dies_while_counting_nothing_is_counted_twice(world: &World) {
    let show = world.show("counted-once").await;
    let buyer = world.customer("counted-once");
    let mut number = 0;
    for node in world.names_of(NodeKind::BookingApi) {
        let (before, during) = (format!("S-A-{}", number + 1), format!("S-A-{}", number + 2));
        number += 2;
        bought(&buyer, &show, &[&before]).await;
        world.cluster.kill(&node).await.expect("killed");
        let during = bought(&buyer, &show, &[&during]).await;
        world.cluster.restart(&node).await.expect("restarted");
        buyer.delete(show.booking_path(&during)).expect(200).await;
    }
    let wanted = [
        ("/sales/bookings", json!(number)),
        ("/sales/tickets", json!(number)),
        ("/sales/revenue", json!(4_500 * number)),
        ("/sales/cancelled_tickets", json!(number / 2)),
        ("/sales/refunded", json!(4_500 * number / 2)),
    ];
    let counted = told(world, &show, LATER, &wanted).await;

    // And counting it all once more comes to the same.
    let url = world.cluster.database_url(&world.shard_of(&show).await).expect("a shard");
    let mut shard = MySqlConnection::connect(&url).await.expect("the shard");
    sqlx::query("REPLACE INTO sales_changed (performance_id, show_id, seq) VALUES (?, ?, 0)")
        .bind(&show.performance_id)
        .bind(&show.show_id)
        .execute(&mut shard)
        .await
        .expect("a mark");
    let path = analytics_path(&show);
    let again = eventually(LATER, || async {
        let again = world.organiser.get(path.clone()).expect(200).await.json();
        let newer = again["counted_at"].as_str() > counted["counted_at"].as_str();
        if newer { Ok(again) } else { Err("it was not counted again") }
    })
    .await;
    assert_eq!(again["sales"], counted["sales"]);
    assert_eq!(again["hours"].as_array().map(Vec::len), counted["hours"].as_array().map(Vec::len));
    let sales = world.organiser.get(format!("/v1/admin/shows/{}/sales", show.show_id));
    let sales = sales.expect(200).await.json();
    let tiers = sales["performances"][0]["tiers"].as_array().cloned().unwrap_or_default();
    let sold: u64 = tiers.iter().filter_map(|tier| tier["sold"].as_u64()).sum();
    let hours = again["hours"].as_array().expect("hours");
    assert_eq!(hours.last().expect("an hour")["occupied"], json!(sold));
}

pub(crate) async fn what_is_sold_while_the_catalogue_is_away_is_counted_afterwards(world: &World) {
    let show = world.show("uncounted").await;
    // At one instance: without the catalogue it sells the shows that it knows.
    let door = world.cluster.service_urls(NodeKind::BookingApi).remove(0);
    let buyer = world.customer("uncounted").at(door);
    bought(&buyer, &show, &["S-A-1"]).await;
    // Demand, too: what is on its way to a catalogue that dies may be lost.
    let counted = [("/sales/tickets", json!(1)), ("/demand/holds", json!(1))];
    told(world, &show, SOON, &counted).await;
    let catalogue = world.names_of(NodeKind::Catalogue).remove(0);
    world.cluster.kill(&catalogue).await.expect("killed");
    let late = bought(&buyer, &show, &["S-A-2", "S-A-3"]).await;
    buyer.delete(show.booking_path(&late)).expect(200).await;
    bought(&buyer, &show, &["S-A-4"]).await;
    world.organiser.get(analytics_path(&show)).refused(Code::Unavailable).await;
    world.cluster.restart(&catalogue).await.expect("restarted");
    let wanted = [
        ("/sales/bookings", json!(3)),
        ("/sales/tickets", json!(4)),
        ("/sales/cancelled_tickets", json!(2)),
        ("/sales/revenue", json!(18_000)),
        ("/sales/refunded", json!(9_000)),
        // Gathered until it could be written.
        ("/demand/holds", json!(3)),
    ];
    told(world, &show, LATER, &wanted).await;
}
