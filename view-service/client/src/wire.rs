//! What view-service answers. Unknown members are ignored when reading, so
//! that answers may grow.

use std::collections::BTreeMap;

use seat_model::{Currency, PerformanceId, PlanId, PublicSeatState, SeatId, ShowId, Timestamp};
use serde::{Deserialize, Serialize};

/// What to list. Every filter is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowQuery {
    /// `YYYY-MM-DD`, in the venue's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// A location; upper and lower case are the same, outer blanks do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loc: Option<String>,
    /// Part of the name, without regard to case and accents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Shows a page has: 1 to 100, 20 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of `GET /v1/shows`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShowList {
    /// Shows with their matching performances, by show id.
    pub shows: Vec<Show>,
    /// Where the next page begins; absent on the last one.
    pub next_cursor: Option<String>,
}

/// A show with its matching performances. In a list a show carries at most the
/// first 50 of them; `GET /v1/show/{showId}` has them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Show {
    /// The show.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub show_id: ShowId,
    /// Its title.
    pub name: String,
    /// By start time, then id.
    pub performances: Vec<PerformanceView>,
}

/// One evening of a show at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PerformanceView {
    /// The performance.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub performance_id: PerformanceId,
    /// The town, usually: what people filter by.
    pub location: String,
    /// The house.
    pub venue: String,
    /// An IANA name such as `Europe/Vienna`.
    pub time_zone: String,
    /// When it begins.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub starts_at: Timestamp,
    /// When its sale begins; absent where it is on sale from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub on_sale_at: Option<Timestamp>,
    /// Its seating plan.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub plan_id: PlanId,
    /// Its price categories that have seats, in the plan's order.
    pub tiers: Vec<TierView>,
}

/// A price category of a performance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TierView {
    /// Its name.
    pub tier: String,
    /// Minor units.
    pub price: u64,
    /// ISO 4217.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub currency: Currency,
    /// Seats it has.
    pub seats_total: u64,
    /// Seats nobody has, as of the view.
    pub seats_available: u64,
}

/// Every seat of a performance that is not free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeatMap {
    /// What the projection had reached.
    pub revision: u64,
    /// When that was last known to be the newest.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub as_of: Timestamp,
    /// Whether the projection is behind, or its source away.
    pub stale: bool,
    /// The seating plan.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub plan_id: PlanId,
    /// Seats of the plan.
    pub seats_total: u64,
    /// Seats of the plan that are free.
    pub seats_available: u64,
    /// Seats that are not free, `held` or `sold`.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub seats: BTreeMap<SeatId, PublicSeatState>,
}

/// What an event `change` carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeatChange {
    /// The revision that changed the seats; the event's id.
    pub revision: u64,
    /// When this instance heard of it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub as_of: Timestamp,
    /// The seats and what is true of them now: `free`, `held` or `sold`.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub seats: BTreeMap<SeatId, PublicSeatState>,
}

/// Where a view came from: the header `X-Seatlock-Source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The instance's own memory.
    Memory,
    /// Redis.
    Redis,
    /// lock-service, asked directly.
    Locks,
    /// A replica of the catalogue.
    Replica,
    /// The catalogue's primary.
    Primary,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 5] =
        [Self::Memory, Self::Redis, Self::Locks, Self::Replica, Self::Primary];

    /// As the header has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Locks => "locks",
            Self::Replica => "replica",
            Self::Primary => "primary",
        }
    }

    /// Reads the header.
    #[must_use]
    pub fn from_wire(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

/// The header that names the [`Source`].
pub const SOURCE_HEADER: &str = "x-seatlock-source";
