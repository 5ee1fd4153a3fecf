//! One browser as somebody uses it: what is pressed, typed and read. Everything
//! is waited for, and what did not come is named with what is there instead.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chaos_tests::eventually;
use fantoccini::actions::{
    Actions, InputSource as _, KeyAction, KeyActions, MouseActions, PointerAction, TouchActions,
};
use fantoccini::elements::Element;
use fantoccini::{Client, Locator};
use serde_json::Value;

use crate::driver::{Driver, Screen};

/// Longer than anything takes on a busy machine; a journey that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(20);

const LEFT_BUTTON: u64 = 0;

/// Where the pictures are.
pub(crate) fn pictures() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../screenshots")
}

/// The browsers of one journey.
pub(crate) struct Browsers<'h> {
    driver: &'h Driver,
    base_url: String,
    open: Mutex<Vec<Client>>,
}

impl<'h> Browsers<'h> {
    pub(crate) fn new(driver: &'h Driver, base_url: String) -> Self {
        Self { driver, base_url, open: Mutex::default() }
    }

    /// Opens a browser with nothing in it.
    pub(crate) async fn open(&self, screen: Screen) -> Browser {
        let downloads = pictures().join("downloads");
        std::fs::create_dir_all(&downloads).expect("a folder for pictures");
        let downloads = downloads.canonicalize().expect("the folder is there");
        let client = self.driver.browser(screen, &downloads.to_string_lossy()).await;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(client.clone());
        Browser { client, base_url: self.base_url.clone(), downloads }
    }

    /// Closes all; after a failure each leaves a last picture.
    pub(crate) async fn close(&self, journey: &str, failed: bool) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        for (n, client) in open.into_iter().enumerate() {
            if failed && let Ok(picture) = client.screenshot().await {
                let file = pictures().join(format!("failed-{journey}-{n}.png"));
                let _ = std::fs::write(file, picture);
            }
            let _ = client.close().await;
        }
    }
}

/// A browser.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    base_url: String,
    pub(crate) downloads: PathBuf,
}

impl Browser {
    /// Opens a place of the page, such as `#/mine`.
    pub(crate) async fn visit(&self, place: &str) {
        self.go(&format!("{}/{place}", self.base_url)).await;
    }

    /// Opens another page than that of the platform.
    pub(crate) async fn go(&self, url: &str) {
        self.client.goto(url).await.expect("the page opens");
    }

    /// Reloads.
    pub(crate) async fn reload(&self) {
        self.client.refresh().await.expect("the page opens again");
    }

    /// Logs in by putting a token where the page keeps it.
    pub(crate) async fn carry(&self, token: &str) {
        self.visit("").await;
        let script = "localStorage.setItem('seatlock.token', arguments[0])";
        self.client.execute(script, vec![token.into()]).await.expect("a script runs");
    }

    /// Gives a file to a file field.
    pub(crate) async fn choose_file(&self, css: &str, path: &str) {
        let field = self.client.find(Locator::Css(css)).await.expect("a file field");
        field.send_keys(path).await.expect("a file is chosen");
    }

