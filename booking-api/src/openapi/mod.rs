//! The description of the whole API, one document: this service's calls from
//! their handlers, view-service's from its wire types. Served at
//! `/openapi.json`, and readable at `/docs` without a network.

mod looking;
mod problem;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

pub(crate) use problem::ProblemBody;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Seatlock",
        description = "Finding shows, holding seats, paying, confirming, cancelling; and what \
                       organisers do. Every error is a problem body that says whether anything \
                       happened and whether the request may be sent again.",
    ),
    servers((url = "/", description = "Through the load balancer")),
    paths(
        looking::list_shows,
        looking::show,
        looking::seats,
        looking::seat_events,
        looking::plan,
        looking::page,
    ),
    components(schemas(view_service_client::wire::SeatChange)),
    tags(
        (name = "looking", description = "Shows and seats; no login. Possibly old, and says how old"),
        (name = "booking", description = "Hold, pay, confirm, cancel"),
        (name = "accounts", description = "Users and sessions"),
        (name = "organising", description = "Role `organiser` or `admin`"),
    ),
    modifiers(&BearerTokens),
)]
pub(crate) struct Description;

struct BearerTokens;

impl Modify for BearerTokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("From `POST /v1/sessions`, or `./seatlock token` in a local cluster"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}
