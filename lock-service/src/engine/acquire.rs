//! Acquire: named seats or a pick, as a hold or straight to `confirming`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lock_service_client::wire::{Acquire, Acquired, Choice, PricedSeat};
use seat_model::{SeatId, SeatState};
use seat_picker::{MAX_QUANTITY, NoChoice, Prepared, Spread, Wanted};
use service_kit::clock;

use super::{Engine, Shared, moment};
use crate::config::ms;
use crate::crowd::{InFlight, Reserved, Turn};
use crate::etcd::EtcdFault;
use crate::fail_points;
use crate::fault::Fault;
use crate::mirror::State;
use crate::operations::{AcquirePlan, Acquiring};
use crate::picks::{NoPick, choose, singles};
use crate::planted_bugs::HOLD_WITHOUT_COMPARE;
use crate::record::{BookingSeen, SeatRecord, SeatSeen};
use crate::transaction::{Compare, NO_LEASE, Op, Txn, TxnAnswer};

/// How often an acquire is prepared again because its lease was gone.
const MAX_LEASES: u32 = 3;

/// How often seats that were let go meanwhile are asked for again.
const MAX_FREED: u32 = 3;

/// How long a crowd is waited for before looking again.
const CROWD_PAUSE: Duration = Duration::from_millis(50);

/// What one try came to.
enum Tried {
    Verdict(Box<Acquired>),
    /// Somebody else has some of the seats, as of this revision.
    Conflicts(Vec<seat_model::Conflict>, u64),
}

/// Why seats were not reserved.
enum NotReserved {
    Limit(u32),
    Singles(Vec<SeatId>),
    NoPick(NoPick),
}

impl Engine {
    /// Takes seats. Idempotent under resend: the booking's id is made from the
    /// request's key (INV-8), all seats or none are taken (INV-9).
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn acquire(
        self: &Arc<Self>,
        request: Acquire,
        shards_revision: Option<u64>,
    ) -> Result<Acquired, Fault> {
        check(&request, shards_revision)?;
        self.gate()?;
        let until = self.deadline();
        let Some(turn) = self.crowd.turn(request.booking, until).await else {
            // Another request for this booking still runs, and its outcome is ours.
            return Err(Fault::Unknown("the same booking is still being worked on".into()));
        };
        let acquired = if let Some(replay) = self.replay(&request, until).await? {
            replay
        } else {
            self.room()?;
            self.resolvable()?;
            match &request.choice {
                Choice::Seats { seats, refuse_orphans } => {
                    let how = (seats.as_slice(), *refuse_orphans);
                    self.acquire_named(&request, how, shards_revision, turn, until).await?
                }
                Choice::Pick { .. } => {
                    self.acquire_pick(&request, shards_revision, turn, until).await?
                }
            }
        };
        let operation = if request.pin.is_some() { "acquire_to_confirm" } else { "acquire" };
        self.metrics.operation(operation, verdict_name(&acquired));
        Ok(acquired)
    }

    /// What the booking has already, after a catch-up; `None`: nothing.
    async fn replay(&self, request: &Acquire, until: Instant) -> Result<Option<Acquired>, Fault> {
        if !self.mirror.read(|state| state.knows(request.booking)) {
            return Ok(None);
        }
        self.catch_up.now(until).await?;
        let (seen, marker, epoch) = self.mirror.read(|state| {
            let booking = request.booking;
            (state.booking(booking), state.marker(booking), state.cell_epoch())
        });
        if let Some(seen) = seen {
            return Ok(Some(replay_verdict(request, &seen, epoch)));
        }
        if let Some(mod_revision) = marker {
            // Its seats are gone and it is not: nothing leaves it so, but if it
            // were there it would block the booking for ever.
            let key = crate::keys::pick(request.booking);
            let txn = Txn {
                compares: vec![Compare { key: key.clone(), mod_revision }],
                then: vec![Op::Delete { key }],
                otherwise: Vec::new(),
            };
            self.submit(txn, until).await?;
        }
        Ok(None)
    }

