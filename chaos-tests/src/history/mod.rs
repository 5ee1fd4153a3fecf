//! What customers saw of a run, and what was done to the platform meanwhile:
//! requests and faults, each with its beginning and its end. Pure; it must not
//! know who recorded it or what must be true of it.
//!
//! A request is two events: it begins (`invoke`), and it ends as the customer
//! was told: `ok`, `refused` (surely nothing happened) or `unknown` (it may
//! have happened, and may happen still). One that never ended is unknown.

mod event;

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use seat_model::ShardId;
use serde::{Deserialize, Serialize};

pub use self::event::{
    Action, Began, Event, Line, Phase, Told, ToldBooking, ToldMap, ToldTicket, VERSION, write_line,
};

/// How a request ended, for its customer.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was done.
    Ok(Told),
    /// It was not done.
    Refused {
        /// HTTP status; 0 where nobody was reached.
        status: u16,
        /// The problem's code.
        code: String,
    },
    /// It may have been done, and may be done still.
    Unknown,
}

/// A request from its beginning to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its number.
    pub op: u64,
    /// Who sent it.
    pub client: u32,
    /// When it was sent.
    pub start_ns: u64,
    /// When its answer came; none: none came.
    pub end_ns: Option<u64>,
    /// What was asked.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
}

impl Operation {
    /// The booking it was told of.
    #[must_use]
    pub const fn told_booking(&self) -> Option<&ToldBooking> {
        match &self.outcome {
            Outcome::Ok(Told::Booking(told)) => Some(told),
            _ => None,
        }
    }

    /// Until when it may have had its effect: for ever where no answer came.
    #[must_use]
    pub fn effect_until(&self) -> u64 {
        match self.outcome {
            Outcome::Unknown => u64::MAX,
            Outcome::Ok(_) | Outcome::Refused { .. } => self.end_ns.unwrap_or(u64::MAX),
        }
    }

    /// Whether it surely did nothing.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Refused { .. })
    }
}

/// A fault from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// Its number.
    pub number: u32,
    /// What, in words.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// When it began.
    pub begins_ns: u64,
    /// When it was whole; none: it never was.
    pub made_ns: Option<u64>,
    /// When undoing it began.
    pub ends_ns: Option<u64>,
    /// When it was gone; none: it never was.
    pub healed_ns: Option<u64>,
    /// Why making or undoing it did not work.
    pub failed: Option<String>,
}

/// A purchase that was demanded after healing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demanded {
    /// When its verdict was known.
    pub at_ns: u64,
    /// After which fault.
    pub after_fault: u32,
    /// On which shard.
    pub shard: ShardId,
    /// How long it took; none: it did not succeed.
    pub after_ms: Option<u64>,
    /// What the last try was told.
    pub last: String,
}

/// A whole run, events paired.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// What it was.
    pub began: Began,
    /// Requests, in the order in which they began.
    pub operations: Vec<Operation>,
    /// Faults, in the order in which they began.
    pub faults: Vec<FaultSpan>,
    /// Purchases demanded after healing.
    pub demanded: Vec<Demanded>,
    /// Answers outside the contract, in words.
    pub outside_contract: Vec<String>,
    /// The last moment of the run.
    pub end_ns: u64,
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line that is none of ours.
    #[error("line {line}: {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The first line is missing, or of another version.
    #[error("this is no history of version {VERSION}")]
    NoHistory,
}

impl History {
    /// Reads a file of lines. A last line that was cut off is left out: the
    /// recorder died there.
    ///
    /// # Errors
    /// When it is no history.
    pub fn read(input: impl BufRead) -> Result<Self, HistoryError> {
        let texts: Vec<String> = input.lines().collect::<Result<_, _>>()?;
        let mut lines = Vec::with_capacity(texts.len());
        for (number, text) in texts.iter().enumerate() {
            match serde_json::from_str(text) {
                Ok(line) => lines.push(line),
                Err(_) if number + 1 == texts.len() => {}
                Err(error) => {
                    return Err(HistoryError::Line { line: number + 1, why: error.to_string() });
                }
            }
        }
        Self::pair(lines)
    }

    /// Pairs events.
    ///
    /// # Errors
    /// When the first is not the beginning, or an end has no beginning.
    pub fn pair(lines: Vec<Line>) -> Result<Self, HistoryError> {
        let mut lines = lines.into_iter().enumerate();
        let began = match lines.next() {
            Some((_, Line { event: Event::Began(began), .. })) if began.version == VERSION => began,
            _ => return Err(HistoryError::NoHistory),
        };
        let mut history = Self {
            began,
            operations: Vec::new(),
            faults: Vec::new(),
            demanded: Vec::new(),
            outside_contract: Vec::new(),
            end_ns: 0,
        };
        let mut open: BTreeMap<u64, usize> = BTreeMap::new();
        for (number, Line { at_ns, event }) in lines {
            history.end_ns = history.end_ns.max(at_ns);
            let mut end = |op: u64| {
                open.remove(&op).ok_or_else(|| HistoryError::Line {
                    line: number + 1,
                    why: format!("request {op} ends and never began"),
                })
            };
            match event {
                Event::Began(_) => return Err(HistoryError::NoHistory),
                Event::Invoke { op, client, action } => {
                    open.insert(op, history.operations.len());
                    history.operations.push(Operation {
                        op,
                        client,
                        start_ns: at_ns,
                        end_ns: None,
                        action,
                        outcome: Outcome::Unknown,
                    });
                }
                Event::Ok { op, told } => {
                    let operation = &mut history.operations[end(op)?];
                    operation.end_ns = Some(at_ns);
                    operation.outcome = Outcome::Ok(told);
                }
                Event::Refused { op, status, code } => {
                    let operation = &mut history.operations[end(op)?];
                    operation.end_ns = Some(at_ns);
                    operation.outcome = Outcome::Refused { status, code };
                }
                Event::Unknown { op, .. } => {
                    history.operations[end(op)?].end_ns = Some(at_ns);
                }
                Event::OutsideContract { op, why } => {
                    let operation = &mut history.operations[end(op)?];
                    operation.end_ns = Some(at_ns);
                    let what = operation.action.name();
                    history.outside_contract.push(format!("request {op} ({what}): {why}"));
                }
                Event::Fault { number, name, kind, phase, failed } => {
                    history.fault(at_ns, number, name, kind, phase, failed);
                }
                Event::Progress { after_fault, shard, after_ms, last } => {
                    history.demanded.push(Demanded { at_ns, after_fault, shard, after_ms, last });
                }
            }
        }
        Ok(history)
    }

