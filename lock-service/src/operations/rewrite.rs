//! Everything that is done to seats a booking has: extend, begin-confirm, step
//! back, finish, release, abort, expire. All are "at exactly this fence, write
//! them all again, or delete them all"; they differ in the state they need and
//! in what an answer from the else branch means.

use lock_service_client::wire::{Moved, Pin};
use seat_model::{Fence, SeatState, Timestamp};

use super::{seat_keys, seen};
use crate::keys;
use crate::record::{BookingSeen, Nonsense, PickMarker, SeatRecord};
use crate::transaction::{Compare, LeaseId, Op, Txn, TxnAnswer};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A later deadline.
    Extend,
    /// Pinned for one attempt, which the shard map of this revision allows.
    BeginConfirm {
        /// The attempt.
        pin: Pin,
        /// `mod(shards)` as the caller read it.
        shards_revision: u64,
    },
    /// A hold again.
    StepBack,
    /// Sold.
    Finish,
    /// A hold given back.
    Release,
    /// Pinned seats freed.
    Abort,
    /// An overdue hold deleted.
    Expire,
}

impl Asked {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Extend => "extend",
            Self::BeginConfirm { .. } => "begin_confirm",
            Self::StepBack => "step_back",
            Self::Finish => "finish",
            Self::Release => "release",
            Self::Abort => "abort",
            Self::Expire => "expire",
        }
    }

    /// The state that seats must have been seen in at the fence used.
    const fn needs(&self) -> SeatState {
        match self {
            Self::Extend | Self::BeginConfirm { .. } | Self::Release | Self::Expire => {
                SeatState::Held
            }
            Self::StepBack | Self::Finish | Self::Abort => SeatState::Confirming,
        }
    }
}

/// Whether an operation may be sent at this fence; otherwise its verdict. Only
/// a fence seen `held` is used to extend or to begin a confirm (INV-4), and
/// not past the deadline.
///
/// # Errors
/// The verdict.
pub fn admissible(
    asked: &Asked,
    at: &BookingSeen,
    now: Timestamp,
    cell_epoch: u64,
) -> Result<(), Box<Moved>> {
    if at.record().state != asked.needs() {
        let fence = crate::record::fence(cell_epoch, at.revision());
        return Err(Box::new(settled(asked, fence, Some(at), cell_epoch)));
    }
    let timed = matches!(asked, Asked::Extend | Asked::BeginConfirm { .. });
    if timed && at.record().deadline() <= now {
        return Err(Box::new(Moved::Expired));
    }
    Ok(())
}

/// The verdict where the booking is not, or no more, what the fence named:
/// `now` is what it has instead. Recognises what an earlier sending has done.
#[must_use]
pub fn settled(asked: &Asked, fence: Fence, now: Option<&BookingSeen>, cell_epoch: u64) -> Moved {
    let Some(now) = now else {
        return match asked {
            Asked::Release | Asked::Abort | Asked::Expire => Moved::Done { seats: None },
            Asked::Extend | Asked::BeginConfirm { .. } | Asked::StepBack | Asked::Finish => {
                Moved::Gone
            }
        };
    };
    let record = now.record();
    let seats = now.booked(cell_epoch);
    // Written by an earlier sending of this: it compared against the same fence.
    let by_this = record.from_revision == fence.revision() && fence.revision() > 0;
    match (asked, record.state) {
        (Asked::Extend | Asked::StepBack, SeatState::Held) if by_this => {
            Moved::Done { seats: Some(seats) }
        }
        (Asked::BeginConfirm { pin, .. }, SeatState::Confirming) => {
            if record.pin.as_ref().is_some_and(|theirs| theirs.nonce == pin.nonce) {
                Moved::Done { seats: Some(seats) }
            } else {
                Moved::OtherAttempt { seats }
            }
        }
        (Asked::Finish, SeatState::Sold) => Moved::Done { seats: Some(seats) },
        _ => Moved::Changed { seats },
    }
}

/// What becomes of the seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Written again as a hold, on this lease, until this deadline.
    Held {
        /// The new lease.
        lease: LeaseId,
        /// The new deadline, in milliseconds.
        deadline_ms: i64,
    },
    /// Written again without a lease, in this state.
    Pinned(SeatState),
    /// Deleted.
    Free,
}

/// A rewrite, ready to be sent. Sent again it is exactly the same.
#[derive(Debug, Clone)]
pub struct RewritePlan {
    /// What it is for.
    pub asked: Asked,
    /// The seats at the fence.
    pub at: BookingSeen,
    /// What becomes of them.
    pub ending: Ending,
}

/// What became of it.
#[derive(Debug)]
pub enum Landing {
    /// Done: the seats afterwards, none when they were freed.
    Landed(Option<BookingSeen>),
    /// The seats at the fence have moved on: what the booking has of them now.
    Refused(Option<BookingSeen>),
    /// The seats are as they were: it was the shard map that moved.
    MapMoved,
}

