//! `GET /`: the page for people, and `GET /page/{version}/…`: the files it
//! consists of. They are part of the program, compressed once when they are first
//! asked for, and need nothing from anywhere else. What the page does is `web/README.md`'s
//! matter; nothing here knows it.

mod files;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use seat_model::Code;
use service_kit::ApiProblem;

use self::files::{FILES, INDEX, kind_of, preloaded, version};
use crate::views::answer::{Asked, IMMUTABLE, REVALIDATE, Rendered, etag_of};
use crate::views::encoding::Effort;

/// Only what the page brings with it may run or be fetched, no script and no
/// style stands in the document itself, and no text can become markup.
/// `blob:` pictures are QR codes, which are fetched with the bearer's token.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' blob:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// What a version that is not this program's own is answered with: in the
/// middle of an upgrade the file may differ, so nobody may keep it.
const KEEP_NOTHING: HeaderValue = HeaderValue::from_static("no-store");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

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
    index: Rendered,
    index_headers: HeaderMap,
    files: Vec<(&'static str, Rendered)>,
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
        let files = FILES.iter().map(|(path, text)| {
            let text = Bytes::from_static(text.as_bytes());
            (*path, rendered(text, kind_of(path)))
        });
        let index = rendered(Bytes::from(index), "text/html; charset=utf-8");
        let index_headers = HeaderMap::from_iter([
            (ETAG, index.etag().clone()),
            (CACHE_CONTROL, REVALIDATE),
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                HeaderValue::from_static("same-origin"),
            ),
            (X_CONTENT_TYPE_OPTIONS, NOSNIFF),
        ]);
        Self { files: files.collect(), index, index_headers, version }
    }
}

fn rendered(text: Bytes, kind: &'static str) -> Rendered {
    let etag = etag_of(&[&text]);
    Rendered::new(text, HeaderValue::from_static(kind), etag, Effort::Thorough)
}

async fn index(State(page): State<Arc<Page>>, Asked(headers): Asked) -> Response {
    page.index.finish(&headers, page.index_headers.clone()).await
}

async fn file(
    State(page): State<Arc<Page>>,
    Path((version, path)): Path<(String, String)>,
    Asked(headers): Asked,
) -> Result<Response, ApiProblem> {
    let found = page.files.iter().find(|(name, _)| *name == path);
    let (_, file) = found
        .ok_or_else(|| ApiProblem::new(Code::NotFound, format!("the page has no file {path}")))?;
    let keep = if version == page.version { IMMUTABLE } else { KEEP_NOTHING };
    let ours = HeaderMap::from_iter([(CACHE_CONTROL, keep), (X_CONTENT_TYPE_OPTIONS, NOSNIFF)]);
    Ok(file.finish(&headers, ours).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_every_file_it_needs_and_holds_no_script_of_its_own() {
        let page = Page::new();
        let text = String::from_utf8(page.index.body().to_vec()).unwrap();
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
