//! The payment gateway's ledger against the shards' (INV-10): for every booking
//! exactly the price of its tickets was taken, and that of the cancelled ones
//! given back.

use std::collections::BTreeMap;

use seat_model::BookingId;

use super::index::Index;
use crate::finding::{Finding, Kind};

/// Minor units of one booking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Money {
    taken: u64,
    given_back: u64,
}

pub(super) fn check(index: &Index<'_>, findings: &mut Vec<Finding>) {
    let Some(payments) = &index.snapshot.payments else { return };
    let mut moved: BTreeMap<BookingId, Money> = BTreeMap::new();
    for payment in payments {
        let money = moved.entry(payment.booking).or_default();
        money.taken += payment.taken;
        money.given_back += payment.given_back;
    }
    for (booking, rows) in &index.rows {
        let money = moved.remove(booking).unwrap_or_default();
        // What waits in the outbox is told as such, and not a second time here.
        if index.waiting.contains_key(booking) {
            continue;
        }
        let mut due = Money::default();
        for ticket in index.tickets_of(*booking) {
            due.taken += ticket.price;
            due.given_back += if ticket.valid { 0 } else { ticket.price };
        }
        if money == due {
            continue;
        }
        let sentence = format!(
            "booking {booking}: {} taken and {} given back, where its tickets say {} and {}",
            money.taken, money.given_back, due.taken, due.given_back
        );
        let mut finding = Finding::new(Kind::MoneyDiffers, sentence).of(*booking);
        if let Some((shard, row)) = rows.first() {
            finding = finding.at(&row.show, &row.performance, []).on(&shard.shard);
        }
        findings.push(finding);
    }
    for (booking, money) in moved {
        if money.taken > money.given_back {
            let kept = money.taken - money.given_back;
            let sentence = format!("{kept} was taken for booking {booking}, which no shard knows");
            findings.push(Finding::new(Kind::MoneyWithoutBooking, sentence).of(booking));
        }
    }
}