    /// Runs a script and gives what it returns.
    pub(crate) async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.expect("a script runs")
    }

    /// Runs a script that answers by calling its last argument.
    pub(crate) async fn script_later(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute_async(script, arguments).await.expect("a script runs")
    }

    /// The first element that is shown.
    pub(crate) async fn find(&self, css: &str) -> Element {
        eventually(PATIENCE, || async {
            for element in self.client.find_all(Locator::Css(css)).await.map_err(text)? {
                if element.is_displayed().await.unwrap_or(false) {
                    return Ok(element);
                }
            }
            Err(format!("no {css}; the page says: {}", self.seen().await))
        })
        .await
    }

    /// Presses what is there, once it can be pressed.
    pub(crate) async fn press(&self, css: &str) {
        eventually(PATIENCE, || async {
            let element = self.client.find(Locator::Css(css)).await.map_err(text)?;
            element.click().await.map_err(text)
        })
        .await;
    }

    /// Presses it if it is still there: somebody else may have been faster.
    pub(crate) async fn press_if_there(&self, css: &str) {
        if let Ok(element) = self.client.find(Locator::Css(css)).await {
            let _ = element.click().await;
        }
    }

    /// Presses the button or link with these words.
    pub(crate) async fn press_words(&self, words: &str) {
        let xpath = format!(
            "//*[self::button or self::a or self::summary or self::label][normalize-space()='{words}']"
        );
        eventually(PATIENCE, || async {
            let element = self.client.find(Locator::XPath(&xpath)).await.map_err(text)?;
            element.click().await.map_err(text)
        })
        .await;
    }

    /// Types into a field, instead of what stands there.
    pub(crate) async fn write(&self, css: &str, words: &str) {
        let field = self.find(css).await;
        field.clear().await.expect("a field can be emptied");
        field.send_keys(words).await.expect("a field takes text");
    }

    /// Sets a field that has no keys of its own, such as a date.
    pub(crate) async fn set(&self, css: &str, value: &str) {
        let script = "const field = document.querySelector(arguments[0]); field.value = arguments[1]; \
                      field.dispatchEvent(new Event('change', { bubbles: true }));";
        self.script(script, vec![css.into(), value.into()]).await;
    }

    /// Waits until an element shows these words; gives all that it shows.
    pub(crate) async fn reads(&self, css: &str, words: &str) -> String {
        eventually(PATIENCE, || async {
            let all = self.texts(css).await;
            let found = all.iter().find(|shown| shown.contains(words));
            found.cloned().ok_or_else(|| format!("{css} does not say {words:?} but {all:?}"))
        })
        .await
    }

    /// What all matching elements show.
    pub(crate) async fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText ?? one.textContent)";
        let found = self.client.execute(script, vec![css.into()]).await.unwrap_or_default();
        let texts = found.as_array().cloned().unwrap_or_default();
        texts.iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until a script's value is true.
    pub(crate) async fn becomes(&self, script: &str, arguments: Vec<Value>) {
        eventually(PATIENCE, || async {
            let value = self.client.execute(script, arguments.clone()).await.map_err(text)?;
            if value == Value::Bool(true) { Ok(()) } else { Err(format!("{script}: {value}")) }
        })
        .await;
    }

    /// Where a seat of the map is, in the window; the map comes close enough first.
    pub(crate) async fn seat(&self, guid: &str) -> (f64, f64) {
        self.becomes("return Boolean(document.querySelector('.seats')?.seatMap?.ratio)", vec![])
            .await;
        let near = "const map = document.querySelector('.seats').seatMap; \
                    const i = map.seats.byGuid.get(arguments[0]); map.reveal(i); \
                    document.querySelector('.seats').scrollIntoView({ block: 'center' });";
        self.script(near, vec![guid.into()]).await;
        // It glides there; it has arrived when two looks agree.
        let place = "const map = document.querySelector('.seats').seatMap; \
                     const box = map.canvas.getBoundingClientRect(); \
                     const [x, y] = map.placeOf(arguments[0]); return [box.left + x, box.top + y]";
        let last = Mutex::new(Value::Null);
        eventually(PATIENCE, || async {
            let now = self.script(place, vec![guid.into()]).await;
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *last, now.clone());
            // Pointers move in whole pixels.
            let point = |n: usize| now[n].as_f64().unwrap_or_default().round();
            if now == before { Ok((point(0), point(1))) } else { Err(format!("moving: {now}")) }
        })
        .await
    }

    /// Clicks a seat on the map with the mouse.
    pub(crate) async fn click_seat(&self, guid: &str) {
        let (x, y) = self.seat(guid).await;
        let mouse = MouseActions::new("mouse".to_owned())
            .then(PointerAction::MoveTo { duration: None, x, y })
            .then(PointerAction::Down { button: LEFT_BUTTON })
            .then(PointerAction::Up { button: LEFT_BUTTON });
        self.client.perform_actions(mouse).await.expect("a click");
    }

    /// Taps a seat with a finger.
    pub(crate) async fn tap_seat(&self, guid: &str) {
        let (x, y) = self.seat(guid).await;
        let finger = TouchActions::new("finger".to_owned())
            .then(PointerAction::MoveTo { duration: None, x, y })
            .then(PointerAction::Down { button: LEFT_BUTTON })
            .then(PointerAction::Up { button: LEFT_BUTTON });
        self.client.perform_actions(finger).await.expect("a tap");
    }

    /// Two fingers move apart from each other, around the middle of the map.
    pub(crate) async fn spread(&self, from: f64, to: f64) {
        let middle = self.script(
            "const box = document.querySelector('.seats').getBoundingClientRect(); \
             return [box.left + box.width / 2, box.top + box.height / 2]",
            vec![],
        );
        let middle = middle.await;
        let (x, y) =
            (middle[0].as_f64().unwrap_or(0.0).round(), middle[1].as_f64().unwrap_or(0.0).round());
        let finger = |name: &str, side: f64| {
            TouchActions::new(name.to_owned())
                .then(PointerAction::MoveTo { duration: None, x: x + side * from, y })
                .then(PointerAction::Down { button: LEFT_BUTTON })
                .then(PointerAction::MoveTo {
                    duration: Some(Duration::from_millis(120)),
                    x: x + side * to,
                    y,
                })
                .then(PointerAction::Up { button: LEFT_BUTTON })
        };
        let both = Actions::from(finger("one", -1.0)).and(finger("two", 1.0));
        self.client.perform_actions(both).await.expect("a pinch");
    }

    /// Presses a key, wherever the focus is.
    pub(crate) async fn key(&self, key: impl Into<char>) {
        let value = key.into();
        let keys = KeyActions::new("keys".to_owned())
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.expect("a key");
    }

    /// What the element with the focus says to a screen reader.
    pub(crate) async fn focused(&self) -> String {
        let script = "const one = document.activeElement; return one.getAttribute('aria-label') || \
                      one.textContent || one.labels?.[0]?.textContent || one.tagName";
        self.script(script, vec![]).await.as_str().unwrap_or_default().to_owned()
    }

    /// What a seat is on this browser's map: `free`, `held` or `sold`.
    pub(crate) async fn seat_state(&self, guid: &str) -> String {
        let script = "const map = document.querySelector('.seats')?.seatMap; \
                      return map && ['free', 'held', 'sold'][map.seats.state[map.seats.byGuid.get(arguments[0])]]";
        self.script(script, vec![guid.into()]).await.as_str().unwrap_or("unknown").to_owned()
    }

    /// Keeps a picture of what is seen now.
    pub(crate) async fn picture(&self, name: &str) {
        // Fonts, pictures and glides come to rest first.
        let rest = "const done = arguments[0]; document.fonts.ready.then(() => setTimeout(() => \
                    requestAnimationFrame(() => requestAnimationFrame(() => done(true))), 450))";
        self.script_later(rest, vec![]).await;
        let picture = self.client.screenshot().await.expect("a picture");
        std::fs::write(pictures().join(format!("{name}.png")), picture).expect("a picture is kept");
    }

    async fn seen(&self) -> String {
        let texts = self.texts("main").await.join(" ");
        texts.chars().take(400).collect()
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
