//! The bearer of a request as a handler's argument: a handler that takes one
//! cannot be reached without it.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use seat_model::{Code, UserId};
use service_kit::ApiProblem;

use super::token::{Bearer, Role};
use crate::app::App;

/// Anybody with a good token; every role may book.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    /// The subject of the token.
    pub(crate) user: UserId,
}

/// An organiser or an administrator.
#[derive(Debug, Clone)]
pub(crate) struct Organiser {
    /// The subject of the token.
    pub(crate) user: UserId,
}

/// Somebody without a token, who signs up or logs in: limited by address, so
/// that nobody can try passwords without end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newcomer;

impl FromRequestParts<App> for Newcomer {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        // The last address is the one the load balancer saw; those before it
        // are the client's own claims.
        let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
        let address = forwarded
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.rsplit(',').next())
            .map_or("unknown", str::trim);
        app.rate_limit.check(format!("address {address}"))?;
        Ok(Self)
    }
}

impl FromRequestParts<App> for Customer {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let Bearer { user, .. } = bearer(parts, app)?;
        Ok(Self { user })
    }
}

impl FromRequestParts<App> for Organiser {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let Bearer { user, role } = bearer(parts, app)?;
        match role {
            Role::Organiser | Role::Admin => Ok(Self { user }),
            Role::Customer => {
                Err(ApiProblem::new(Code::Forbidden, "this needs the role organiser or admin"))
            }
        }
    }
}

fn bearer(parts: &Parts, app: &App) -> Result<Bearer, ApiProblem> {
    let refused = |why: &str| ApiProblem::new(Code::Unauthenticated, why);
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().ok_or_else(|| refused("send Authorization: Bearer <token>"))?;
    if headers.next().is_some() {
        return Err(refused("there are several Authorization headers"));
    }
    let text = header.to_str().map_err(|_| refused("the Authorization header is not text"))?;
    let (scheme, token) =
        text.split_once(' ').ok_or_else(|| refused("send Authorization: Bearer <token>"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused("only bearer tokens are accepted"));
    }
    let bearer = app.tokens.check(token.trim()).map_err(|error| refused(&error.to_string()))?;
    app.rate_limit.check(format!("user {}", bearer.user))?;
    Ok(bearer)
}
