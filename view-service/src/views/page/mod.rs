//! `GET /`: the page for people, and `GET /page/{version}/…`: the files it
//! consists of. They are part of the program, compressed once at the start, and
//! need nothing from anywhere else. What the page does is `web/README.md`'s
//! matter; nothing here knows it.

mod encoding;
mod files;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use seat_model::Code;
use service_kit::ApiProblem;

use self::encoding::Encoded;
use self::files::{FILES, INDEX, kind_of, preloaded, version};
use crate::views::answer::{IMMUTABLE, REVALIDATE, etag_of, has_already};

/// Only what the page brings with it may run or be fetched, no script and no
/// style stands in the document itself, and no text can become markup.
/// `blob:` pictures are QR codes, which are fetched with the bearer's token.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' blob:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// What a version that is not this program's own is answered with: in the
/// middle of an upgrade the file may differ, so nobody may keep it.
const KEEP_NOTHING: &str = "no-store";

/// The routes of the page.
pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/page/{version}/{*path}", get(file))
        .with_state(Arc::new(Page::new()))
}

/// The page, ready to be sent.
struct Page {
    version: String,
    index: Encoded,
    files: Vec<(&'static str, Encoded)>,
}

impl Page {
    fn new() -> Self {
        let version = version();
        let at = |path: &str| format!("/page/{version}/{path}");
        let links = |ending: &str, tag: fn(&str) -> String| -> String {
            let paths = preloaded().filter(|path| path.ends_with(ending));
            paths.map(|path| tag(&at(path))).collect::<Vec<_>>().join("\n")
        };
        let styles = links(".css", |href| format!("<link rel=\"stylesheet\" href=\"{href}\">"));
        // All at once, instead of one import finding the next.
        let modules = links(".js", |href| format!("<link rel=\"modulepreload\" href=\"{href}\">"));
        let index = INDEX
            .replace("@STYLES@", &styles)
            .replace("@MODULES@", &modules)
            .replace("@VERSION@", &version);
        let files = FILES.iter().map(|(path, text)| (*path, Encoded::new(text))).collect();
        Self { index: Encoded::new(&index), files, version }
    }
}

async fn index(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    let etag = etag_of(&[&page.index.plain]);
    let mut ours = HeaderMap::new();
    let mut put = |name: HeaderName, value: &'static str| {
        ours.insert(name, HeaderValue::from_static(value));
    };
    put(CACHE_CONTROL, REVALIDATE);
    put(CONTENT_SECURITY_POLICY, POLICY);
    put(REFERRER_POLICY, "no-referrer");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if let Ok(value) = HeaderValue::from_str(&etag) {
        ours.insert(ETAG, value);
    }
    if has_already(&headers, &etag) {
        return (StatusCode::NOT_MODIFIED, ours).into_response();
    }
    (ours, send(&page.index, "text/html; charset=utf-8", &headers)).into_response()
}

async fn file(
    State(page): State<Arc<Page>>,
    Path((version, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let found = page.files.iter().find(|(name, _)| *name == path);
    let (name, file) = found
        .ok_or_else(|| ApiProblem::new(Code::NotFound, format!("the page has no file {path}")))?;
    let keep = if version == page.version { IMMUTABLE } else { KEEP_NOTHING };
    Ok(([(CACHE_CONTROL, keep)], send(file, kind_of(name), &headers)).into_response())
}

fn send(file: &Encoded, kind: &'static str, asked: &HeaderMap) -> impl IntoResponse + use<> {
    let (body, encoding) = file.accepted(asked.get(ACCEPT_ENCODING));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    (headers, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_every_file_it_needs_and_holds_no_script_of_its_own() {
        let page = Page::new();
        let text = String::from_utf8(page.index.plain.to_vec()).unwrap();
        assert!(!text.contains('@'), "a placeholder is left: {text}");
        for path in preloaded() {
            assert!(text.contains(&format!("/page/{}/{path}", page.version)), "{path}");
        }
        assert!(!text.contains("style=") && !text.contains("://"), "{text}");
        assert_eq!(text.matches("<script").count(), 1);
        assert!(text.contains("app.js\"></script>"));
    }

    #[test]
    fn the_version_is_that_of_the_content() {
        assert_eq!(Page::new().version, version());
        assert!(version().len() >= 16 && version().chars().all(|c| c.is_ascii_hexdigit()));
    }
}
