//! The three houses as seating plans: a cinema screen (240 seats), a theatre
//! with stalls and balcony (about 1,100) and an arena (18,000). Pure.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use seat_model::{
    Area, AreaText, Category, Extension, Plan, Position, Rectangle, Row, Seat, SeatMarks, Size,
    Zone,
};

/// From seat to seat in a row.
const SPACING: f64 = 24.0;

/// What an aisle adds between two seats: far more than any curve does.
const AISLE: f64 = 36.0;

/// One screen: 12 rows of 20 between two aisles.
#[must_use]
pub fn cinema() -> Plan {
    let mut house = House::new("Lumen, screen 1", 620, 480, Position { x: 310.0, y: 290.0 });
    for (name, color) in [("Front", "#7cb5ec"), ("Standard", "#90ed7d"), ("Premium", "#f7a35c")] {
        house.category(name, color);
    }
    let mut rows = Vec::new();
    for r in 0..12 {
        let tier = ["Front", "Standard", "Premium"][match r {
            0..=2 => 0,
            3..=8 => 1,
            _ => 2,
        }];
        let y = 100.0 + f64::from(r) * 30.0;
        let row = straight_row("", &letter(r), 20, &[5, 15], 310.0, y, 0.0, tier);
        if r == 3 {
            house.wheelchair_pairs(&row, 1);
        }
        rows.push(row);
    }
    house.zone("Screen 1", rows, vec![stage("screen", 110.0, 40.0, 400.0)]);
    house.plan
}

/// Curved stalls of 20 rows and a balcony of 12 behind and above them.
#[must_use]
pub fn theatre() -> Plan {
    let mut house =
        House::new("Old Exchange Theatre", 1_300, 1_260, Position { x: 650.0, y: 120.0 });
    for (name, color) in [
        ("Stalls Front", "#d62728"),
        ("Stalls", "#ff7f0e"),
        ("Balcony Front", "#1f77b4"),
        ("Balcony", "#9edae5"),
    ] {
        house.category(name, color);
    }
    let mut stalls = Vec::new();
    for r in 0..20 {
        let count = 26 + r / 2;
        let tier = if r < 6 { "Stalls Front" } else { "Stalls" };
        let aisles = [count / 4, count - count / 4];
        let y = 200.0 + f64::from(r) * 28.0;
        let row = straight_row("S-", &letter(r), count, &aisles, 650.0, y, 0.000_25, tier);
        if matches!(r, 12 | 19) {
            house.wheelchair_pairs(&row, 2);
        }
        stalls.push(row);
    }
    house.zone("Stalls", stalls, vec![stage("stage", 400.0, 60.0, 500.0)]);
    let mut balcony = Vec::new();
    for r in 0..12 {
        let count = 40 + r / 3;
        let tier = if r < 4 { "Balcony Front" } else { "Balcony" };
        let aisles = [count / 3, count - count / 3];
        let y = 860.0 + f64::from(r) * 30.0;
        let row = straight_row("B-", &letter(r), count, &aisles, 650.0, y, 0.000_15, tier);
        // The side boxes stand before the ends of the first rows.
        if r < 3 {
            house.restricted_ends(&row, 3);
        }
        balcony.push(row);
    }
    house.zone("Balcony", balcony, Vec::new());
    house.plan
}

/// A ring of 24 sections in two tiers around a floor: 18,000 seats.
#[must_use]
pub fn arena() -> Plan {
    let centre = Position { x: 2_000.0, y: 1_600.0 };
    let mut house = House::new("Meridian Arena", 4_000, 3_200, centre);
    for (name, color) in [
        ("Lower Side", "#e41a1c"),
        ("Lower End", "#ff7f00"),
        ("Upper Side", "#377eb8"),
        ("Upper End", "#a6cee3"),
    ] {
        house.category(name, color);
    }
    let floor = Area {
        shape: "rectangle".to_owned(),
        position: Some(Position { x: 1_500.0, y: 1_350.0 }),
        rectangle: Some(Rectangle { width: 1_000.0, height: 500.0 }),
        color: Some("#eeeeee".to_owned()),
        ..empty_area()
    };
    let mut areas = vec![floor];
    for (level, rows, seats, inner) in [(100, 15, 20, 800.0), (200, 18, 25, 1_190.0)] {
        for section in 0..SECTIONS {
            let name = (level + 1 + section).to_string();
            let rows = (0..rows)
                .map(|r| arc_row(&name, r, seats, section, inner, level == 100, centre))
                .collect();
            house.zone(&format!("Section {name}"), rows, std::mem::take(&mut areas));
        }
    }
    house.plan
}

