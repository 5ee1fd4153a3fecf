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
    app.tokens.check(token.trim()).map_err(|error| refused(&error.to_string()))
}
