//! What travels between lock-service and those who call it. JSON over HTTP/2.
//!
//! Operations of the seat protocol travel together: `POST /v1/operations` has
//! an [`Operation`] a line, and is answered with an [`AnswerLine`] for each, in
//! the order they are done. A refusal that belongs to the protocol is a verdict;
//! a problem means that the operation was not tried (503) or that its outcome is
//! unknown (504). An operation whose line does not come has an unknown outcome.

use std::collections::BTreeMap;

use seat_model::{
    BookingId, Conflict, Fence, Nonce, PerformanceId, PlanId, Problem, PublicSeatState, SeatId,
    SeatState, ShardEpoch, ShardId, ShowId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

/// Where operations are posted.
pub const OPERATIONS: &str = "/v1/operations";

/// Operations in one request, at most.
pub const MAX_OPERATIONS: usize = 512;

/// Bytes of one operation, at most.
pub const MAX_OPERATION_BYTES: usize = 8 << 10;

/// One operation of the seat protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Takes seats as a hold; answered [`Answer::Acquired`].
    Acquire(Acquire),
    /// Takes seats straight as `confirming`; answered [`Answer::Acquired`].
    AcquireToConfirm(AcquireToConfirm),
    /// Moves a hold's deadline; answered [`Answer::Moved`].
    Extend(AtFence),
    /// Gives a hold back; answered [`Answer::Moved`].
    Release(AtFence),
    /// Pins a hold's seats for one attempt to commit; answered [`Answer::Moved`].
    BeginConfirm(BeginConfirm),
    /// Makes pinned seats a hold again; answered [`Answer::Moved`].
    StepBack(AtFence),
    /// Marks pinned seats sold; answered [`Answer::Moved`].
    Finish(AtFence),
    /// Frees pinned seats; answered [`Answer::Moved`].
    Abort(AtFence),
    /// Frees the seats of cancelled tickets; answered [`Answer::Freed`].
    Free(FreeSeats),
    /// Looks at a booking's seats; answered [`Answer::Booking`].
    Booking(BookingId),
    /// Asks whether etcd answers and has room for a confirm; answered
    /// [`Answer::Room`], or a problem that says why not.
    Room,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Of an acquire.
    Acquired(Acquired),
    /// Of an operation on a booking's seats.
    Moved(Moved),
    /// Of freeing.
    Freed(Freed),
    /// Of a look.
    Booking(Option<BookedSeats>),
    /// There is room.
    Room,
    /// No verdict.
    Problem(Problem),
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// One line of the answer: which operation it is for, by its place in the
/// request from 0 on, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerLine(pub usize, pub Answer);

/// A seat with what the buyer was told it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedSeat {
    /// The seat.
    pub seat: SeatId,
    /// Its tier.
    pub tier: String,
    /// Minor units of the performance's currency.
    pub price: u64,
}

/// Which seats are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Exactly these, at most ten.
    Seats {
        /// The seats.
        seats: Vec<PricedSeat>,
        /// Refuse a choice that leaves a lone free seat; needs `plan`.
        refuse_orphans: bool,
    },
    /// The best available.
    Pick {
        /// The tier to choose from.
        tier: String,
        /// What one seat of it costs.
        price: u64,
        /// How many seats, accessible ones included.
        quantity: u32,
        /// Exactly so many of them accessible.
        accessible: u32,
        /// Whether the seats may be apart.
        accept_split: bool,
    },
}

/// Takes seats: a hold, or straight to `confirming` where `pin` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acquire {
    /// The performance.
    pub performance: PerformanceId,
    /// Its show.
    pub show: ShowId,
    /// Its seating plan, which lock-service must have been given.
    pub plan: PlanId,
    /// The booking; made from (user, show, key), so a resend is the same booking.
    pub booking: BookingId,
    /// For whom.
    pub user: UserId,
    /// Hash of the request's body: another one under the same booking is refused (INV-8).
    pub body_hash: String,
    /// Which seats.
    pub choice: Choice,
    /// How long the hold lives at first.
    pub ttl_ms: u64,
    /// How long it can live with every extension.
    pub max_ms: u64,
    /// Held and bought seats a customer may have of this performance.
    pub max_seats_per_customer: u32,
    /// Take the seats as `confirming` at once; the payment is authorised already.
    pub pin: Option<Pin>,
}

