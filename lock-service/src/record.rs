//! What etcd keeps under a seat's key and under a pick's, and how a booking is
//! read back from it. Field names are short because a busy night writes
//! millions of these.

use std::sync::Arc;
use std::time::Instant;

use lock_service_client::wire::{BookedSeats, Pin, PricedSeat};
use seat_model::{
    BookingId, Fence, MAX_CELL_EPOCH, MAX_REVISION, PerformanceId, SeatId, SeatState, ShowId,
    Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::transaction::Kv;

/// The value of a seat that is not free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatRecord {
    /// What is true of it.
    #[serde(rename = "s")]
    pub state: SeatState,
    /// Whose booking it belongs to.
    #[serde(rename = "b")]
    pub booking: BookingId,
    /// Whose booking that is.
    #[serde(rename = "u")]
    pub user: UserId,
    /// The show of the performance.
    #[serde(rename = "w")]
    pub show: ShowId,
    /// The seat's tier.
    #[serde(rename = "t")]
    pub tier: SmolStr,
    /// Its price, in minor units.
    #[serde(rename = "p")]
    pub price: u64,
    /// How many seats were taken together.
    #[serde(rename = "n")]
    pub taken: u32,
    /// Hash of the body that asked for them (INV-8).
    #[serde(rename = "h")]
    pub body_hash: SmolStr,
    /// When they were acquired.
    #[serde(rename = "a")]
    pub acquired_ms: i64,
    /// When the hold runs out.
    #[serde(rename = "d")]
    pub deadline_ms: i64,
    /// When it would have run out without extension.
    #[serde(rename = "e")]
    pub first_deadline_ms: i64,
    /// The latest an extension can reach.
    #[serde(rename = "c")]
    pub cap_ms: i64,
    /// How long the hold lives from a first or a further moment, in milliseconds.
    #[serde(rename = "l")]
    pub ttl_ms: u64,
    /// Whether the service chose the seats, so that there is a pick marker.
    #[serde(rename = "k", default, skip_serializing_if = "std::ops::Not::not")]
    pub picked: bool,
    /// The revision that the write of this value compared against; 0 for an
    /// acquire. Tells a resend of that write from a later one.
    #[serde(rename = "f", default, skip_serializing_if = "is_zero")]
    pub from_revision: u64,
    /// From `confirming` on: for which attempt, and where it commits (INV-4).
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// The value of `pick/{booking}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickMarker {
    /// The performance chosen from.
    #[serde(rename = "p")]
    pub performance: PerformanceId,
    /// The seats that were chosen.
    #[serde(rename = "s")]
    pub seats: Vec<SeatId>,
}

/// A value in etcd that is not what this service writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value of {key} makes no sense: {why}")]
pub struct Nonsense {
    /// Under which key.
    pub key: String,
    /// What the reader said.
    pub why: String,
}

impl SeatRecord {
    /// As it is written.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// When it is not a seat's value.
    pub fn decode(kv: &Kv) -> Result<Self, Nonsense> {
        serde_json::from_slice(&kv.value)
            .map_err(|error| Nonsense { key: kv.key.clone(), why: error.to_string() })
    }

    /// When the hold runs out.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        Timestamp::from_millis(self.deadline_ms)
    }
}

impl PickMarker {
    /// As it is written.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A seat that is not free, as it was seen at some revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatSeen {
    /// The seat.
    pub seat: SeatId,
    /// Its value.
    pub record: Arc<SeatRecord>,
    /// When it was last written.
    pub mod_revision: u64,
    /// When it was acquired.
    pub create_revision: u64,
}

/// Seats of one booking that were written together. Never empty.
#[derive(Debug, Clone)]
pub struct BookingSeen {
    /// The booking.
    pub booking: BookingId,
    /// Its performance.
    pub performance: PerformanceId,
    /// Its seats, sorted.
    pub seats: Vec<SeatSeen>,
    /// Since when this instance has watched them at this fence.
    pub since: Instant,
}

/// Whether a seat of a booking came with a later acquire than its first. A sold
/// seat never did: only a repair writes one beside others, and only after the
/// ledger said whose it is.
#[must_use]
pub fn is_stray(state: SeatState, create_revision: u64, first: u64) -> bool {
    create_revision != first && state != SeatState::Sold
}

impl BookingSeen {
    /// The booking among seats that were read, `None` if none of them is its.
    /// Only the seats of its first acquire count; later ones are strays.
    #[must_use]
    pub fn among(
        booking: BookingId,
        performance: &PerformanceId,
        seats: impl IntoIterator<Item = SeatSeen>,
        since: Instant,
    ) -> Option<Self> {
        let mut seats: Vec<SeatSeen> =
            seats.into_iter().filter(|seen| seen.record.booking == booking).collect();
        let first = seats.iter().map(|seen| seen.create_revision).min()?;
        seats.retain(|seen| !is_stray(seen.record.state, seen.create_revision, first));
        seats.sort_unstable_by(|a, b| a.seat.cmp(&b.seat));
        Some(Self { booking, performance: performance.clone(), seats, since })
    }

    /// One of the seats: what is the booking's is the same in all.
    #[must_use]
    pub fn record(&self) -> &SeatRecord {
        &self.seats[0].record
    }

