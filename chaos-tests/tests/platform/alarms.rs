//! What is broken is an alert in Prometheus, by the name that its runbook has,
//! until it is mended.

use std::time::Duration;

use chaos_tests::eventually;
use local_cluster::NodeKind;
use serde_json::{Value, json};

use crate::world::World;

/// Rules look every five seconds, at what was scraped within two.
const HEARD_WITHIN: Duration = Duration::from_secs(40);

/// Longer than the longest window that a cause is looked for in, a minute.
const SILENT_WITHIN: Duration = Duration::from_secs(120);

/// An alert, and the label that says what it is about.
type Alarm<'a> = (&'a str, &'a str, &'a str);

impl World {
    /// Who is told of an alert; nobody when Alertmanager does not have it.
    async fn told(&self, (name, label, value): Alarm<'_>) -> Result<Vec<String>, String> {
        let node = self.cluster.node("alertmanager").map_err(|error| error.to_string())?;
        let url = format!("http://{}/api/v2/alerts", node.address);
        let answer =
            self.anybody.http().get(url).send().await.map_err(|error| error.to_string())?;
        let alerts: Value = answer.json().await.map_err(|error| error.to_string())?;
        let of_it = alerts.as_array().into_iter().flatten().filter(|alert| {
            alert["labels"]["alertname"] == name && alert["labels"][label] == value
        });
        let receivers = of_it.flat_map(|alert| alert["receivers"].as_array().into_iter().flatten());
        Ok(receivers.filter_map(|receiver| receiver["name"].as_str().map(str::to_owned)).collect())
    }

    /// Whether an alert is pending or firing.
    async fn is_heard(&self, (name, label, value): Alarm<'_>) -> Result<bool, String> {
        let heard = self.prometheus("alerts", &[]).await?;
        let mut heard = heard["alerts"].as_array().into_iter().flatten();
        Ok(heard.any(|alert| {
            let labels = &alert["labels"];
            labels["alertname"] == name && labels[label] == value
        }))
    }

    async fn hears(&self, alarm: Alarm<'_>) {
        eventually(HEARD_WITHIN, || async {
            if self.is_heard(alarm).await? { Ok(()) } else { Err(format!("no {alarm:?}")) }
        })
        .await;
    }
}

/// Rules are evaluated as they are meant to be: each without an error, and
/// each objective has a value once somebody has looked and booked.
pub(crate) async fn every_rule_is_evaluated_and_every_objective_measured(world: &World) {
    let show = world.show("measured").await;
    let buyer = world.customer("measured");
    let bought = json!({"performance_id": show.performance_id, "tier": "Stalls", "quantity": 1,
        "confirm": true, "payment_token": "tok_ok"});
    buyer.post_once(show.book_path(), bought).expect(201).await;
    world.seats(&show).await;
    eventually(SILENT_WITHIN, || async {
        let rules = world.prometheus("rules", &[]).await?;
        let groups = rules["groups"].as_array().cloned().unwrap_or_default();
        let rules: Vec<Value> = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .collect();
        let sick: Vec<_> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
        if rules.is_empty() || !sick.is_empty() {
            return Err(format!(
                "{} rules, of which these are not evaluated: {sick:?}",
                rules.len()
            ));
        }
        let budgets = world.measured("count(slo:error_budget:ratio)").await?;
        let measured = world.measured("count(slo:error_ratio:rate5m)").await?;
        let value =
            |found: &[Value]| found.first().map_or(Value::Null, |one| one["value"][1].clone());
        let (budgets, measured) = (value(&budgets), value(&measured));
        if budgets.is_string() && budgets == measured {
            return Ok(());
        }
        Err(format!("{measured} of {budgets} objectives are measured"))
    })
    .await;
}

/// Five things break in turn. Each is heard of while it is broken, and of none
/// of them is anything heard when all are mended.
pub(crate) async fn what_is_broken_is_heard_of_until_it_is_mended(world: &World) {
    let shows = world.a_show_on_each_shard("alarm").await;
    let shard = world.names_of(NodeKind::Shard).remove(0);
    let healthy = || async {
        world.cluster.wait_healthy(Duration::from_secs(40)).await.expect("healthy again");
    };

    let away: Alarm<'_> = ("ShardAway", "shard", &shard);
    world.cluster.kill(&shard).await.expect("killed");
    eventually(HEARD_WITHIN, || async {
        // Somebody must want to buy: a shard that nobody needs is not missed.
        let buyer = world.customer("alarm");
        let body = json!({"performance_id": shows[0].performance_id, "tier": "Stalls",
            "quantity": 1, "confirm": true, "payment_token": "tok_ok"});
        let sent = buyer.post_once(shows[0].book_path(), body).try_send().await;
        let answer = sent.map(|answer| answer.status).map_err(|error| error.to_string());
        if world.is_heard(away).await? { Ok(()) } else { Err(format!("no {away:?}; {answer:?}")) }
    })
    .await;
    world.cluster.restart(&shard).await.expect("restarted");
    healthy().await;

    // Redis is passed over by whoever writes to it, so something must change.
    let redis: Alarm<'_> = ("LayerPassedOver", "layer", "redis");
    world.cluster.kill("redis").await.expect("killed");
    eventually(HEARD_WITHIN, || async {
        let buyer = world.customer("alarm");
        let body =
            json!({"performance_id": shows[1].performance_id, "tier": "Stalls", "quantity": 1});
        let held = buyer.post_once(shows[1].book_path(), body).try_send().await;
        let held = held.map(|answer| answer.status).map_err(|error| error.to_string());
        if world.is_heard(redis).await? { Ok(()) } else { Err(format!("no {redis:?}; {held:?}")) }
    })
    .await;
    let store: Alarm<'_> = ("StoreDown", "node", "redis");
    world.hears(store).await;
    world.cluster.restart("redis").await.expect("restarted");
    healthy().await;

    let leader: Alarm<'_> = ("EtcdHasNoLeader", "node", "etcd-0");
    for node in ["etcd-1", "etcd-2"] {
        world.cluster.pause(node).await.expect("paused");
    }
    world.hears(leader).await;
    for node in ["etcd-1", "etcd-2"] {
        world.cluster.resume(node).await.expect("resumed");
    }
    healthy().await;

    let stale: Alarm<'_> = ("ViewsStale", "node", "view-service-0");
    let locks = world.names_of(NodeKind::LockService);
    for node in &locks {
        world.cluster.pause(node).await.expect("paused");
    }
    world.hears(stale).await;
    for node in &locks {
        world.cluster.resume(node).await.expect("resumed");
    }
    healthy().await;

    let down: Alarm<'_> = ("InstanceDown", "node", "view-service-1");
    world.cluster.kill("view-service-1").await.expect("killed");
    world.hears(down).await;
    // It fires after half a minute; then whoever is on call is told.
    eventually(SILENT_WITHIN, || async {
        let told = world.told(down).await?;
        if told == ["on-call"] { Ok(()) } else { Err(format!("{told:?} are told")) }
    })
    .await;
    world.cluster.restart("view-service-1").await.expect("restarted");
    healthy().await;

    for alarm in [away, redis, store, leader, stale, down] {
        eventually(SILENT_WITHIN, || async {
            if world.is_heard(alarm).await? { Err(format!("still {alarm:?}")) } else { Ok(()) }
        })
        .await;
    }
    eventually(SILENT_WITHIN, || async {
        let told = world.told(down).await?;
        if told.is_empty() { Ok(()) } else { Err(format!("{told:?} are still told")) }
    })
    .await;
}
