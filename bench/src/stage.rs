//! The cluster a benchmark runs on: only the parts it measures, because every
//! other process would cost processor time on a small machine. Knows how to
//! take lock-service away while a peer is measured: it follows every change in
//! etcd, and a peer must not pay for that.

use std::time::Duration;

use local_cluster::{
    ClusterError, NodeKind, Profile, Role, StartedCluster, StateError, Topology, service,
};
use lock_service_client::{LockClient, LockClientConfig};

use crate::Failure;
use crate::options::Options;
use crate::usage::Watched;

/// How long one request to lock-service may take before it is asked again. Far
/// above any latency worth reporting, so that a slow answer is counted as slow.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// A running cluster.
pub(crate) struct Stage {
    cluster: StartedCluster,
}

impl Stage {
    /// Starts etcd and lock-service, and one node of each of the others.
    pub(crate) async fn start(options: &Options, others: &[NodeKind]) -> Result<Self, Failure> {
        let others: Vec<_> = others.iter().map(|kind| (*kind, 1)).collect();
        Self::start_with(options, &others).await
    }

    /// Starts etcd and lock-service, and so many nodes of the others.
    pub(crate) async fn start_with(
        options: &Options,
        others: &[(NodeKind, usize)],
    ) -> Result<Self, Failure> {
        let mut kinds = vec![NodeKind::Etcd, NodeKind::LockService];
        kinds.extend(others.iter().map(|(kind, _)| kind));
        let mut topology =
            Topology::new(&options.tag, Profile::Ha).only(|kind| kinds.contains(&kind));
        topology.set_count(NodeKind::Etcd, options.etcd_members.into());
        topology.set_count(NodeKind::LockService, options.lock_services.into());
        for (kind, count) in others {
            topology.set_count(*kind, *count);
        }
        topology.home.clone_from(&options.home);
        topology.etcd_program.clone_from(&options.etcd);
        if let Some((program, source)) = service::stale_programs(&topology).first() {
            let (program, source) = (program.display(), source.display());
            return Err(format!(
                "{program} is older than {source}; build it with: \
                 cargo build --release --locked --bins"
            )
            .into());
        }
        Ok(Self { cluster: StartedCluster::up(topology).await? })
    }