    fn fault(
        &mut self,
        at_ns: u64,
        number: u32,
        name: String,
        kind: String,
        phase: Phase,
        failed: Option<String>,
    ) {
        if phase == Phase::Begins {
            self.faults.push(FaultSpan {
                number,
                name,
                kind,
                begins_ns: at_ns,
                made_ns: None,
                ends_ns: None,
                healed_ns: None,
                failed,
            });
            return;
        }
        let Some(span) = self.faults.iter_mut().find(|span| span.number == number) else { return };
        let made = failed.is_none();
        span.failed = span.failed.take().or(failed);
        match phase {
            Phase::Begins => {}
            Phase::Made if made => span.made_ns = Some(at_ns),
            Phase::Made => {}
            Phase::Ends => span.ends_ns = Some(at_ns),
            Phase::Healed => span.healed_ns = Some(at_ns),
        }
    }

    /// A wall-clock moment on the run's clock; 0 where it is before the run.
    #[must_use]
    pub fn offset_ns(&self, wall_ms: i64) -> u64 {
        let since = u64::try_from(wall_ms - self.began.wall_ms).unwrap_or(0);
        since.saturating_mul(1_000_000)
    }

    /// A moment of the run on the wall clock, milliseconds since the epoch.
    #[must_use]
    pub fn wall_ms(&self, at_ns: u64) -> i64 {
        self.began.wall_ms + i64::try_from(at_ns / 1_000_000).unwrap_or(i64::MAX / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seat_model::BookingId;

    fn began() -> Line {
        let began = Began {
            version: VERSION,
            seed: 7,
            scenario: "calm".to_owned(),
            wall_ms: 1_000,
            time_s: 1,
            planted: String::new(),
            homes: BTreeMap::new(),
            versions: BTreeMap::new(),
        };
        Line { at_ns: 0, event: Event::Began(began) }
    }

    fn read(booking: BookingId, op: u64, at_ns: u64) -> Line {
        Line { at_ns, event: Event::Invoke { op, client: 1, action: Action::Read { booking } } }
    }

    #[test]
    fn what_was_written_is_read_and_a_line_cut_off_is_left_out() {
        let booking = BookingId::from_bytes([7; 16]);
        let refused = Event::Refused { op: 1, status: 410, code: "gone".into() };
        let lines =
            [began(), read(booking, 1, 5), Line { at_ns: 9, event: refused }, read(booking, 2, 11)];
        let mut file = Vec::new();
        for line in &lines {
            write_line(&mut file, line).unwrap();
        }
        file.extend(b"{\"at_ns\":12,\"ev");
        let history = History::read(file.as_slice()).unwrap();
        assert_eq!(history.operations.len(), 2);
        let [first, second] = history.operations.as_slice() else { panic!("{history:?}") };
        assert_eq!((first.start_ns, first.end_ns), (5, Some(9)));
        assert!(first.is_refused());
        assert_eq!((second.end_ns, second.effect_until()), (None, u64::MAX));
        assert_eq!(history.end_ns, 11);
    }

    #[test]
    fn an_end_without_a_beginning_is_no_history() {
        let end = Line { at_ns: 3, event: Event::Unknown { op: 9, why: "lost".into() } };
        assert!(matches!(History::pair(vec![began(), end]), Err(HistoryError::Line { .. })));
        assert!(matches!(History::pair(Vec::new()), Err(HistoryError::NoHistory)));
    }

    #[test]
    fn a_fault_has_a_beginning_and_an_end() {
        let fault = |at_ns, phase| Line {
            at_ns,
            event: Event::Fault {
                number: 1,
                name: "kill redis".into(),
                kind: "kill".into(),
                phase,
                failed: None,
            },
        };
        let lines =
            vec![began(), fault(1, Phase::Begins), fault(2, Phase::Made), fault(8, Phase::Healed)];
        let history = History::pair(lines).unwrap();
        let span = &history.faults[0];
        assert_eq!((span.begins_ns, span.made_ns, span.healed_ns), (1, Some(2), Some(8)));
    }

    #[test]
    fn the_two_clocks_meet_at_the_beginning() {
        let history = History::pair(vec![began()]).unwrap();
        assert_eq!(history.offset_ns(1_003), 3_000_000);
        assert_eq!(history.wall_ms(3_000_000), 1_003);
        assert_eq!(history.offset_ns(999), 0);
    }
}
