//! `POST /v1/book/{showId}` made sense of: which performance, which seats, at
//! which prices. Everything that can be wrong with the request alone is found
//! here, before anything is asked of anybody.

use std::collections::BTreeSet;
use std::sync::Arc;

use booking_api_client::Book;
use lock_service_client::wire::{Choice, PricedSeat};
use seat_model::FieldError;

use super::error::SaleError;
use super::payment::Gateway;
use crate::catalogue::Performance;

/// The most seats one request takes, whatever a performance's limit.
const MAX_SEATS: usize = 10;

/// Finds the faults that need no catalogue to be seen.
pub(crate) fn check_shape(book: &Book) -> Result<(), SaleError> {
    let mut errors = Vec::new();
    let mut fault = |field: &str, message: &str| errors.push(FieldError::new(field, message));
    if let Some(seats) = &book.seats {
        if seats.is_empty() || seats.len() > MAX_SEATS {
            fault("seats", "must name 1 to 10 seats");
        }
        let mut seen = BTreeSet::new();
        for (index, seat) in seats.iter().enumerate() {
            if !seen.insert(seat) {
                fault(&format!("seats[{index}]"), "is named twice");
            }
        }
        if book.quantity.is_some_and(|quantity| quantity as usize != seats.len()) {
            fault("quantity", "must be the number of seats, or be left out");
        }
    } else {
        if book.tier.is_none() {
            fault("tier", "is required unless seats are named");
        }
        if book.quantity.is_some_and(|quantity| !(1..=10).contains(&quantity)) {
            fault("quantity", "must be 1 to 10");
        }
    }
    if accessible(book) > quantity(book) {
        fault("accessible_seats", "must not be more than quantity");
    }
    match &book.date {
        Some(date) if !is_date(date) => fault("date", "must be a date such as 2026-11-23"),
        None if book.performance_id.is_none() => {
            fault("date", "is required unless performance_id is given");
        }
        Some(_) | None => {}
    }
    if book.location.is_none() && book.performance_id.is_none() {
        fault("location", "is required unless performance_id is given");
    }
    match (&book.payment_token, book.confirm) {
        (None, true) => fault("payment_token", "is required with confirm"),
        (Some(token), _) if !Gateway::knows(token) => {
            fault("payment_token", "is not known to the payment gateway");
        }
        (Some(_) | None, _) => {}
    }
    if errors.is_empty() { Ok(()) } else { Err(SaleError::Invalid(errors)) }
}

/// Exactly `YYYY-MM-DD`, and a day that exists.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
        && text.parse::<jiff::civil::Date>().is_ok()
}

fn quantity(book: &Book) -> u32 {
    let named = book.seats.as_ref().map(|seats| u32::try_from(seats.len()).unwrap_or(u32::MAX));
    named.or(book.quantity).unwrap_or(1)
}

fn accessible(book: &Book) -> u32 {
    book.accessible_seats.unwrap_or(0)
}

/// The performances the request can mean.
pub(crate) fn matching<'p>(
    book: &Book,
    performances: &'p [Arc<Performance>],
) -> Vec<&'p Arc<Performance>> {
    performances
        .iter()
        .filter(|performance| {
            book.performance_id.as_ref().is_none_or(|id| *id == performance.performance_id)
                && book.date.as_ref().is_none_or(|date| *date == performance.local_date)
                && book.location.as_ref().is_none_or(|location| performance.is_at(location))
        })
        .collect()
}

/// What a customer has to tell one of them from the others.
pub(crate) fn ambiguous(performances: &[&Arc<Performance>]) -> SaleError {
    let list = performances
        .iter()
        .map(|performance| {
            serde_json::json!({
                "performance_id": performance.performance_id,
                "location": performance.location,
                "venue": performance.venue,
                "starts_at": performance.starts_at,
            })
        })
        .collect();
    SaleError::Ambiguous(list)
}

