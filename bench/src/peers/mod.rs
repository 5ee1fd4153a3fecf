//! What Seatlock is measured beside: other ways to hold a seat, each at its
//! best settings.

mod box_office;
pub(crate) mod front;
mod lease_lock;
mod lines;
mod members;
mod nginx;
mod plain_put;
mod skip_locked;

pub(crate) use box_office::{BoxOffice, Ended, Tables, Wanted, booking_id};
pub(crate) use lease_lock::LeaseLock;
pub(crate) use members::{Members, Placement};
pub(crate) use nginx::Nginx;
pub(crate) use plain_put::PlainPut;
pub(crate) use skip_locked::{SeatTable, SkipLocked};

/// What the keys of peers begin with: beside Seatlock's, in the same etcd.
pub(crate) const PREFIX: &str = "/peer/";
