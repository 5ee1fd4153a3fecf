//! What the shape of the plan format cannot say: unique GUIDs, known
//! categories, finite numbers. Every fault is named, not just the first.

use std::collections::{BTreeMap, HashSet};

use crate::ids::SeatId;
use crate::plan::{Area, Plan, Position};
use crate::problem::FieldError;

/// One fault of a plan, with the path to it.
pub type PlanFault = FieldError;

/// The largest plan accepted, in seats.
const MAX_SEATS: usize = 150_000;

/// Checks a plan that has the right shape.
///
/// # Errors
/// Every fault found; a GUID that stands several times is one fault, naming
/// all its places.
pub fn check_plan(plan: &Plan) -> Result<(), Vec<PlanFault>> {
    let mut faults = Vec::new();
    if plan.name.trim().is_empty() {
        faults.push(PlanFault::new("name", "must not be empty"));
    }
    if plan.size.width == 0 || plan.size.height == 0 {
        faults.push(PlanFault::new("size", "must be larger than zero"));
    }
    let categories = check_categories(plan, &mut faults);
    check_seats(plan, &categories, &mut faults);
    check_extension(plan, &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn check_categories<'p>(plan: &'p Plan, faults: &mut Vec<PlanFault>) -> HashSet<&'p str> {
    let mut names = HashSet::new();
    if plan.categories.is_empty() {
        faults.push(PlanFault::new("categories", "must name at least one category"));
    }
    for (i, category) in plan.categories.iter().enumerate() {
        let field = format!("categories[{i}].name");
        if category.name.trim() != category.name || category.name.is_empty() {
            faults.push(PlanFault::new(field, "must not be empty or have outer blanks"));
        } else if category.name.len() > 64 {
            faults.push(PlanFault::new(field, "must be at most 64 bytes"));
        } else if !names.insert(category.name.as_str()) {
            let message = format!("the category {:?} is there twice", category.name);
            faults.push(PlanFault::new(field, message));
        }
    }
    names
}

fn check_seats(plan: &Plan, categories: &HashSet<&str>, faults: &mut Vec<PlanFault>) {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut seats = 0_usize;
    for (z, zone) in plan.zones.iter().enumerate() {
        check_position(&zone.position, || format!("zones[{z}].position"), faults);
        for (a, area) in zone.areas.iter().enumerate() {
            check_area(area, &format!("zones[{z}].areas[{a}]"), faults);
        }
        for (r, row) in zone.rows.iter().enumerate() {
            if let Some(position) = &row.position {
                check_position(position, || format!("zones[{z}].rows[{r}].position"), faults);
            }
            let known = ["start", "end", "both"];
            if row.row_number_position.as_deref().is_some_and(|p| !known.contains(&p)) {
                let field = format!("zones[{z}].rows[{r}].row_number_position");
                faults.push(PlanFault::new(field, "must be start, end, both or null"));
            }
            for (s, seat) in row.seats.iter().enumerate() {
                let at = || format!("zones[{z}].rows[{r}].seats[{s}]");
                seats += 1;
                if let Err(error) = SeatId::new(seat.seat_guid.as_str()) {
                    faults.push(PlanFault::new(format!("{}.seat_guid", at()), error.0));
                }
                if !categories.contains(seat.category.as_str()) {
                    let message = format!("there is no category {:?}", seat.category);
                    faults.push(PlanFault::new(format!("{}.category", at()), message));
                }
                let known = ["<", ">", "<>"];
                if seat.start_direction.as_deref().is_some_and(|d| !known.contains(&d)) {
                    let field = format!("{}.start_direction", at());
                    faults.push(PlanFault::new(field, "must be <, >, <> or null"));
                }
                if seat.radius.is_some_and(|radius| !radius.is_finite() || radius <= 0.0) {
                    faults.push(PlanFault::new(format!("{}.radius", at()), "must be above zero"));
                }
                check_position(&seat.position, || format!("{}.position", at()), faults);
                places.entry(&seat.seat_guid).or_default().push(at());
            }
        }
    }
    for (guid, places) in places {
        if let [_, again, ..] = places.as_slice() {
            let all = places.join(", ");
            let message = format!("the seat_guid {guid:?} is there {} times: {all}", places.len());
            faults.push(PlanFault::new(format!("{again}.seat_guid"), message));
        }
    }
    if seats == 0 {
        faults.push(PlanFault::new("zones", "must have at least one seat"));
    }
    if seats > MAX_SEATS {
        let message = format!("has {seats} seats; at most {MAX_SEATS} are accepted");
        faults.push(PlanFault::new("zones", message));
    }
}

