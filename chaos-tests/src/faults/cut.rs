//! Some nodes and some others hear nothing of each other: nothing is refused,
//! nothing arrives.

use local_cluster::NodeKind;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::{Harm, wire};
use crate::stage::Stage;

/// Who is cut from whom: one node of a kind, or all, from one or all of another.
const LINES: &[(Of, Of)] = &[
    (Of::One(NodeKind::Etcd), Of::All(NodeKind::Etcd)),
    (Of::One(NodeKind::Etcd), Of::All(NodeKind::LockService)),
    (Of::One(NodeKind::LockService), Of::All(NodeKind::Etcd)),
    (Of::One(NodeKind::BookingApi), Of::One(NodeKind::Shard)),
    (Of::All(NodeKind::BookingApi), Of::One(NodeKind::Shard)),
    (Of::One(NodeKind::BookingApi), Of::All(NodeKind::LockService)),
    (Of::One(NodeKind::BookingApi), Of::All(NodeKind::PaymentGateway)),
    (Of::One(NodeKind::BookingApi), Of::All(NodeKind::Catalogue)),
    (Of::One(NodeKind::ViewService), Of::All(NodeKind::Redis)),
    (Of::All(NodeKind::ViewService), Of::All(NodeKind::LockService)),
    (Of::All(NodeKind::CatalogueReplica), Of::All(NodeKind::Catalogue)),
    (Of::One(NodeKind::BookingApi), Of::All(NodeKind::LoadBalancer)),
];

#[derive(Debug, Clone, Copy)]
enum Of {
    One(NodeKind),
    All(NodeKind),
}

/// Two sides of a line.
#[derive(Debug, Clone)]
pub(super) struct Sides {
    pub(super) left: Vec<String>,
    pub(super) right: Vec<String>,
}

impl Sides {
    /// A line of the list, as the dice fall.
    pub(super) fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let (left, right) = LINES.choose(dice)?;
        let mut side = |of: &Of| -> Vec<String> {
            let (kind, one) = match of {
                Of::One(kind) => (*kind, true),
                Of::All(kind) => (*kind, false),
            };
            let nodes: Vec<_> = stage.cluster.topology().of_kind(kind).collect();
            let count = if one { 1 } else { nodes.len() };
            nodes.choose_multiple(dice, count).map(|node| node.name.clone()).collect()
        };
        let left = side(left);
        let mut right = side(right);
        right.retain(|node| !left.contains(node));
        right.sort();
        (!left.is_empty() && !right.is_empty()).then_some(Self { left, right })
    }

    /// What the left side does not hear.
    pub(super) fn left_deaf(&self, stage: &Stage, table: &'static str) -> Vec<wire::Rule> {
        self.left.iter().map(|node| wire::deaf(stage, table, node, &self.right)).collect()
    }

    /// What the right side does not hear.
    pub(super) fn right_deaf(&self, stage: &Stage, table: &'static str) -> Vec<wire::Rule> {
        self.right.iter().map(|node| wire::deaf(stage, table, node, &self.left)).collect()
    }
}

pub(crate) struct Cut(Sides, Vec<wire::Rule>);

impl Harm for Cut {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        Sides::draw(dice, stage).map(|sides| Self(sides, Vec::new()))
    }

    fn name(&self) -> String {
        format!("cut {} from {}", self.0.left.join(", "), self.0.right.join(", "))
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        self.1 = self.0.left_deaf(stage, "cut");
        self.1.extend(self.0.right_deaf(stage, "cut"));
        wire::set(stage, &self.1).await
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        wire::clear(stage, &self.1).await
    }

    fn missing() -> Option<String> {
        wire::missing()
    }
}
