//! The pretix seating-plan format, plus Seatlock's optional `x-seatlock` block.
//!
//! These types are the format and nothing else: unknown keys are refused, and
//! what the format cannot express by its shape is checked by [`crate::check_plan`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A seating plan as an organiser uploads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the place is called.
    pub name: String,
    /// Price categories: the tiers.
    pub categories: Vec<Category>,
    /// Groups of rows, each with a place on the canvas.
    pub zones: Vec<Zone>,
    /// The canvas.
    pub size: Size,
    /// What the format lacks: accessible seats, the focal point.
    #[serde(rename = "x-seatlock", default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<Extension>,
}

/// The size of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Width in plan units.
    pub width: u32,
    /// Height in plan units.
    pub height: u32,
}

/// A price category: the contract's `tier`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// The tier's name, unique in the plan.
    pub name: String,
    /// A CSS colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

/// A group of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An identifier of the drawing program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<String>,
    /// An identifier of the drawing program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Where the zone begins.
    pub position: Position,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Shapes that are only drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<Area>,
}

/// A row of seats, in the order people sit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What is written at the row.
    pub row_number: String,
    /// Its seats.
    pub seats: Vec<Seat>,
    /// A text with `%s` for the row's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_label: Option<String>,
    /// A text with `%s` for the seat's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat_label: Option<String>,
    /// `start`, `end`, `both` or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_number_position: Option<String>,
    /// Relative to the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// An identifier of the drawing program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// One seat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// The seat's name everywhere in Seatlock; unique over the plan.
    pub seat_guid: String,
    /// What is written on it.
    pub seat_number: String,
    /// Relative to the row.
    pub position: Position,
    /// The name of its price category.
    pub category: String,
    /// An identifier of the drawing program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Drawn radius, 10 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<f64>,
    /// `<`, `>`, `<>` or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_direction: Option<String>,
    /// Not in the format, but in plans in the wild: counts as accessible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wheelchair: Option<bool>,
}

/// A point, in plan units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

impl std::ops::Add for Position {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { x: self.x + other.x, y: self.y + other.y }
    }
}

impl Position {
    /// Where everything without a position of its own begins.
    pub const ORIGIN: Self = Self { x: 0.0, y: 0.0 };

    /// Euclidean distance in plan units.
    #[must_use]
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// A shape that is only drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// `polygon`, `rectangle`, `ellipse`, `circle` or `text`.
    pub shape: String,
    /// Relative to the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Present where the shape is `polygon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polygon: Option<Polygon>,
    /// Present where the shape is `rectangle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rectangle: Option<Rectangle>,
    /// Present where the shape is `ellipse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ellipse: Option<Ellipse>,
    /// Present where the shape is `circle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circle: Option<Circle>,
    /// Words on the shape; required where the shape is `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<AreaText>,
    /// A CSS colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// A CSS colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub border_color: Option<String>,
    /// Degrees, clockwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<f64>,
    /// An identifier of the drawing program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// Corners of a polygon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polygon {
    /// In order.
    pub points: Vec<Position>,
}

/// A rectangle's sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rectangle {
    /// To the right.
    pub width: f64,
    /// Downwards.
    pub height: f64,
}

/// An ellipse's radii.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ellipse {
    /// One along each axis.
    pub radius: Position,
}

/// A circle's radius.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Circle {
    /// In plan units.
    pub radius: f64,
}

/// Words on a shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaText {
    /// The words.
    pub text: String,
    /// Relative to the shape.
    pub position: Position,
    /// A CSS colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Font size, 16 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<f64>,
}

/// The `x-seatlock` block.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Where everybody wants to sit near: the stage, the goal line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focal_point: Option<Position>,
    /// Marks by seat GUID.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seats: BTreeMap<String, SeatMarks>,
}

/// What is special about a seat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeatMarks {
    /// A wheelchair place: given only to those who ask for one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accessible: bool,
    /// For the companion of somebody in an accessible seat.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub companion: bool,
    /// Something stands in the way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restricted_view: bool,
}

impl Plan {
    /// Every seat in plan order, with its zone, row and absolute place.
    pub fn seats(&self) -> impl Iterator<Item = (&Zone, &Row, &Seat, Position)> {
        self.zones.iter().flat_map(|zone| {
            zone.rows.iter().flat_map(move |row| {
                let origin = zone.position + row.position.unwrap_or(Position::ORIGIN);
                row.seats.iter().map(move |seat| (zone, row, seat, origin + seat.position))
            })
        })
    }

    /// The marks of a seat, the `wheelchair` key counted as accessible.
    #[must_use]
    pub fn marks(&self, seat: &Seat) -> SeatMarks {
        let mut marks = self
            .extension
            .as_ref()
            .and_then(|extension| extension.seats.get(&seat.seat_guid))
            .copied()
            .unwrap_or_default();
        marks.accessible |= seat.wheelchair == Some(true);
        marks
    }
}
