//! Why a sale did not go on, one variant for each case a caller treats
//! differently, and the one place where each becomes an answer.

use lock_service_client::LockError;
use seat_model::{BookingId, Code, Conflict, FieldError, Problem, SeatId, Timestamp};
use service_kit::ApiProblem;

use crate::catalogue::CatalogueError;
use crate::store::StoreError;

/// What a call of the sale ends with instead of a booking.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum SaleError {
    /// The request can never work.
    #[error("the request is not valid")]
    Invalid(Vec<FieldError>),
    /// Unknown, or not the customer's to know.
    #[error("not found: {0}")]
    NotFound(&'static str),
    /// Several performances match: their ids, places and times.
    #[error("several performances match")]
    Ambiguous(Vec<serde_json::Value>),
    /// The sale begins later.
    #[error("on sale from {0}")]
    NotOnSale(Timestamp),
    /// Somebody else has some of the seats.
    #[error("seats are taken")]
    SeatTaken(Vec<Conflict>),
    /// Fewer free seats than asked for.
    #[error("sold out")]
    SoldOut,
    /// Enough, but not next to each other.
    #[error("no adjacent seats")]
    NoAdjacentSeats,
    /// The choice leaves these seats alone.
    #[error("the choice leaves single seats")]
    LeavesSingleSeat(Vec<SeatId>),
    /// The customer has as many seats as allowed.
    #[error("the customer's limit is reached")]
    Limit,
    /// The same key is running.
    #[error("the same request is running")]
    RequestInFlight,
    /// The performance has live tickets, and they were not to be cancelled.
    #[error("tickets are live")]
    TicketsLive,
    /// A commit's outcome is not known yet.
    #[error("the booking is being confirmed")]
    ConfirmInProgress,
    /// The hold ran out, was released, or its booking was aborted.
    #[error("the hold is gone: {0}")]
    Gone(&'static str),
    /// The key was used with another body.
    #[error("the key was used for another request")]
    KeyReused,
    /// The gateway declined; the hold stays.
    #[error("the payment was declined")]
    Declined(BookingId),
    /// The gateway did not answer, and nothing was captured; the hold stays.
    #[error("the payment's outcome is not known")]
    PaymentUnknown(BookingId),
    /// A store or lock-service is away, and nothing was written.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A shard is away without which the answer would be incomplete.
    #[error("shard {0} is away")]
    ShardAway(String),
    /// Something was sent and not answered.
    #[error("outcome unknown: {0}")]
    OutcomeUnknown(String),
    /// What should be impossible: a bug, or an invariant broken elsewhere.
    #[error("a bug: {0}")]
    Broken(String),
}

impl From<LockError> for SaleError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::NotApplied(why) => Self::Unavailable(why),
            LockError::Unknown(why) => Self::OutcomeUnknown(why),
            LockError::Invalid(problem) => Self::Broken(problem.detail),
        }
    }
}

/// For reads and for writes whose refusals were looked at before.
impl From<StoreError> for SaleError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotSent { .. } | StoreError::Deadlock { .. } => {
                Self::Unavailable(error.to_string())
            }
            StoreError::Unknown { .. } => Self::OutcomeUnknown(error.to_string()),
            StoreError::Refused(refusal) => Self::Broken(refusal.to_string()),
        }
    }
}

impl From<CatalogueError> for SaleError {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::Unavailable(why) | CatalogueError::OutcomeUnknown(why) => {
                Self::Unavailable(why)
            }
            CatalogueError::Broken(why) => Self::Broken(why),
        }
    }
}

/// A read that was not answered changed nothing: whoever reads may simply be
/// told that the shard is away.
pub(crate) fn of_read(error: &StoreError) -> SaleError {
    SaleError::Unavailable(error.to_string())
}

/// The same for lock-service.
pub(crate) fn of_look(error: LockError) -> SaleError {
    match error {
        LockError::NotApplied(why) | LockError::Unknown(why) => SaleError::Unavailable(why),
        LockError::Invalid(problem) => SaleError::Broken(problem.detail),
    }
}

