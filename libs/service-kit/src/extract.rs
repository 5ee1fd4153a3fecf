//! Extractors whose refusals are problem bodies.

use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use seat_model::{Code, FieldError, Problem};
use serde::de::DeserializeOwned;

use crate::answer::ApiProblem;

/// The largest body of an ordinary request, in bytes.
pub const BODY_LIMIT_BYTES: usize = 64 << 10;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Memory taken for a body before it is there.
const AHEAD_BYTES: usize = 256 << 10;

/// Reading stops here even to answer 413 politely.
const DISCARD_LIMIT_BYTES: usize = 64 << 20;

/// A JSON body of at most `LIMIT` bytes. A larger one is read to its end, so
/// that the client sees the 413 instead of a broken connection.
#[derive(Debug)]
pub struct ApiJson<T, const LIMIT: usize = BODY_LIMIT_BYTES>(pub T);

impl<T, S, const LIMIT: usize> FromRequest<S> for ApiJson<T, LIMIT>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiProblem;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiProblem> {
        let is_json = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|kind| kind.trim().to_ascii_lowercase())
            .is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"));
        let body = read_body(request, LIMIT).await?;
        if !is_json {
            return Err(ApiProblem::new(
                Code::UnsupportedMediaType,
                "send the body as Content-Type: application/json",
            ));
        }
        parse(&body).map(Self)
    }
}

/// A body of at most `LIMIT` bytes, whatever it is; read like [`ApiJson`]'s.
#[derive(Debug)]
pub struct ApiBytes<const LIMIT: usize>(pub Bytes);

impl<S, const LIMIT: usize> FromRequest<S> for ApiBytes<LIMIT>
where
    S: Send + Sync,
{
    type Rejection = ApiProblem;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiProblem> {
        read_body(request, LIMIT).await.map(|body| Self(body.freeze()))
    }
}

async fn read_body(request: Request, limit: usize) -> Result<BytesMut, ApiProblem> {
    let mut body = request.into_body();
    // Where the length is told, the body is not copied as it grows; a client
    // that only tells it costs no more than this.
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut kept = BytesMut::with_capacity(told.min(limit).min(AHEAD_BYTES));
    let mut seen = 0_usize;
    let read = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                ApiProblem::new(Code::InvalidRequest, "the body broke off before its end")
            })?;
            let Some(data) = frame.data_ref() else { continue };
            seen = seen.saturating_add(data.len());
            if seen <= limit {
                kept.extend_from_slice(data);
            } else if seen > DISCARD_LIMIT_BYTES {
                break;
            }
        }
        Ok::<(), ApiProblem>(())
    };
    tokio::time::timeout(BODY_TIMEOUT, read)
        .await
        .map_err(|_| ApiProblem::new(Code::InvalidRequest, "the body did not arrive in time"))??;
    if seen > limit {
        let detail = format!("the body has {seen} bytes; at most {limit} are accepted");
        return Err(ApiProblem::new(Code::PayloadTooLarge, detail));
    }
    Ok(kept)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiProblem> {
    // Only a body that is refused is read a second time, for the place of its fault.
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "body".to_owned() } else { path };
        ApiProblem::invalid(&field, error.into_inner().to_string())
    })?;
    json.end().map_err(|error| ApiProblem::invalid("body", error.to_string()))?;
    Ok(value)
}

/// Path parameters. One that does not parse cannot name anything: 404.
#[derive(Debug)]
pub struct ApiPath<T>(pub T);

impl<T, S> FromRequestParts<S> for ApiPath<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(value)| Self(value))
            .map_err(|_: PathRejection| ApiProblem::new(Code::NotFound, "no such path"))
    }
}

/// Query parameters; one that does not parse is an invalid request.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<T, S> FromRequestParts<S> for ApiQuery<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        Query::from_request_parts(parts, state).await.map(|Query(value)| Self(value)).map_err(
            |error: QueryRejection| {
                let message = error.body_text();
                Problem::new(Code::InvalidRequest, message.clone())
                    .with_errors(vec![FieldError::new("query", message)])
                    .into()
            },
        )
    }
}
