//! Where the parts of a cluster are, and the tokens and passwords that open
//! them: what a test or a benchmark needs to talk to it.

use std::time::Duration;

use lock_service_client::{LockClient, LockClientConfig, LockError};
use seat_model::ShardId;
use store_audit::Addresses;

use crate::cluster::{ClusterError, StartedCluster};
use crate::console;
use crate::plan::{http, ports_of};
use crate::token::{self, Role};
use crate::topology::{NodeKind, NodeSpec};
use crate::{etcd, mysql, redis, roles, service};

/// What view-service's keys in Redis begin with unless it is told otherwise.
const REDIS_PREFIX: &str = "seatlock:v1";

impl StartedCluster {
    /// A bearer token that booking-api accepts for `ttl`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn mint_token(
        &self,
        user: &str,
        role: Role,
        ttl: Duration,
    ) -> Result<String, ClusterError> {
        Ok(token::mint(&self.state().secrets.jwt, user, role, ttl)?)
    }

    /// The load balancer's address: `http://127.0.0.1:PORT` where nodes have no
    /// hosts of their own.
    #[must_use]
    pub fn base_url(&self) -> String {
        http(ports_of(self.state(), "load-balancer").at_main())
    }

    /// Prometheus.
    #[must_use]
    pub fn prometheus_url(&self) -> String {
        http(ports_of(self.state(), "prometheus").at_main())
    }

    /// The operations page, which Prometheus serves.
    #[must_use]
    pub fn operations_url(&self) -> String {
        format!("{}/{}", self.prometheus_url(), console::PATH)
    }

    /// The client URLs of the etcd members.
    #[must_use]
    pub fn etcd_endpoints(&self) -> Vec<String> {
        etcd::endpoints(self.state())
    }

    /// Redis; `None` where the topology has none.
    #[must_use]
    pub fn redis_url(&self) -> Option<String> {
        redis::url(self.state())
    }

    /// The addresses of the instances of a service, past the load balancer.
    #[must_use]
    pub fn service_urls(&self, kind: NodeKind) -> Vec<String> {
        service::urls(self.state(), kind)
    }

    /// Where the database of one server is, for the account of the services.
    /// Who leads a shard is another question: [`Self::store_addresses`].
    ///
    /// # Errors
    /// When there is no such node.
    pub fn database_url(&self, name: &str) -> Result<String, ClusterError> {
        Ok(mysql::url(self.state(), self.spec(name)?))
    }

    /// The same for an account that may do anything.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn database_admin_url(&self, name: &str) -> Result<String, ClusterError> {
        Ok(mysql::launcher_url(self.state(), self.spec(name)?))
    }

    /// Where the stores are, for whoever compares them with one another.
    #[must_use]
    pub fn store_addresses(&self) -> Addresses {
        let state = self.state();
        let shards = self.topology().of_kind(NodeKind::Shard).filter_map(|node| {
            // A node's name is a shard's id: a slug.
            let server = roles::primary_of(state, node);
            Some((ShardId::new(node.name.as_str()).ok()?, mysql::url(state, server)))
        });
        let catalogue = self.topology().of_kind(NodeKind::Catalogue).next();
        let overrides = self.topology().overrides.get(&NodeKind::ViewService);
        let prefix = overrides.and_then(|table| table.get("redis_prefix")?.as_str());
        Addresses {
            etcd: self.etcd_endpoints(),
            shards: shards.collect(),
            catalogue: catalogue.map(|node| mysql::url(state, node)).unwrap_or_default(),
            redis: self.redis_url(),
            redis_prefix: prefix.unwrap_or(REDIS_PREFIX).to_owned(),
            gateway: self.service_urls(NodeKind::PaymentGateway).into_iter().next(),
        }
    }

    /// A client of the cluster's lock-service instances.
    ///
    /// # Errors
    /// When the cluster has none.
    pub fn lock_client(&self) -> Result<LockClient, LockError> {
        LockClient::new(LockClientConfig {
            instances: self.service_urls(NodeKind::LockService),
            try_timeout: Duration::from_secs(5),
            away_for: Duration::from_secs(1),
        })
    }

    pub(crate) fn spec(&self, name: &str) -> Result<&NodeSpec, ClusterError> {
        let kind = self.find(name)?.kind;
        let spec = self.topology().of_kind(kind).find(|node| node.name == name);
        spec.ok_or_else(|| ClusterError::NotRunning(name.to_owned()))
    }
}
