//! Buying: the whole way, a hold that runs out, a reload in the middle.

use std::time::Duration;

use chaos_tests::eventually;
use serde_json::json;

use crate::browser::{Browser, Browsers};
use crate::driver::Screen;
use crate::house::House;

/// Seconds on the countdown.
async fn seconds_left(browser: &Browser) -> Option<u64> {
    let shown = browser.texts(".clock").await;
    let (minutes, seconds) = shown.first()?.split_once(':')?;
    Some(minutes.trim().parse::<u64>().ok()? * 60 + seconds.trim().parse::<u64>().ok()?)
}

pub(crate) async fn from_finding_a_show_to_giving_the_tickets_back(
    _: &House,
    browsers: &Browsers<'_>,
) {
    let anna = browsers.open(Screen::Desk).await;
    anna.visit("").await;
    anna.reads(".show h2", "A Winter Quartet").await;
    anna.picture("01-what-is-on").await;
    anna.write("[name=q]", "orchard").await;
    anna.write("[name=loc]", "london").await;
    anna.press_words("Find").await;
    anna.becomes("return document.querySelectorAll('.show').length === 1", vec![]).await;
    anna.press(".show h2 a").await;
    // Half past seven in London, whatever the clock of the browser says.
    anna.reads(".evening", "19:30 · London").await;
    anna.picture("02-one-show").await;

    anna.press(".evening").await;
    anna.reads(".live", "live").await;
    anna.picture("03-seat-map").await;
    anna.click_seat("S-T-20").await;
    anna.click_seat("S-T-21").await;
    anna.reads(".choice", "2 seats").await;
    anna.picture("04-two-chosen").await;

    anna.press("#hold-chosen").await;
    anna.press("#login-switch").await;
    anna.write("[name=email]", &format!("anna-{}@example.org", std::process::id())).await;
    anna.write("[name=password]", "correct horse").await;
    anna.write("[name=name]", "Anna Lovelace").await;
    anna.write("[name=phone]", "+44 20 5550 199").await;
    anna.write("[name=address]", "12 St James's Square, London").await;
    anna.picture("05-sign-up").await;
    anna.press("#login-go").await;

    anna.reads(".panel h2", "Held for you").await;
    let before = seconds_left(&anna).await.expect("a countdown");
    assert!((500..=600).contains(&before), "{before} seconds");
    eventually(Duration::from_secs(5), || async {
        let now = seconds_left(&anna).await.ok_or("no countdown")?;
        if now < before { Ok(()) } else { Err("it stands still") }
    })
    .await;
    anna.picture("06-held").await;
    anna.press("#extend").await;
    anna.reads(".panel .notice", "more time").await;

    anna.press(".bankcard:has([value=tok_declined])").await;
    anna.press("#pay").await;
    anna.reads(".panel .notice.bad", "declined and nothing was charged").await;
    anna.picture("07-declined").await;
    anna.press(".bankcard:has([value=tok_unknown])").await;
    anna.press("#pay").await;
    anna.reads(".panel", "we do not know whether it went through").await;
    anna.reads(".panel .notice.bad", "The bank did not answer, and nothing was charged").await;
    anna.press(".bankcard:has([value=tok_ok])").await;
    anna.press("#pay").await;

    anna.reads(".panel h2", "You are going!").await;
    let drawn = "return [...document.querySelectorAll('.qr img')].filter((one) => one.naturalWidth > 50).length === 2";
    anna.becomes(drawn, vec![]).await;
    anna.picture("08-tickets").await;
    the_calendar_file_is_right(&anna).await;

    anna.press(".ticket .cancel").await;
    anna.picture("09-cancel-one").await;
    anna.press("#sure-yes").await;
    anna.reads(".stamp", "CANCELLED").await;
    anna.becomes("return document.querySelectorAll('.ticket.gone').length === 1", vec![]).await;
    anna.press_words("My bookings").await;
    anna.press(".booking summary").await;
    anna.reads(".ticket .seat", "Row T").await;
    anna.picture("10-my-bookings").await;
    anna.press(".cancel-all").await;
    anna.press("#sure-yes").await;
    anna.becomes("return document.querySelectorAll('.ticket.gone').length === 2", vec![]).await;
    anna.reads(".booking summary", "cancelled").await;
}

async fn the_calendar_file_is_right(browser: &Browser) {
    browser.press("#calendar").await;
    let file = browser.downloads.join("the-glass-orchard.ics");
    let text = eventually(Duration::from_secs(10), || async {
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
    })
    .await;
    let shown = browser.texts(".title p b").await.concat();
    assert!(shown.contains("19:30"), "{shown}");
    // London has no summer time in the demo's weeks unless the tests run in
    // summer: the file must name the moment that the page shows.
    let starts = text.lines().find_map(|line| line.strip_prefix("DTSTART:")).expect("a beginning");
    let moment: jiff::civil::DateTime =
        starts.trim().trim_end_matches('Z').parse().expect("a moment");
    let local = moment.in_tz("UTC").and_then(|utc| utc.in_tz("Europe/London")).expect("a zone");
    assert_eq!((local.hour(), local.minute()), (19, 30), "{text}");
    for wanted in ["BEGIN:VEVENT", "SUMMARY:The Glass Orchard", "LOCATION:Old Exchange Theatre\\,"]
    {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
    let _ = std::fs::remove_file(file);
}

pub(crate) async fn a_hold_that_runs_out_is_said_to_have_run_out(
    house: &House,
    browsers: &Browsers<'_>,
) {
    let show = house.show("A Very Short Hold", json!({"hold_ttl_s": 3, "hold_max_s": 3})).await;
    let (_, token) = house.customer("slow");
    let slow = browsers.open(Screen::Desk).await;
    slow.carry(&token).await;
    slow.visit(&show.place()).await;
    slow.reads(".live", "live").await;
    slow.press("#hold-best").await;
    slow.reads(".panel h2", "Held for you").await;
    slow.reads(".panel .notice.bad", "Your hold ran out").await;
    slow.find("#hold-best").await;
    slow.picture("11-hold-ran-out").await;
}

pub(crate) async fn a_reload_loses_nothing(house: &House, browsers: &Browsers<'_>) {
    let show = house.show("Twice Read", json!({})).await;
    let (_, token) = house.customer("reader");
    let reader = browsers.open(Screen::Desk).await;
    reader.carry(&token).await;
    reader.visit(&show.place()).await;
    reader.press("#hold-best").await;
    reader.reads(".panel h2", "Held for you").await;
    reader.reload().await;
    reader.reads(".panel h2", "Held for you").await;
    // Elsewhere the clock goes on, and leads back.
    reader.press_words("Shows").await;
    reader.reads("#held", "Held 9:").await;
    reader.press("#held").await;
    reader.press("#give-back").await;
    reader.reads("#toast", "free for others again").await;
    reader.find("#hold-best").await;
}
