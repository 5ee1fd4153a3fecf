//! Acquire: all seats absent, then all of them are written together; named
//! seats, a pick with its marker, or straight to `confirming`.

use std::time::Instant;

use seat_model::{BookingId, Conflict, PerformanceId, SeatId};

use super::seat_keys;
use crate::keys;
use crate::record::{BookingSeen, PickMarker, SeatRecord, SeatSeen};
use crate::transaction::{Compare, LeaseId, Op, Txn};

/// An acquire, ready to be sent. Sent again it is exactly the same.
#[derive(Debug, Clone)]
pub struct AcquirePlan {
    /// The booking.
    pub booking: BookingId,
    /// Its performance.
    pub performance: PerformanceId,
    /// The seats with what is to be written, sorted by seat.
    pub seats: Vec<(SeatId, SeatRecord)>,
    /// The lease of a hold; none where the seats are pinned at once.
    pub lease: LeaseId,
    /// The revision of the shard map that a pin was read from.
    pub shards_revision: Option<u64>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Acquiring {
    /// The seats are the booking's, by this plan.
    Taken(BookingSeen),
    /// The booking has some of these seats, or a marker: a replay, or another
    /// body under the same id; whoever asks looks at all of its seats.
    Ours,
    /// Somebody else has these.
    Conflicts(Vec<Conflict>),
    /// Everything is free: the shard map moved, or whoever had the seats has
    /// just let them go; reading the map again finds out.
    MapMoved,
    /// Whoever had the seats has just let them go: ask again.
    FreeAgain,
}

impl AcquirePlan {
    fn picked(&self) -> bool {
        self.seats.iter().any(|(_, record)| record.picked)
    }

    fn keys(&self) -> Vec<String> {
        seat_keys(&self.performance, self.seats.iter().map(|(seat, _)| seat))
    }

    /// The transaction. It reads nothing where it is refused: whose the seats
    /// are the mirror knows at that revision, and each of etcd's members would
    /// carry the reads of every hold that goes well.
    #[must_use]
    pub fn txn(&self) -> Txn {
        let keys = self.keys();
        let absent = |key: &String| Compare { key: key.clone(), mod_revision: 0 };
        let mut txn = Txn {
            compares: keys.iter().map(absent).collect(),
            then: keys
                .iter()
                .zip(&self.seats)
                .map(|(key, (_, record))| Op::Put {
                    key: key.clone(),
                    value: record.encode(),
                    lease: self.lease,
                })
                .collect(),
            otherwise: Vec::new(),
        };
        if self.picked() {
            // One key never holds two sets of seats: the marker lives exactly as
            // long as the hold does (INV-8).
            let key = keys::pick(self.booking);
            let marker = PickMarker {
                performance: self.performance.clone(),
                seats: self.seats.iter().map(|(seat, _)| seat.clone()).collect(),
            };
            txn.compares.push(absent(&key));
            txn.then.push(Op::Put { key, value: marker.encode(), lease: self.lease });
        }
        if let Some(mod_revision) = self.shards_revision {
            let key = keys::SHARDS.to_owned();
            txn.compares.push(Compare { key, mod_revision });
        }
        txn
    }

    /// What a refusal means, by what the mirror has of the seats at its
    /// revision or later, and whether the booking has a marker there.
    #[must_use]
    pub fn refused(&self, found: &[SeatSeen], marked: bool) -> Acquiring {
        let ours: Vec<&SeatSeen> =
            found.iter().filter(|seen| seen.record.booking == self.booking).collect();
        // An earlier sending of this very plan: same nonce on all of its seats.
        if let (Some(pin), true) = (&self.seats[0].1.pin, ours.len() == self.seats.len())
            && ours.iter().all(|seen| seen.record.pin.as_ref() == Some(pin))
        {
            return Acquiring::Taken(self.taken(ours[0].mod_revision));
        }
        if (marked && self.picked()) || !ours.is_empty() {
            return Acquiring::Ours;
        }
        if found.is_empty() {
            let pinned = self.shards_revision.is_some();
            return if pinned { Acquiring::MapMoved } else { Acquiring::FreeAgain };
        }
        let conflicts = found
            .iter()
            .map(|seen| Conflict { seat: seen.seat.clone(), state: seen.record.state.into() })
            .collect();
        Acquiring::Conflicts(conflicts)
    }

