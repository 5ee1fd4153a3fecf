//! What is put on: shows, performances, seating plans. Read from a replica,
//! from the primary where the replicas are away or do not know yet, and kept
//! for when all of them are away; and, on the primary, how often performances
//! were looked at. The only module that speaks the catalogue.
//!
//! Must not know: which seats are taken, HTTP.

mod cursor;
mod database;
mod filter;
mod kept;
mod record;
mod views_added;

pub use cursor::{BadCursor, Cursor};
pub use database::{CatalogueAway, Database};
pub use filter::{Filter, ListQuery, Typed};
pub use kept::{Catalogue, Found, Listed, Performance};
pub use record::{PerformanceRecord, PlanRecord, ShowRecord};
pub use views_added::{NotAdded, ViewsAdded};
