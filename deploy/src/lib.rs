//! Real local clusters, as values: a [`Topology`] (data) becomes a [`Plan`]
//! (pure, printable) becomes a [`StartedCluster`] (verbs). People, tests,
//! chaos runs and benchmarks all start their clusters here.
//!
//! ```no_run
//! # async fn example() -> Result<(), local_cluster::ClusterError> {
//! use local_cluster::{Profile, StartedCluster, Topology};
//! let cluster = StartedCluster::up(Topology::new("mine", Profile::Tiny)).await?;
//! println!("{}", cluster.base_url());
//! cluster.kill("redis").await?;
//! cluster.restart("redis").await?;
//! cluster.down(false).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Nodes are daemons: they outlive the value and the process that started
//! them, and [`StartedCluster::attach`] finds them again.

mod addresses;
mod alertmanager;
pub mod backup;
mod cluster;
pub mod configuration;
mod console;
pub mod demo_world;
mod etcd;
mod exporters;
mod handbook;
mod haproxy;
pub mod hosts;
mod mysql;
mod plan;
mod ports;
mod process;
pub mod programs;
mod prometheus;
mod promotion;
mod readiness;
mod reconfigure;
mod redis;
mod replication;
pub mod restore;
mod roles;
mod roll_out;
mod seeding;
pub mod service;
mod settle;
mod start;
pub mod state;
mod token;
mod topology;

pub use cluster::{ClusterError, Node, NodeStatus, StartedCluster};
pub use mysql::FillError;
pub use plan::{ConfigFile, NodePlan, Plan};
pub use ports::{NodePorts, PortsError};
pub use process::{Launch, Liveness, ProcessId};
pub use programs::{Programs, ProgramsError};
pub use promotion::ReplicaError;
pub use readiness::Probe;
pub use roles::Roles;
pub use roll_out::Direction;
pub use start::{Progress, ProgressSink};
pub use state::{Secrets, StateError};
pub use token::{Role, UnknownRole};
pub use topology::{DEFAULT_TAG, NodeKind, NodeSpec, Profile, Topology, UnknownProfile};
