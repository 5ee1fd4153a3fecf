//! The names of everything Seatlock keeps in etcd.

use seat_model::{BookingId, PerformanceId, SeatId};

/// What every key begins with.
pub const PREFIX: &str = "/seatlock/v1/";

/// The shard map.
pub const SHARDS: &str = "/seatlock/v1/shards";

/// Raised when the cell is rebuilt or restored, because revisions may go back.
pub const EPOCH: &str = "/seatlock/v1/epoch";

const SEAT: &str = "seat/";
const PICK: &str = "pick/";

/// A key, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A seat that is not free.
    Seat(PerformanceId, SeatId),
    /// The seats that were chosen for a booking.
    Pick(BookingId),
    /// The shard map.
    Shards,
    /// The cell's epoch.
    Epoch,
}

/// The key of a seat.
#[must_use]
pub fn seat(performance: &PerformanceId, seat: &SeatId) -> String {
    format!("{PREFIX}{SEAT}{performance}/{seat}")
}

/// The key of a booking's pick marker.
#[must_use]
pub fn pick(booking: BookingId) -> String {
    format!("{PREFIX}{PICK}{booking}")
}

/// What a key names; `None` for everything that is not Seatlock's.
#[must_use]
pub fn parse(key: &str) -> Option<Key> {
    match key.strip_prefix(PREFIX)? {
        "shards" => Some(Key::Shards),
        "epoch" => Some(Key::Epoch),
        rest => {
            if let Some(rest) = rest.strip_prefix(SEAT) {
                // A performance has no `/`, a seat may: the first one separates.
                let (performance, seat) = rest.split_once('/')?;
                Some(Key::Seat(performance.parse().ok()?, seat.parse().ok()?))
            } else {
                rest.strip_prefix(PICK)?.parse().ok().map(Key::Pick)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_may_have_a_slash_in_its_name() {
        let performance = PerformanceId::new("hamlet-1").unwrap();
        for name in ["A-1", "Box 3/left", "//"] {
            let id = SeatId::new(name).unwrap();
            let key = seat(&performance, &id);
            assert_eq!(parse(&key), Some(Key::Seat(performance.clone(), id)));
        }
    }

    #[test]
    fn what_is_not_ours_is_nothing() {
        for key in ["", "/seatlock/v1/", "/seatlock/v2/epoch", "/seatlock/v1/seat/a", "zzz"] {
            assert_eq!(parse(key), None, "{key}");
        }
        let booking = BookingId::from_bytes([7; 16]);
        assert_eq!(parse(&pick(booking)), Some(Key::Pick(booking)));
    }
}