impl RewritePlan {
    fn rewritten(&self, record: &SeatRecord) -> SeatRecord {
        let mut record = record.clone();
        record.from_revision = self.at.revision();
        match self.ending {
            Ending::Held { deadline_ms, .. } => {
                record.state = SeatState::Held;
                record.deadline_ms = deadline_ms;
                record.pin = None;
            }
            Ending::Pinned(state) => {
                record.state = state;
                if let Asked::BeginConfirm { pin, .. } = &self.asked {
                    record.pin = Some(pin.clone());
                }
            }
            Ending::Free => {}
        }
        record
    }

    /// The transaction.
    #[must_use]
    pub fn txn(&self) -> Txn {
        let keys = seat_keys(&self.at.performance, self.at.seats.iter().map(|seen| &seen.seat));
        let compares = keys
            .iter()
            .zip(&self.at.seats)
            .map(|(key, seen)| Compare { key: key.clone(), mod_revision: seen.mod_revision })
            .collect();
        let lease = match self.ending {
            Ending::Held { lease, .. } => Some(lease),
            Ending::Pinned(_) => Some(crate::transaction::NO_LEASE),
            Ending::Free => None,
        };
        let mut then: Vec<Op> = keys
            .iter()
            .zip(&self.at.seats)
            .map(|(key, seen)| match lease {
                Some(lease) => Op::Put {
                    key: key.clone(),
                    value: self.rewritten(&seen.record).encode(),
                    lease,
                },
                None => Op::Delete { key: key.clone() },
            })
            .collect();
        if self.at.record().picked {
            let key = keys::pick(self.at.booking);
            match (lease, self.asked == Asked::Finish) {
                // It has no lease already: nothing about it changes.
                (Some(_), true) => {}
                (Some(lease), false) => {
                    let seats = self.at.seats.iter().map(|seen| seen.seat.clone()).collect();
                    let marker = PickMarker { performance: self.at.performance.clone(), seats };
                    then.push(Op::Put { key, value: marker.encode(), lease });
                }
                (None, _) => then.push(Op::Delete { key }),
            }
        }
        let otherwise = keys.into_iter().map(|key| Op::Get { key }).collect();
        let mut txn = Txn { compares, then, otherwise };
        if let Asked::BeginConfirm { shards_revision, .. } = self.asked {
            let key = keys::SHARDS.to_owned();
            txn.compares.push(Compare { key, mod_revision: shards_revision });
        }
        txn
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// When a seat's value is not what this service writes.
    pub fn outcome(&self, answer: &TxnAnswer) -> Result<Landing, Nonsense> {
        if answer.succeeded {
            let after = (self.ending != Ending::Free)
                .then(|| self.at.rewritten(answer.revision, |record| self.rewritten(record)));
            return Ok(Landing::Landed(after));
        }
        let mut found = Vec::new();
        for (before, read) in self.at.seats.iter().zip(&answer.reads) {
            found.extend(seen(&before.seat, read.as_ref())?);
        }
        let unmoved = found.len() == self.at.seats.len()
            && found.iter().zip(&self.at.seats).all(|(a, b)| a.mod_revision == b.mod_revision);
        if unmoved {
            return Ok(Landing::MapMoved);
        }
        let at = &self.at;
        Ok(Landing::Refused(BookingSeen::among(at.booking, &at.performance, found, at.since)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::lease_of;
    use super::*;
    use crate::record::{SeatSeen, fence, tests::record};
    use crate::transaction::Kv;
    use seat_model::{BookingId, Nonce, PerformanceId, SeatId, ShardEpoch, ShardId};

    fn pin(nonce: u64) -> Pin {
        Pin {
            shard: ShardId::new("s0").unwrap(),
            epoch: ShardEpoch::FIRST,
            nonce: Nonce::new(nonce),
        }
    }

    fn begin() -> Asked {
        Asked::BeginConfirm { pin: pin(1), shards_revision: 3 }
    }

    fn booking_in(state: SeatState, change: impl Fn(&mut SeatRecord)) -> BookingSeen {
        let booking = BookingId::from_bytes([1; 16]);
        let mut value = record(booking, state);
        change(&mut value);
        let seats = ["A1", "A2"].map(|name| SeatSeen {
            seat: SeatId::new(name).unwrap(),
            record: value.clone().into(),
            mod_revision: 7,
            create_revision: 5,
        });
        let performance = PerformanceId::new("p").unwrap();
        BookingSeen::among(booking, &performance, seats, Instant::now()).unwrap()
    }

    fn reads(of: &BookingSeen, revision: u64) -> TxnAnswer {
        let reads = of
            .seats
            .iter()
            .map(|seen| {
                Some(Kv {
                    key: "k".into(),
                    value: seen.record.encode(),
                    mod_revision: revision,
                    create_revision: 5,
                })
            })
            .collect();
        TxnAnswer { succeeded: false, revision: 20, reads }
    }

    #[test]
    fn every_seat_is_compared_at_the_fence() {
        let at = booking_in(SeatState::Held, |record| record.picked = true);
        let plan = |asked, ending| RewritePlan { asked, at: at.clone(), ending }.txn();
        let txn = plan(begin(), Ending::Pinned(SeatState::Confirming));
        let compared: Vec<u64> = txn.compares.iter().map(|compare| compare.mod_revision).collect();
        assert_eq!(compared, [7, 7, 3], "both seats and the shard map");
        assert_eq!((lease_of(&txn), txn.then.len()), (None, 3), "seats and marker, unleased");
        let txn = plan(Asked::Extend, Ending::Held { lease: 4, deadline_ms: 1 });
        assert_eq!((lease_of(&txn), txn.then.len()), (Some(4), 3));
        let txn = plan(Asked::Release, Ending::Free);
        assert!(txn.then.iter().all(|op| matches!(op, Op::Delete { .. })));
        assert_eq!(txn.then.len(), 3, "the marker goes with the seats");
    }

    #[test]
    fn a_pin_is_written_and_kept_until_it_is_sold() {
        let at = booking_in(SeatState::Held, |_| ());
        let ending = Ending::Pinned(SeatState::Confirming);
        let plan = RewritePlan { asked: begin(), at, ending };
        let answer = TxnAnswer { succeeded: true, revision: 9, reads: Vec::new() };
        let Ok(Landing::Landed(Some(after))) = plan.outcome(&answer) else { panic!() };
        assert_eq!(after.record().pin, Some(pin(1)));
        assert_eq!((after.revision(), after.record().from_revision), (9, 7));
        let ending = Ending::Pinned(SeatState::Sold);
        let plan = RewritePlan { asked: Asked::Finish, at: after, ending };
        let answer = TxnAnswer { revision: 10, ..answer };
        let Ok(Landing::Landed(Some(after))) = plan.outcome(&answer) else { panic!() };
        assert_eq!(after.revision(), 10);
        assert_eq!((after.record().state, &after.record().pin), (SeatState::Sold, &Some(pin(1))));
    }

    #[test]
    fn an_unmoved_booking_means_that_the_map_moved() {
        let at = booking_in(SeatState::Held, |_| ());
        let answer = reads(&at, 7);
        let ending = Ending::Pinned(SeatState::Confirming);
        let plan = RewritePlan { asked: begin(), at, ending };
        assert!(matches!(plan.outcome(&answer), Ok(Landing::MapMoved)));
    }

    #[test]
    fn else_is_read_as_the_protocol_says() {
        let fence7 = fence(1, 7);
        let verdict = |asked: &Asked, now: Option<&BookingSeen>| settled(asked, fence7, now, 1);
        let mine = booking_in(SeatState::Confirming, |record| record.pin = Some(pin(1)));
        let theirs = booking_in(SeatState::Confirming, |record| record.pin = Some(pin(2)));
        let sold = booking_in(SeatState::Sold, |record| record.pin = Some(pin(1)));
        let held = booking_in(SeatState::Held, |_| ());
        let extended = booking_in(SeatState::Held, |record| record.from_revision = 7);

        assert!(matches!(verdict(&begin(), Some(&mine)), Moved::Done { seats: Some(_) }));
        assert!(matches!(verdict(&begin(), Some(&theirs)), Moved::OtherAttempt { .. }));
        assert!(matches!(verdict(&begin(), Some(&held)), Moved::Changed { .. }));
        assert!(matches!(verdict(&begin(), Some(&sold)), Moved::Changed { .. }));
        assert!(matches!(verdict(&begin(), None), Moved::Gone));

        assert!(matches!(verdict(&Asked::Extend, Some(&extended)), Moved::Done { .. }));
        assert!(matches!(verdict(&Asked::Extend, Some(&held)), Moved::Changed { .. }));
        assert!(matches!(verdict(&Asked::StepBack, Some(&extended)), Moved::Done { .. }));
        assert!(matches!(verdict(&Asked::StepBack, Some(&theirs)), Moved::Changed { .. }));
        assert!(matches!(verdict(&Asked::Finish, Some(&sold)), Moved::Done { .. }));
        assert!(matches!(verdict(&Asked::Finish, Some(&held)), Moved::Changed { .. }));
        assert!(matches!(verdict(&Asked::Finish, None), Moved::Gone));
        for asked in [Asked::Release, Asked::Abort, Asked::Expire] {
            assert!(matches!(verdict(&asked, None), Moved::Done { seats: None }));
            assert!(matches!(verdict(&asked, Some(&sold)), Moved::Changed { .. }));
        }
    }

    #[test]
    fn only_a_living_hold_is_extended_or_confirmed() {
        let now = Timestamp::from_millis;
        let held = booking_in(SeatState::Held, |_| ());
        let pinned = booking_in(SeatState::Confirming, |record| record.pin = Some(pin(2)));
        assert_eq!(admissible(&begin(), &held, now(10_999), 1), Ok(()));
        let late = admissible(&Asked::Extend, &held, now(11_000), 1).unwrap_err();
        assert_eq!(*late, Moved::Expired);
        assert_eq!(admissible(&Asked::Release, &held, now(99_000), 1), Ok(()));
        let other = admissible(&begin(), &pinned, now(0), 1).unwrap_err();
        assert!(matches!(*other, Moved::OtherAttempt { .. }));
        let unpinned = admissible(&Asked::Finish, &held, now(0), 1).unwrap_err();
        assert!(matches!(*unpinned, Moved::Changed { .. }));
    }
}
