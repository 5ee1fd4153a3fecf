//! `GET /`: the page for people. One document with its style and script
//! inside, so that it needs nothing from anywhere else.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::views::answer::{REVALIDATE, etag_of, has_already};

const HTML: &str = include_str!("../../web/index.html");
const STYLE: &str = include_str!("../../web/style.css");
const SCRIPT: &str = include_str!("../../web/app.js");

/// Only what the page brings with it may run or be fetched.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
    let page = HTML
        .replace("<!-- style -->", &format!("<style>\n{STYLE}</style>"))
        .replace("<!-- script -->", &format!("<script>\n{SCRIPT}</script>"));
    let etag = etag_of(&[page.as_bytes()]);
    (page, etag)
});

pub(super) async fn page(headers: HeaderMap) -> Response {
    let (page, etag) = &*PAGE;
    let ours = [(ETAG, etag.as_str()), (CACHE_CONTROL, REVALIDATE)];
    if has_already(&headers, etag) {
        return (StatusCode::NOT_MODIFIED, ours).into_response();
    }
    let kind = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    (ours, kind, page.as_str()).into_response()
}