    async fn acquire_named(
        self: &Arc<Self>,
        request: &Acquire,
        (seats, refuse_orphans): (&[PricedSeat], bool),
        shards_revision: Option<u64>,
        turn: Turn,
        until: Instant,
    ) -> Result<Acquired, Fault> {
        if let Some(conflicts) = self.hopeless(request, seats) {
            return Ok(Acquired::SeatTaken { conflicts });
        }
        let prepared = if refuse_orphans {
            let Some(prepared) = self.plans.get(&request.plan) else {
                return Ok(Acquired::PlanUnknown);
            };
            self.mirror.chart(&request.performance, &prepared, self.bounds.max_charts);
            self.see_own_writes(until).await;
            Some(prepared)
        } else {
            None
        };
        let names: Vec<SeatId> = seats.iter().map(|seat| seat.seat.clone()).collect();
        let reserve = || {
            self.reserve(request, |state, _| {
                if let Some(prepared) = &prepared {
                    let taken = state.taken(&request.performance, prepared);
                    if let Some(singles) = singles(prepared, &names, &taken) {
                        return Err(NotReserved::Singles(singles));
                    }
                }
                Ok(names.clone())
            })
        };
        let mut reserved = reserve();
        if reserved.is_err() {
            // The mirror may not decide before it has caught up.
            self.catch_up.now(until).await?;
            reserved = reserve();
        }
        let reserved = match reserved {
            Ok((reserved, _)) => reserved,
            Err(NotReserved::Limit(has)) => return Ok(Acquired::LimitPerCustomer { has }),
            Err(NotReserved::Singles(singles)) => {
                return Ok(Acquired::LeavesSingleSeat { singles });
            }
            Err(NotReserved::NoPick(_)) => {
                return Err(Fault::Internal("a pick where none was asked for".into()));
            }
        };
        let priced = seats.to_vec();
        let mut turn = Some(turn);
        match self.try_seats(request, priced, shards_revision, &mut turn, reserved, until).await? {
            Tried::Verdict(verdict) => Ok(*verdict),
            Tried::Conflicts(conflicts, _) => Ok(Acquired::SeatTaken { conflicts }),
        }
    }

    async fn acquire_pick(
        self: &Arc<Self>,
        request: &Acquire,
        shards_revision: Option<u64>,
        turn: Turn,
        until: Instant,
    ) -> Result<Acquired, Fault> {
        let Some(prepared) = self.plans.get(&request.plan) else {
            return Ok(Acquired::PlanUnknown);
        };
        let (wanted, tier, price) = wanted(&prepared, &request.choice)?;
        let mut turn = Some(turn);
        let mut tries = 0;
        let mut current = false;
        self.mirror.chart(&request.performance, &prepared, self.bounds.max_charts);
        self.see_own_writes(until).await;
        while tries < self.bounds.max_pick_tries && Instant::now() < until {
            let reserved = self.reserve(request, |state, in_flight| {
                let taken = state.taken(&request.performance, &prepared);
                // As wide as there are others: alone one gets the best.
                let choices = in_flight.requests(&request.performance) + 1;
                let spread = Spread { choices, seed: rand::random() };
                let reserved = in_flight.reserved(&request.performance, &prepared);
                choose(&prepared, &wanted, &taken, reserved, spread).map_err(NotReserved::NoPick)
            });
            let (reserved, seats) = match reserved {
                Ok(reserved) => reserved,
                Err(NotReserved::NoPick(NoPick::Crowded)) => {
                    let pause = until.min(Instant::now() + CROWD_PAUSE);
                    self.crowd.let_go(&request.performance, pause).await;
                    current = false;
                    continue;
                }
                // A refusal is a decision: the mirror catches up before it.
                Err(_) if !current => {
                    self.catch_up.now(until).await?;
                    current = true;
                    continue;
                }
                Err(NotReserved::NoPick(NoPick::Truly(why))) => return no_choice(why),
                Err(NotReserved::Limit(has)) => return Ok(Acquired::LimitPerCustomer { has }),
                Err(NotReserved::Singles(singles)) => {
                    return Ok(Acquired::LeavesSingleSeat { singles });
                }
            };
            let priced = seats
                .into_iter()
                .map(|seat| PricedSeat { seat, tier: tier.clone(), price })
                .collect();
            tries += 1;
            let tried =
                self.try_seats(request, priced, shards_revision, &mut turn, reserved, until);
            match tried.await? {
                Tried::Verdict(verdict) => return Ok(*verdict),
                Tried::Conflicts(_, revision) => {
                    self.metrics.pick_conflicts.inc();
                    current = false;
                    // Choose again on what beat this choice.
                    if !self.mirror.reach(revision, until).await {
                        break;
                    }
                }
            }
        }
        Err(Fault::Unavailable("the crowd was quicker each time".into()))
    }

