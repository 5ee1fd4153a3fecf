//! view-service's calls, described from its wire types. It serves them; the
//! document is served here, where most of the calls are.

use view_service_client::wire::{SeatMap, Show, ShowList};

use super::ProblemBody;

/// Shows with a performance on that date and location.
#[utoipa::path(
    get, path = "/v1/shows", tag = "looking",
    params(
        ("date" = Option<String>, Query, description = "`YYYY-MM-DD` in the venue's time zone"),
        ("loc" = Option<String>, Query, description = "Where, without regard to case and accents"),
        ("q" = Option<String>, Query, description = "Part of the name, without regard to case and accents"),
        ("limit" = Option<u32>, Query, description = "Shows a page has"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "One page", body = ShowList),
        (status = 304, description = "`If-None-Match` names this answer"),
        (status = 400, description = "`invalid_request`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
#[expect(dead_code, reason = "described here, served by view-service")]
pub(crate) fn list_shows() {}

/// A show with its performances and what is left of each tier.
#[utoipa::path(
    get, path = "/v1/show/{showId}", tag = "looking",
    params(
        ("showId" = String, Path, description = "The show"),
        ("date" = Option<String>, Query, description = "`YYYY-MM-DD` in the venue's time zone"),
        ("loc" = Option<String>, Query, description = "Where"),
    ),
    responses(
        (status = 200, description = "The show", body = Show),
        (status = 304, description = "`If-None-Match` names this answer"),
        (status = 400, description = "`invalid_request`", body = ProblemBody),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
#[expect(dead_code, reason = "described here, served by view-service")]
pub(crate) fn show() {}

/// The seats that are not free; or every seat of the plan in two bits, where
/// `Accept` prefers `application/octet-stream`.
///
/// The compact form, numbers little-endian: `SLSM`; version (1 byte, 1); flags
/// (1 byte, bit 0: stale); length of the plan's id (2); revision (8); as of, in
/// milliseconds since 1970 (8, signed); seats of the plan (4); free seats (4);
/// the plan's id; then two bits a seat in plan order, four seats a byte, the
/// first in the lowest bits: 0 free, 1 held, 2 sold.
#[utoipa::path(
    get, path = "/v1/show/{showId}/performances/{performanceId}/seats", tag = "looking",
    params(
        ("showId" = String, Path, description = "The show"),
        ("performanceId" = String, Path, description = "The performance"),
    ),
    responses(
        (status = 200, description = "The seat map", content(
            (SeatMap = "application/json"),
            (String = "application/octet-stream"),
        )),
        (status = 304, description = "`If-None-Match` names this answer"),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
#[expect(dead_code, reason = "described here, served by view-service")]
pub(crate) fn seats() {}

/// The seats, live: a `snapshot`, then `change` after `change`.
#[utoipa::path(
    get, path = "/v1/show/{showId}/performances/{performanceId}/seats/events", tag = "looking",
    params(
        ("showId" = String, Path, description = "The show"),
        ("performanceId" = String, Path, description = "The performance"),
        ("Last-Event-ID" = Option<String>, Header, description = "Resumes after this revision"),
    ),
    responses(
        (status = 200, description = "`event: snapshot` carries a `SeatMap`, `event: change` a `SeatChange`", body = String, content_type = "text/event-stream"),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
#[expect(dead_code, reason = "described here, served by view-service")]
pub(crate) fn seat_events() {}

/// A seating plan; immutable.
#[utoipa::path(
    get, path = "/v1/plans/{planId}", tag = "looking",
    params(("planId" = String, Path, description = "The plan")),
    responses(
        (status = 200, description = "The pretix format plus `x-seatlock`", body = serde_json::Value),
        (status = 304, description = "`If-None-Match` names this answer"),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
#[expect(dead_code, reason = "described here, served by view-service")]
pub(crate) fn plan() {}

/// The page for people.
#[utoipa::path(
    get, path = "/", tag = "looking",
    responses((status = 200, description = "HTML", body = String, content_type = "text/html"))
)]
#[expect(dead_code, reason = "described here, served by view-service")]
pub(crate) fn page() {}
