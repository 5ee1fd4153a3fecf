//! Plans, shows, performances and what was sold: the organiser's calls.

use std::collections::BTreeMap;

use seat_model::{BookingId, Currency, Money, PerformanceId, PlanId, ShowId, Timestamp};
use serde::{Deserialize, Serialize};

/// The seats of one tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TierSeats {
    /// The price category.
    pub tier: String,
    /// How many seats it has.
    pub seats: u64,
}

/// The answer of `POST /v1/admin/plans`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanImported {
    /// Made from the plan's content: the same plan has the same id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub plan_id: PlanId,
    /// How many seats it has.
    pub seats: u64,
    /// Its price categories, in its order.
    pub tiers: Vec<TierSeats>,
}

/// `POST /v1/admin/shows`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ShowCreate {
    /// 1–64 of `a-z 0-9 - _`; made up where it is absent. Creating it again
    /// with the same name changes nothing and answers the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub show_id: Option<ShowId>,
    /// 1–200 characters.
    pub name: String,
}

/// A show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
// People who look are shown another `Show`; in one description both have a name.
#[cfg_attr(feature = "openapi", schema(as = ShowCreated))]
pub struct Show {
    /// Its id, the sharding key.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub show_id: ShowId,
    /// What people call it.
    pub name: String,
}

/// Whether hand-picked seats may leave a lone free seat behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OrphanRule {
    /// They may.
    #[default]
    Off,
    /// 409 `leaves_single_seat`.
    Refuse,
}

/// `POST /v1/admin/shows/{showId}/performances`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PerformanceCreate {
    /// A city, as people search for it; 1–120 characters.
    pub location: String,
    /// The house; 1–200 characters.
    pub venue: String,
    /// An IANA name such as `Europe/Berlin`.
    pub time_zone: String,
    /// When it begins.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub starts_at: Timestamp,
    /// Where people sit.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub plan_id: PlanId,
    /// By category: every one that has seats needs a price, others may have
    /// one. One currency for all.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, crate::wire::organise::Price>))]
    pub prices: BTreeMap<String, Money>,
    /// Before it: 409 `not_on_sale`. Absent: on sale at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub on_sale_at: Option<Timestamp>,
    /// Seconds a hold lives, from 3 up; 600 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ttl_s: Option<u64>,
    /// Seconds a hold may be extended to, from its beginning; 1800 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_max_s: Option<u64>,
    /// Held and bought seats one customer may have; 10 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_seats_per_customer: Option<u32>,
    /// Whether hand-picked seats may leave a lone one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphan_rule: Option<OrphanRule>,
}

/// The shape of [`Money`], for the API description only.
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it is a schema, never a value")]
pub(crate) struct Price {
    /// Minor units.
    price: u64,
    /// ISO 4217.
    currency: String,
}

/// The answer: a performance that can be booked at once (or from `on_sale_at` on).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PerformanceCreated {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub performance_id: PerformanceId,
    /// The show.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub show_id: ShowId,
    /// When it begins.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub starts_at: Timestamp,
    /// The date it is found under: `YYYY-MM-DD` in the venue's time zone.
    pub date: String,
}

/// The answer of deleting a performance; again → the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PerformanceDeleted {
    /// What is gone.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub performance_id: PerformanceId,
    /// The show, which stays.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub show_id: ShowId,
}

/// `GET /v1/admin/shows/{showId}/sales`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sales {
    /// The show.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub show_id: ShowId,
    /// Its performances, in the order they take place.
    pub performances: Vec<PerformanceSales>,
}

/// One performance's share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PerformanceSales {
    /// The performance.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub performance_id: PerformanceId,
    /// Where.
    pub location: String,
    /// The house.
    pub venue: String,
    /// When.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub starts_at: Timestamp,
    /// Its tiers that have seats, in the plan's order.
    pub tiers: Vec<TierSales>,
}

/// One tier's share. Sold, revenue and cancelled come from the ledger, held
/// from the locks: read one after the other, so in a crowd they may overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TierSales {
    /// The price category.
    pub tier: String,
    /// All seats of the tier.
    pub seats_total: u64,
    /// Tickets that are valid.
    pub sold: u64,
    /// Held or being confirmed.
    pub held: u64,
    /// What is left.
    pub free: u64,
    /// Minor units: the prices of valid tickets.
    pub revenue: u64,
    /// Tickets that were cancelled.
    pub cancelled: u64,
    /// ISO 4217.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub currency: Currency,
}

/// `GET /v1/admin/shows/{showId}/stuck`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StuckBookings {
    /// At most 1,000, the longest stuck first.
    pub stuck: Vec<StuckBooking>,
}

/// A booking whose payment the gateway refuses to settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StuckBooking {
    /// The booking.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub booking_id: BookingId,
    /// What is due.
    pub settlement: Settlement,
    /// Why it was refused last.
    pub reason: String,
    /// How often it was refused.
    pub attempts: u32,
    /// Since when.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
    /// When it is tried again.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub retry_at: Timestamp,
}

/// What is due of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Settlement {
    /// The money of a sale.
    Capture,
    /// What was paid for cancelled tickets.
    Refund,
    /// Letting go of the money of an aborted booking.
    Void,
}
