//! The dashboards on a platform that runs: each question of each panel has an
//! answer, and Prometheus serves the page that draws them and the runbooks.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chaos_tests::eventually;
use serde_json::{Value, json};

use crate::world::World;

/// Longer than the slowest of those who count take, and than two scrapes and
/// an evaluation of the rules after them.
const MEASURED_WITHIN: Duration = Duration::from_secs(90);

/// What one panel asks.
struct Question {
    /// The dashboard and the panel.
    of: String,
    expression: String,
}

/// The questions of all dashboards that Grafana is given.
fn questions() -> Vec<Question> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana/dashboards");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("dashboards") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&text).expect("a dashboard is JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let asked = target["expr"].as_str().expect("an expression");
                found.push(Question {
                    of: format!("{}, {}", dashboard["title"], panel["title"]),
                    expression: asked.replace("$__rate_interval", "1m"),
                });
            }
        }
    }
    found
}

/// After people have looked, held, let go, bought and given back, on each
/// shard, no panel is empty. A panel of what happens on bad days shows a zero.
pub(crate) async fn every_panel_has_something_to_show(world: &World) {
    for show in world.a_show_on_each_shard("drawn").await {
        let buyer = world.customer("drawn");
        let wanted =
            json!({"performance_id": show.performance_id, "tier": "Stalls", "quantity": 2});
        let held = buyer.post_once(show.book_path(), wanted.clone()).expect(201).await.json();
        buyer.delete(show.booking_path(&held)).expect(200).await;
        let mut bought = wanted;
        bought["confirm"] = json!(true);
        bought["payment_token"] = json!("tok_ok");
        let bought = buyer.post_once(show.book_path(), bought).expect(201).await.json();
        buyer.delete(show.booking_path(&bought)).expect(200).await;
        world.seats(&show).await;
        world.anybody.get(format!("/v1/show/{}", show.show_id)).expect(200).await;
    }
    let questions = questions();
    assert!(questions.len() > 50, "only {} questions were found", questions.len());
    eventually(MEASURED_WITHIN, || async {
        let mut silent = Vec::new();
        for Question { of, expression } in &questions {
            if world.measured(expression).await?.is_empty() {
                silent.push(format!("{of}: {expression}"));
            }
        }
        if silent.is_empty() {
            return Ok(());
        }
        Err(format!("{} questions have no answer:\n  {}", silent.len(), silent.join("\n  ")))
    })
    .await;
}

/// Prometheus takes the page for a template and reads all of it: what the
/// browser is given must still be what was written.
pub(crate) async fn the_operations_page_is_served_as_it_was_written(world: &World) {
    let url = world.cluster.operations_url();
    let answer = world.anybody.http().get(url).send().await.expect("Prometheus answers");
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().expect("words").to_owned();
    assert!(kind.starts_with("text/html"), "{kind}");
    let page = answer.text().await.expect("a page");
    let data = page.split(r#"type="application/json">"#).nth(1).expect("data");
    let data = data.split("</script>").next().expect("the end of the data");
    let data: Value = serde_json::from_str(data).expect("the data is JSON still");
    let on_page = data["dashboards"].as_array().expect("dashboards").iter();
    let on_page = on_page.flat_map(|one| one["panels"].as_array().expect("panels"));
    let on_page: usize =
        on_page.map(|panel| panel["targets"].as_array().expect("targets").len()).sum();
    assert_eq!(on_page, questions().len());
    assert!(page.trim_end().ends_with("</html>"), "the page is cut off");

    // The runbooks beside it, and whatever each of them links to.
    let list = handbook_page(world, "docs/runbooks/index.html").await;
    let runbooks = links(&list).filter_map(|link| link.strip_prefix("../runbooks/"));
    let runbooks: BTreeSet<&str> = runbooks.filter(|name| *name != "index.html").collect();
    assert!(runbooks.len() > 10, "{runbooks:?}");
    let mut linked = BTreeSet::new();
    for runbook in &runbooks {
        let page = handbook_page(world, &format!("docs/runbooks/{runbook}")).await;
        assert!(page.contains("<h1 id="), "{runbook} has no heading");
        assert!(
            page.contains("<strong>Afterwards.</strong>"),
            "{runbook} does not say how it ends"
        );
        linked.extend(links(&page).map(str::to_owned));
    }
    for link in linked {
        handbook_page(world, &format!("docs/runbooks/{link}")).await;
    }
}

/// A page beside the operations page, as Prometheus serves it.
async fn handbook_page(world: &World, place: &str) -> String {
    let url = world.cluster.operations_url().replace("operations.html", place);
    let answer = world.anybody.http().get(url).send().await.expect("Prometheus answers");
    assert_eq!(answer.status(), 200, "{place}");
    let page = answer.text().await.expect("a page");
    assert!(page.trim_end().ends_with("</html>"), "{place} is cut off");
    page
}

/// Where a page leads, without what stands outside of this Prometheus.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let all = page.split("href=\"").skip(1).filter_map(|rest| rest.split(['"', '#']).next());
    all.filter(|link| !link.is_empty() && !link.contains(':'))
}
