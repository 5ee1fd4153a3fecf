//! Halls: what is sold in a run. Small ones that customers fight for, and one
//! for a crowd. It must not know who runs them, or what is broken.

use std::time::Duration;

use booking_api_client::PerformanceCreate;
use seat_model::{Currency, Money, PerformanceId, PlanId, SeatId, ShardId, ShowId, Timestamp};
use serde_json::{Value, json};

/// How long a hold lives: short, so that a run sees many end.
pub(crate) const HOLD_TTL: Duration = Duration::from_secs(4);

/// How long a crowd's hold lives: longer than it takes to make all of them.
pub(crate) const CROWD_TTL: Duration = Duration::from_secs(20);

/// What a hold can be extended to.
const HOLD_MAX: Duration = Duration::from_secs(10);

/// A hall: a performance that is sold in this run.
#[derive(Debug, Clone)]
pub struct Hall {
    /// The show.
    pub show: ShowId,
    /// The performance.
    pub performance: PerformanceId,
    /// Where the shard map places it.
    pub shard: ShardId,
}

/// Seats that everybody wants.
#[must_use]
pub fn hot_seats() -> Vec<SeatId> {
    seats_of("H", 1, 4)
}

/// Rows that groups take by name.
#[must_use]
pub fn group_row(row: usize) -> Vec<SeatId> {
    seats_of("G", row + 1, 10)
}

/// How many rows [`group_row`] knows.
pub const GROUP_ROWS: usize = 4;

/// The tier that is sold by picks.
pub const PICKED: &str = "Stalls";

/// Seats of the hall that a crowd fills, see [`crowd_plan`].
pub(crate) const CROWD_SEATS: u32 = 10_000;

/// Rows, and seats in each.
const CROWD_ROWS: (usize, usize) = (100, 100);

/// Rows and seats of the picked tier.
const STALLS: (usize, usize) = (16, 20);

fn seats_of(prefix: &str, row: usize, count: usize) -> Vec<SeatId> {
    let seat = |number: usize| SeatId::new(format!("{prefix}-{row}-{number}"));
    (1..=count).filter_map(|number| seat(number).ok()).collect()
}

/// The plan of every hall that customers fight for.
pub(crate) fn plan() -> Value {
    let hot = rows("H", 1, 4, "Hot");
    let groups = rows("G", GROUP_ROWS, 10, "Groups");
    plan_of(
        "The hall of bad days",
        [
            ("Hot", 10, hot),
            ("Groups", 30, groups),
            (PICKED, 90, rows("S", STALLS.0, STALLS.1, PICKED)),
        ],
    )
}

/// The plan of the crowd's hall: one tier.
pub(crate) fn crowd_plan() -> Value {
    let (count, seats) = CROWD_ROWS;
    plan_of("The hall of ten thousand", [(PICKED, 10, rows("C", count, seats, PICKED))])
}

fn rows(prefix: &str, count: usize, seats: usize, category: &str) -> Vec<Value> {
    let row = |number: usize| {
        let seats: Vec<Value> = seats_of(prefix, number, seats)
            .iter()
            .enumerate()
            .map(|(at, seat)| {
                json!({"seat_guid": seat, "seat_number": (at + 1).to_string(),
                    "position": {"x": at * 10, "y": 0}, "category": category})
            })
            .collect();
        json!({"row_number": format!("{prefix}{number}"),
            "position": {"x": 0, "y": number * 10}, "seats": seats})
    };
    (1..=count).map(row).collect()
}

/// Zones by name, each from `y` on, each of one category of its name.
fn plan_of<const N: usize>(name: &str, zones: [(&str, usize, Vec<Value>); N]) -> Value {
    let categories: Vec<Value> = zones.iter().map(|(name, ..)| json!({"name": name})).collect();
    let zones: Vec<Value> = zones
        .into_iter()
        .map(|(name, y, rows)| json!({"name": name, "position": {"x": 0, "y": y}, "rows": rows}))
        .collect();
    json!({
        "name": name, "size": {"width": 1_100, "height": 1_100},
        "categories": categories,
        "zones": zones,
        "x-seatlock": {"focal_point": {"x": 95.0, "y": 90.0}},
    })
}

/// A performance in ten days whose holds live so long, with the price of each tier.
pub(crate) fn performance(
    plan: &PlanId,
    hold_ttl: Duration,
    tiers: &[(&str, u64)],
) -> serde_json::Result<PerformanceCreate> {
    let currency: Currency = serde_json::from_value(json!("EUR"))?;
    let price = |price| Money { price, currency: currency.clone() };
    let in_ten_days = jiff::Timestamp::now().as_millisecond() + 10 * 24 * 3_600_000;
    Ok(PerformanceCreate {
        location: "Testville".to_owned(),
        venue: "The hall of bad days".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        starts_at: Timestamp::from_millis(in_ten_days),
        plan_id: plan.clone(),
        prices: tiers.iter().map(|(tier, minor)| ((*tier).to_owned(), price(*minor))).collect(),
        on_sale_at: None,
        hold_ttl_s: Some(hold_ttl.as_secs()),
        hold_max_s: Some(HOLD_MAX.max(hold_ttl).as_secs()),
        max_seats_per_customer: None,
        orphan_rule: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seat_that_customers_name_is_in_the_plan() {
        let plan = plan().to_string();
        let named = hot_seats().into_iter().chain((0..GROUP_ROWS).flat_map(group_row));
        for seat in named {
            assert!(plan.contains(&format!("\"{seat}\"")), "{seat}");
        }
    }

    #[test]
    fn the_crowds_hall_has_room_for_all_of_it() {
        let seats = crowd_plan().to_string().matches("seat_guid").count();
        assert_eq!(seats, CROWD_SEATS as usize);
    }
}