    /// Chooses and reserves in one step; the customer's limit is looked at there too.
    fn reserve(
        &self,
        request: &Acquire,
        choose: impl FnOnce(&State, &mut InFlight) -> Result<Vec<SeatId>, NotReserved>,
    ) -> Result<(Reserved, Vec<SeatId>), NotReserved> {
        let Acquire { performance, booking, user, max_seats_per_customer, .. } = request;
        self.crowd.reserve(performance, *booking, user, |in_flight| {
            self.mirror.read(|state| {
                let has = has(state, in_flight, request);
                let wants = match &request.choice {
                    Choice::Seats { seats, .. } => u32::try_from(seats.len()).unwrap_or(u32::MAX),
                    Choice::Pick { quantity, .. } => *quantity,
                };
                if has.saturating_add(wants) > *max_seats_per_customer {
                    return Err(NotReserved::Limit(has));
                }
                let seats = choose(state, in_flight)?;
                Ok((seats.clone(), seats))
            })
        })
    }

    /// One choice, sent until its truth is known. The seats stay reserved and
    /// the booking's turn is kept until the mirror shows it, whoever waits.
    async fn try_seats(
        self: &Arc<Self>,
        request: &Acquire,
        seats: Vec<PricedSeat>,
        shards_revision: Option<u64>,
        turn: &mut Option<Turn>,
        reserved: Reserved,
        until: Instant,
    ) -> Result<Tried, Fault> {
        let (mut leases_tried, mut freed) = (0, 0);
        loop {
            let plan = self.plan(request, &seats, shards_revision, until).await?;
            let mut txn = plan.txn();
            if HOLD_WITHOUT_COMPARE.is_planted() {
                txn.compares.clear();
            }
            let txn = Arc::new(txn);
            match self.submit(txn.clone(), until).await {
                Ok(answer) => {
                    let outcome = self.outcome(&plan, &answer, until).await?;
                    if let Acquiring::Conflicts(conflicts) = outcome {
                        return Ok(Tried::Conflicts(conflicts, answer.revision));
                    }
                    if matches!(outcome, Acquiring::FreeAgain) && freed < MAX_FREED {
                        freed += 1;
                        continue;
                    }
                    if matches!(outcome, Acquiring::Taken(_)) {
                        fail_points::TAKEN.reach().await;
                    }
                    let verdict = self.landed(request, outcome, until).await?;
                    self.keep_until_seen(answer.revision, (turn.take(), reserved));
                    return Ok(Tried::Verdict(Box::new(verdict)));
                }
                Err(EtcdFault::LeaseGone) if leases_tried < MAX_LEASES => {
                    leases_tried += 1;
                    self.leases.forget(plan.lease);
                }
                Err(EtcdFault::Unknown(why)) => {
                    self.find_the_truth(txn, (turn.take(), reserved));
                    return Err(Fault::Unknown(why));
                }
                Err(definite) => return Err(definite.into()),
            }
        }
    }

    /// Whether the seats were taken, and if not, who has them: as of a moment
    /// at or after the refusal, which is when the mirror has reached it.
    async fn outcome(
        &self,
        plan: &AcquirePlan,
        answer: &TxnAnswer,
        until: Instant,
    ) -> Result<Acquiring, Fault> {
        if answer.succeeded {
            return Ok(Acquiring::Taken(plan.taken(answer.revision)));
        }
        if !self.mirror.reach(answer.revision, until).await {
            // An earlier sending of this may be what has the seats.
            return Err(Fault::Unknown("the mirror is behind".into()));
        }
        Ok(self.mirror.read(|state| {
            let seats = plan.seats.iter().map(|(seat, _)| seat);
            let found: Vec<SeatSeen> =
                seats.filter_map(|seat| state.seen(&plan.performance, seat)).collect();
            plan.refused(&found, state.marker(plan.booking).is_some())
        }))
    }