const SECTIONS: u32 = 24;

/// One row of a section: seats on an ellipse around the floor.
fn arc_row(
    section_name: &str,
    row: u32,
    seats: u32,
    section: u32,
    inner: f64,
    is_lower: bool,
    centre: Position,
) -> Row {
    /// The ring is wider than it is high, as the floor is.
    const STRETCH: f64 = 1.2;
    /// Of a section's angle; the rest are the stairs between sections.
    const FILLED: f64 = 0.9;
    let slice = TAU / f64::from(SECTIONS);
    // Sections begin off the axis, so that the long sides are whole ones.
    let from = (f64::from(section) - 0.5) * slice + slice * (1.0 - FILLED) / 2.0;
    let radius = inner + f64::from(row) * 24.0;
    let middle = f64::from(section) * slice;
    let tier = match (is_lower, middle.sin().abs() > 0.6) {
        (true, true) => "Lower Side",
        (true, false) => "Lower End",
        (false, true) => "Upper Side",
        (false, false) => "Upper End",
    };
    let label = letter(row);
    let seat = |i: u32| {
        let angle = from + slice * FILLED * (f64::from(i) + 0.5) / f64::from(seats);
        let x = centre.x + radius * STRETCH * angle.cos();
        let y = centre.y + radius * angle.sin();
        seat(&format!("{section_name}-{label}-{}", i + 1), i + 1, x, y, tier)
    };
    row_of(&label, (0..seats).map(seat).collect())
}

/// A row along x with aisles before the seats numbered in `aisles`, bent
/// towards the stage at its ends by `curve`.
#[expect(clippy::too_many_arguments, reason = "the measures of a row, each used once")]
fn straight_row(
    prefix: &str,
    label: &str,
    count: u32,
    aisles: &[u32],
    centre_x: f64,
    y: f64,
    curve: f64,
    tier: &str,
) -> Row {
    let aisles_before = |i: u32| aisles.iter().filter(|aisle| i >= **aisle).count();
    let place = |i: u32| {
        let passed = u32::try_from(aisles_before(i)).unwrap_or(u32::MAX);
        f64::from(i) * SPACING + f64::from(passed) * AISLE
    };
    let width = place(count - 1);
    let seat = |i: u32| {
        let off = place(i) - width / 2.0;
        let guid = format!("{prefix}{label}-{}", i + 1);
        seat(&guid, i + 1, centre_x + off, y - curve * off * off, tier)
    };
    row_of(label, (0..count).map(seat).collect())
}

fn seat(guid: &str, number: u32, x: f64, y: f64, tier: &str) -> Seat {
    // A tenth of a unit is finer than any screen, and keeps the file small.
    let round = |v: f64| (v * 10.0).round() / 10.0;
    Seat {
        seat_guid: guid.to_owned(),
        seat_number: number.to_string(),
        position: Position { x: round(x), y: round(y) },
        category: tier.to_owned(),
        uuid: None,
        radius: None,
        start_direction: None,
        wheelchair: None,
    }
}

fn row_of(label: &str, seats: Vec<Seat>) -> Row {
    Row {
        row_number: label.to_owned(),
        seats,
        row_label: Some("Row %s".to_owned()),
        seat_label: Some("Seat %s".to_owned()),
        row_number_position: Some("both".to_owned()),
        position: None,
        uuid: None,
    }
}

/// A, B … Z.
fn letter(row: u32) -> String {
    char::from_u32(u32::from('A') + row).unwrap_or('?').to_string()
}

fn stage(words: &str, x: f64, y: f64, width: f64) -> Area {
    Area {
        shape: "rectangle".to_owned(),
        position: Some(Position { x, y }),
        rectangle: Some(Rectangle { width, height: 24.0 }),
        text: Some(AreaText {
            text: words.to_owned(),
            position: Position { x: width / 2.0, y: 12.0 },
            color: None,
            size: None,
        }),
        color: Some("#cccccc".to_owned()),
        ..empty_area()
    }
}

