//! How long the frames of a house of 18,000 seats take. Reported, not asserted:
//! a headless browser without a graphics processor on a busy machine says more
//! about that machine than about the page.

use serde_json::Value;

use crate::browser::{Browsers, pictures};
use crate::driver::Screen;
use crate::house::House;

/// Pans, then zooms, a frame at a time; gives the frames' intervals and what the
/// page itself took of them, in ms.
const MOVES: &str = "
    const done = arguments[0];
    const map = document.querySelector('.seats').seatMap;
    const measure = (move, frames, then) => {
      const every = []; const own = []; let last = 0; let n = 0;
      const paints = { ...map.paints };
      const drawn = map.showFrame.bind(map);
      map.showFrame = (time) => { const began = performance.now(); drawn(time); own.push(performance.now() - began); };
      const step = (time) => {
        if (last) every.push(time - last);
        last = time;
        move(n);
        if (n++ < frames) requestAnimationFrame(step);
        else { delete map.showFrame; then({ every, own, paints: map.paints.count - paints.count, paint_ms: map.paints.ms - paints.ms }); }
      };
      requestAnimationFrame(step);
    };
    map.whole();
    setTimeout(() => measure((n) => map.camera.pan(n % 60 < 30 ? 7 : -7, n % 40 < 20 ? 4 : -4), 150, (far) => {
      map.camera.zoom(4);
      setTimeout(() => measure((n) => map.camera.pan(n % 60 < 30 ? 14 : -14, n % 40 < 20 ? 9 : -9), 150, (near) => {
        map.whole();
        setTimeout(() => measure((n) => map.camera.zoom(n < 40 ? 1.04 : 1 / 1.04), 80, (zoom) => done({ far, near, zoom })), 400);
      }), 400);
    }), 400);
";

/// The value that so many in a hundred do not exceed.
fn quantile(values: &Value, percent: usize) -> f64 {
    let values = values.as_array().into_iter().flatten().filter_map(Value::as_f64);
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let rank = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(rank).copied().unwrap_or(f64::NAN)
}

pub(crate) async fn frames_of_a_large_house_are_reported(house: &House, browsers: &Browsers<'_>) {
    let show = house.anybody.get("/v1/show/aurora-live").expect(200).await.json();
    let id = show["performances"][0]["performance_id"].as_str().expect("an evening").to_owned();
    let fan = browsers.open(Screen::Desk).await;
    fan.visit(&format!("#/show/aurora-live/{id}")).await;
    fan.reads(".live", "live").await;
    fan.picture("26-arena").await;
    let frames = fan.script_later(MOVES, vec![]).await;
    let mut report = String::from("18,000 seats, 1280 × 900, headless and without a GPU\n");
    for move_ in ["far", "near", "zoom"] {
        let of = &frames[move_];
        let own = |percent| quantile(&of["own"], percent);
        let every = |percent| quantile(&of["every"], percent);
        report += &format!(
            "{move_:>5}: frame every {:.1} ms (p50), {:.1} ms (p99); the page's own part {:.1} ms (p50), \
             {:.1} ms (p99); painted whole {} times, {:.1} ms each\n",
            every(50),
            every(99),
            own(50),
            own(99),
            of["paints"],
            of["paint_ms"].as_f64().unwrap_or_default()
                / of["paints"].as_f64().unwrap_or(1.0).max(1.0),
        );
    }
    eprintln!("{report}");
    std::fs::write(pictures().join("frames.txt"), &report).expect("the report is kept");
    assert!(quantile(&frames["far"]["every"], 50) > 0.0, "frames were counted");
    fan.script("document.querySelector('.seats').seatMap.showZone(4)", vec![]).await;
    fan.picture("27-arena-section").await;
}
