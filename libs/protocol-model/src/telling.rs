//! Steps and states in words, for people who read a counterexample.

use std::fmt::{self, Display, Write as _};

use crate::attempt::Phase;
use crate::ending::EndStep;
use crate::etcd::SeatState;
use crate::model::{SeatProtocol, Step};
use crate::mover::Mover;
use crate::names::{AttemptId, Booking, at, attempt, booking};
use crate::scenario::Wish;
use crate::shard::{RowState, Shard};
use crate::state::State;

impl SeatProtocol {
    fn who(&self, id: AttemptId) -> String {
        format!("{} for {}", attempt(id), booking(self.scenario().attempt(id).booking))
    }

    /// A step in words, as it was taken in this state.
    #[must_use]
    pub fn told_in(&self, before: &State, step: Step) -> String {
        match step {
            Step::Heard(id) => {
                let message = message_of(before.attempts[at(id)].phase);
                format!("{}: {message} arrives, and it hears the answer", self.who(id))
            }
            Step::Unheard(id) => {
                let message = message_of(before.attempts[at(id)].phase);
                format!("{}: {message} arrives, but it does not hear the answer", self.who(id))
            }
            Step::ReconcilerHears(reconciler) => {
                let message = before.reconcilers[reconciler]
                    .map_or("message", |ending| ending_of(ending.step));
                format!("reconciler {}: {message} arrives", reconciler + 1)
            }
            _ => self.told(step),
        }
    }

    /// A step in words.
    #[must_use]
    pub fn told(&self, step: Step) -> String {
        match step {
            Step::Start(id, seats) => {
                let plan = self.scenario().attempt(id);
                let picks =
                    matches!(self.scenario().bookings[at(plan.booking)].wish, Wish::Pick(_));
                let verb = if picks { "picks" } else { "asks for" };
                let how = if plan.direct { ", to confirm at once" } else { "" };
                format!("{} {verb} {seats}{how}", self.who(id))
            }
            Step::Heard(id) => {
                format!("{}: its message arrives, it hears the answer", self.who(id))
            }
            Step::Unheard(id) => {
                format!("{}: its message arrives, the answer is lost", self.who(id))
            }
            Step::Extend(id) => format!("{} extends", self.who(id)),
            Step::Confirm(id) => format!("{} confirms", self.who(id)),
            Step::NotSent(id) => format!("{}: the commit was surely not sent", self.who(id)),
            Step::Refuse(id) => format!("{}: the shard refuses the commit", self.who(id)),
            Step::LateAcquire(id, seats) => {
                format!("{}: an old acquire of {seats} arrives", self.who(id))
            }
            Step::LateCommit(id) => format!("{}: its old commit arrives", self.who(id)),
            Step::Expire(number) => format!("the hold of {} expires", booking(number)),
            Step::MarkerExpires(number) => format!("the marker of {} expires", booking(number)),
            Step::Reconcile(reconciler, number) => {
                format!("reconciler {} sees {} confirming", reconciler + 1, booking(number))
            }
            Step::ReconcilerHears(reconciler) => {
                format!("reconciler {}: its message arrives", reconciler + 1)
            }
            Step::ReconcilerForgets(reconciler) => format!("reconciler {} dies", reconciler + 1),
            Step::RelayTakes(shard, number) => {
                format!("the relay takes the outbox row of {} on shard {shard}", booking(number))
            }
            Step::RelayHears => "the relay's free arrives".into(),
            Step::RelayForgets => "the relay dies".into(),
            Step::StartCancel(cancel) => {
                let plan = self.scenario().cancels[cancel];
                format!("cancel {} of {} ({})", cancel + 1, booking(plan.booking), plan.tickets)
            }
            Step::CancelHears(cancel) => {
                format!("cancel {}: its message arrives, it hears the answer", cancel + 1)
            }
            Step::CancelUnheard(cancel) => {
                format!("cancel {}: its message arrives, the answer is lost", cancel + 1)
            }
            Step::Move => "the show is moved on by a step".into(),
            Step::Sweep(number, id) => {
                format!("the sweeper finds the payment of {} for {}", attempt(id), booking(number))
            }
        }
    }
}

fn message_of(phase: Phase) -> &'static str {
    match phase {
        Phase::Acquiring => "acquire",
        Phase::Extending => "extend",
        Phase::Pinning => "begin-confirm",
        Phase::Committing { .. } => "commit",
        Phase::SteppingBack => "step back",
        Phase::Ending(step) => ending_of(step),
        Phase::Finishing => "finish",
        Phase::NotStarted | Phase::Choosing | Phase::Holding | Phase::Over => "message",
    }
}

fn ending_of(step: EndStep) -> &'static str {
    match step {
        EndStep::Tombstone => "tombstone",
        EndStep::ReadRow => "read",
        EndStep::Finish => "finish",
        EndStep::Abort => "abort",
    }
}

/// A state in one line: what the stores have.
impl Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut etcd = String::new();
        for (seat, value) in (b'A'..).zip(&self.etcd.seats) {
            let Some(value) = value else { continue };
            let state = match value.state {
                SeatState::Held => "held",
                SeatState::Confirming => "confirming",
                SeatState::Sold => "sold",
            };
            let (seat, of) = (char::from(seat), booking(value.booking));
            write!(etcd, " {seat} {state} {of} {}", value.fence)?;
            if let Some(pin) = value.pin {
                write!(etcd, " by {}", attempt(pin.nonce))?;
            }
            etcd.push(',');
        }
        for (number, marker) in (0..).zip(&self.etcd.markers) {
            if let Some(marker) = marker {
                write!(etcd, " pick {}: {},", booking(number), marker.seats)?;
            }
        }
        let etcd = etcd.trim_end_matches(',');
        write!(f, "etcd:{}", if etcd.is_empty() { " all free" } else { etcd })?;
        for (number, shard) in self.shards.iter().enumerate() {
            write_shard(f, number, shard)?;
        }
        if self.mover >= Mover::Flipped {
            write!(f, "; map: {}", self.etcd.map.place)?;
        }
        let told: Vec<String> =
            (0..8).filter(|b: &Booking| self.acknowledged & (1 << b) != 0).map(booking).collect();
        if !told.is_empty() {
            write!(f, "; told confirmed: {}", told.join(" "))?;
        }
        for (number, gateway) in (0..).zip(&self.gateway) {
            if gateway.voided != 0 || gateway.captured != 0 {
                let (captured, voided) = (gateway.captured, gateway.voided);
                write!(f, "; money {}: captured {captured:b}, voided {voided:b}", booking(number))?;
            }
        }
        Ok(())
    }
}

fn write_shard(f: &mut fmt::Formatter<'_>, number: usize, shard: &Shard) -> fmt::Result {
    let rows = || (0..).zip(&shard.rows).filter_map(|(number, row)| Some((number, (*row)?)));
    let frozen = shard.placement.is_some_and(|placement| placement.frozen);
    if rows().next().is_none() && !frozen {
        return Ok(());
    }
    write!(f, "; shard {number}{}:", if frozen { " (frozen)" } else { "" })?;
    for (number, row) in rows() {
        let state = match row.state {
            RowState::Confirmed => "CONFIRMED",
            RowState::Cancelled => "CANCELLED",
            RowState::Aborted => "ABORTED",
        };
        write!(f, " {} {state}", booking(number))?;
        if row.state != RowState::Aborted {
            write!(f, " {} valid {}", row.fence, row.valid)?;
        }
    }
    Ok(())
}
