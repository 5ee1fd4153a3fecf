//! One seat, in sequence: who has it and what may happen next. The model of
//! INV-3, written again from the promise, not from the code.

use super::search::Machine;

/// What happens to a seat. `who` numbers the bookings that ever had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    /// A booking takes it; its fence, where the customer was told.
    Take {
        /// Who.
        who: u32,
        /// At which fence.
        fence: Option<u64>,
    },
    /// The sale of who holds it.
    Sell {
        /// Who.
        who: u32,
    },
    /// The hold ends by itself, or its sale is ended by the reconciler.
    End {
        /// Who.
        who: u32,
    },
    /// The owner gives it back. Of somebody who has it no more it does nothing.
    Give {
        /// Who.
        who: u32,
    },
}

/// What is true of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seat {
    owner: Option<(u32, bool)>,
    /// The largest fence told so far.
    fence: u64,
}

impl Machine for Seat {
    type Change = Change;

    fn after(self, change: &Change) -> Option<Self> {
        match *change {
            Change::Take { who, fence } => {
                let later = fence.is_none_or(|fence| fence > self.fence);
                (self.owner.is_none() && later)
                    .then(|| Self { owner: Some((who, false)), fence: fence.unwrap_or(self.fence) })
            }
            Change::Sell { who } => (self.owner == Some((who, false)))
                .then_some(Self { owner: Some((who, true)), ..self }),
            Change::End { who } => {
                (self.owner == Some((who, false))).then_some(Self { owner: None, ..self })
            }
            Change::Give { who } => match self.owner {
                Some((owner, _)) if owner == who => Some(Self { owner: None, ..self }),
                _ => Some(self),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(changes: &[Change]) -> bool {
        let end = changes.iter().try_fold(Seat::default(), |seat, change| seat.after(change));
        end.is_some()
    }

    #[test]
    fn a_seat_has_one_owner_at_a_time() {
        let (one, two) =
            (Change::Take { who: 1, fence: Some(5) }, Change::Take { who: 2, fence: Some(9) });
        assert!(!run(&[one, two]));
        assert!(run(&[one, Change::End { who: 1 }, two]));
        assert!(!run(&[one, Change::Sell { who: 1 }, Change::End { who: 1 }]));
        assert!(run(&[one, Change::Sell { who: 1 }, Change::Give { who: 1 }, two]));
        assert!(!run(&[one, Change::Give { who: 2 }, two]));
    }

    #[test]
    fn fences_of_successive_owners_rise() {
        let changes = |first, second| {
            [
                Change::Take { who: 1, fence: Some(first) },
                Change::Give { who: 1 },
                Change::Take { who: 2, fence: Some(second) },
            ]
        };
        assert!(run(&changes(5, 6)));
        assert!(!run(&changes(6, 5)));
        assert!(!run(&changes(5, 5)));
    }
}
