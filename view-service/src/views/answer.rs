//! What every view carries: a weak validator made from content alone, its age
//! and where it came from; 304 where the client has that content already. An
//! answer is rendered once and sent often, in the form each client prefers.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{
    AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use seat_model::Timestamp;
use service_kit::clock;
use sha2::{Digest, Sha256};
use view_service_client::wire::{SOURCE_HEADER, Source};

use crate::views::encoding::{Effort, Encoding, Forms};

/// Asks again every time; the validator makes that cheap.
pub(super) const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// For what never changes.
pub(super) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Which headers of the request choose what is sent.
pub(super) const BY_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");
pub(super) const BY_TYPE_AND_ENCODING: HeaderValue =
    HeaderValue::from_static("accept, accept-encoding");

static SOURCE: HeaderName = HeaderName::from_static(SOURCE_HEADER);

/// Headers that an answer has at most.
const HEADERS: usize = 10;

/// The headers of a request: taken from it, not copied.
pub(super) struct Asked(pub(super) HeaderMap);

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self(request.into_parts().0.headers))
    }
}

/// Content that is ready to be sent.
#[derive(Debug)]
pub(super) struct Rendered {
    forms: Forms,
    kind: HeaderValue,
    etag: HeaderValue,
    vary: HeaderValue,
}

impl Rendered {
    /// Content with a validator that says when it is another.
    pub(super) fn new(body: Bytes, kind: HeaderValue, etag: HeaderValue, effort: Effort) -> Self {
        Self { forms: Forms::new(body, effort), kind, etag, vary: BY_ENCODING }
    }

    /// The same where it depends on `Accept`, too.
    pub(super) fn by_type(mut self) -> Self {
        self.vary = BY_TYPE_AND_ENCODING;
        self
    }

    pub(super) const fn body(&self) -> &Bytes {
        self.forms.plain()
    }

    pub(super) const fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// The answer to a request with these headers.
    pub(super) async fn respond(
        &self,
        asked: &HeaderMap,
        source: Source,
        as_of: Timestamp,
        cache_control: HeaderValue,
    ) -> Response {
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(ETAG, self.etag.clone());
        headers.insert(AGE, HeaderValue::from(age_s(as_of, clock::now())));
        headers.insert(CACHE_CONTROL, cache_control);
        headers.insert(SOURCE.clone(), HeaderValue::from_static(source.as_str()));
        self.finish(asked, headers).await
    }

    /// The same under headers of one's own; the validator is there where 304 is
    /// an answer.
    pub(super) async fn finish(&self, asked: &HeaderMap, mut headers: HeaderMap) -> Response {
        headers.insert(VARY, self.vary.clone());
        if headers.contains_key(ETAG) && has_already(asked, &self.etag) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = headers;
            return response;
        }
        let (body, encoding) = self.forms.get(Encoding::preferred(asked)).await;
        headers.insert(CONTENT_TYPE, self.kind.clone());
        if let Some(name) = encoding.name() {
            headers.insert(CONTENT_ENCODING, name);
        }
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = headers;
        response
    }
}

/// A weak validator: the same content has the same one on every instance, in
/// every encoding.
pub(super) fn etag_of(parts: &[&[u8]]) -> HeaderValue {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let mut text = Vec::with_capacity(36);
    text.extend_from_slice(b"W/\"");
    for byte in &hash.finalize()[..16] {
        let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
        text.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text.push(b'"');
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("hexadecimal digits in quotes")
}

/// Whether `If-None-Match` names this validator; compared weakly.
fn has_already(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    let ours = opaque(etag.as_bytes());
    asked.get_all(IF_NONE_MATCH).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || opaque(tag) == ours
        })
    })
}

/// A validator without its mark of weakness.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whole seconds, never negative: clocks of machines differ.
fn age_s(as_of: Timestamp, now: Timestamp) -> u64 {
    u64::try_from((now.as_millis() - as_of.as_millis()) / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validators_are_compared_weakly_and_in_lists() {
        let etag = etag_of(&[b"a", b"bc"]);
        assert_ne!(etag, etag_of(&[b"ab", b"c"]), "parts are kept apart");
        let text = etag.to_str().unwrap();
        assert!(text.starts_with("W/\"") && text.ends_with('"') && text.len() == 36, "{text}");
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(text).unwrap());
            headers
        };
        assert!(has_already(&asked(text), &etag));
        assert!(has_already(&asked(text.trim_start_matches("W/")), &etag));
        assert!(has_already(&asked(&format!("\"x\", {text}")), &etag));
        assert!(has_already(&asked("*"), &etag));
        assert!(!has_already(&asked("\"x\""), &etag));
        assert!(!has_already(&HeaderMap::new(), &etag));
    }

    #[test]
    fn an_age_is_never_negative() {
        let at = Timestamp::from_millis;
        assert_eq!(age_s(at(5_000), at(3_000)), 0);
        assert_eq!(age_s(at(5_000), at(7_999)), 2);
    }

    #[tokio::test]
    async fn an_answer_says_what_chose_it_and_is_not_sent_to_who_has_it() {
        let body = Bytes::from("seat ".repeat(1_000));
        let etag = etag_of(&[&body]);
        let rendered = Rendered::new(body.clone(), JSON, etag.clone(), Effort::Quick).by_type();
        let send = async |pairs: &[(HeaderName, &str)]| {
            let mut asked = HeaderMap::new();
            for (name, text) in pairs {
                asked.insert(name.clone(), HeaderValue::from_str(text).unwrap());
            }
            rendered.respond(&asked, Source::Memory, clock::now(), REVALIDATE).await
        };
        let plain = send(&[]).await;
        let header = |response: &Response, name: HeaderName| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(&plain, VARY).unwrap(), "accept, accept-encoding");
        assert_eq!(header(&plain, CONTENT_ENCODING), None);
        assert_eq!(header(&plain, AGE).unwrap(), "0");
        assert_eq!(header(&plain, SOURCE.clone()).unwrap(), "memory");
        let packed = send(&[(axum::http::header::ACCEPT_ENCODING, "br")]).await;
        assert_eq!(header(&packed, CONTENT_ENCODING).unwrap(), "br");
        assert_eq!(header(&packed, ETAG), header(&plain, ETAG), "a weak validator is shared");
        let known = send(&[(IF_NONE_MATCH, etag.to_str().unwrap())]).await;
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(header(&known, VARY).unwrap(), "accept, accept-encoding");
        assert_eq!(header(&known, CONTENT_TYPE), None);
    }
}
