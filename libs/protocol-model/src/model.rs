//! The steps that a state allows, and what each leads to: `stateright`'s view
//! of the protocol.

use stateright::{Model, Property};

use crate::attempt::{Attempt, Phase};
use crate::cancel::Cancel;
use crate::ending::EndStep;
use crate::etcd::Etcd;
use crate::mover::Mover;
use crate::names::{ATTEMPTS, AttemptId, BOOKINGS, Booking, CANCELS, SHARDS, Seats, at, number};
use crate::properties::{self, Breaches, Landmark};
use crate::scenario::Scenario;
use crate::shard::{Placement, Shard};
use crate::state::State;
use crate::weakness::Weakness;

/// One thing that happens. Everything in it is atomic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A request comes (or a pick is made again): acquire is sent for these.
    Start(AttemptId, Seats),
    /// The attempt's message arrives, and it hears the answer.
    Heard(AttemptId),
    /// The attempt's message arrives, but it does not hear the answer.
    Unheard(AttemptId),
    /// The customer extends.
    Extend(AttemptId),
    /// The customer confirms.
    Confirm(AttemptId),
    /// The commit was surely not sent.
    NotSent(AttemptId),
    /// The shard refuses the commit for a reason of its own.
    Refuse(AttemptId),
    /// An old acquire arrives.
    LateAcquire(AttemptId, Seats),
    /// A commit arrives whose sender has gone on.
    LateCommit(AttemptId),
    /// The lease behind a booking's seats runs out, or *expire* deletes them.
    Expire(Booking),
    /// A marker's own lease runs out.
    MarkerExpires(Booking),
    /// A reconciler takes up a booking's `confirming` seats.
    Reconcile(usize, Booking),
    /// Its message arrives and is answered.
    ReconcilerHears(usize),
    /// It gives up, dies or is restarted.
    ReconcilerForgets(usize),
    /// The relay takes the oldest outbox row of a booking on a shard.
    RelayTakes(usize, Booking),
    /// Its free arrives and is answered.
    RelayHears,
    /// It dies or is restarted.
    RelayForgets,
    /// A cancel comes, or looks again.
    StartCancel(usize),
    /// Its message arrives, and it hears the answer.
    CancelHears(usize),
    /// Its message arrives, but it does not hear the answer.
    CancelUnheard(usize),
    /// The show is moved on by one step.
    Move,
    /// The sweeper finds an authorisation that no row knows.
    Sweep(Booking, AttemptId),
}

/// A scenario of the seat protocol, to be explored.
#[derive(Debug)]
pub struct SeatProtocol {
    scenario: Scenario,
}

