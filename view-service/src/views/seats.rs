//! `GET …/seats`: every seat of a performance that is not free, or all of them
//! in two bits each.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, IF_NONE_MATCH};
use axum::response::Response;
use seat_model::{PerformanceId, ShowId};
use service_kit::{ApiPath, ApiProblem};
use view_service_client::bits::MEDIA_TYPE;

use crate::app::App;
use crate::metrics::View;
use crate::views::answer::{Asked, REVALIDATE};
use crate::views::encoding::weight;

pub(super) async fn seats(
    State(app): State<Arc<App>>,
    ApiPath(place): ApiPath<(ShowId, PerformanceId)>,
    Asked(headers): Asked,
) -> Result<Response, ApiProblem> {
    // Who has a map already is not somebody else who looks; whoever follows the
    // changes asks for the map once, too.
    let viewed = (!headers.contains_key(IF_NONE_MATCH)).then(|| place.1.clone());
    let map = app.seat_maps.get(&app, place).await?;
    if let Some(performance) = viewed {
        app.viewed.note(&performance);
    }
    app.metrics.answered(View::Seats, map.source);
    let rendered = if prefers_bits(&headers) { map.bits() } else { &map.json };
    Ok(rendered.respond(&headers, map.source, map.as_of, REVALIDATE).await)
}

/// Whether the compact form is named, and liked better than JSON. A client that
/// takes anything gets JSON.
fn prefers_bits(asked: &HeaderMap) -> bool {
    let mut bits = 0;
    // JSON may be named in three ways; the most exact one counts.
    let mut json = (0, 0);
    for value in asked.get_all(ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let exactness = match parts.next().unwrap_or_default() {
                name if name.eq_ignore_ascii_case(MEDIA_TYPE) => {
                    bits = weight(parts);
                    continue;
                }
                "*/*" => 1,
                name if name.eq_ignore_ascii_case("application/*") => 2,
                name if name.eq_ignore_ascii_case("application/json") => 3,
                _ => continue,
            };
            if exactness > json.0 {
                json = (exactness, weight(parts));
            }
        }
    }
    bits > json.1
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_compact_form_is_for_those_who_name_it_and_like_it_better() {
        let asked = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(text));
            prefers_bits(&headers)
        };
        for yes in [
            "application/octet-stream",
            "Application/Octet-Stream;q=0.2",
            "application/octet-stream, application/json;q=0.5",
            "application/octet-stream, application/json;q=0.5, */*",
            "text/html, application/octet-stream;q=0.9, */*;q=0.8",
        ] {
            assert!(asked(yes), "{yes}");
        }
        for no in [
            "",
            "*/*",
            "application/json",
            "application/*",
            "application/octet-stream;q=0",
            "application/octet-stream, application/json",
            "application/octet-stream;q=0.5, application/*;q=0.6",
            "application/octet-stream-x",
        ] {
            assert!(!asked(no), "{no}");
        }
        assert!(!prefers_bits(&HeaderMap::new()));
    }
}