    async fn landed(
        &self,
        request: &Acquire,
        outcome: Acquiring,
        until: Instant,
    ) -> Result<Acquired, Fault> {
        match outcome {
            Acquiring::Taken(seen) => Ok(Acquired::Taken { seats: seen.booked(self.cell_epoch()) }),
            Acquiring::MapMoved => Ok(Acquired::MapMoved),
            Acquiring::Conflicts(conflicts) => Ok(Acquired::SeatTaken { conflicts }),
            Acquiring::FreeAgain => {
                Err(Fault::Unavailable("the seats change hands too quickly".into()))
            }
            Acquiring::Ours => {
                // Some seats or the marker are there: look at all of them.
                self.catch_up.now(until).await?;
                let (seen, epoch) =
                    self.mirror.read(|state| (state.booking(request.booking), state.cell_epoch()));
                let Some(seen) = seen else {
                    // They went between the two looks; asked again, it is a fresh acquire.
                    return Err(Fault::Unavailable("the booking's seats just went".into()));
                };
                Ok(replay_verdict(request, &seen, epoch))
            }
        }
    }

    async fn plan(
        &self,
        request: &Acquire,
        seats: &[PricedSeat],
        shards_revision: Option<u64>,
        until: Instant,
    ) -> Result<AcquirePlan, Fault> {
        let now = clock::now();
        let plus = |millis: u64| now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX));
        let deadline = plus(request.ttl_ms.min(request.max_ms));
        let picked = matches!(request.choice, Choice::Pick { .. });
        let taken = u32::try_from(seats.len()).unwrap_or(u32::MAX);
        let lease = if request.pin.is_some() {
            NO_LEASE
        } else {
            let keys = taken + u32::from(picked);
            self.leases.for_deadline(moment(deadline), keys, until).await?
        };
        let record = |seat: &PricedSeat| SeatRecord {
            state: if request.pin.is_some() { SeatState::Confirming } else { SeatState::Held },
            booking: request.booking,
            user: request.user.clone(),
            show: request.show.clone(),
            tier: seat.tier.as_str().into(),
            price: seat.price,
            taken,
            body_hash: request.body_hash.as_str().into(),
            acquired_ms: now.as_millis(),
            deadline_ms: deadline.as_millis(),
            first_deadline_ms: deadline.as_millis(),
            cap_ms: plus(request.max_ms).as_millis(),
            ttl_ms: request.ttl_ms,
            picked,
            from_revision: 0,
            pin: request.pin.clone(),
        };
        let mut seats: Vec<_> =
            seats.iter().map(|seat| (seat.seat.clone(), record(seat))).collect();
        seats.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let (booking, performance) = (request.booking, request.performance.clone());
        Ok(AcquirePlan { booking, performance, seats, lease, shards_revision })
    }

    fn keep_until_seen(&self, revision: u64, kept: (Option<Turn>, Reserved)) {
        self.mirror.keep(revision, Instant::now() + ms(self.timing.operation_ms), kept);
    }

    /// After an unknown acquire only the very same one is sent until its truth
    /// is known: another choice could give one key two sets of seats.
    fn find_the_truth(self: &Arc<Self>, txn: Arc<Txn>, kept: (Option<Turn>, Reserved)) {
        let engine: Shared = self.clone();
        let until = Instant::now() + ms(self.timing.truth_ms);
        self.metrics.unresolved.inc();
        drop(self.background.finish(async move {
            fail_points::TRUTH_SOUGHT.reach().await;
            while Instant::now() < until {
                let patience = until.min(Instant::now() + ms(engine.timing.operation_ms));
                match engine.submit(txn.clone(), patience).await {
                    Ok(answer) => {
                        engine.mirror.reach(answer.revision, until).await;
                        break;
                    }
                    Err(EtcdFault::LeaseGone) => break,
                    // Even a definite refusal says nothing of the first sending.
                    Err(_) => tokio::time::sleep(ms(engine.timing.pulse_ms)).await,
                }
            }
            drop(kept);
            engine.metrics.unresolved.dec();
        }));
    }

    /// Refuses to begin what could not be followed to its truth.
    fn resolvable(&self) -> Result<(), Fault> {
        let most = i64::try_from(self.bounds.max_unresolved).unwrap_or(i64::MAX);
        if self.metrics.unresolved.get() >= most {
            return Err(Fault::Unavailable("too many outcomes are unknown".into()));
        }
        Ok(())
    }
}

