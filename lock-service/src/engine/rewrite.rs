//! Operations on seats that a booking has, at the fence its caller has seen.

use std::sync::Arc;
use std::time::Instant;

use lock_service_client::wire::{AtFence, BeginConfirm, Moved};
use seat_model::{BookingId, Fence, SeatState, Timestamp};
use service_kit::clock;
use service_kit::fail_points::Step;

use super::{Engine, moment};
use crate::etcd::EtcdFault;
use crate::fail_points;
use crate::fault::Fault;
use crate::operations::{Asked, Ending, Landing, RewritePlan, admissible, settled};
use crate::planted_bugs::{
    LEAVE_CONFIRMING_LEASED, PIN_WITHOUT_COMPARE, RECONCILER_DELETES_BLINDLY,
};
use crate::record::{BookingSeen, fence};
use crate::transaction::Op;

/// How often a hold's rewrite is prepared again because its lease was gone.
const MAX_LEASES: u32 = 3;

impl Engine {
    /// Moves a hold's deadline as late as now plus its TTL, never past the cap.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn extend(self: &Arc<Self>, at: AtFence) -> Result<Moved, Fault> {
        self.rewrite(Asked::Extend, at.booking, at.fence).await
    }

    /// Pins a hold's seats for one attempt to commit (INV-4).
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn begin_confirm(self: &Arc<Self>, begin: BeginConfirm) -> Result<Moved, Fault> {
        let BeginConfirm { booking, fence, pin, shards_revision } = begin;
        self.rewrite(Asked::BeginConfirm { pin, shards_revision }, booking, fence).await
    }

    /// Release, step back, finish or abort.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn end(self: &Arc<Self>, asked: Asked, at: AtFence) -> Result<Moved, Fault> {
        self.rewrite(asked, at.booking, at.fence).await
    }

    async fn rewrite(
        self: &Arc<Self>,
        asked: Asked,
        booking: BookingId,
        fence: Fence,
    ) -> Result<Moved, Fault> {
        self.gate()?;
        let name = asked.name();
        let until = self.deadline();
        let moved = match self.locate(booking, fence, until).await? {
            Located::At(seen) => self.rewrite_at(&asked, seen, fence, until).await?,
            Located::Elsewhere(seen) => settled(&asked, fence, seen.as_ref(), self.cell_epoch()),
        };
        self.metrics.operation(name, verdict_name(&moved));
        Ok(moved)
    }

    /// The booking at exactly this fence. A mirror that shows it may be behind:
    /// the transaction compares. One that does not show it must catch up before
    /// it may say so.
    async fn locate(
        &self,
        booking: BookingId,
        fence: Fence,
        until: Instant,
    ) -> Result<Located, Fault> {
        let seen = self.seen_at(booking, fence);
        if let Located::At(_) = seen {
            return Ok(seen);
        }
        self.catch_up.now(until).await?;
        Ok(self.seen_at(booking, fence))
    }

    fn seen_at(&self, booking: BookingId, at: Fence) -> Located {
        let (seen, epoch) = self.mirror.read(|state| (state.booking(booking), state.cell_epoch()));
        match seen {
            Some(seen) if fence(epoch, seen.revision()) == at => Located::At(seen),
            seen => Located::Elsewhere(seen),
        }
    }

    async fn rewrite_at(
        &self,
        asked: &Asked,
        at: BookingSeen,
        fence: Fence,
        until: Instant,
    ) -> Result<Moved, Fault> {
        let now = clock::now();
        let epoch = self.cell_epoch();
        if let Err(verdict) = admissible(asked, &at, now, epoch) {
            return Ok(*verdict);
        }
        if matches!(asked, Asked::BeginConfirm { .. }) {
            self.room()?;
            fail_points::PINNING.reach().await;
        }
        if matches!(asked, Asked::Abort) {
            fail_points::ABORTING.reach().await;
        }
        let deadline = match asked {
            Asked::Extend => {
                let record = at.record();
                let deadline = later(now, record.ttl_ms).min(record.cap_ms);
                if deadline <= record.deadline_ms {
                    return Ok(Moved::AtCap { seats: at.booked(epoch) });
                }
                Some(deadline)
            }
            Asked::StepBack => {
                // The customer gets a moment to try again, within the cap.
                let record = at.record();
                let grace = later(now, self.timing.step_back_ms).min(record.cap_ms);
                Some(record.deadline_ms.max(grace))
            }
            _ => None,
        };
        let mut leases_tried = 0;
        loop {
            let ending = self.ending(asked, &at, deadline, until).await?;
            let plan = RewritePlan { asked: asked.clone(), at: at.clone(), ending };
            let mut txn = plan.txn();
            if matches!(asked, Asked::Abort) && RECONCILER_DELETES_BLINDLY.is_planted() {
                txn.compares.clear();
            }
            if matches!(asked, Asked::BeginConfirm { .. }) && PIN_WITHOUT_COMPARE.is_planted() {
                txn.compares.clear();
            }
            if matches!(asked, Asked::BeginConfirm { .. }) && LEAVE_CONFIRMING_LEASED.is_planted() {
                let deadline_ms = Some(at.record().deadline_ms);
                let held = self.ending(asked, &at, deadline_ms, until).await?;
                for op in &mut txn.then {
                    if let (Op::Put { lease, .. }, Ending::Held { lease: held, .. }) = (op, held) {
                        *lease = held;
                    }
                }
            }
            let answer = match (self.submit(txn, until).await, ending) {
                (Err(EtcdFault::LeaseGone), Ending::Held { lease, .. })
                    if leases_tried < MAX_LEASES =>
                {
                    leases_tried += 1;
                    self.leases.forget(lease);
                    continue;
                }
                (answer, _) => answer?,
            };
            return Ok(match plan.outcome(&answer)? {
                Landing::Landed(seats) => {
                    if let Some(step) = step_of(asked) {
                        step.reach().await;
                    }
                    Moved::Done { seats: seats.map(|seats| seats.booked(epoch)) }
                }
                Landing::Refused(now) => settled(asked, fence, now.as_ref(), epoch),
                Landing::MapMoved => Moved::MapMoved,
            });
        }
    }

    async fn ending(
        &self,
        asked: &Asked,
        at: &BookingSeen,
        deadline_ms: Option<i64>,
        until: Instant,
    ) -> Result<Ending, Fault> {
        if let Some(deadline_ms) = deadline_ms {
            let keys = at.seats.len() + usize::from(at.record().picked);
            let keys = u32::try_from(keys).unwrap_or(u32::MAX);
            let ends = moment(Timestamp::from_millis(deadline_ms));
            let lease = self.leases.for_deadline(ends, keys, until).await?;
            return Ok(Ending::Held { lease, deadline_ms });
        }
        Ok(match asked {
            Asked::BeginConfirm { .. } => Ending::Pinned(SeatState::Confirming),
            Asked::Finish => Ending::Pinned(SeatState::Sold),
            Asked::Extend | Asked::StepBack | Asked::Release | Asked::Abort | Asked::Expire => {
                Ending::Free
            }
        })
    }
}

enum Located {
    At(BookingSeen),
    Elsewhere(Option<BookingSeen>),
}

fn step_of(asked: &Asked) -> Option<&'static Step> {
    match asked {
        Asked::Extend => Some(&fail_points::EXTENDED),
        Asked::Release => Some(&fail_points::RELEASED),
        Asked::BeginConfirm { .. } => Some(&fail_points::PINNED),
        Asked::StepBack => Some(&fail_points::STEPPED_BACK),
        Asked::Finish => Some(&fail_points::FINISHED),
        Asked::Abort => Some(&fail_points::ABORTED),
        Asked::Expire => None,
    }
}

fn later(now: Timestamp, millis: u64) -> i64 {
    now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX)).as_millis()
}

const fn verdict_name(moved: &Moved) -> &'static str {
    match moved {
        Moved::Done { .. } => "done",
        Moved::OtherAttempt { .. } => "other_attempt",
        Moved::Changed { .. } => "changed",
        Moved::Gone => "gone",
        Moved::Expired => "expired",
        Moved::AtCap { .. } => "at_cap",
        Moved::MapMoved => "map_moved",
    }
}
