//! How long a pick takes: `cargo run --release -p seat-picker --example medians [PLAN.json]`.
//! Prints tables for a hall of 20,000 seats in one tier, and for the plan
//! given: the median in microseconds, the slowest in parentheses (which is the
//! machine's scheduler, mostly). The houses are filled at random, as a sale
//! does it from the best, and by every other seat, so that nobody is together.

#![expect(clippy::print_stdout, reason = "a table for people is what it is for")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use seat_model::{Chart, Plan};
use seat_picker::{Prepared, Spread, Wanted, pick};

const PICKS: u64 = 401;

/// Of a thousand.
const FILLED: [usize; 4] = [0, 500, 950, 995];

/// How many seats, and how many of them accessible.
const QUANTITIES: [(u32, u32); 5] = [(1, 0), (2, 0), (4, 0), (10, 0), (10, 5)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    table("20,000 seats", &serde_json::from_value(hall())?);
    if let Some(path) = std::env::args().nth(1) {
        let plan: Plan = serde_json::from_slice(&std::fs::read(path)?)?;
        table(&plan.name.clone(), &plan);
    }
    Ok(())
}

/// Five sections of 80 rows of 50 seats, all of one tier; the last two of a row
/// are accessible.
fn hall() -> serde_json::Value {
    let seat = |zone: u32, row: u32, n: u32| {
        serde_json::json!({"seat_guid": format!("{zone}-{row}-{n}"), "seat_number": n.to_string(),
            "position": {"x": n, "y": 0}, "category": "A", "wheelchair": n > 47})
    };
    let row = |zone: u32, row: u32| {
        let seats: Vec<_> = (0..50).map(|n| seat(zone, row, n)).collect();
        serde_json::json!({"row_number": row.to_string(), "seats": seats,
            "position": {"x": 0, "y": row}})
    };
    let zone = |zone: u32| {
        let rows: Vec<_> = (0..80).map(|n| row(zone, n)).collect();
        serde_json::json!({"position": {"x": zone * 54, "y": 0}, "rows": rows})
    };
    let zones: Vec<_> = (0..5).map(zone).collect();
    serde_json::json!({"name": "Hall", "categories": [{"name": "A"}], "zones": zones,
        "size": {"width": 270, "height": 80}})
}

fn table(name: &str, plan: &Plan) {
    let began = Instant::now();
    let prepared = Prepared::new(Arc::new(Chart::new(plan)));
    let ready = began.elapsed();
    let chart = prepared.chart();
    let counts = chart.seats_per_tier();
    let tier = (0..counts.len()).max_by_key(|&tier| counts[tier]).unwrap_or(0);
    let (seats, most) = (chart.seats.len(), counts[tier]);
    println!("\n{name}: {seats} seats, {most} in the tier, ready after {ready:?}");
    for (crowd, choices) in [("one customer", 1), ("256 requests in flight", 257)] {
        println!("\n{crowd}\n");
        rows(&prepared, tier, choices);
    }
}

fn rows(prepared: &Prepared, tier: usize, choices: usize) {
    let chart = prepared.chart();
    let seats = chart.seats.len();
    let head = QUANTITIES.map(|(quantity, accessible)| match accessible {
        0 => format!("{quantity} seats"),
        _ => format!("{quantity} seats, {accessible} accessible"),
    });
    println!("| Filled | how | {} |", head.join(" | "));
    println!("| --- | --- |{}", " --- |".repeat(QUANTITIES.len()));
    let row = |filled: usize, how: &str, order: &[usize]| {
        let taken = &order[..seats * filled / 1000];
        let row = QUANTITIES.map(|(quantity, accessible)| {
            let wanted = Wanted { tier, quantity, accessible, accept_split: true };
            measure(prepared, &wanted, taken, choices)
        });
        println!("| {}.{} % | {how} | {} |", filled / 10, filled % 10, row.join(" | "));
    };
    for filled in FILLED {
        row(filled, "at random", &shuffled(seats));
        row(filled, "best first", &best_first(chart));
    }
    let alternating: Vec<usize> = (0..seats).step_by(2).chain((1..seats).step_by(2)).collect();
    row(500, "every other", &alternating);
}

fn best_first(chart: &Chart) -> Vec<usize> {
    let far = |i: usize| chart.seats[i].place.distance(chart.focal_point);
    let mut seats: Vec<usize> = (0..chart.seats.len()).collect();
    seats.sort_by(|&a, &b| far(a).total_cmp(&far(b)));
    seats
}

/// Always the same, so that two runs compare.
fn shuffled(count: usize) -> Vec<usize> {
    let mut seats: Vec<usize> = (0..count).collect();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for i in (1..count).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        seats.swap(i, usize::try_from(random >> 16).unwrap_or(0) % (i + 1));
    }
    seats
}

/// The median and the slowest of many picks.
fn measure(prepared: &Prepared, wanted: &Wanted, seats: &[usize], choices: usize) -> String {
    let mut taken = prepared.no_seats();
    taken.extend(seats.iter().copied());
    let mut spans: Vec<Duration> = (0..PICKS)
        .map(|seed| {
            let began = Instant::now();
            drop(black_box(pick(prepared, wanted, &taken, Spread { choices, seed })));
            began.elapsed()
        })
        .collect();
    spans.sort_unstable();
    let micros = |span: Duration| span.as_secs_f64() * 1e6;
    let (median, slowest) = (spans[spans.len() / 2], spans[spans.len() - 1]);
    format!("{:.1} ({:.0})", micros(median), micros(slowest))
}