/// Whose commit the seats are pinned for, and where it will be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The shard that will have the booking.
    pub shard: ShardId,
    /// The placement epoch it must have there.
    pub epoch: ShardEpoch,
    /// Of the attempt: nobody else may commit or step back (INV-4).
    pub nonce: Nonce,
}

/// The seats of one booking, as of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedSeats {
    /// The booking.
    pub booking: BookingId,
    /// Its performance.
    pub performance: PerformanceId,
    /// Its show.
    pub show: ShowId,
    /// Whose it is.
    pub user: UserId,
    /// What is true of all of its seats.
    pub state: SeatState,
    /// The seats, sorted by GUID.
    pub seats: Vec<PricedSeat>,
    /// How many seats were taken together; more than `seats` after a partial cancel.
    pub taken: u32,
    /// The revision all of them were last written at.
    pub fence: Fence,
    /// The revision at which they were acquired.
    pub acquired: Fence,
    /// Hash of the body that asked for them.
    pub body_hash: String,
    /// When they were acquired, on lock-service's clock.
    #[serde(with = "millis")]
    pub acquired_at: Timestamp,
    /// When the hold runs out.
    #[serde(with = "millis")]
    pub deadline: Timestamp,
    /// The first deadline, before any extension.
    #[serde(with = "millis")]
    pub first_deadline: Timestamp,
    /// The latest deadline an extension can reach.
    #[serde(with = "millis")]
    pub cap: Timestamp,
    /// Present from `confirming` on.
    pub pin: Option<Pin>,
}

/// What became of an acquire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acquired {
    /// The seats are the booking's now, by this request.
    Taken {
        /// The seats.
        seats: BookedSeats,
    },
    /// The booking had them already: look at the state, and never use the
    /// fence of a `confirming` booking to begin another confirm.
    Replay {
        /// The seats as they are.
        seats: BookedSeats,
    },
    /// The same booking id with another body (INV-8).
    BodyMismatch,
    /// Somebody else has some of them.
    SeatTaken {
        /// Which, and what is true of them.
        conflicts: Vec<Conflict>,
    },
    /// Fewer free seats in the tier than asked for.
    SoldOut,
    /// Enough, but not next to each other.
    NoAdjacentSeats,
    /// The hand-picked choice would leave these alone.
    LeavesSingleSeat {
        /// The seats that nobody would want.
        singles: Vec<SeatId>,
    },
    /// The customer would have more than the limit.
    LimitPerCustomer {
        /// How many seats the customer has of the performance.
        has: u32,
    },
    /// Send the plan (`PUT /v1/plans/{id}`), then ask again.
    PlanUnknown,
    /// The shard map changed since `shards_revision`: read it again.
    MapMoved,
}

/// Names a booking's seats as they were seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtFence {
    /// The booking.
    pub booking: BookingId,
    /// The revision its seats were seen at.
    pub fence: Fence,
}

/// Begins to confirm: pins the seats. The fence must have been seen `held`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginConfirm {
    /// The booking.
    pub booking: BookingId,
    /// The fence, seen `held`.
    pub fence: Fence,
    /// The attempt, and where it will commit.
    pub pin: Pin,
    /// The revision of the shard map that `pin` was read from.
    pub shards_revision: u64,
}

/// Acquires straight to `confirming`; `acquire.pin` is present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcquireToConfirm {
    /// The seats, the customer and the pin.
    pub acquire: Acquire,
    /// The revision of the shard map that the pin was read from.
    pub shards_revision: u64,
}

