//! How a performance sells: the organiser's numbers. Sales are exact as of
//! `counted_at`; demand is gathered in memory and may miss some.

use seat_model::{Currency, PerformanceId, SeatId, ShowId, Timestamp};
use serde::{Deserialize, Serialize};

/// `GET /v1/admin/shows/{showId}/performances/{performanceId}/analytics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PerformanceAnalytics {
    /// The show.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub show_id: ShowId,
    /// The performance.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub performance_id: PerformanceId,
    /// The beginning of the first hour that is covered.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub from: Timestamp,
    /// The end of the last hour that is covered.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub to: Timestamp,
    /// When the ledger was counted: what was sold or cancelled since may be
    /// missing, nothing else is. Absent where nothing was sold yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub counted_at: Option<Timestamp>,
    /// ISO 4217, of every amount.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub currency: Currency,
    /// Seats that have a price.
    pub seats_total: u64,
    /// Of all hours covered; a little may be missing.
    pub demand: Demand,
    /// Of all hours covered.
    pub sales: SalesSum,
    /// Seats held or being confirmed right now. Absent while that cannot be
    /// asked, or where `to` has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_held_now: Option<u64>,
    /// Seats that were held and neither bought nor are held now: given back,
    /// or left until they ran out. Made from demand, so about right. Absent
    /// where `seats_held_now` would be needed and is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_abandoned: Option<u64>,
    /// Hours in which anything happened, in order.
    pub hours: Vec<AnalyticsHour>,
    /// Seats that were wanted while somebody else had them, the most wanted
    /// first, at most 1,000; over the whole sale. A little may be missing.
    pub contested: Vec<ContestedSeat>,
}

/// How sought after a performance was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Demand {
    /// Times that somebody opened its seat map.
    pub views: u64,
    /// Times that seats were taken, to be held or bought at once.
    pub holds: u64,
    /// Seats that were taken.
    pub seats_held: u64,
    /// Holds that their customers gave back.
    pub released: u64,
    /// Requests that got no seats, because others had them.
    pub refused: u64,
}

/// What was sold and cancelled. Amounts are minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SalesSum {
    /// Bookings that were confirmed.
    pub bookings: u64,
    /// Their tickets, those cancelled since included.
    pub tickets: u64,
    /// What those tickets cost.
    pub revenue: u64,
    /// Bookings that were cancelled, whole or in part.
    pub cancels: u64,
    /// Tickets that were cancelled, whenever they were sold.
    pub cancelled_tickets: u64,
    /// What those tickets cost.
    pub refunded: u64,
}

/// One hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnalyticsHour {
    /// Its beginning.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub hour: Timestamp,
    /// A little may be missing.
    pub demand: Demand,
    /// Exact.
    pub sales: SalesSum,
    /// Tickets that were valid at its end.
    pub occupied: u64,
    /// What they cost.
    pub revenue_so_far: u64,
}

/// A seat that several people wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContestedSeat {
    /// Its GUID.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub seat: SeatId,
    /// How often it was asked for while somebody else had it.
    pub conflicts: u64,
}
