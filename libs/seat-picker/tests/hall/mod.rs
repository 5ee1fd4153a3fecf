//! Small halls for the picker's tests, drawn as text: a letter is a seat of
//! that tier (a small one: set back a little), `*` an accessible seat of the
//! first tier, a blank an aisle.

use std::collections::BTreeMap;
use std::sync::Arc;

use seat_model::{Category, Chart, Extension, Plan, Position, Row, Seat, SeatMarks, Size, Zone};
use seat_picker::{Prepared, SeatSet};

/// A hall of zones beside each other, each a list of rows from the front.
/// Seats stand one unit apart, rows too; zones begin 100 units apart.
pub(crate) fn hall(zones: &[&[&str]], focal_point: (f64, f64)) -> Prepared {
    let mut marks = BTreeMap::new();
    let zones = (0_u32..)
        .zip(zones)
        .map(|(z, rows)| Zone {
            name: None,
            zone_id: None,
            uuid: None,
            position: Position { x: f64::from(z) * 100.0, y: 0.0 },
            rows: (0_u32..).zip(*rows).map(|(r, row)| drawn_row(z, r, row, &mut marks)).collect(),
            areas: Vec::new(),
        })
        .collect();
    let plan = Plan {
        name: "Hall".to_owned(),
        categories: ["A", "B"].map(|name| Category { name: name.to_owned(), color: None }).into(),
        zones,
        size: Size { width: 1000, height: 100 },
        extension: Some(Extension {
            focal_point: Some(Position { x: focal_point.0, y: focal_point.1 }),
            seats: marks,
        }),
    };
    Prepared::new(Arc::new(Chart::new(&plan)))
}

/// These seats of a hall.
pub(crate) fn seats(hall: &Prepared, seats: impl IntoIterator<Item = usize>) -> SeatSet {
    let mut set = hall.no_seats();
    set.extend(seats);
    set
}

fn drawn_row(z: u32, r: u32, row: &str, marks: &mut BTreeMap<String, SeatMarks>) -> Row {
    let mut seats = Vec::new();
    for (x, drawn) in (0_u32..).zip(row.chars()) {
        let guid = format!("{z}-{r}-{x}");
        let category = match drawn {
            ' ' => continue,
            '*' => {
                let accessible = SeatMarks { accessible: true, ..SeatMarks::default() };
                marks.insert(guid.clone(), accessible);
                "A".to_owned()
            }
            tier => tier.to_ascii_uppercase().to_string(),
        };
        seats.push(Seat {
            seat_guid: guid,
            seat_number: x.to_string(),
            position: Position { x: f64::from(x), y: if drawn == 'a' { 0.9 } else { 0.0 } },
            category,
            uuid: None,
            radius: None,
            start_direction: None,
            wheelchair: None,
        });
    }
    Row {
        row_number: r.to_string(),
        seats,
        row_label: None,
        seat_label: None,
        row_number_position: None,
        position: Some(Position { x: 0.0, y: f64::from(r) }),
        uuid: None,
    }
}
