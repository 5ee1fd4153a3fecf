//! A plan made ready for use: seats numbered in plan order, found by GUID,
//! cut into blocks of neighbours.
//!
//! Two seats are next to each other when they follow one another in a row
//! without an aisle between them. An aisle is a gap clearly larger than the
//! row's usual spacing; the format has no other sign for it.

use std::collections::HashMap;

use crate::ids::SeatId;
use crate::plan::{Plan, Position, SeatMarks};

/// A gap this many times the row's median spacing is an aisle.
const AISLE: f64 = 1.6;

/// One seat of a chart.
#[derive(Debug, Clone)]
pub struct ChartSeat {
    /// Its name.
    pub id: SeatId,
    /// Index into [`Chart::tiers`].
    pub tier: usize,
    /// Its absolute place on the plan.
    pub place: Position,
    /// What is special about it.
    pub marks: SeatMarks,
    /// The block it sits in: seats of one block with consecutive numbers are neighbours.
    pub block: usize,
    /// Index of its zone in the plan.
    pub zone: usize,
}

/// The seats of a plan in plan order. Immutable; share it behind an `Arc`.
#[derive(Debug, Clone)]
pub struct Chart {
    /// All seats, in plan order: zone by zone, row by row, as people sit.
    pub seats: Vec<ChartSeat>,
    /// The plan's categories, in its order.
    pub tiers: Vec<String>,
    /// Where everybody wants to sit near.
    pub focal_point: Position,
    by_id: HashMap<SeatId, usize>,
}

impl Chart {
    /// Builds the chart of a plan that passed [`crate::check_plan`]; seats that
    /// would not have passed are left out.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let tiers: Vec<String> = plan.categories.iter().map(|c| c.name.clone()).collect();
        let mut seats: Vec<ChartSeat> = Vec::new();
        let mut block = 0;
        for (zone_index, zone) in plan.zones.iter().enumerate() {
            for row in &zone.rows {
                let origin = zone.position + row.position.unwrap_or(Position::ORIGIN);
                let aisle = AISLE * usual_spacing(row.seats.iter().map(|seat| seat.position));
                block += 1;
                let mut last: Option<Position> = None;
                for seat in &row.seats {
                    let Ok(id) = SeatId::new(seat.seat_guid.as_str()) else { continue };
                    let Some(tier) = tiers.iter().position(|name| *name == seat.category) else {
                        continue;
                    };
                    if last.is_some_and(|last| last.distance(seat.position) > aisle) {
                        block += 1;
                    }
                    last = Some(seat.position);
                    let place = origin + seat.position;
                    let marks = plan.marks(seat);
                    seats.push(ChartSeat { id, tier, place, marks, block, zone: zone_index });
                }
            }
        }
        let focal_point = plan
            .extension
            .as_ref()
            .and_then(|extension| extension.focal_point)
            .unwrap_or_else(|| middle_of_front(&seats));
        let by_id = seats.iter().enumerate().map(|(i, seat)| (seat.id.clone(), i)).collect();
        Self { seats, tiers, focal_point, by_id }
    }

    /// The number of a seat in plan order.
    #[must_use]
    pub fn index_of(&self, seat: &SeatId) -> Option<usize> {
        self.by_id.get(seat).copied()
    }

    /// The index of a tier by its name.
    #[must_use]
    pub fn tier_index(&self, tier: &str) -> Option<usize> {
        self.tiers.iter().position(|name| name == tier)
    }

    /// The name of a seat's tier.
    #[must_use]
    pub fn tier_of(&self, seat: &SeatId) -> Option<&str> {
        self.index_of(seat).map(|i| self.tiers[self.seats[i].tier].as_str())
    }

    /// How many seats each tier has, in the order of [`Chart::tiers`].
    #[must_use]
    pub fn seats_per_tier(&self) -> Vec<usize> {
        let mut counts = vec![0; self.tiers.len()];
        for seat in &self.seats {
            counts[seat.tier] += 1;
        }
        counts
    }

    /// Whether these seats form one unbroken run of neighbours; true for a single seat.
    #[must_use]
    pub fn next_to_each_other<'s>(&self, seats: impl IntoIterator<Item = &'s SeatId>) -> bool {
        let Some(mut indices) =
            seats.into_iter().map(|seat| self.index_of(seat)).collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        indices.sort_unstable();
        indices.windows(2).all(|pair| {
            pair[1] == pair[0] + 1 && self.seats[pair[0]].block == self.seats[pair[1]].block
        })
    }
}

/// The median distance between seats that follow one another; infinite for a
/// lone seat. Of two middle ones the smaller: in a short row the aisle is half
/// of the gaps, and must not pass for the usual.
fn usual_spacing(places: impl Iterator<Item = Position>) -> f64 {
    let places: Vec<_> = places.collect();
    let mut gaps: Vec<f64> = places.windows(2).map(|pair| pair[0].distance(pair[1])).collect();
    if gaps.is_empty() {
        return f64::INFINITY;
    }
    gaps.sort_unstable_by(f64::total_cmp);
    gaps[(gaps.len() - 1) / 2]
}

/// The middle of the front-most edge: of all seats, as wide as they reach, at the smallest `y`.
fn middle_of_front(seats: &[ChartSeat]) -> Position {
    let places = || seats.iter().map(|seat| seat.place);
    let left = places().map(|p| p.x).fold(f64::INFINITY, f64::min);
    let right = places().map(|p| p.x).fold(f64::NEG_INFINITY, f64::max);
    let front = places().map(|p| p.y).fold(f64::INFINITY, f64::min);
    if seats.is_empty() {
        return Position::ORIGIN;
    }
    Position { x: f64::midpoint(left, right), y: front }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(xs: &[f64]) -> Chart {
        let seats: Vec<String> = xs
            .iter()
            .enumerate()
            .map(|(i, x)| {
                format!(
                    r#"{{"seat_guid":"A-{i}","seat_number":"{i}","position":{{"x":{x},"y":0}},"category":"A"}}"#
                )
            })
            .collect();
        let text = format!(
            r#"{{"name":"Hall","categories":[{{"name":"A"}}],"size":{{"width":10,"height":10}},
            "zones":[{{"position":{{"x":5,"y":7}},"rows":[{{"row_number":"1","seats":[{}]}}]}}]}}"#,
            seats.join(",")
        );
        Chart::new(&serde_json::from_str(&text).expect("a plan"))
    }

    fn id(i: usize) -> SeatId {
        SeatId::new(format!("A-{i}")).expect("a guid")
    }

    #[test]
    fn an_aisle_separates_neighbours() {
        let chart = chart(&[0.0, 1.0, 2.0, 4.0, 5.0]);
        assert!(chart.next_to_each_other(&[id(2), id(0), id(1)]));
        assert!(!chart.next_to_each_other(&[id(2), id(3)]));
        assert!(chart.next_to_each_other(&[id(3), id(4)]));
        assert!(!chart.next_to_each_other(&[id(0), id(2)]));
    }

    #[test]
    fn an_aisle_in_a_short_row_is_not_its_usual_spacing() {
        let chart = chart(&[0.0, 1.0, 3.0]);
        assert!(chart.next_to_each_other(&[id(0), id(1)]));
        assert!(!chart.next_to_each_other(&[id(1), id(2)]));
    }

    #[test]
    fn without_a_focal_point_it_is_the_middle_of_the_front() {
        let chart = chart(&[0.0, 1.0, 2.0]);
        assert_eq!(chart.focal_point, Position { x: 6.0, y: 7.0 });
    }
}