impl SeatProtocol {
    /// Of this scenario.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self { scenario }
    }

    /// It.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    fn attempt_steps(&self, state: &State, id: AttemptId, steps: &mut Vec<Step>) {
        let scenario = &self.scenario;
        let attempt = &state.attempts[at(id)];
        match attempt.phase {
            Phase::NotStarted => {
                let waits = scenario
                    .waits_for(id)
                    .is_some_and(|other| state.attempts[at(other)].phase == Phase::NotStarted);
                if !waits {
                    steps.extend(scenario.choices(id).map(|seats| Step::Start(id, seats)));
                }
            }
            Phase::Choosing => {
                steps.extend(scenario.choices(id).map(|seats| Step::Start(id, seats)));
            }
            Phase::Holding => steps.extend([Step::Extend(id), Step::Confirm(id)]),
            Phase::Acquiring | Phase::Extending | Phase::Pinning => {
                steps.extend([Step::Heard(id), Step::Unheard(id)]);
            }
            Phase::Committing { unsent } => {
                steps.extend([Step::Heard(id), Step::Unheard(id)]);
                if unsent && scenario.step_back {
                    steps.push(Step::NotSent(id));
                }
                if scenario.refusals {
                    steps.push(Step::Refuse(id));
                }
            }
            // Sent again after an answer that was lost these do nothing more,
            // and what is learnt is the same.
            Phase::SteppingBack | Phase::Ending(_) | Phase::Finishing => {
                steps.push(Step::Heard(id));
            }
            Phase::Over => {}
        }
        let late = (0..8).map(Seats).filter(|seats| attempt.acquires_sent & (1 << seats.0) != 0);
        for seats in late {
            let waited_for = attempt.phase == Phase::Acquiring && attempt.seats == seats;
            if !waited_for && seats.iter().all(|seat| state.etcd.seats[at(seat)].is_none()) {
                steps.push(Step::LateAcquire(id, seats));
            }
        }
        if state.late_commit_lands(id, scenario) {
            steps.push(Step::LateCommit(id));
        }
    }

    fn housekeeping_steps(&self, state: &State, steps: &mut Vec<Step>) {
        let scenario = &self.scenario;
        for booking in (0..scenario.bookings.len()).map(number) {
            if state.may_expire(booking, scenario.weak) {
                steps.push(Step::Expire(booking));
            }
            if state.etcd.markers[at(booking)].is_some_and(|marker| marker.old_lease) {
                steps.push(Step::MarkerExpires(booking));
            }
            // Reconcilers know nothing of their own: any idle one will do.
            let idle = (0..scenario.reconcilers).find(|r| state.reconcilers[*r].is_none());
            if let Some(idle) = idle
                && state.reconcilable(booking, scenario).is_some()
            {
                steps.push(Step::Reconcile(idle, booking));
            }
            for shard in 0..SHARDS {
                if state.relay.is_none() && state.relayable(shard, booking, scenario) {
                    steps.push(Step::RelayTakes(shard, booking));
                }
            }
            if scenario.money {
                let known = scenario.attempt_ids().filter(|id| state.sweepable(booking, *id));
                steps.extend(known.map(|id| Step::Sweep(booking, id)));
            }
        }
        for reconciler in (0..scenario.reconcilers).filter(|r| state.reconcilers[*r].is_some()) {
            steps.extend([Step::ReconcilerHears(reconciler), Step::ReconcilerForgets(reconciler)]);
        }
        if state.relay.is_some() {
            steps.extend([Step::RelayHears, Step::RelayForgets]);
        }
        if scenario.moves && state.mover != Mover::Deleted {
            steps.push(Step::Move);
        }
    }

    fn cancel_steps(&self, state: &State, steps: &mut Vec<Step>) {
        for (index, plan) in self.scenario.cancels.iter().enumerate() {
            match state.cancels[index] {
                Cancel::Looking => {
                    // Of two that nothing tells apart the first goes first.
                    let before = index.checked_sub(1).filter(|before| {
                        self.scenario.cancels[*before] == *plan
                            && state.cancels[*before] == Cancel::Looking
                    });
                    let worth = !state.etcd.seats_of(plan.booking).is_empty()
                        || state.row(plan.booking).is_some();
                    if before.is_none() && worth {
                        steps.push(Step::StartCancel(index));
                    }
                }
                Cancel::Cancelling(_) => {
                    steps.extend([Step::CancelHears(index), Step::CancelUnheard(index)]);
                }
                Cancel::Releasing(..) | Cancel::FinishingFirst(..) | Cancel::Freeing(_) => {
                    steps.push(Step::CancelHears(index));
                }
                Cancel::Over => {}
            }
        }
    }

    fn take(&self, state: &mut State, step: Step) {
        let scenario = &self.scenario;
        match step {
            Step::Start(id, seats) => state.start(id, seats, scenario),
            Step::Heard(id) => state.heard(id, scenario),
            Step::Unheard(id) => state.unheard(id, scenario),
            Step::Extend(id) => state.extends(id),
            Step::Confirm(id) => state.confirm(id, scenario),
            Step::NotSent(id) => state.not_sent(id),
            Step::Refuse(id) => state.refused(id),
            Step::LateAcquire(id, seats) => state.late_acquire(id, seats, scenario),
            // Refused, it changes nothing, and nobody hears of it.
            Step::LateCommit(id) => {
                let _ = state.commit(id, scenario);
            }
            Step::Expire(booking) => state.expire(booking, scenario.weak),
            Step::MarkerExpires(booking) => state.etcd.markers[at(booking)] = None,
            Step::Reconcile(reconciler, booking) => {
                state.reconcilers[reconciler] = state.reconcilable(booking, scenario);
            }
            Step::ReconcilerHears(reconciler) => state.reconciler_hears(reconciler, scenario),
            Step::ReconcilerForgets(reconciler) => state.reconcilers[reconciler] = None,
            Step::RelayTakes(shard, booking) => state.relay_takes(shard, booking, scenario),
            Step::RelayHears => state.relay_hears(),
            Step::RelayForgets => state.relay = None,
            Step::StartCancel(cancel) => state.start_cancel(cancel, scenario),
            Step::CancelHears(cancel) => state.cancel_hears(cancel, scenario),
            Step::CancelUnheard(cancel) => state.cancel_unheard(cancel, scenario),
            Step::Move => state.move_on(),
            Step::Sweep(booking, id) => {
                scenario.reach(Landmark::Swept);
                state.sweep(booking, id, scenario);
            }
        }
    }

    /// Brings states that differ in nothing that matters to one shape.
    fn tidy(&self, state: &mut State) {
        for id in self.scenario.attempt_ids() {
            state.forget_over(id, &self.scenario);
        }
        let compares = !self.scenario.weak.has(Weakness::AbortWithoutCompare)
            && !self.scenario.weak.has(Weakness::FinishByRecord);
        for reconciler in &mut state.reconcilers {
            // Its compare can never hold again: it will arrive and do nothing.
            let dead = reconciler.is_some_and(|ending| {
                matches!(ending.step, EndStep::Finish | EndStep::Abort)
                    && !state.etcd.all_at(ending.seats, ending.fence)
            });
            if compares && dead {
                *reconciler = None;
            }
        }
        state.renumber();
        state.reconcilers.sort_unstable();
    }
}

impl Model for SeatProtocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut shards = [Shard::default(); SHARDS];
        shards[0].placement = Some(Placement { epoch: 0, frozen: false });
        vec![State {
            etcd: Etcd::default(),
            shards,
            gateway: Default::default(),
            attempts: [Attempt::default(); ATTEMPTS],
            cancels: [Cancel::default(); CANCELS],
            reconcilers: Default::default(),
            relay: None,
            mover: Mover::Idle,
            acknowledged: 0,
            refunded: [Seats::NONE; BOOKINGS],
            breaches: Breaches::default(),
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for id in self.scenario.attempt_ids() {
            self.attempt_steps(state, id, steps);
        }
        self.housekeeping_steps(state, steps);
        self.cancel_steps(state, steps);
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        self.take(&mut state, step);
        self.tidy(&mut state);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }

    fn format_action(&self, step: &Step) -> String {
        self.told(*step)
    }
}