/// The seats asked for, priced by the performance.
pub(crate) fn choice(book: &Book, performance: &Performance) -> Result<Choice, SaleError> {
    let invalid = |field: &str, message: &str| {
        SaleError::Invalid(vec![FieldError::new(field, message.to_owned())])
    };
    if let Some(tier) = &book.tier
        && performance.chart.tier_index(tier).is_none()
    {
        return Err(invalid("tier", "the plan has no such price category"));
    }
    let price_of = |tier: &str| performance.prices.get(tier).map(|money| money.price);
    let Some(seats) = &book.seats else {
        let tier = book.tier.clone().unwrap_or_default();
        let price =
            price_of(&tier).ok_or_else(|| invalid("tier", "has no seats and no price here"))?;
        return Ok(Choice::Pick {
            price,
            tier,
            quantity: quantity(book),
            accessible: accessible(book),
            accept_split: book.accept_split,
        });
    };
    let mut errors = Vec::new();
    let mut priced = Vec::with_capacity(seats.len());
    for (index, seat) in seats.iter().enumerate() {
        let mut fault = |message: &str| {
            errors.push(FieldError::new(format!("seats[{index}]"), message.to_owned()));
        };
        let Some(tier) = performance.chart.tier_of(seat) else {
            fault("the plan has no such seat");
            continue;
        };
        if book.tier.as_ref().is_some_and(|wanted| wanted != tier) {
            fault("is in another tier than the one asked for");
            continue;
        }
        let Some(price) = price_of(tier) else {
            fault("has no price");
            continue;
        };
        priced.push(PricedSeat { seat: seat.clone(), tier: tier.to_owned(), price });
    }
    if !errors.is_empty() {
        return Err(SaleError::Invalid(errors));
    }
    Ok(Choice::Seats { seats: priced, refuse_orphans: performance.orphan_rule_refuse })
}

/// The request in one form, whatever was left out: the bytes whose hash tells
/// a replay from another request under the same key (INV-8).
pub(crate) fn canonical(book: &Book) -> Vec<u8> {
    let book = Book {
        quantity: Some(quantity(book)),
        accessible_seats: Some(accessible(book)),
        ..book.clone()
    };
    // A struct of texts and numbers always serialises.
    serde_json::to_vec(&book).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use seat_model::SeatId;

    use super::*;

    fn fields(book: &Book) -> Vec<String> {
        match check_shape(book) {
            Ok(()) => Vec::new(),
            Err(SaleError::Invalid(errors)) => {
                errors.into_iter().map(|error| error.field).collect()
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    fn good() -> Book {
        Book {
            tier: Some("Stalls".into()),
            date: Some("2026-12-01".into()),
            location: Some("Berlin".into()),
            ..Book::default()
        }
    }

    fn seats(names: &[&str]) -> Option<Vec<SeatId>> {
        Some(names.iter().map(|name| SeatId::new(*name).unwrap()).collect())
    }

    #[test]
    fn each_fault_names_its_field() {
        assert_eq!(fields(&good()), [""; 0]);
        assert_eq!(fields(&Book::default()), ["tier", "date", "location"]);
        for quantity in [0, 11, u32::MAX] {
            assert_eq!(fields(&Book { quantity: Some(quantity), ..good() })[0], "quantity");
        }
        let eleven: Vec<String> = (0..11).map(|i| format!("A-{i}")).collect();
        let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
        for (book, field) in [
            (Book { accessible_seats: Some(2), ..good() }, "accessible_seats"),
            (Book { date: Some("2026-02-30".into()), ..good() }, "date"),
            (Book { date: Some("1.12.2026".into()), ..good() }, "date"),
            (Book { confirm: true, ..good() }, "payment_token"),
            (Book { payment_token: Some("tok_x".into()), ..good() }, "payment_token"),
            (Book { seats: seats(&[]), ..good() }, "seats"),
            (Book { seats: seats(&eleven), ..good() }, "seats"),
            (Book { seats: seats(&["A-1", "A-2", "A-1"]), ..good() }, "seats[2]"),
            (Book { seats: seats(&["A-1"]), quantity: Some(2), ..good() }, "quantity"),
        ] {
            assert_eq!(fields(&book), [field], "{book:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_the_same_as_its_default() {
        let said = Book { quantity: Some(1), accessible_seats: Some(0), ..good() };
        assert_eq!(canonical(&said), canonical(&good()));
        let two = Book { quantity: Some(2), ..good() };
        assert_ne!(canonical(&two), canonical(&good()));
    }
}