/// The problem body of each error.
pub(crate) fn problem_of(error: SaleError) -> Problem {
    match error {
        SaleError::Invalid(errors) => {
            let detail = errors
                .iter()
                .map(|error| format!("{}: {}", error.field, error.message))
                .collect::<Vec<_>>()
                .join("; ");
            Problem::new(Code::InvalidRequest, detail).with_errors(errors)
        }
        SaleError::NotFound(what) => Problem::new(Code::NotFound, what),
        SaleError::Ambiguous(performances) => Problem::new(
            Code::AmbiguousPerformance,
            "several performances match; name one with performance_id",
        )
        .with("performances", performances),
        SaleError::NotOnSale(from) => Problem::new(Code::NotOnSale, format!("on sale from {from}"))
            .with("on_sale_at", from.to_string()),
        SaleError::SeatTaken(conflicts) => {
            let mut problem = Problem::new(Code::SeatTaken, "somebody else has some of the seats");
            problem.conflicts = conflicts;
            problem
        }
        SaleError::SoldOut => {
            Problem::new(Code::SoldOut, "fewer free seats of this kind are left than asked for")
        }
        SaleError::NoAdjacentSeats => Problem::new(
            Code::NoAdjacentSeats,
            "enough seats are left, but not next to each other; accept_split takes others",
        ),
        SaleError::LeavesSingleSeat(singles) => Problem::new(
            Code::LeavesSingleSeat,
            "the choice would leave a lone free seat that nobody wants",
        )
        .with("singles", singles.into_iter().map(String::from).collect::<Vec<_>>()),
        SaleError::Limit => Problem::new(
            Code::LimitPerCustomer,
            "held and bought seats of this performance would be more than one customer may have",
        ),
        SaleError::RequestInFlight => Problem::new(
            Code::RequestInFlight,
            "a request under this Idempotency-Key is still running",
        ),
        SaleError::TicketsLive => Problem::new(
            Code::SeatTaken,
            "tickets of the performance are live; cancel_bookings=true cancels and refunds them",
        ),
        SaleError::ConfirmInProgress => Problem::new(
            Code::ConfirmInProgress,
            "the booking is being confirmed; its outcome will be known shortly",
        ),
        SaleError::Gone(why) => Problem::new(Code::HoldExpired, why),
        SaleError::KeyReused => Problem::new(
            Code::IdempotencyKeyReused,
            "this Idempotency-Key belongs to another request; choose a new one",
        ),
        SaleError::Declined(booking) => {
            Problem::new(Code::PaymentDeclined, "the payment was declined; the hold stays")
                .with("booking_id", booking.to_string())
        }
        SaleError::PaymentUnknown(booking) => Problem::new(
            Code::OutcomeUnknown,
            "the payment gateway did not answer; nothing was captured and the hold stays",
        )
        .with("booking_id", booking.to_string()),
        SaleError::Unavailable(why) => {
            tracing::warn!(why, "something is away");
            Problem::new(Code::Unavailable, "something is away; nothing was written")
        }
        SaleError::ShardAway(shard) => Problem::new(
            Code::Unavailable,
            format!("{shard} is away; the list would be incomplete"),
        ),
        SaleError::OutcomeUnknown(why) => {
            tracing::warn!(why, "an outcome is unknown");
            Problem::new(
                Code::OutcomeUnknown,
                "it was sent and no answer came; ask again with the same Idempotency-Key",
            )
        }
        SaleError::Broken(why) => {
            tracing::error!(why, "this should be impossible");
            Problem::new(Code::Internal, "a bug; the request id leads to its log line")
        }
    }
}

impl From<SaleError> for ApiProblem {
    fn from(error: SaleError) -> Self {
        let confirming = error == SaleError::ConfirmInProgress;
        let problem = Self::from(problem_of(error));
        if confirming {
            return problem.retry_after(std::time::Duration::from_secs(2));
        }
        problem
    }
}