const fn empty_area() -> Area {
    Area {
        shape: String::new(),
        position: None,
        polygon: None,
        rectangle: None,
        ellipse: None,
        circle: None,
        text: None,
        color: None,
        border_color: None,
        rotation: None,
        uuid: None,
    }
}

/// A plan that grows.
struct House {
    plan: Plan,
}

impl House {
    fn new(name: &str, width: u32, height: u32, focal_point: Position) -> Self {
        Self {
            plan: Plan {
                name: name.to_owned(),
                categories: Vec::new(),
                zones: Vec::new(),
                size: Size { width, height },
                extension: Some(Extension {
                    focal_point: Some(focal_point),
                    seats: BTreeMap::new(),
                }),
            },
        }
    }

    fn category(&mut self, name: &str, color: &str) {
        let color = Some(color.to_owned());
        self.plan.categories.push(Category { name: name.to_owned(), color });
    }

    fn zone(&mut self, name: &str, rows: Vec<Row>, areas: Vec<Area>) {
        self.plan.zones.push(Zone {
            name: Some(name.to_owned()),
            zone_id: None,
            uuid: None,
            position: Position { x: 0.0, y: 0.0 },
            rows,
            areas,
        });
    }

    /// At both ends of a row: a wheelchair place and its companion, so often.
    fn wheelchair_pairs(&mut self, row: &Row, pairs: usize) {
        let accessible = SeatMarks { accessible: true, ..SeatMarks::default() };
        let companion = SeatMarks { companion: true, ..SeatMarks::default() };
        let from_left = row.seats.iter();
        let from_right = row.seats.iter().rev();
        for (i, seat) in from_left.take(pairs * 2).chain(from_right.take(pairs * 2)).enumerate() {
            self.mark(seat, if i % 2 == 0 { accessible } else { companion });
        }
    }

    fn restricted_ends(&mut self, row: &Row, seats: usize) {
        let restricted = SeatMarks { restricted_view: true, ..SeatMarks::default() };
        for seat in row.seats.iter().take(seats).chain(row.seats.iter().rev().take(seats)) {
            self.mark(seat, restricted);
        }
    }

    fn mark(&mut self, seat: &Seat, marks: SeatMarks) {
        let extension = self.plan.extension.get_or_insert_default();
        extension.seats.insert(seat.seat_guid.clone(), marks);
    }
}

#[cfg(test)]
mod tests {
    use seat_model::check_plan;

    use super::*;

    #[test]
    fn the_houses_are_valid_plans_of_their_size() {
        for (plan, seats, tiers) in
            [(cinema(), 240..=240, 3), (theatre(), 1_050..=1_150, 4), (arena(), 18_000..=18_000, 4)]
        {
            assert_eq!(check_plan(&plan), Ok(()), "{}", plan.name);
            assert!(seats.contains(&plan.seats().count()), "{}", plan.seats().count());
            assert_eq!(plan.categories.len(), tiers);
            for category in &plan.categories {
                let in_tier = plan.seats().filter(|(_, _, seat, _)| seat.category == category.name);
                assert!(in_tier.count() >= 20, "{} of {}", category.name, plan.name);
            }
        }
    }

    #[test]
    fn the_theatre_has_wheelchair_places_with_companions_beside_them() {
        let plan = theatre();
        let marked = |f: fn(&SeatMarks) -> bool| {
            plan.seats().filter(|(_, _, seat, _)| f(&plan.marks(seat))).count()
        };
        assert_eq!(marked(|m| m.accessible), 8);
        assert_eq!(marked(|m| m.companion), 8);
        assert!(marked(|m| m.restricted_view) > 0);
    }

    #[test]
    fn everything_is_on_the_canvas_and_uploads_fit() {
        for plan in [cinema(), theatre(), arena()] {
            let (width, height) = (f64::from(plan.size.width), f64::from(plan.size.height));
            for (_, _, seat, at) in plan.seats() {
                let inside = (0.0..=width).contains(&at.x) && (0.0..=height).contains(&at.y);
                assert!(inside, "{} of {} is at {at:?}", seat.seat_guid, plan.name);
            }
            assert!(serde_json::to_vec(&plan).unwrap().len() < 8 << 20);
        }
    }
}
