//! What every view carries: a weak validator made from content alone, its age
//! and where it came from; 304 where the client has that content already.

use axum::body::Body;
use axum::http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use seat_model::Timestamp;
use service_kit::clock;
use sha2::{Digest, Sha256};
use view_service_client::wire::{SOURCE_HEADER, Source};

/// Asks again every time; the validator makes that cheap.
pub(super) const REVALIDATE: &str = "no-cache";

/// For what never changes.
pub(super) const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// A view on its way out.
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) etag: String,
    pub(super) source: Source,
    pub(super) as_of: Timestamp,
    pub(super) cache_control: &'static str,
}

impl Answer {
    /// The answer to a request with these headers.
    pub(super) fn respond(self, asked: &HeaderMap) -> Response {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        put(ETAG, &self.etag);
        put(AGE, &age_s(self.as_of, clock::now()).to_string());
        put(CACHE_CONTROL, self.cache_control);
        put(HeaderName::from_static(SOURCE_HEADER), self.source.as_str());
        if has_already(asked, &self.etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (headers, Body::from(self.body)).into_response()
    }
}

/// A weak validator: the same content has the same one on every instance.
pub(super) fn etag_of(parts: &[&[u8]]) -> String {
    use std::fmt::Write;
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let mut text = String::from("W/\"");
    for byte in &hash.finalize()[..16] {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    text
}

/// Whether `If-None-Match` names this validator; compared weakly.
pub(super) fn has_already(asked: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let ours = opaque(etag);
    asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim() == "*" || opaque(tag) == ours)
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
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(text).unwrap());
            headers
        };
        assert!(has_already(&asked(&etag), &etag));
        assert!(has_already(&asked(etag.trim_start_matches("W/")), &etag));
        assert!(has_already(&asked(&format!("\"x\", {etag}")), &etag));
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
}
