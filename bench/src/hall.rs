//! A house to sell out: one tier in straight rows.

use seat_model::Plan;
use serde_json::json;

use crate::Failure;
use crate::orders::TIER;

/// Seats in a row; the last row may have fewer.
const ROW: u32 = 100;

/// A plan with so many seats.
///
/// # Errors
/// Never for at least one seat.
pub(crate) fn plan(seats: u32) -> Result<Plan, Failure> {
    let numbers: Vec<u32> = (0..seats).collect();
    let row = |(index, row): (usize, &[u32])| {
        let seat = |n: &u32| {
            json!({
                "seat_guid": format!("S-{n}"), "seat_number": (n % ROW + 1).to_string(),
                "position": {"x": n % ROW * 10, "y": 0}, "category": TIER,
            })
        };
        json!({
            "row_number": (index + 1).to_string(), "position": {"x": 0, "y": index * 10},
            "seats": row.iter().map(seat).collect::<Vec<_>>(),
        })
    };
    let rows: Vec<_> = numbers.chunks(ROW as usize).enumerate().map(row).collect();
    Ok(serde_json::from_value(json!({
        "name": "A house to sell out",
        "categories": [{"name": TIER, "color": "#336699"}],
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
        let plan = plan(250).unwrap();
        assert!(check_plan(&plan).is_ok());
        assert_eq!(Chart::new(&plan).seats.len(), 250);
    }
}