/// Seats that the customer has or is about to have, this booking left out.
fn has(state: &State, in_flight: &InFlight, request: &Acquire) -> u32 {
    let Acquire { performance, booking, user, .. } = request;
    let taken = state.taken_in(performance);
    state.seats_of(performance, user, *booking).saturating_add(in_flight.wanted_by(
        performance,
        user,
        *booking,
        taken,
    ))
}

/// What a replay is answered. The own nonce means that it was this very request.
fn replay_verdict(request: &Acquire, seen: &BookingSeen, cell_epoch: u64) -> Acquired {
    let record = seen.record();
    if record.body_hash != request.body_hash {
        return Acquired::BodyMismatch;
    }
    let seats = seen.booked(cell_epoch);
    let own_pin = request.pin.is_some() && record.pin == request.pin;
    if own_pin && record.state == SeatState::Confirming {
        return Acquired::Taken { seats };
    }
    Acquired::Replay { seats }
}

fn no_choice(why: NoChoice) -> Result<Acquired, Fault> {
    match why {
        NoChoice::SoldOut => Ok(Acquired::SoldOut),
        NoChoice::NoAdjacentSeats => Ok(Acquired::NoAdjacentSeats),
        NoChoice::NeverPossible => Err(Fault::invalid("choice", why.to_string())),
    }
}

fn wanted(prepared: &Prepared, choice: &Choice) -> Result<(Wanted, String, u64), Fault> {
    let Choice::Pick { tier, price, quantity, accessible, accept_split } = choice else {
        return Err(Fault::Internal("named seats are not picked".into()));
    };
    let Some(index) = prepared.chart().tier_index(tier) else {
        return Err(Fault::invalid("choice.tier", "the plan has no such tier"));
    };
    let wanted = Wanted {
        tier: index,
        quantity: *quantity,
        accessible: *accessible,
        accept_split: *accept_split,
    };
    Ok((wanted, tier.clone(), *price))
}

fn check(request: &Acquire, shards_revision: Option<u64>) -> Result<(), Fault> {
    if request.pin.is_some() != shards_revision.is_some() {
        return Err(Fault::invalid("pin", "belongs to acquire-to-confirm, and only there"));
    }
    if request.ttl_ms < 1000 || request.max_ms < request.ttl_ms {
        return Err(Fault::invalid("ttl_ms", "must be at least 1000 and at most max_ms"));
    }
    let seats = match &request.choice {
        Choice::Seats { seats, .. } => {
            let mut names: Vec<&SeatId> = seats.iter().map(|seat| &seat.seat).collect();
            names.sort_unstable();
            names.dedup();
            if names.len() != seats.len() {
                return Err(Fault::invalid("choice.seats", "names a seat twice"));
            }
            seats.len()
        }
        Choice::Pick { quantity, accessible, .. } => {
            if accessible > quantity {
                return Err(Fault::invalid("choice.accessible", "must not exceed quantity"));
            }
            *quantity as usize
        }
    };
    if seats == 0 || seats > MAX_QUANTITY as usize {
        return Err(Fault::invalid("choice", "must be for 1 to 10 seats"));
    }
    Ok(())
}

const fn verdict_name(acquired: &Acquired) -> &'static str {
    match acquired {
        Acquired::Taken { .. } => "taken",
        Acquired::Replay { .. } => "replay",
        Acquired::BodyMismatch => "body_mismatch",
        Acquired::SeatTaken { .. } => "seat_taken",
        Acquired::SoldOut => "sold_out",
        Acquired::NoAdjacentSeats => "no_adjacent_seats",
        Acquired::LeavesSingleSeat { .. } => "leaves_single_seat",
        Acquired::LimitPerCustomer { .. } => "limit_per_customer",
        Acquired::PlanUnknown => "plan_unknown",
        Acquired::MapMoved => "map_moved",
    }
}
