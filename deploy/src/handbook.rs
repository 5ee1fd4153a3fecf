//! The handbook: the runbooks and what they refer to, from `docs`, as pages
//! beside the operations page. It must not know what they say.

use std::fmt::Write as _;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Where the pages are, beside the operations page.
pub(crate) const FOLDER: &str = "docs";

/// Where all runbooks are listed, below the folder.
const INDEX: &str = "runbooks/index";

const FRAME: &str = include_str!("../prometheus/console/handbook.html");
const STYLE: &str = include_str!("../prometheus/console/operations.css");

macro_rules! pages {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../docs/", $name, ".md")))),*]
    };
}

/// By their places in `docs`; a link to any other file of the repository
/// becomes words.
const PAGES: &[(&str, &str)] = pages![
    "OPERATIONS",
    "SLO",
    "operations/install",
    "operations/on-sale",
    "operations/secrets",
    "operations/shards",
    "operations/upgrade",
    "runbooks/bookings-stuck",
    "runbooks/confirming-too-long",
    "runbooks/error-budget",
    "runbooks/etcd-has-no-leader",
    "runbooks/etcd-space-low",
    "runbooks/etcd-unanswered",
    "runbooks/instance-down",
    "runbooks/invariant-broken",
    "runbooks/layer-passed-over",
    "runbooks/outbox-grows",
    "runbooks/outcomes-unknown",
    "runbooks/replica-behind",
    "runbooks/replica-unheard",
    "runbooks/shard-away",
    "runbooks/store-down",
    "runbooks/views-stale",
    "runbooks/webhooks-overdue",
];

/// The names of the runbooks, without folder and ending.
pub(crate) fn runbooks() -> impl Iterator<Item = &'static str> {
    PAGES.iter().filter_map(|(name, _)| name.strip_prefix("runbooks/"))
}

/// Every page with its place beside the operations page. Prometheus takes each
/// for a template of Go, in which two braces begin an action: none has any.
pub(crate) fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> =
        PAGES.iter().map(|(name, text)| (place(name), page(name, text))).collect();
    pages.push((place(INDEX), page(INDEX, &index())));
    pages
}

fn place(name: &str) -> String {
    format!("{FOLDER}/{name}.html")
}

/// The list of all runbooks, as Markdown.
fn index() -> String {
    let mut list = "# Runbooks\n\n".to_owned();
    for name in runbooks() {
        let text = PAGES.iter().find(|(page, _)| page.strip_prefix("runbooks/") == Some(name));
        let title = text.and_then(|(_, text)| text.lines().next()).unwrap_or(name);
        let _ = writeln!(list, "- [{}]({name}.md)", title.trim_start_matches("# "));
    }
    list
}

fn page(name: &str, text: &str) -> String {
    let mut events = events(name, text);
    let title = name_headings(&mut events);
    let mut body = String::new();
    html::push_html(&mut body, events.into_iter());
    let up = "../".repeat(name.matches('/').count());
    FRAME
        .replace("@STYLE@", STYLE)
        .replace("@TITLE@", &title)
        .replace("@HOME@", &format!("{up}../operations.html"))
        .replace("@INDEX@", &format!("{up}{INDEX}.html"))
        .replace("@BODY@", &body.replace("{{", "&#123;&#123;"))
}

/// What is on a page, its links led to other pages.
fn events<'t>(name: &str, text: &'t str) -> Vec<Event<'t>> {
    let mut events = Vec::new();
    // Links do not stand in links.
    let mut dropped = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS) {
        events.push(match event {
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let Some(target) = target(name, &dest_url) else {
                    dropped = true;
                    continue;
                };
                Event::Start(Tag::Link { link_type, dest_url: target.into(), title, id })
            }
            Event::End(TagEnd::Link) if std::mem::take(&mut dropped) => continue,
            // The docs have no markup of their own: what looks like it is meant as words.
            Event::Html(words) | Event::InlineHtml(words) => Event::Text(words),
            other => other,
        });
    }
    events
}

/// Where a link of a page leads; `None`: to a file that is no page.
fn target(name: &str, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") || link.starts_with('#') {
        return Some(link.to_owned());
    }
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let mut place: Vec<&str> = name.split('/').collect();
    let depth = place.len() - 1;
    place.pop();
    for part in path.split('/') {
        if part == ".." {
            place.pop()?;
        } else {
            place.push(part);
        }
    }
    let place = place.join("/");
    let place = if place == "runbooks" { INDEX } else { place.strip_suffix(".md")? };
    if place != INDEX && !PAGES.iter().any(|(page, _)| *page == place) {
        return None;
    }
    let fragment = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
    Some(format!("{}{place}.html{fragment}", "../".repeat(depth)))
}

/// Gives each heading the name that links know it by; returns the first one's words.
fn name_headings(events: &mut [Event<'_>]) -> String {
    let mut first = String::new();
    let mut heading: Option<String> = None;
    // Backwards: the words of a heading come after its beginning.
    for event in events.iter_mut().rev() {
        match event {
            Event::End(TagEnd::Heading(_)) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(words) = &mut heading {
                    words.insert_str(0, part);
                }
            }
            Event::Start(Tag::Heading { id, .. }) => {
                first = heading.take().unwrap_or_default();
                *id = Some(slug(&first).into());
            }
            _ => {}
        }
    }
    first
}

/// A heading's name, as GitHub makes it.
fn slug(words: &str) -> String {
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// What stands in an attribute, at each place of a page.
    fn attributes<'p>(page: &'p str, name: &'p str) -> impl Iterator<Item = &'p str> {
        page.split(name).skip(1).map(|rest| rest.split('"').next().unwrap())
    }

    #[test]
    fn every_link_leads_to_a_page_and_a_heading() {
        let pages: BTreeMap<String, String> = pages().into_iter().collect();
        let mut followed = 0;
        for (from, page) in &pages {
            for link in attributes(page, "href=\"") {
                if link.contains(':') {
                    continue;
                }
                let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
                let mut place: Vec<&str> = from.split('/').collect();
                if !path.is_empty() {
                    place.pop();
                    for part in path.split('/') {
                        if part == ".." {
                            place.pop().unwrap();
                        } else {
                            place.push(part);
                        }
                    }
                }
                let place = place.join("/");
                if place == "operations.html" {
                    continue;
                }
                let there = pages.get(&place).unwrap_or_else(|| panic!("{from}: {link}"));
                let named =
                    fragment.is_empty() || attributes(there, "id=\"").any(|id| id == fragment);
                assert!(named, "{from}: no heading for {link}");
                followed += 1;
            }
        }
        assert!(followed > 50, "only {followed} links were found");
    }

    #[test]
    fn a_link_out_of_the_handbook_becomes_words() {
        let page =
            page("SLO", "# A & B\n\n[code](../deploy/x.yml), [up](OPERATIONS.md#by-hand), <b>");
        assert!(
            page.contains("<p>code, <a href=\"OPERATIONS.html#by-hand\">up</a>, &lt;b&gt;</p>")
        );
        assert!(page.contains("<h1 id=\"a--b\">A &amp; B</h1>"), "{page}");
    }

    #[test]
    fn no_page_is_a_template_and_every_runbook_is_one() {
        for (place, page) in pages() {
            assert!(!page.contains("{{"), "{place}: an action of Go's templates");
            assert!(page.contains("<h1"), "{place} has no heading");
            assert!(!page.contains("<img"), "{place}: no picture goes with it");
        }
        assert!(
            page("SLO", "# A\n\n`{{ $labels.node }}`").contains("&#123;&#123; $labels.node }}")
        );
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(there, runbooks().map(str::to_owned).collect());
    }
}