    /// The seats as this plan wrote them.
    #[must_use]
    pub fn taken(&self, revision: u64) -> BookingSeen {
        let seats = self
            .seats
            .iter()
            .map(|(seat, record)| SeatSeen {
                seat: seat.clone(),
                record: record.clone().into(),
                mod_revision: revision,
                create_revision: revision,
            })
            .collect();
        BookingSeen {
            booking: self.booking,
            performance: self.performance.clone(),
            seats,
            since: Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lease_of;
    use super::*;
    use crate::record::tests::record;
    use crate::transaction::NO_LEASE;
    use lock_service_client::wire::Pin;
    use seat_model::{Nonce, PublicSeatState, SeatState, ShardEpoch, ShardId};

    fn booking(n: u8) -> BookingId {
        BookingId::from_bytes([n; 16])
    }

    fn plan(picked: bool, pin: Option<Pin>) -> AcquirePlan {
        let mut record = record(booking(1), SeatState::Held);
        record.picked = picked;
        record.pin = pin;
        AcquirePlan {
            booking: booking(1),
            performance: PerformanceId::new("p").unwrap(),
            seats: ["A1", "A2"].map(|s| (SeatId::new(s).unwrap(), record.clone())).to_vec(),
            lease: 9,
            shards_revision: None,
        }
    }

    fn seen(seat: &str, record: &SeatRecord) -> SeatSeen {
        SeatSeen {
            seat: SeatId::new(seat).unwrap(),
            record: record.clone().into(),
            mod_revision: 5,
            create_revision: 5,
        }
    }

    #[test]
    fn every_seat_and_the_marker_must_be_absent() {
        let txn = plan(true, None).txn();
        assert_eq!(txn.compares.len(), 3);
        assert!(txn.compares.iter().all(|compare| compare.mod_revision == 0));
        assert_eq!((txn.then.len(), txn.otherwise.len(), lease_of(&txn)), (3, 0, Some(9)));
        assert_eq!(plan(false, None).txn().compares.len(), 2);
    }

    #[test]
    fn somebody_elses_seats_are_named_with_their_state() {
        let theirs = record(booking(2), SeatState::Sold);
        let verdict = plan(false, None).refused(&[seen("A2", &theirs)], false);
        let Acquiring::Conflicts(conflicts) = verdict else { panic!("{verdict:?}") };
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].seat.as_str(), "A2");
        assert_eq!(conflicts[0].state, PublicSeatState::Sold);
    }

    #[test]
    fn ones_own_seat_or_marker_is_a_replay() {
        let mine = record(booking(1), SeatState::Held);
        let both = [seen("A1", &mine), seen("A2", &mine)];
        assert!(matches!(plan(false, None).refused(&both, false), Acquiring::Ours));
        assert!(matches!(plan(true, None).refused(&[], true), Acquiring::Ours));
    }

    #[test]
    fn seats_that_are_free_by_now_are_asked_for_again() {
        assert!(matches!(plan(false, None).refused(&[], false), Acquiring::FreeAgain));
    }

    #[test]
    fn straight_to_confirming_needs_the_map_and_knows_its_own_nonce() {
        let pin = |nonce| Pin {
            shard: ShardId::new("s0").unwrap(),
            epoch: ShardEpoch::FIRST,
            nonce: Nonce::new(nonce),
        };
        let mut plan = plan(false, Some(pin(1)));
        plan.shards_revision = Some(3);
        plan.lease = NO_LEASE;
        assert_eq!(plan.txn().compares.last().unwrap().mod_revision, 3);
        assert_eq!(lease_of(&plan.txn()), None);
        assert!(matches!(plan.refused(&[], false), Acquiring::MapMoved));
        let mut mine = record(booking(1), SeatState::Confirming);
        mine.pin = Some(pin(1));
        let verdict = plan.refused(&[seen("A1", &mine), seen("A2", &mine)], false);
        let Acquiring::Taken(taken) = verdict else { panic!("{verdict:?}") };
        assert_eq!(taken.revision(), 5);
        mine.pin = Some(pin(2));
        let verdict = plan.refused(&[seen("A1", &mine), seen("A2", &mine)], false);
        assert!(matches!(verdict, Acquiring::Ours));
    }
}
