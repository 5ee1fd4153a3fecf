//! The MySQL shards: the only module that speaks to them.
//!
//! Must not know: HTTP, lock-service, prices, what a customer may do. It is
//! told what to write and answers what became of it, and never turns an
//! unknown outcome into a failure.

mod bookings;
mod committer;
mod connections;
mod deliveries;
mod delivery_upkeep;
mod error;
mod group;
mod ledger;
mod outbox;
mod questions;
mod remembered;
mod ring;
mod sales;
mod shard;
mod stuck;
mod weakened;

pub use committer::CommitterConfig;
pub use connections::ConnectionsConfig;
pub use deliveries::{
    ClaimedDelivery, DeliveryEnd, DueDeliveries, Listener, NewDelivery, SettledDelivery,
};
pub use delivery_upkeep::{DeliveryCount, DeliveryRow};
pub use error::{Refusal, StoreError};
pub use group::{Group, NewBooking, NewTicket};
pub use ledger::{LedgerBooking, LedgerState, LedgerTicket, ListAfter, TierTotals, Tombstone};
pub use outbox::{OutboxRow, OutboxWork, Refund, Sold};
pub use questions::QuestionsConfig;
pub use remembered::{KeepAnswer, Remembered};
pub use ring::ShardRing;
pub use sales::{ChangedSales, SalesHour};
pub use shard::{Shard, ShardMetrics, Shards};
pub use stuck::{Backoff, HeldBack, Stuck};