    /// The revision they were last written at.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.seats.iter().map(|seen| seen.mod_revision).max().unwrap_or(0)
    }

    /// What the others are told.
    #[must_use]
    pub fn booked(&self, cell_epoch: u64) -> BookedSeats {
        let record = self.record();
        BookedSeats {
            booking: self.booking,
            performance: self.performance.clone(),
            show: record.show.clone(),
            user: record.user.clone(),
            state: record.state,
            seats: self
                .seats
                .iter()
                .map(|seen| PricedSeat {
                    seat: seen.seat.clone(),
                    tier: seen.record.tier.to_string(),
                    price: seen.record.price,
                })
                .collect(),
            taken: record.taken,
            fence: fence(cell_epoch, self.revision()),
            acquired: fence(cell_epoch, self.seats[0].create_revision),
            body_hash: record.body_hash.to_string(),
            acquired_at: Timestamp::from_millis(record.acquired_ms),
            deadline: record.deadline(),
            first_deadline: Timestamp::from_millis(record.first_deadline_ms),
            cap: Timestamp::from_millis(record.cap_ms),
            pin: record.pin.clone(),
        }
    }

    /// The same seats written again at a later revision.
    #[must_use]
    pub fn rewritten(
        &self,
        revision: u64,
        change: impl Fn(&SeatRecord) -> SeatRecord,
    ) -> BookingSeen {
        let seats = self
            .seats
            .iter()
            .map(|seen| SeatSeen {
                seat: seen.seat.clone(),
                record: Arc::new(change(&seen.record)),
                mod_revision: revision,
                create_revision: seen.create_revision,
            })
            .collect();
        BookingSeen {
            booking: self.booking,
            performance: self.performance.clone(),
            seats,
            since: self.since,
        }
    }
}

/// A fence of this cell. Saturates at its range's end, where compares fail and
/// nobody is ever mistaken for an owner.
#[must_use]
pub fn fence(cell_epoch: u64, revision: u64) -> Fence {
    Fence::new(cell_epoch.min(MAX_CELL_EPOCH), revision.min(MAX_REVISION))
        .unwrap_or(Fence::from_u64(0))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(booking: BookingId, state: SeatState) -> SeatRecord {
        SeatRecord {
            state,
            booking,
            user: UserId::new("ann").unwrap(),
            show: ShowId::new("hamlet").unwrap(),
            tier: "Stalls".into(),
            price: 4200,
            taken: 2,
            body_hash: "h1".into(),
            acquired_ms: 1_000,
            deadline_ms: 11_000,
            first_deadline_ms: 11_000,
            cap_ms: 31_000,
            ttl_ms: 10_000,
            picked: false,
            from_revision: 0,
            pin: None,
        }
    }

    #[test]
    fn a_value_survives_and_stays_short() {
        let record = record(BookingId::from_bytes([1; 16]), SeatState::Held);
        let value = record.encode();
        assert!(value.len() < 260, "{} bytes", value.len());
        let kv = Kv { key: "k".into(), value, mod_revision: 1, create_revision: 1 };
        assert_eq!(SeatRecord::decode(&kv), Ok(record));
        let kv = Kv { value: b"{}".to_vec(), ..kv };
        assert!(SeatRecord::decode(&kv).is_err());
    }

    #[test]
    fn values_of_other_versions_are_read() {
        let wanted = record(BookingId::from_bytes([1; 16]), SeatState::Held);
        // As long as nothing has been added since, and with what may be: a
        // field that this version does not know is skipped, and lost when the
        // seat is written again.
        for more in ["", r#","z":{"later":1}"#] {
            let value = format!(
                r#"{{"s":"held","b":"{}","u":"ann","w":"hamlet","t":"Stalls","p":4200,"n":2,"h":"h1","a":1000,"d":11000,"e":11000,"c":31000,"l":10000{more}}}"#,
                wanted.booking
            );
            let kv = Kv {
                key: "k".into(),
                value: value.into_bytes(),
                mod_revision: 1,
                create_revision: 1,
            };
            let read = SeatRecord::decode(&kv).unwrap();
            assert_eq!((&read, read.encode()), (&wanted, wanted.encode()));
        }
    }

    #[test]
    fn strays_do_not_count_as_the_bookings_seats() {
        let booking = BookingId::from_bytes([1; 16]);
        let seen = |name: &str, create, booking| SeatSeen {
            seat: SeatId::new(name).unwrap(),
            record: Arc::new(record(booking, SeatState::Held)),
            mod_revision: create,
            create_revision: create,
        };
        let performance = PerformanceId::new("p").unwrap();
        let other = BookingId::from_bytes([2; 16]);
        let seats = [seen("B1", 5, booking), seen("A1", 5, booking), seen("A2", 9, booking)];
        let found = BookingSeen::among(booking, &performance, seats, Instant::now()).unwrap();
        let names = |found: &BookingSeen| -> Vec<String> {
            found.seats.iter().map(|seen| seen.seat.to_string()).collect()
        };
        assert_eq!((names(&found).join(" "), found.revision()), ("A1 B1".into(), 5));
        let repaired = [seen("A1", 5, booking), seen("A2", 9, booking)].map(|mut seat| {
            seat.record = Arc::new(SeatRecord { state: SeatState::Sold, ..(*seat.record).clone() });
            seat
        });
        let found = BookingSeen::among(booking, &performance, repaired, Instant::now()).unwrap();
        assert_eq!(names(&found).join(" "), "A1 A2", "a sold seat is no stray");
        assert!(
            BookingSeen::among(other, &performance, [seen("A1", 5, booking)], Instant::now())
                .is_none()
        );
    }
}
