//! Which files the page consists of, as part of the program.

use crate::views::answer::etag_of;

/// The document, with its placeholders.
pub(super) const INDEX: &str = include_str!("../../../web/index.html");

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../web/", $path)))),*]
    };
}

/// Path and text of every other file.
pub(super) const FILES: &[(&str, &str)] = files![
    "style/base.css",
    "style/shows.css",
    "style/map.css",
    "style/booking.css",
    "account.js",
    "api.js",
    "app.js",
    "booking/choose.js",
    "booking/held.js",
    "booking/sale.js",
    "booking/wish.js",
    "calendar.js",
    "dom.js",
    "evening.js",
    "format.js",
    "icon.svg",
    "live.js",
    "map/camera.js",
    "map/colours.js",
    "map/gestures.js",
    "map/legend.js",
    "map/map.js",
    "map/paint.js",
    "map/rows.js",
    "map/seats.js",
    "mine.js",
    "organiser/analytics.js",
    "organiser/desk.js",
    "organiser/import.js",
    "organiser/performance.js",
    "organiser/plot.js",
    "organiser/show.js",
    "organiser/steps.js",
    "plans.js",
    "poster.js",
    "shows.js",
    "style/organiser.css",
    "tickets.js",
    "words.js",
];

/// Fetched by those who organise, when they do.
const LATER: &str = "organiser/";

/// What every visitor needs, in the order of [`FILES`].
pub(super) fn preloaded() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(path, _)| *path).filter(|path| !path.starts_with(LATER))
}

/// A name for the content of all files together. One for all, so that a module
/// finds the others of its own version beside it.
pub(super) fn version() -> String {
    let parts: Vec<&[u8]> = FILES
        .iter()
        .flat_map(|(path, text)| [path.as_bytes(), text.as_bytes()])
        .chain([INDEX.as_bytes()])
        .collect();
    let etag = etag_of(&parts);
    let digits = etag.as_bytes().iter().filter(|byte| byte.is_ascii_hexdigit());
    digits.map(|byte| char::from(*byte)).collect()
}

/// The media type of a file, by its ending.
pub(super) fn kind_of(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn under(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { under(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn every_file_of_the_page_is_served() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        let there: BTreeSet<String> = under(&web)
            .iter()
            .map(|path| path.strip_prefix(&web).unwrap().to_string_lossy().into_owned())
            .filter(|path| !["index.html", "README.md"].contains(&path.as_str()))
            .collect();
        let served = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(there, served);
        assert!(there.iter().all(|path| kind_of(path) != "application/octet-stream"));
    }

    #[test]
    fn every_module_imports_what_is_there() {
        for (path, text) in FILES.iter().filter(|(path, _)| path.ends_with(".js")) {
            let folder = Path::new(path).parent().unwrap();
            let from = text.lines().filter_map(|line| line.split(" from \"").nth(1));
            for import in from.filter_map(|rest| rest.split('"').next()) {
                let mut at = folder.to_owned();
                for part in import.split('/') {
                    match part {
                        "." => {}
                        ".." => assert!(at.pop(), "{path} imports {import}"),
                        part => at.push(part),
                    }
                }
                let at = at.to_string_lossy();
                assert!(FILES.iter().any(|(path, _)| *path == at), "{path} imports {import}");
            }
        }
    }
}
