//! The nouns of Seatlock, shared by every service and every client.
//!
//! Architecture invariant: nothing in this crate does I/O, knows HTTP headers
//! or reads a clock. It depends on serde and on time only, so that any layer,
//! a test or a model may use it.

mod chart;
mod fence;
mod folded;
mod ids;
mod money;
mod plan;
mod plan_check;
mod problem;
mod seat;
mod time;

pub use chart::{Chart, ChartSeat};
pub use fence::{Fence, MAX_CELL_EPOCH, MAX_REVISION, ShardEpoch};
pub use folded::folded;
pub use ids::{
    BookingId, IdError, Nonce, PerformanceId, PlanId, SeatId, ShardId, ShowId, TicketId, UserId,
    WebhookId,
};
pub use money::{Currency, Money};
pub use plan::{
    Area, AreaText, Category, Circle, Ellipse, Extension, Plan, Polygon, Position, Rectangle, Row,
    Seat, SeatMarks, Size, Zone,
};
pub use plan_check::{PlanFault, check_plan};
pub use problem::{Code, Conflict, FieldError, Outcome, Problem, Retry};
pub use seat::{PublicSeatState, SeatState};
pub use time::Timestamp;
