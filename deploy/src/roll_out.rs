//! A roll-out: every instance of every service is started again, one at a
//! time, and the next only when the last one serves. What it is given by then,
//! another program or other settings, is not known here.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::{ClusterError, StartedCluster};
use crate::start::{Progress, ProgressSink};
use crate::topology::{NodeKind, Topology};

/// Whoever is asked before whoever asks: a new caller may send what an old
/// callee does not know.
const ORDER: [NodeKind; 4] =
    [NodeKind::PaymentGateway, NodeKind::LockService, NodeKind::BookingApi, NodeKind::ViewService];

/// How long an instance that is ready may miss what it can do without, such as
/// a shard whose tables it does not know. It would go on missing that, and the
/// next instance, too: together they would sell nothing.
const WHOLE_WITHIN: Duration = Duration::from_secs(20);

/// How often it is asked.
const POLL: Duration = Duration::from_millis(50);

/// Which way a roll-out goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To a newer version: payment-gateway, lock-service, booking-api, view-service.
    Forward,
    /// To the version before: backwards.
    Back,
}

impl Direction {
    /// The instances in turn. Of one kind those that do not serve go first:
    /// while they are away the others are all there is.
    fn order(self, topology: &Topology, away: &BTreeSet<String>) -> Vec<String> {
        let mut kinds = ORDER;
        if self == Self::Back {
            kinds.reverse();
        }
        let of_kind = |kind| {
            let mut names: Vec<String> =
                topology.of_kind(kind).map(|node| node.name.clone()).collect();
            names.sort_by_key(|name| !away.contains(name));
            names
        };
        kinds.into_iter().flat_map(of_kind).collect()
    }
}

impl StartedCluster {
    /// Starts every service instance again, one at a time, each as
    /// [`Self::restart`] does, and goes on when it is given requests and
    /// misses nothing, not even what it can do without. Tells `progress`
    /// which instances there are and when each is ready.
    ///
    /// # Errors
    /// [`ClusterError::Halted`] with the first instance that does not come up:
    /// those after it are untouched.
    pub async fn roll_out(
        &self,
        direction: Direction,
        progress: &ProgressSink,
    ) -> Result<(), ClusterError> {
        // Two of them at once would take two instances of one kind away.
        let _launcher = self.folder().lock_launcher().await?;
        let away = self.status().await?.into_iter().filter(|status| status.problem.is_some());
        let away: BTreeSet<String> = away.map(|status| status.node.name).collect();
        let order = direction.order(self.topology(), &away);
        progress(Progress::Planned { nodes: order.clone() });
        for (at, node) in order.iter().enumerate() {
            let since = Instant::now();
            if let Err(source) = self.renew(node).await {
                let (done, rest) = order.split_at(at);
                return Err(ClusterError::Halted {
                    node: node.clone(),
                    done: done.to_vec(),
                    untouched: rest[1..].to_vec(),
                    source: Box::new(source),
                });
            }
            progress(Progress::Ready { node: node.clone(), after: since.elapsed() });
        }
        Ok(())
    }

    /// Starts a node again as [`Self::restart`] does, and returns when it also
    /// misses nothing that it could do without; only services ever do.
    ///
    /// # Errors
    /// As [`Self::restart`]; [`ClusterError::Incomplete`] when it serves and
    /// goes on missing something.
    pub async fn renew(&self, name: &str) -> Result<(), ClusterError> {
        self.restart(name).await?;
        let probe = &self.find(name)?.probe;
        let deadline = Instant::now() + WHOLE_WITHIN;
        while let Err(missing) = probe.check_whole().await {
            if Instant::now() >= deadline {
                let (node, patience) = (name.to_owned(), WHOLE_WITHIN);
                return Err(ClusterError::Incomplete { node, patience, missing });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Profile;

    #[test]
    fn whoever_is_asked_goes_before_whoever_asks_and_last_on_the_way_back() {
        let topology = Topology::new("t", Profile::Ha);
        let forward = Direction::Forward.order(&topology, &BTreeSet::new());
        assert_eq!(
            forward,
            [
                "payment-gateway",
                "lock-service-0",
                "lock-service-1",
                "booking-api-0",
                "booking-api-1",
                "view-service-0",
                "view-service-1",
            ]
        );
        let back = Direction::Back.order(&topology, &BTreeSet::new());
        assert_eq!((back[0].as_str(), back[6].as_str()), ("view-service-0", "payment-gateway"));
        assert_eq!(back.len(), forward.len());
    }

    #[test]
    fn the_one_that_serves_is_not_taken_away_before_the_other_is_back() {
        let topology = Topology::new("t", Profile::Ha);
        let away = BTreeSet::from(["booking-api-1".to_owned()]);
        let order = Direction::Back.order(&topology, &away);
        let at = |name: &str| order.iter().position(|node| node == name).unwrap();
        assert!(at("booking-api-1") < at("booking-api-0"));
        assert!(at("view-service-1") < at("booking-api-1"), "kinds keep their order");
    }
}
