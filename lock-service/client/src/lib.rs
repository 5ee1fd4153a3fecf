//! How others speak to lock-service: its wire types and a client that finds a
//! living instance.
//!
//! Must not know: etcd, the rules of holding, any other service.

mod client;
mod feed;
pub mod wire;

pub use client::{LockClient, LockClientConfig, LockError};
pub use feed::ChangeFeed;
