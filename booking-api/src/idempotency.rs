//! `Idempotency-Key`: the header, and the calls that write to the catalogue
//! under one (INV-8). Booking has its own way: its key is in the booking's id.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac};
use seat_model::Code;
use serde::Serialize;
use service_kit::ApiProblem;
use sha2::Sha256;

use crate::app::App;
use crate::catalogue::{FirstAnswer, Keyed, Scope, StoredAnswer};
use crate::config::Secret;

static HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key, in characters.
const MAX_CHARS: usize = 255;

/// The key of a request: as an argument it is required, as an `Option` it may
/// be absent. 1–255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(pub(crate) String);

fn header(parts: &Parts) -> Result<Option<IdempotencyKey>, ApiProblem> {
    let invalid = |why: &str| ApiProblem::invalid("Idempotency-Key", why);
    let mut headers = parts.headers.get_all(&HEADER).iter();
    let Some(value) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(invalid("is there several times"));
    }
    let visible = |key: &&str| {
        (1..=MAX_CHARS).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    };
    match value.to_str().ok().filter(visible) {
        Some(key) => Ok(Some(IdempotencyKey(key.to_owned()))),
        None => Err(invalid("must be 1 to 255 visible ASCII characters")),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiProblem> {
        header(parts)?.ok_or_else(|| {
            ApiProblem::new(Code::IdempotencyKeyMissing, "send an Idempotency-Key header")
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, ApiProblem> {
        header(parts)
    }
}

/// Tells requests under one key apart without keeping them: a keyed digest,
/// because a body may hold a password.
#[derive(Clone)]
pub(crate) struct Fingerprints {
    mac: Hmac<Sha256>,
}

impl Fingerprints {
    /// With the secret that all instances share.
    pub(crate) fn new(secret: &Secret) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mac = Hmac::new_from_slice(secret.as_bytes()).expect("any length is a key");
        Self { mac }
    }

    /// Of a request: which call, and what it says.
    pub(crate) fn of(&self, call: &str, body: &impl Serialize) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(b"catalogue\0");
        mac.update(call.as_bytes());
        mac.update(&[0]);
        // Wire types always serialise; nothing would be lost but a distinction.
        mac.update(&serde_json::to_vec(body).unwrap_or_default());
        mac.finalize().into_bytes().into()
    }
}

/// A call that may come again under its key.
pub(crate) struct KeyedCall {
    claim: Option<(Scope, String, [u8; 32])>,
}

impl KeyedCall {
    /// Looks whether the key was answered before: then that is the answer.
    pub(crate) async fn begin(
        app: &App,
        scope: Scope,
        key: Option<IdempotencyKey>,
        call: &str,
        body: &impl Serialize,
    ) -> Result<Result<Self, StoredAnswer>, ApiProblem> {
        let Some(IdempotencyKey(key)) = key else { return Ok(Ok(Self { claim: None })) };
        let fingerprint = app.fingerprints.of(call, body);
        match app.catalogue.first_answer(&scope, &key, &fingerprint).await? {
            None | Some(Keyed::Done(())) => Ok(Ok(Self { claim: Some((scope, key, fingerprint)) })),
            Some(Keyed::Replay(stored)) => Ok(Err(stored)),
            Some(Keyed::OtherRequest) => Err(other_request()),
            Some(Keyed::InFlight) => Err(in_flight()),
        }
    }

    /// The answer to remember in the transaction of the change.
    pub(crate) fn first(&self, answer: &Created<impl Serialize>) -> Option<FirstAnswer> {
        self.first_of(StatusCode::CREATED, &answer.0)
    }

    /// The same for an answer with this status.
    pub(crate) fn first_of(
        &self,
        status: StatusCode,
        body: &impl Serialize,
    ) -> Option<FirstAnswer> {
        let (scope, key, fingerprint) = self.claim.clone()?;
        let body = serde_json::to_string(body).unwrap_or_default();
        let answer = StoredAnswer { status: status.as_u16(), body };
        let now_ms = service_kit::clock::now().as_millis();
        Some(FirstAnswer { scope, key, fingerprint, answer, now_ms })
    }
}

/// 201 with a JSON body.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, axum::Json(self.0)).into_response()
    }
}

/// What a change under a key came to: its value where it was made now, else
/// the answer of the first time.
pub(crate) fn settle<T>(keyed: Keyed<T>) -> Result<Result<T, StoredAnswer>, ApiProblem> {
    match keyed {
        Keyed::Done(value) => Ok(Ok(value)),
        Keyed::Replay(stored) => Ok(Err(stored)),
        Keyed::OtherRequest => Err(other_request()),
        Keyed::InFlight => Err(in_flight()),
    }
}

/// A replay: the first answer's status and body.
impl IntoResponse for StoredAnswer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::CREATED);
        (status, [("content-type", "application/json")], self.body).into_response()
    }
}

fn other_request() -> ApiProblem {
    ApiProblem::new(
        Code::IdempotencyKeyReused,
        "this Idempotency-Key belongs to another request; choose a new one",
    )
}

fn in_flight() -> ApiProblem {
    ApiProblem::new(Code::RequestInFlight, "a request under this Idempotency-Key is still running")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn key(values: &[&str]) -> Result<Option<IdempotencyKey>, ApiProblem> {
        let mut request = Request::builder();
        for value in values {
            request = request.header("Idempotency-Key", *value);
        }
        header(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_key_is_1_to_255_visible_characters() {
        assert_eq!(key(&[]).unwrap(), None);
        let longest = "k".repeat(255);
        for good in ["k", "\"quoted\"", &longest] {
            assert_eq!(key(&[good]).unwrap(), Some(IdempotencyKey(good.to_owned())));
        }
        let too_long = "k".repeat(256);
        for bad in [&[""][..], &["a b"], &[&too_long], &["ä"], &["a", "a"]] {
            let problem = key(bad).unwrap_err();
            assert_eq!(problem.problem().code, Code::InvalidRequest, "{bad:?}");
            assert_eq!(problem.problem().errors[0].field, "Idempotency-Key");
        }
    }

    #[test]
    fn fingerprints_tell_calls_and_bodies_apart() {
        let fingerprints = Fingerprints::new(&Secret::from("a secret"));
        let one = fingerprints.of("POST /v1/users", &"body");
        assert_eq!(one, fingerprints.of("POST /v1/users", &"body"));
        assert_ne!(one, fingerprints.of("POST /v1/users", &"Body"));
        assert_ne!(one, fingerprints.of("POST /v1/admin/shows", &"body"));
        let others = Fingerprints::new(&Secret::from("another secret"));
        assert_ne!(one, others.of("POST /v1/users", &"body"));
    }
}
