//! Ending what is `confirming`: a tombstone, or the row that stands in its way,
//! says whether the seats are sold. Step 6 of the protocol; reconcilers do it
//! for seats that stay `confirming`, and an attempt does it after a refusal.

use crate::names::{Booking, Fence, Place, Seats, at};
use crate::scenario::Scenario;
use crate::shard::{Refusal, Row, RowState};
use crate::state::State;
use crate::weakness::Weakness;

/// Which message is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum EndStep {
    /// To the shard: insert the tombstone.
    Tombstone,
    /// To the shard: which row stood in the way?
    ReadRow,
    /// To etcd: the sale stands.
    Finish,
    /// To etcd: there is no sale.
    Abort,
}

/// An ending under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ending {
    /// Of which booking.
    pub booking: Booking,
    /// Its seats, as seen.
    pub seats: Seats,
    /// Their fence, as seen.
    pub fence: Fence,
    /// Where its row is, or would be.
    pub place: Place,
    /// What is being done.
    pub step: EndStep,
}

/// What an answer leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The next message.
    Next(Ending),
    /// The sale stands, the seats are sold.
    Finished,
    /// There is no sale of these seats, they are free.
    Aborted,
    /// Nothing is known: touch nothing, come again.
    Unknown,
}

impl State {
    /// The message of this ending arrives, and is answered.
    pub fn end(&mut self, ending: Ending, scenario: &Scenario) -> Ended {
        let Ending { booking, seats, fence, place, step } = ending;
        let weak = scenario.weak;
        let next = |step| Ended::Next(Ending { step, ..ending });
        match step {
            EndStep::Tombstone => {
                let shard = &mut self.shards[at(place.shard)];
                match shard.tombstone(booking, place.epoch, fence, scenario) {
                    Ok(()) => next(EndStep::Abort),
                    // A row only ever goes from CONFIRMED to CANCELLED: reading
                    // it now or later is the same as sending the tombstone now
                    // or later. Only where shows move may it be gone by then.
                    Err(Refusal::DuplicateBooking) if !scenario.moves => {
                        Self::follow(ending, shard_row(self, ending), scenario)
                    }
                    Err(Refusal::DuplicateBooking) => next(EndStep::ReadRow),
                    Err(Refusal::StalePlacement | Refusal::SeatSold) => {
                        let named = self.etcd.map.place;
                        if named == place {
                            // It is being moved.
                            return Ended::Unknown;
                        }
                        Ended::Next(Ending { place: named, ..ending })
                    }
                }
            }
            EndStep::ReadRow => Self::follow(ending, shard_row(self, ending), scenario),
            EndStep::Finish => {
                self.finish(booking, seats, fence, weak);
                Ended::Finished
            }
            EndStep::Abort => {
                if weak.has(Weakness::AbortWithoutCompare) {
                    self.abort_whatever_is_there(booking, seats);
                } else {
                    self.give_back(booking, seats, fence);
                }
                Ended::Aborted
            }
        }
    }

    /// The row decides.
    fn follow(ending: Ending, row: Option<Row>, scenario: &Scenario) -> Ended {
        let next = |step| Ended::Next(Ending { step, ..ending });
        let Some(row) = row else {
            let weak = scenario.weak.has(Weakness::ReconcilerOnlyReads);
            return if weak { next(EndStep::Abort) } else { Ended::Unknown };
        };
        match row.state {
            // Finish without comparing the fence would mark seats sold that
            // this sale never had.
            RowState::Confirmed
                if row.fence == ending.fence || scenario.weak.has(Weakness::FinishAnyRow) =>
            {
                next(EndStep::Finish)
            }
            RowState::Cancelled if scenario.weak.has(Weakness::FinishAnyRow) => {
                next(EndStep::Finish)
            }
            RowState::Confirmed | RowState::Cancelled | RowState::Aborted => next(EndStep::Abort),
        }
    }
}

fn shard_row(state: &State, ending: Ending) -> Option<Row> {
    state.shards[at(ending.place.shard)].rows[at(ending.booking)]
}
