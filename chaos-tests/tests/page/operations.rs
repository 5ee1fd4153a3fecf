//! The operations page, as somebody on call sees it: every dashboard drawn, what
//! was at a moment, the runbooks, and what it says when Prometheus is away.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Browser, Browsers};
use crate::driver::Screen;
use crate::hands::fits;
use crate::house::House;

/// All panels of a dashboard have an answer, some have lines, and the page has
/// nothing to complain about.
async fn is_drawn(browser: &Browser, tab: &str, lines: u64) {
    browser.reads("[role=tab][aria-selected=true]", tab).await;
    let drawn = "const all = [...document.querySelectorAll('.panel')]; \
                 const lines = document.querySelectorAll('.panel[data-state=drawn] path.line'); \
                 return all.length > 0 && all.every((one) => one.dataset.state) \
                   && lines.length >= arguments[0];";
    browser.becomes(drawn, vec![lines.into()]).await;
    let failed = browser.texts(".panel[data-state=failed]").await;
    assert!(failed.is_empty(), "Prometheus refuses what {tab} asks: {failed:?}");
    has_no_fault(browser).await;
}

/// The page shows every error of its script that nobody caught.
async fn has_no_fault(browser: &Browser) {
    let fault = browser.texts("#fault:not([hidden])").await;
    assert!(fault.is_empty(), "{fault:?}");
}

/// Sells a little, so that there is something to draw.
async fn some_sales(house: &House) {
    let show = house.show("Watched from the Desk", json!({})).await;
    let (buyer, _) = house.customer("watched");
    for seat in ["E-3", "E-4", "E-5"] {
        let mut sold = show.named(&[seat]);
        sold["confirm"] = json!(true);
        sold["payment_token"] = json!("tok_ok");
        buyer.post_once(show.book_path(), sold).expect(201).await;
    }
}

pub(crate) async fn every_dashboard_is_drawn(house: &House, browsers: &Browsers<'_>) {
    some_sales(house).await;
    let watcher = browsers.open(Screen::Desk).await;
    watcher.go(&house.cluster.operations_url()).await;
    is_drawn(&watcher, "Overview", 8).await;
    watcher
        .becomes("return document.querySelector('#quiet').textContent !== 'Asking …'", vec![])
        .await;

    // What was at a moment, without a mouse.
    watcher
        .script("document.querySelector('.panel[data-state=drawn] .drawing').focus()", vec![])
        .await;
    for _ in 0..3 {
        watcher.key(Key::Left).await;
    }
    let told = "const tip = document.querySelector('.tip:not([hidden])'); \
                return Boolean(tip && tip.querySelector('strong').textContent.length === 8)";
    watcher.becomes(told, vec![]).await;
    watcher.picture("28-operations").await;

    for (tab, lines, picture) in [
        ("Lock engine", 10, "29-operations-lock-engine"),
        ("Ledger", 10, "30-operations-ledger"),
        ("Views", 6, "31-operations-views"),
        ("Stores", 10, "32-operations-stores"),
    ] {
        watcher.press_words(tab).await;
        is_drawn(&watcher, tab, lines).await;
        watcher.picture(picture).await;
    }

    // Every window asks anew.
    for window in ["5 min", "6 h"] {
        watcher.press_words(window).await;
        watcher.reads("#windows [aria-pressed=true]", window).await;
        is_drawn(&watcher, "Stores", 10).await;
    }
    // A reload leads back to where one was.
    watcher.reload().await;
    is_drawn(&watcher, "Stores", 10).await;
}

pub(crate) async fn operations_on_a_phone_in_the_hand(house: &House, browsers: &Browsers<'_>) {
    some_sales(house).await;
    let phone = browsers.open(Screen::Phone).await;
    phone.go(&house.cluster.operations_url()).await;
    is_drawn(&phone, "Overview", 8).await;
    fits(&phone).await;
    phone.picture("33-phone-operations").await;
    phone.press_words("Runbooks").await;
    phone.press_words("InvariantBroken").await;
    phone.reads("h1", "InvariantBroken").await;
    fits(&phone).await;
    phone.picture("37-phone-runbook").await;
    let night = browsers.open(Screen::Night).await;
    night.go(&house.cluster.operations_url()).await;
    is_drawn(&night, "Overview", 8).await;
    night.picture("34-dark-operations").await;
}

pub(crate) async fn an_alert_has_its_runbook_beside_it(house: &House, browsers: &Browsers<'_>) {
    let woken = browsers.open(Screen::Desk).await;
    woken.go(&house.cluster.operations_url()).await;
    is_drawn(&woken, "Overview", 8).await;
    house.cluster.kill("payment-gateway").await.expect("it is killed");
    woken.reads("#alerts", "InstanceDown · payment-gateway").await;
    woken.press_words("instance-down.md").await;
    woken.reads("h1", "InstanceDown").await;
    woken.reads(".book", "What people see.").await;
    woken.picture("35-operations-runbook").await;
    // A runbook leads to others, to a chapter of the handbook, and back.
    woken.press_words("StoreDown").await;
    woken.reads("h1", "StoreDown").await;
    woken.press_words("SQL").await;
    woken.reads("h1", "Operations").await;
    let there = "return location.hash === '#by-hand' && Boolean(document.querySelector(':target'))";
    woken.becomes(there, vec![]).await;
    woken.press_words("Runbooks").await;
    woken.press_words("ViewsStale").await;
    woken.reads("h1", "ViewsStale").await;
    woken.press_words("Operations").await;
    is_drawn(&woken, "Overview", 8).await;
    woken.reads("nav a[href^=http]:not([hidden])", "Alertmanager").await;
    house.cluster.restart("payment-gateway").await.expect("it comes back");
    let silent = "return !document.querySelector('#alerts').textContent.includes('InstanceDown')";
    woken.becomes(silent, vec![]).await;
    has_no_fault(&woken).await;
}

pub(crate) async fn without_prometheus_the_page_says_so_and_comes_back(
    house: &House,
    browsers: &Browsers<'_>,
) {
    let watcher = browsers.open(Screen::Desk).await;
    watcher.go(&house.cluster.operations_url()).await;
    is_drawn(&watcher, "Overview", 8).await;
    house.cluster.kill("prometheus").await.expect("it is killed");
    watcher.reads("#away:not([hidden])", "Prometheus does not answer").await;
    // What was known a moment ago is still there, and is seen to be old.
    let old = "return document.querySelectorAll('.panel.old path.line').length >= 8";
    watcher.becomes(old, vec![]).await;
    watcher.picture("36-operations-without-prometheus").await;
    house.cluster.restart("prometheus").await.expect("it comes back");
    watcher.becomes("return document.querySelector('#away').hidden", vec![]).await;
    has_no_fault(&watcher).await;
}
