//! A house to sell out: tiers in straight rows, one behind the other.

use seat_model::Plan;
use serde_json::json;

use crate::Failure;

/// Seats in a row; the last row may have fewer.
const ROW: u32 = 100;

/// A plan with tiers of so many seats, numbered from 0 through all of them.
///
/// # Errors
/// Never for at least one seat.
pub(crate) fn plan(tiers: &[(&str, u32)]) -> Result<Plan, Failure> {
    let seats: u32 = tiers.iter().map(|(_, seats)| seats).sum();
    let numbers: Vec<u32> = (0..seats).collect();
    let tier_of = |n: u32| {
        let mut end = 0;
        let tier = tiers.iter().find(|(_, seats)| {
            end += seats;
            n < end
        });
        tier.map_or("", |(tier, _)| tier)
    };
    let row = |(index, row): (usize, &[u32])| {
        let seat = |n: &u32| {
            json!({
                "seat_guid": format!("S-{n}"), "seat_number": (n % ROW + 1).to_string(),
                "position": {"x": n % ROW * 10, "y": 0}, "category": tier_of(*n),
            })
        };
        json!({
            "row_number": (index + 1).to_string(), "position": {"x": 0, "y": index * 10},
            "seats": row.iter().map(seat).collect::<Vec<_>>(),
        })
    };
    let category = |(tier, _): &(&str, u32)| json!({"name": tier, "color": "#336699"});
    let rows: Vec<_> = numbers.chunks(ROW as usize).enumerate().map(row).collect();
    Ok(serde_json::from_value(json!({
        "name": "A house to sell out",
        "categories": tiers.iter().map(category).collect::<Vec<_>>(),
        "size": {"width": ROW * 10, "height": rows.len() * 10},
        "zones": [{"name": "Hall", "position": {"x": 0, "y": 0}, "rows": rows}],
    }))?)
}

#[cfg(test)]
mod tests {
    use seat_model::{Chart, check_plan};

    use super::*;

    #[test]
    fn it_is_a_plan_with_every_seat() {
        let plan = plan(&[("A", 150), ("B", 100)]).unwrap();
        assert!(check_plan(&plan).is_ok());
        let chart = Chart::new(&plan);
        assert_eq!(chart.seats.len(), 250);
        let in_b = plan.zones[0].rows.iter().flat_map(|row| &row.seats);
        assert_eq!(in_b.filter(|seat| seat.category == "B").count(), 100);
    }
}