/// What became of an operation on a booking's seats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moved {
    /// Done, now or by an earlier sending of the same.
    Done {
        /// The seats after it; absent once they are free.
        seats: Option<BookedSeats>,
    },
    /// The seats are pinned by another attempt: never commit, answer `pending`.
    OtherAttempt {
        /// As they are.
        seats: BookedSeats,
    },
    /// The booking has its seats, in another state or at another fence: read again.
    Changed {
        /// As they are.
        seats: BookedSeats,
    },
    /// The booking has no seats any more.
    Gone,
    /// The deadline has passed: the hold may still be there, but may not be used.
    Expired,
    /// The hold is as late as it may become.
    AtCap {
        /// As they are.
        seats: BookedSeats,
    },
    /// The shard map changed: read it again.
    MapMoved,
}

/// Frees one seat of a cancelled ticket. Only where it is `sold` by this booking (INV-7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeSeats {
    /// The performance.
    pub performance: PerformanceId,
    /// The booking whose tickets were cancelled.
    pub booking: BookingId,
    /// The seats of those tickets.
    pub seats: Vec<SeatId>,
}

/// What became of freeing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freed {
    /// None of the seats is this booking's any more.
    Done,
    /// Some are still `confirming`: finish first.
    Confirming,
}

/// Where shows are placed: the key `shards`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMap {
    /// The shards on the ring.
    pub shards: Vec<ShardId>,
    /// Shows that are not where the ring says.
    #[serde(default)]
    pub pins: BTreeMap<ShowId, ShardId>,
    /// Placement epochs other than the floor.
    #[serde(default)]
    pub epochs: BTreeMap<ShowId, ShardEpoch>,
    /// The epoch of every placement that `epochs` does not name; absent: the
    /// first. Raised when the cell is rebuilt, so that the map stays small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<ShardEpoch>,
}

impl ShardMap {
    /// The epoch that a show's placement must have.
    #[must_use]
    pub fn epoch_of(&self, show: &ShowId) -> ShardEpoch {
        self.epochs.get(show).copied().or(self.floor).unwrap_or(ShardEpoch::FIRST)
    }
}

/// The shard map and the revision it was read at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionedShardMap {
    /// Its `mod_revision` in etcd; 0 while there is none.
    pub revision: u64,
    /// The map; empty while there is none.
    pub map: ShardMap,
}

/// Writes the shard map if it is still at this revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutShardMap {
    /// The revision that was read; 0 to create it.
    pub if_revision: u64,
    /// The new map.
    pub map: ShardMap,
}

/// Seats of a performance by tier, from the mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerformanceCounts {
    /// The revision the mirror had reached.
    pub revision: u64,
    /// Held or confirming seats by tier.
    pub held: BTreeMap<String, u64>,
    /// Sold seats by tier.
    pub sold: BTreeMap<String, u64>,
}

/// One line of `GET /v1/changes`. A feed begins with `snapshot` (forget
/// everything), or, where `from` could be resumed, straight with changes.
/// Between `snapshot` and `snapshot_end` come `seats` lines with everything
/// that is not free; afterwards each `seats` line is one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum ChangeLine {
    /// Forget what you know; the state as of this revision follows.
    Snapshot {
        /// As of.
        revision: u64,
    },
    /// Seats of one performance.
    Seats {
        /// The performance.
        performance: PerformanceId,
        /// The etcd revision that changed them.
        revision: u64,
        /// The seats and what is true of them now.
        seats: BTreeMap<SeatId, PublicSeatState>,
    },
    /// The snapshot is complete.
    SnapshotEnd {
        /// As of.
        revision: u64,
    },
    /// Nothing newer up to this revision, which etcd confirmed at `as_of`.
    /// Sent at least once a second while etcd answers, not at all while it is away.
    Progress {
        /// Up to and with.
        revision: u64,
        /// On lock-service's clock.
        as_of: Timestamp,
    },
}

/// Moments as milliseconds since the epoch: these answers are read by programs,
/// thousands a second.
mod millis {
    use seat_model::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_millis)
    }
}
