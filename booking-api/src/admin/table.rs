//! Analytics as CSV: tables that a spreadsheet opens, and takes for nothing but
//! tables.

use std::borrow::Cow;

use booking_api_client::PerformanceAnalytics;

const HOURS: [&str; 15] = [
    "hour",
    "views",
    "holds",
    "seats_held",
    "released",
    "refused",
    "bookings",
    "tickets",
    "revenue",
    "cancels",
    "cancelled_tickets",
    "refunded",
    "occupied",
    "revenue_so_far",
    "currency",
];

/// A line for each hour. Amounts are minor units.
///
/// # Errors
/// When it cannot be written, which memory always can.
pub(super) fn hours(known: &PerformanceAnalytics) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    table.write_record(HOURS)?;
    for hour in &known.hours {
        let (demand, sales) = (&hour.demand, &hour.sales);
        let numbers = [
            demand.views,
            demand.holds,
            demand.seats_held,
            demand.released,
            demand.refused,
            sales.bookings,
            sales.tickets,
            sales.revenue,
            sales.cancels,
            sales.cancelled_tickets,
            sales.refunded,
            hour.occupied,
            hour.revenue_so_far,
        ];
        let numbers = numbers.iter().map(u64::to_string);
        let line = std::iter::once(hour.hour.to_string())
            .chain(numbers)
            .chain(std::iter::once(known.currency.to_string()));
        table.write_record(line)?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

/// A line for each contested seat.
///
/// # Errors
/// When it cannot be written, which memory always can.
pub(super) fn seats(known: &PerformanceAnalytics) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    table.write_record(["seat", "conflicts"])?;
    for contested in &known.contested {
        let seat = harmless(contested.seat.as_str());
        let conflicts = contested.conflicts.to_string();
        table.write_record([&*seat, conflicts.as_str()])?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

/// A text that no spreadsheet takes for a formula: whoever draws a plan names
/// its seats, and `=HYPERLINK(…)` is a name.
fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use booking_api_client::{AnalyticsHour, ContestedSeat, Demand, SalesSum};
    use seat_model::{Currency, PerformanceId, SeatId, ShowId, Timestamp};

    use super::*;

    fn known() -> PerformanceAnalytics {
        let sales = SalesSum { bookings: 2, tickets: 3, revenue: 13_500, ..SalesSum::default() };
        let demand = Demand { views: 40, holds: 4, seats_held: 6, ..Demand::default() };
        let hour = AnalyticsHour {
            hour: Timestamp::from_millis(1_794_996_000_000),
            demand,
            sales,
            occupied: 3,
            revenue_so_far: 13_500,
        };
        let seat = |name: &str| ContestedSeat { seat: SeatId::new(name).unwrap(), conflicts: 7 };
        PerformanceAnalytics {
            show_id: ShowId::new("hamlet").unwrap(),
            performance_id: PerformanceId::new("p1").unwrap(),
            from: hour.hour,
            to: hour.hour.plus_millis(3_600_000),
            counted_at: None,
            currency: Currency::new("EUR").unwrap(),
            seats_total: 10,
            demand,
            sales,
            seats_held_now: Some(0),
            seats_abandoned: Some(3),
            hours: vec![hour],
            contested: vec![seat("A-1"), seat("=1+2"), seat("Box \"1\", left"), seat("@home")],
        }
    }

    #[test]
    fn every_line_has_a_cell_for_each_heading() {
        let text = String::from_utf8(hours(&known()).unwrap()).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0].split(',').count(), HOURS.len());
        let line = "2026-11-18T10:00:00.000Z,40,4,6,0,0,2,3,13500,0,0,0,3,13500,EUR";
        assert_eq!((lines[1], lines[2]), (line, ""));
    }

    #[test]
    fn a_seat_is_never_a_formula_and_its_quotes_are_quoted() {
        let text = String::from_utf8(seats(&known()).unwrap()).unwrap();
        let wanted =
            "seat,conflicts\r\nA-1,7\r\n'=1+2,7\r\n\"Box \"\"1\"\", left\",7\r\n'@home,7\r\n";
        assert_eq!(text, wanted);
    }
}
