//! lock-service: who may have which seat, decided by transactions on etcd.
//!
//! A library only so that its own tests can see its parts; no other crate
//! depends on it. Others speak to it over HTTP (`lock-service-client`).
//!
//! From the outside in: `routes` (HTTP) → `engine` (use cases) → `operations`
//! (the protocol, pure) → `combiner` (one consensus round for many) → `etcd`
//! (the only part that speaks it). Beside them:
//! `mirror` (what etcd holds), `leases`, `crowd` (what is in flight), `picks`.

mod changes;
pub mod combiner;
pub mod config;
pub mod crowd;
pub mod engine;
pub mod etcd;
pub mod fault;
pub mod freshness;
mod gathering;
pub mod keys;
pub mod leases;
pub mod metrics;
pub mod mirror;
#[cfg(test)]
mod on_sale;
pub mod operations;
pub mod picks;
pub mod record;
pub mod routes;
pub mod space;
mod start;
pub mod transaction;

pub use start::{StartError, start};
