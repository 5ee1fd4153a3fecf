//! `POST /v1/sessions`: a user logs in. Nothing is stored: the answer is a
//! signed token.

use std::time::Duration;

use axum::extract::State;
use booking_api_client::{Session, SessionCreate};
use seat_model::Code;
use service_kit::{ApiJson, ApiProblem};

use crate::app::App;
use crate::auth::{Newcomer, Role};
use crate::idempotency::{Created, IdempotencyKey};
use crate::openapi::ProblemBody;
use crate::users::email_key;

/// Logs in. A replay signs a new token: none is kept that could be read back.
///
/// An unknown address takes as long, and answers the same, as a wrong password.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "accounts",
    request_body = SessionCreate,
    responses(
        (status = 201, description = "A bearer token", body = Session),
        (status = 400, description = "`invalid_request`", body = ProblemBody),
        (status = 401, description = "`unauthenticated`: not this address, or not this password", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub(crate) async fn create_session(
    State(app): State<App>,
    _: Newcomer,
    _key: Option<IdempotencyKey>,
    ApiJson(asked): ApiJson<SessionCreate>,
) -> Result<Created<Session>, ApiProblem> {
    let wrong =
        || ApiProblem::new(Code::Unauthenticated, "the email address or the password is wrong");
    let user = app.catalogue.user_by_email(&email_key(&asked.email)).await?;
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    if !app.passwords.matches(asked.password, stored).await? {
        return Err(wrong());
    }
    let user = user.ok_or_else(wrong)?;
    let role = Role::from_wire(&user.role).ok_or_else(|| {
        tracing::error!(role = user.role, "a user has an unknown role");
        ApiProblem::new(Code::Internal, "a bug; the request id leads to its log line")
    })?;
    let ttl = Duration::from_secs(app.config.accounts.session_ttl_s);
    let (token, expires_at) = app
        .tokens
        .sign(&user.user_id, role, service_kit::clock::now(), ttl)
        .map_err(|error| ApiProblem::new(Code::Internal, error.to_string()))?;
    Ok(Created(Session { token, expires_at, user_id: user.user_id }))
}
