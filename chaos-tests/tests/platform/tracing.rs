//! One id leads through all logs, from the load balancer to the ledger; what
//! fails is found there once; and what nobody may read is not there at all.

use std::collections::BTreeSet;
use std::time::Duration;

use chaos_tests::eventually;
use local_cluster::{Node, NodeKind};
use seat_model::Code;
use serde_json::{Value, json};

use crate::accounts::PERSONAL;
use crate::world::World;

/// How long a line may take to be in its file, and the outbox to be relayed.
const SOON: Duration = Duration::from_secs(15);

fn read(node: &Node) -> String {
    let bytes = std::fs::read(&node.log).expect("every node has a log");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What nodes of a kind logged, as far as it is JSON: HAProxy says in plain
/// words which servers come and go.
fn lines(world: &World, kind: NodeKind) -> Vec<Value> {
    let nodes = world.cluster.nodes().expect("the nodes");
    let logs = nodes.iter().filter(|node| node.kind == kind).map(read);
    logs.flat_map(|log| {
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>()
    })
    .collect()
}

/// A trace of this test alone, wanted by whoever asks.
fn fresh_trace() -> (String, String) {
    let id = format!("{:032x}", rand::random::<u128>() | 1);
    let traceparent = format!("00-{id}-00f067aa0ba902b7-01");
    (id, traceparent)
}

pub(crate) async fn a_booking_is_found_by_its_trace_in_every_log(world: &World) {
    let show = world.show("traced").await;
    let buyer = world.customer("traced");
    let (trace, traceparent) = fresh_trace();
    let holding = buyer.post_once(show.book_path(), show.best("Stalls", 1));
    let held = holding.header("traceparent", &traceparent).expect(201).await;
    let confirm = format!("{}/confirm", show.booking_path(&held.json()));
    let paying = buyer.post_once(confirm, json!({"payment_token": "tok_ok"}));
    let paid = paying.header("traceparent", &traceparent).expect(200).await;
    assert_eq!((held.header("x-trace-id"), paid.header("x-trace-id")), (&*trace, &*trace));
    let (hold, pay) = (held.header("x-request-id"), paid.header("x-request-id"));

    let wanted = [
        (NodeKind::LoadBalancer, hold, "target", "haproxy"),
        (NodeKind::LoadBalancer, pay, "target", "haproxy"),
        (NodeKind::BookingApi, hold, "route", "/v1/book/{showId}"),
        (NodeKind::BookingApi, pay, "route", "/v1/book/{showId}/{bookingId}/confirm"),
        (NodeKind::BookingApi, pay, "route", "CALL commit_group"),
        (NodeKind::LockService, hold, "route", "acquire"),
        (NodeKind::LockService, pay, "route", "begin_confirm"),
        (NodeKind::LockService, pay, "route", "finish"),
        (NodeKind::PaymentGateway, pay, "route", "authorise"),
        // By way of the outbox: the ledger has the ids, too.
        (NodeKind::BookingApi, pay, "route", "settle"),
        (NodeKind::PaymentGateway, pay, "route", "capture"),
    ];
    eventually(SOON, || async {
        let missing = wanted.iter().filter(|(kind, id, key, value)| {
            let fits = |line: &Value| {
                line["trace_id"] == *trace && line["request_id"] == *id && line[*key] == *value
            };
            !lines(world, *kind).iter().any(fits)
        });
        let missing: Vec<_> = missing.collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("no lines of {missing:?}")) }
    })
    .await;
}

pub(crate) async fn without_a_trace_the_request_is_the_trace(world: &World) {
    let show = world.show("untraced").await;
    let buyer = world.customer("untraced");
    let nothing = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    for told in [None, Some("00-nonsense"), Some(&*nothing)] {
        let mut call = buyer.post_once(show.book_path(), show.best("Stalls", 1));
        if let Some(told) = told {
            call = call.header("traceparent", told);
        }
        let held = call.expect(201).await;
        let id = held.header("x-request-id").replace('-', "");
        assert_eq!(held.header("x-trace-id"), id, "{told:?}");
    }
    let looked = buyer.get("/v1/bookings").expect(200).await;
    assert_eq!(looked.header("x-trace-id"), "", "whoever only looks leaves no trace");
    let (trace, traceparent) = fresh_trace();
    let looked = buyer.get("/v1/bookings").header("traceparent", &traceparent).expect(200).await;
    assert_eq!(looked.header("x-trace-id"), trace, "unless it is asked for");
    let unwanted = traceparent.strip_suffix("01").expect("it is wanted");
    let call = buyer.post_once(show.book_path(), show.best("Stalls", 1));
    let held = call.header("traceparent", &format!("{unwanted}00")).expect(201).await;
    assert_eq!(held.header("x-trace-id"), "", "or when it is not wanted");
}

pub(crate) async fn what_fails_is_logged_once_under_its_id(world: &World) {
    let show = world.show("logged-once").await;
    let buyer = world.customer("logged-once");
    let held = buyer.post_once(show.book_path(), show.best("Stalls", 1)).expect(201).await.json();
    let confirm = format!("{}/confirm", show.booking_path(&held));
    world.cluster.kill("payment-gateway").await.expect("killed");
    // A connection that has just died may have carried the question away.
    let problem = eventually(SOON, || async {
        let pay = json!({"payment_token": "tok_ok"});
        let problem = buyer.post_once(confirm.clone(), pay).send().await.checked_problem();
        if problem.code == Code::Unavailable { Ok(problem) } else { Err("not found dead yet") }
    })
    .await;
    world.cluster.restart("payment-gateway").await.expect("restarted");
    let failures: Vec<Value> = NodeKind::ALL
        .into_iter()
        .filter(|kind| kind.is_service())
        .flat_map(|kind| lines(world, kind))
        .filter(|line| line["request_id"] == problem.request_id)
        .filter(|line| line["level"] == "WARN" || line["level"] == "ERROR")
        .collect();
    assert_eq!(failures.len(), 1, "{failures:#?}");
}

/// Every log of the whole run, stores included.
pub(crate) fn nothing_secret_or_personal_is_in_any_log(world: &World) {
    let secrets = world.cluster.secrets();
    let mut never = vec![
        ("a bearer token", "eyJ"),
        ("a bearer token", "Bearer "),
        ("a payment token", "tok_"),
        ("a webhook's secret", "whsec_"),
        ("an e-mail address", "@example."),
        ("a database's address with its password", "mysql://"),
        ("the tokens' secret", secrets.jwt.as_str()),
        ("the booking ids' secret", secrets.booking.as_str()),
        ("a database password", secrets.database.as_str()),
        ("a database password", secrets.launcher.as_str()),
    ];
    never.extend(PERSONAL.map(|text| ("what somebody told of herself", text)));
    let customers = world.customers();
    assert!(customers.len() > 20, "the tests have customers: {customers:?}");
    let mut found = BTreeSet::new();
    let mut seen = 0;
    for node in world.cluster.nodes().expect("the nodes") {
        for line in read(&node).lines() {
            seen += 1;
            let secret = never.iter().find(|(_, text)| line.contains(text)).map(|(what, _)| *what);
            let named = || words(line).any(|word| customers.contains(word)).then_some("a customer");
            if let Some(what) = secret.or_else(named) {
                found.insert(format!("{what} in the log of {}: {line}", node.name));
            }
        }
    }
    assert!(seen > 100, "there are logs: {seen} lines");
    assert!(found.is_empty(), "{found:#?}");
}

/// Names are whole words, hyphens included.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| !word.is_empty())
}
