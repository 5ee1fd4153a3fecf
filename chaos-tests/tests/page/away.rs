//! Something is away in the middle of a journey.

use serde_json::json;

use crate::browser::Browsers;
use crate::driver::Screen;
use crate::house::House;

pub(crate) async fn a_service_that_dies_between_hold_and_pay_loses_nothing(
    house: &House,
    browsers: &Browsers<'_>,
) {
    let show = house.show("The Show Goes On", json!({})).await;
    let (_, token) = house.customer("calm");
    let calm = browsers.open(Screen::Desk).await;
    calm.carry(&token).await;
    calm.visit(&show.place()).await;
    calm.press("#hold-best").await;
    calm.reads(".panel h2", "Held for you").await;
    house.cluster.kill("booking-api-0").await.expect("it is killed");
    calm.press("#pay").await;
    calm.reads(".panel h2", "You are going!").await;
    calm.becomes("return document.querySelectorAll('.ticket:not(.gone)').length === 2", vec![])
        .await;
    calm.picture("13-paid-without-booking-api-0").await;

    // With nobody left it is said, and tried again until somebody is back.
    house.cluster.kill("booking-api-1").await.expect("it is killed");
    calm.press_words("Book more seats").await;
    calm.press("#hold-best").await;
    calm.reads(".panel", "A part of the system is away").await;
    calm.picture("14-asking-again").await;
    house.cluster.restart("booking-api-0").await.expect("it comes back");
    calm.reads(".panel h2", "Held for you").await;
    house.cluster.restart("booking-api-1").await.expect("it comes back");
}

pub(crate) async fn a_map_without_its_stream_says_so_and_comes_back(
    house: &House,
    browsers: &Browsers<'_>,
) {
    let show = house.show("Out of Sight", json!({})).await;
    let (buyer, _) = house.customer("unseen");
    let watcher = browsers.open(Screen::Desk).await;
    watcher.visit(&show.place()).await;
    watcher.reads(".live", "live").await;
    for name in ["view-service-0", "view-service-1"] {
        house.cluster.kill(name).await.expect("it is killed");
    }
    watcher.reads(".live", "connecting again").await;
    watcher.picture("15-connecting-again").await;
    // Selling does not need the views.
    buyer.post_once(show.book_path(), show.named(&["H-3"])).expect(201).await;
    for name in ["view-service-0", "view-service-1"] {
        house.cluster.restart(name).await.expect("it comes back");
    }
    watcher
        .becomes(
            "const one = document.querySelector('.live'); return one.textContent === 'live'",
            vec![],
        )
        .await;
    let held = "const map = document.querySelector('.seats').seatMap; \
                return map.seats.state[map.seats.byGuid.get('H-3')] === 1";
    watcher.becomes(held, vec![]).await;
}
