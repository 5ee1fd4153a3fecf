//! The seat protocol as a model that is explored whole: every order of steps,
//! messages that come late, twice or never, instances that die anywhere, holds
//! that expire at any moment. docs/PROTOCOL-MODEL.md says what is in it, what
//! is not, and what came out.
//!
//! One file for each role: [`etcd`], [`shard`], the [`attempt`] of an instance,
//! the [`reconciler`] (with the [`ending`] that it shares with attempts), the
//! [`cancel`], the outbox [`relay`], the [`mover`], [`money`]. [`state`] says
//! how messages are modelled, [`properties`] what is promised, [`weakness`] and
//! [`weaker`] what happens to weaker designs.
//!
//! Must not know: any service's code. It is what they are measured by.

pub mod attempt;
pub mod cancel;
pub mod catalogue;
pub mod check;
pub mod ending;
pub mod etcd;
pub mod model;
pub mod money;
pub mod mover;
pub mod names;
pub mod properties;
pub mod reconciler;
pub mod relay;
pub mod scenario;
pub mod shard;
pub mod state;
pub mod telling;
pub mod weaker;
pub mod weakness;