    /// Stops it and removes its data.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        Ok(self.cluster.down(false).await?)
    }

    /// Stops whatever a run left under this tag.
    pub(crate) async fn sweep(options: &Options) -> Result<(), Failure> {
        match StartedCluster::attach(options.home.clone(), &options.tag) {
            Ok(cluster) => Ok(cluster.down(false).await?),
            Err(ClusterError::State(StateError::NoCluster { .. })) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The client URLs of the etcd members, in the order of their nodes.
    pub(crate) fn etcd_endpoints(&self) -> Vec<String> {
        self.cluster.etcd_endpoints()
    }

    /// Clients of lock-service, each with a connection of its own to each
    /// instance, as so many instances of booking-api would have.
    pub(crate) fn lock_clients(&self, count: usize) -> Result<Vec<LockClient>, Failure> {
        let config = LockClientConfig {
            instances: self.cluster.service_urls(NodeKind::LockService),
            try_timeout: TRY_TIMEOUT,
            away_for: Duration::from_millis(200),
        };
        Ok((0..count).map(|_| LockClient::new(config.clone())).collect::<Result<_, _>>()?)
    }

    /// Where a database is, for an account that may do anything.
    pub(crate) fn database_url(&self, node: &str) -> Result<String, Failure> {
        Ok(self.cluster.database_admin_url(node)?)
    }

    /// Where the payment gateway is.
    pub(crate) fn gateway_url(&self) -> Result<String, Failure> {
        let url = self.cluster.service_urls(NodeKind::PaymentGateway).into_iter().next();
        url.ok_or_else(|| "there is no payment gateway".into())
    }

    /// A metric of lock-service, summed over its labels and instances.
    pub(crate) async fn lock_metric(&self, name: &str) -> Result<f64, Failure> {
        let mut sum = 0.0;
        for node in self.cluster.nodes()? {
            let (NodeKind::LockService, Some(admin)) = (node.kind, node.admin_address) else {
                continue;
            };
            let answer = reqwest::get(format!("http://{admin}/metrics")).await?;
            sum += metric(&answer.text().await?, name).ok_or_else(|| format!("no {name}"))?;
        }
        Ok(sum)
    }

    /// Takes lock-service away.
    pub(crate) async fn without_lock_service(&self) -> Result<(), Failure> {
        self.without(&[NodeKind::LockService]).await
    }

    /// Brings lock-service back and returns when it is ready.
    pub(crate) async fn with_lock_service(&self) -> Result<(), Failure> {
        self.with(&[NodeKind::LockService]).await
    }

    /// Takes all nodes of some kinds away.
    pub(crate) async fn without(&self, kinds: &[NodeKind]) -> Result<(), Failure> {
        for node in self.cluster.nodes()? {
            if kinds.contains(&node.kind) && node.pid.is_some() {
                self.cluster.kill(&node.name).await?;
            }
        }
        Ok(())
    }

    /// Brings them back, in the order of their kinds, and returns when they are
    /// ready.
    pub(crate) async fn with(&self, kinds: &[NodeKind]) -> Result<(), Failure> {
        for node in self.cluster.nodes()? {
            if kinds.contains(&node.kind) && node.pid.is_none() {
                self.cluster.restart(&node.name).await?;
            }
        }
        Ok(())
    }

    /// Where the instances of booking-api are, past the load balancer.
    pub(crate) fn booking_urls(&self) -> Vec<String> {
        self.cluster.service_urls(NodeKind::BookingApi)
    }

    /// Where the instances of view-service are, past the load balancer.
    pub(crate) fn view_urls(&self) -> Vec<String> {
        self.cluster.service_urls(NodeKind::ViewService)
    }

    /// Where Redis is.
    pub(crate) fn redis_url(&self) -> Result<String, Failure> {
        self.cluster.redis_url().ok_or_else(|| "there is no Redis".into())
    }

    /// Where the load balancer is.
    pub(crate) fn base_url(&self) -> String {
        self.cluster.base_url()
    }

    /// A bearer token.
    pub(crate) fn token(&self, user: &str, role: Role, ttl: Duration) -> Result<String, Failure> {
        Ok(self.cluster.mint_token(user, role, ttl)?)
    }

    /// What tokens are signed with.
    pub(crate) fn jwt_secret(&self) -> &str {
        &self.cluster.secrets().jwt
    }

    /// Kills the etcd member with this client URL and names its node.
    pub(crate) async fn kill_etcd_at(&self, url: &str) -> Result<String, Failure> {
        let is_it = |node: &local_cluster::Node| url.ends_with(&node.address);
        let node = self.cluster.nodes()?.into_iter().find(is_it).ok_or("no such member")?;
        self.cluster.kill(&node.name).await?;
        Ok(node.name)
    }

    /// Starts a node again and returns when it is healthy.
    pub(crate) async fn restart(&self, node: &str) -> Result<(), Failure> {
        Ok(self.cluster.restart(node).await?)
    }

    /// The processes that run.
    pub(crate) fn processes(&self) -> Result<Vec<Watched>, Failure> {
        let nodes = self.cluster.nodes()?.into_iter();
        let watched = nodes.filter_map(|node| {
            Some(Watched { name: node.name, pid: u32::try_from(node.pid?).ok()? })
        });
        Ok(watched.collect())
    }
}

/// The sum of a metric over its labels in Prometheus' text; `None` where it is
/// not there at all.
fn metric(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let text = "# HELP a_total x\na_total{v=\"1\"} 2\na_total{v=\"2\"} 3\na_total_more 9\n";
        assert_eq!(metric(text, "a_total"), Some(5.0));
        assert_eq!(metric(text, "b_total"), None);
    }
}