fn check_area(area: &Area, at: &str, faults: &mut Vec<PlanFault>) {
    let present = match area.shape.as_str() {
        "polygon" => area.polygon.is_some(),
        "rectangle" => area.rectangle.is_some(),
        "ellipse" => area.ellipse.is_some(),
        "circle" => area.circle.is_some(),
        "text" => area.text.is_some(),
        other => {
            let message = format!("{other:?} is none of polygon, rectangle, ellipse, circle, text");
            faults.push(PlanFault::new(format!("{at}.shape"), message));
            return;
        }
    };
    if !present {
        let message = format!("a {} needs the member of that name", area.shape);
        faults.push(PlanFault::new(format!("{at}.{}", area.shape), message));
    }
}

fn check_extension(plan: &Plan, faults: &mut Vec<PlanFault>) {
    let Some(extension) = &plan.extension else { return };
    if let Some(point) = &extension.focal_point {
        check_position(point, || "x-seatlock.focal_point".to_owned(), faults);
    }
    let guids: HashSet<&str> =
        plan.seats().map(|(_, _, seat, _)| seat.seat_guid.as_str()).collect();
    for guid in extension.seats.keys().filter(|guid| !guids.contains(guid.as_str())) {
        let field = format!("x-seatlock.seats[{guid:?}]");
        faults.push(PlanFault::new(field, "no seat of the plan has this GUID"));
    }
}

/// JSON has no infinities, but a number such as 1e999 reads as one.
fn check_position(position: &Position, field: impl Fn() -> String, faults: &mut Vec<PlanFault>) {
    const FAR: f64 = 1e7;
    if !(position.x.abs() <= FAR && position.y.abs() <= FAR) {
        faults.push(PlanFault::new(field(), "must be two numbers between -10^7 and 10^7"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seats: &str) -> Plan {
        let text = format!(
            r#"{{"name":"Hall","categories":[{{"name":"A"}}],"size":{{"width":10,"height":10}},
            "zones":[{{"position":{{"x":0,"y":0}},"rows":[{{"row_number":"1","seats":[{seats}]}}]}}]}}"#
        );
        serde_json::from_str(&text).expect("the shape is right")
    }

    fn seat(guid: &str, category: &str) -> String {
        format!(
            r#"{{"seat_guid":"{guid}","seat_number":"1","position":{{"x":1,"y":1}},"category":"{category}"}}"#
        )
    }

    #[test]
    fn a_good_plan_has_no_fault() {
        assert_eq!(check_plan(&plan(&seat("A-1", "A"))), Ok(()));
    }

    #[test]
    fn every_fault_is_named() {
        let seats = [seat("A-1", "A"), seat("A-1", "B"), seat("x", "A")].join(",");
        let faults = check_plan(&plan(&seats)).expect_err("three faults");
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "zones[0].rows[0].seats[1].category",
                "zones[0].rows[0].seats[2].seat_guid",
                "zones[0].rows[0].seats[1].seat_guid",
            ]
        );
        assert!(faults[2].message.contains("\"A-1\" is there 2 times"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text =
            r#"{"name":"Hall","categories":[],"zones":[],"size":{"width":1,"height":1},"x":1}"#;
        assert!(serde_json::from_str::<Plan>(text).is_err());
    }
}
