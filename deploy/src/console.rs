//! The operations page, which Prometheus serves beside its own API: the
//! dashboards that Grafana is given, drawn without Grafana, and what fires.
//! It must not know what a panel shows.

use serde_json::json;

use crate::handbook;

/// Where the page is, under Prometheus' address.
pub(crate) const PATH: &str = "consoles/operations.html";

const PAGE: &str = include_str!("../prometheus/console/operations.html");
const STYLE: &str = include_str!("../prometheus/console/operations.css");
const SCRIPT: &str = include_str!("../prometheus/console/operations.js");

/// In the order of the page's tabs.
const DASHBOARDS: [&str; 5] = [
    include_str!("../grafana/dashboards/overview.json"),
    include_str!("../grafana/dashboards/lock-engine.json"),
    include_str!("../grafana/dashboards/ledger.json"),
    include_str!("../grafana/dashboards/views.json"),
    include_str!("../grafana/dashboards/stores.json"),
];

/// The whole page. Prometheus takes it for a template of Go's `html/template`,
/// in which two braces begin an action: it has none.
pub(crate) fn page() -> String {
    let runbooks = json!(handbook::runbooks().collect::<Vec<_>>());
    let data = format!(r#"{{"dashboards": [{}], "runbooks": {runbooks}}}"#, DASHBOARDS.join(","));
    // In JSON both stand only within strings, where they may be escaped; a `<`
    // could end the element that the data is in.
    let data = data.replace("{{", r"\u007b\u007b").replace('<', r"\u003c");
    PAGE.replace("@STYLE@", STYLE).replace("@SCRIPT@", SCRIPT).replace("@DATA@", &data)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What the page's script is given.
    fn data_of(page: &str) -> Value {
        let data = page.split(r#"type="application/json">"#).nth(1).unwrap();
        serde_json::from_str(data.split("</script>").next().unwrap()).unwrap()
    }

    #[test]
    fn the_page_is_no_template_and_has_every_part() {
        let page = page();
        assert!(!page.contains("{{"), "an action of Go's templates");
        for left in ["@STYLE@", "@SCRIPT@", "@DATA@"] {
            assert!(!page.contains(left), "{left} is not filled in");
        }
        // Go's parser takes these apart in ways of its own.
        assert!(!SCRIPT.contains('`'), "a template string in the script");
        // What comes from data is text.
        for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"] {
            assert!(!SCRIPT.contains(markup), "{markup}");
        }
    }

    #[test]
    fn what_is_escaped_reads_as_it_was() {
        let data = data_of(&page());
        let there = data["dashboards"].as_array().unwrap();
        assert_eq!(there.len(), DASHBOARDS.len());
        for (there, text) in there.iter().zip(DASHBOARDS) {
            assert_eq!(*there, serde_json::from_str::<Value>(text).unwrap());
        }
        assert_eq!(data["runbooks"], json!(handbook::runbooks().collect::<Vec<_>>()));
    }

    #[test]
    fn every_dashboard_and_every_runbook_is_on_the_page() {
        let folder = |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let there = std::fs::read_dir(folder("grafana/dashboards")).unwrap().count();
        assert_eq!(there, DASHBOARDS.len());
        for line in include_str!("../prometheus/rules/alerts.yml").lines() {
            let Some(place) = line.trim().strip_prefix("runbook_url: ") else { continue };
            let name = place.strip_prefix("docs/runbooks/").unwrap().strip_suffix(".md").unwrap();
            assert!(handbook::runbooks().any(|book| book == name.trim()), "no {name}");
        }
    }
}
