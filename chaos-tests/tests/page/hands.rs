//! Without a mouse: keys alone, a finger on a phone; in the dark, without motion.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Browser, Browsers};
use crate::driver::Screen;
use crate::house::House;

/// Presses Tab until the focus is on something that says this.
async fn tab_to(browser: &Browser, words: &str) -> String {
    let mut seen = Vec::new();
    for _ in 0..60 {
        browser.key(Key::Tab).await;
        let now = browser.focused().await;
        if now.contains(words) {
            return now;
        }
        seen.push(now);
    }
    panic!("no Tab leads to {words:?}, but to {seen:?}");
}

pub(crate) async fn a_booking_needs_nothing_but_keys(house: &House, browsers: &Browsers<'_>) {
    let show = house.show("By Heart", json!({})).await;
    let (_, token) = house.customer("keys");
    let keys = browsers.open(Screen::Desk).await;
    keys.carry(&token).await;
    keys.visit(&show.place()).await;
    keys.reads(".live", "live").await;
    // Every seat says where it is, what it costs and whether it is free.
    let first = tab_to(&keys, "Row A").await;
    assert_eq!(first, "Row A, seat 1, Front, €9.00, free");
    for key in [Key::Down, Key::Down, Key::Down, Key::Right, Key::End, Key::Left] {
        keys.key(key).await;
    }
    let seat = keys.focused().await;
    assert_eq!(seat, "Row D, seat 19, Standard, €11.50, companion seat, free");
    keys.key(Key::Down).await;
    assert_eq!(keys.focused().await, "Row E, seat 19, Standard, €11.50, free");
    keys.key(' ').await;
    assert!(keys.focused().await.ends_with("chosen"), "{}", keys.focused().await);
    keys.key('f').await;
    assert_eq!(keys.focused().await, "Row E, seat 20, Standard, €11.50, free");
    keys.key(Key::Enter).await;
    keys.reads(".choice", "2 seats").await;
    keys.picture("16-by-keys").await;
    tab_to(&keys, "Hold 2 seats").await;
    keys.key(Key::Enter).await;
    keys.reads(".panel h2", "Held for you").await;
    tab_to(&keys, "4242").await;
    tab_to(&keys, "Pay €23.00").await;
    keys.key(Key::Enter).await;
    keys.reads(".panel h2", "You are going!").await;
    tab_to(&keys, "Cancel all").await;
    keys.key(Key::Enter).await;
    tab_to(&keys, "Cancel all").await;
    keys.key(Key::Enter).await;
    keys.reads(".panel h2", "Cancelled").await;
}

/// Nothing is wider than the screen.
pub(crate) async fn fits(browser: &Browser) {
    let wide = browser.script("return [document.documentElement.scrollWidth, innerWidth]", vec![]);
    let wide = wide.await;
    assert!(wide[0].as_u64() <= wide[1].as_u64(), "the page is wider than the phone: {wide}");
}

pub(crate) async fn a_booking_on_a_phone_with_a_finger(house: &House, browsers: &Browsers<'_>) {
    let show = house.show("In the Palm of a Hand", json!({})).await;
    let (_, token) = house.customer("phone");
    let phone = browsers.open(Screen::Phone).await;
    phone.carry(&token).await;
    // The shows of other journeys come and go; this one is looked for.
    phone.visit("#/?q=orchard").await;
    phone.reads(".show h2", "The Glass Orchard").await;
    fits(&phone).await;
    phone.picture("17-phone-what-is-on").await;
    phone.visit(&show.place()).await;
    phone.reads(".live", "live").await;
    fits(&phone).await;
    let scale = "return document.querySelector('.seats').seatMap.camera.scale";
    let before = phone.script(scale, vec![]).await.as_f64().expect("a scale");
    phone.spread(40.0, 110.0).await;
    let after = phone.script(scale, vec![]).await.as_f64().expect("a scale");
    assert!(after > before * 1.8, "fingers apart bring the map closer: {before} then {after}");
    phone.tap_seat("H-8").await;
    phone.tap_seat("H-9").await;
    phone.reads(".dock", "2 seats · €23.00").await;
    phone.picture("18-phone-chosen").await;
    phone.press(".dock button").await;
    // It leads to the panel, and is out of the way there.
    phone.becomes("return document.querySelector('.dock').hidden", vec![]).await;
    phone.press("#hold-chosen").await;
    phone.reads(".panel h2", "Held for you").await;
    phone.reads(".dock", "2 seats held").await;
    phone.press("#pay").await;
    phone.reads(".panel h2", "You are going!").await;
    phone.becomes("return document.querySelectorAll('.qr img').length === 2", vec![]).await;
    fits(&phone).await;
    phone.script("document.querySelector('.panel').scrollIntoView()", vec![]).await;
    phone.picture("19-phone-tickets").await;
}

pub(crate) async fn dark_and_without_motion(house: &House, browsers: &Browsers<'_>) {
    let night = browsers.open(Screen::Night).await;
    night.visit("#/?q=orchard").await;
    night.reads(".show h2", "The Glass Orchard").await;
    night.picture("20-dark-what-is-on").await;
    let show = house.anybody.get("/v1/show/the-glass-orchard").expect(200).await.json();
    let id = show["performances"][0]["performance_id"].as_str().expect("an evening").to_owned();
    night.visit(&format!("#/show/the-glass-orchard/{id}")).await;
    night.reads(".live", "live").await;
    night.picture("21-dark-seat-map").await;
    // Without motion the map is there at once.
    let jump = "const map = document.querySelector('.seats').seatMap; const before = map.camera.scale; \
                map.zoomBy(1.6); return map.camera.scale / before";
    let grown = night.script(jump, vec![]).await.as_f64().expect("a scale");
    assert!((1.55..1.65).contains(&grown), "{grown}");
}
