//! A service dies, waits, or loses an answer at a step of the protocol
//! (docs/adr/0009-faulty-builds.md). Only points that any load reaches.

use std::time::Duration;

use local_cluster::NodeKind;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use super::Harm;
use crate::planted::Planted;
use crate::stage::Stage;

/// Kind of service, point, what it is told.
pub type Order = (NodeKind, &'static str, &'static str);

const ORDERS: &[Order] = &[
    (NodeKind::BookingApi, "commit-answered", "4*lose->20*off->4*lose"),
    (NodeKind::BookingApi, "commit-sending", "3*lose->10*off->3*lose"),
    (NodeKind::BookingApi, "commit-sending", "2*pause(2200)->15*off->2*pause(2200)"),
    (NodeKind::BookingApi, "pinned", "4*pause(5000)"),
    (NodeKind::BookingApi, "authorised", "4*pause(3000)"),
    (NodeKind::BookingApi, "finishing", "6*pause(4500)"),
    (NodeKind::BookingApi, "cancelled", "6*pause(4500)"),
    (NodeKind::BookingApi, "held", "10*off->abort"),
    (NodeKind::BookingApi, "authorised", "10*off->abort"),
    (NodeKind::BookingApi, "pinned", "10*off->abort"),
    (NodeKind::BookingApi, "commit-sending", "10*off->abort"),
    (NodeKind::BookingApi, "commit-answered", "10*off->abort"),
    (NodeKind::BookingApi, "finishing", "10*off->abort"),
    (NodeKind::BookingApi, "cancelled", "5*off->abort"),
    (NodeKind::BookingApi, "freed", "5*off->abort"),
    (NodeKind::BookingApi, "settled", "5*off->abort"),
    (NodeKind::LockService, "batch-answered", "5*lose->20*off->5*lose"),
    (NodeKind::LockService, "batch-sending", "5*lose->20*off->5*lose"),
    (NodeKind::LockService, "batch-sending", "2*pause(2500)->20*off->2*pause(2500)"),
    (NodeKind::LockService, "answering", "5*lose->20*off->5*lose"),
    (NodeKind::LockService, "mirror-applied", "3*pause(1500)"),
    (NodeKind::LockService, "taken", "10*off->abort"),
    (NodeKind::LockService, "pinned", "10*off->abort"),
    (NodeKind::LockService, "batch-answered", "20*off->abort"),
    (NodeKind::LockService, "finished", "10*off->abort"),
    (NodeKind::LockService, "released", "3*off->abort"),
];

pub(crate) struct FailPoint {
    told: Vec<Told>,
}

/// One instance, one point.
struct Told {
    node: String,
    point: &'static str,
    actions: &'static str,
}

impl Harm for FailPoint {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let (kind, point, actions) = *ORDERS.choose(dice)?;
        let nodes: Vec<_> = stage.cluster.topology().of_kind(kind).collect();
        let node = nodes.choose(dice)?.name.clone();
        Some(Self { told: vec![Told { node, point, actions }] })
    }

    fn name(&self) -> String {
        let told = self.told.iter();
        let told = told.map(|told| format!("{} at {}: {}", told.node, told.point, told.actions));
        told.collect::<Vec<_>>().join("; ")
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        for told in &self.told {
            told.tell(stage, told.actions).await?;
        }
        Ok(())
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        let mut reached = 0;
        for told in &self.told {
            let node = stage.cluster.node(&told.node).map_err(|error| error.to_string())?;
            if node.pid.is_none() {
                reached += 1;
                let again = stage.cluster.restart(&told.node).await;
                again.map_err(|error| error.to_string())?;
                continue;
            }
            reached += told.reached(stage).await?;
            told.tell(stage, "off").await?;
        }
        if reached == 0 {
            return Err("no point was ever reached".to_owned());
        }
        Ok(())
    }
}

impl FailPoint {
    /// What brings a bug out, if fail points do.
    pub(super) fn ordered(planted: &Planted, stage: &Stage) -> Option<Self> {
        let nodes = |kind| stage.cluster.topology().of_kind(kind).map(|node| node.name.clone());
        let all = planted.orders.iter();
        let all = all.flat_map(|order| nodes(order.0).map(move |node| (node, order)));
        let apart = planted.apart.iter().enumerate();
        let apart = apart.flat_map(|(n, orders)| orders.iter().map(move |order| (n, order)));
        let apart = apart.filter_map(|(n, order)| Some((nodes(order.0).nth(n)?, order)));
        let told =
            all.chain(apart).map(|(node, (_, point, actions))| Told { node, point, actions });
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then_some(Self { told })
    }
}

impl Told {
    fn admin(&self, stage: &Stage) -> Result<String, String> {
        let node = stage.cluster.node(&self.node).map_err(|error| error.to_string())?;
        node.admin_address.ok_or_else(|| format!("{} has no admin port", self.node))
    }

    async fn tell(&self, stage: &Stage, actions: &str) -> Result<(), String> {
        let url = format!("http://{}/fail-points/{}", self.admin(stage)?, self.point);
        let client = client()?;
        let sent = client.put(url).body(actions.to_owned()).send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(format!("{}: {}", self.point, answer.text().await.unwrap_or_default()))
    }

    async fn reached(&self, stage: &Stage) -> Result<u64, String> {
        let url = format!("http://{}/fail-points", self.admin(stage)?);
        let text = async { client()?.get(url).send().await.map_err(|error| error.to_string()) };
        let text = text.await?.text().await.map_err(|error| error.to_string())?;
        let list: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let mut points = list.as_array().into_iter().flatten();
        let found = points.find(|point| point["name"] == self.point);
        found
            .and_then(|point| point["reached"].as_u64())
            .ok_or_else(|| format!("there is no point {}", self.point))
    }
}

fn client() -> Result<reqwest::Client, String> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build();
    client.map_err(|error| error.to_string())
}
