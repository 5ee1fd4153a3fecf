//! Two browsers at one performance: who is too late is told so, and both see
//! what the other does.

use std::time::{Duration, Instant};

use chaos_tests::eventually;
use serde_json::json;

use crate::browser::Browsers;
use crate::driver::Screen;
use crate::house::House;

/// What the contract promises of a seat map, without the time a hold itself takes.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

pub(crate) async fn the_loser_of_a_race_reads_clear_words(house: &House, browsers: &Browsers<'_>) {
    let show = house.show("One Seat, Two People", json!({})).await;
    let (_, first) = house.customer("ada");
    let (_, second) = house.customer("bob");
    let (ada, bob) = tokio::join!(browsers.open(Screen::Desk), browsers.open(Screen::Desk));
    for (browser, token) in [(&ada, &first), (&bob, &second)] {
        browser.carry(token).await;
        browser.visit(&show.place()).await;
        browser.reads(".live", "live").await;
        browser.click_seat("F-10").await;
        browser.reads(".choice", "1 seat").await;
    }
    // The first one's hold may reach the second one's page, and take the seat
    // out of the choice, before the second one's press does.
    tokio::join!(ada.press_if_there("#hold-chosen"), bob.press_if_there("#hold-chosen"));
    // Exactly one has it, and the other knows which seat was lost.
    let (winner, loser) = eventually(Duration::from_secs(10), || async {
        let held = (ada.texts("#pay").await.len(), bob.texts("#pay").await.len());
        match held {
            (1, 0) => Ok((&ada, &bob)),
            (0, 1) => Ok((&bob, &ada)),
            _ => Err(format!("{held:?} have it")),
        }
    })
    .await;
    let words = loser.reads(".panel .notice.bad", "Row F, seat 10").await;
    assert!(
        words.contains("Somebody was faster") || words.contains("taken by somebody else"),
        "{words}"
    );
    assert_eq!(loser.seat_state("F-10").await, "held");
    loser.picture("12-somebody-was-faster").await;
    // The other seats are still to be had.
    loser.click_seat("F-11").await;
    loser.press("#hold-chosen").await;
    loser.reads(".panel h2", "Held for you").await;
    winner.reads(".panel h2", "Held for you").await;
}

pub(crate) async fn a_change_is_seen_elsewhere_within_a_second(
    house: &House,
    browsers: &Browsers<'_>,
) {
    let show = house.show("Seen at Once", json!({})).await;
    let (buyer, _) = house.customer("buyer");
    let watcher = browsers.open(Screen::Desk).await;
    watcher.visit(&show.place()).await;
    watcher.reads(".live", "live").await;
    watcher.reads(".title", "240 seats left").await;
    buyer.post_once(show.book_path(), show.named(&["D-5", "D-6"])).expect(201).await;
    let answered = Instant::now();
    eventually(Duration::from_secs(10), || async {
        let now = (watcher.seat_state("D-5").await, watcher.seat_state("D-6").await);
        if now == ("held".into(), "held".into()) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    let took = answered.elapsed();
    assert!(took < SEEN_WITHIN, "seen after {took:?}");
    watcher.reads(".title", "238 seats left").await;
}
