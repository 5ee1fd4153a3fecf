//! What the shards hold, against etcd and against themselves.

use std::collections::{BTreeMap, HashMap};

use seat_model::{BookingId, PerformanceId, UserId};

use super::Limits;
use super::cell::seconds;
use super::index::Index;
use crate::finding::{Finding, Kind, Remedy};
use crate::records::{BookingRow, LedgerState, ShardRows, TicketRow};

pub(super) fn check(index: &Index<'_>, limits: &Limits, findings: &mut Vec<Finding>) {
    for shard in &index.snapshot.shards {
        for row in &shard.bookings {
            check_booking(index, shard, row, findings);
        }
        check_sales(index, shard, findings);
        check_quotas(shard, findings);
        check_outbox(index, shard, limits, findings);
    }
    check_once(index, findings);
}

fn of_ticket(kind: Kind, row: &BookingRow, ticket: &TicketRow, sentence: String) -> Finding {
    Finding::new(kind, sentence)
        .at(&row.show, &ticket.performance, [ticket.seat.clone()])
        .of(row.id)
}

fn of_booking(kind: Kind, shard: &ShardRows, row: &BookingRow, sentence: String) -> Finding {
    Finding::new(kind, sentence).at(&row.show, &row.performance, []).of(row.id).on(&shard.shard)
}

fn check_booking(
    index: &Index<'_>,
    shard: &ShardRows,
    row: &BookingRow,
    findings: &mut Vec<Finding>,
) {
    let tickets = index.tickets_of(row.id);
    let valid: Vec<&TicketRow> = tickets.iter().copied().filter(|ticket| ticket.valid).collect();
    if row.state != LedgerState::Confirmed {
        if !valid.is_empty() {
            let sentence = format!("booking {} is not CONFIRMED and has valid tickets", row.id);
            findings.push(of_booking(Kind::TicketsWithoutSale, shard, row, sentence));
        }
        return;
    }
    if valid.is_empty() {
        let sentence = format!("booking {} is CONFIRMED and has no valid ticket", row.id);
        findings.push(of_booking(Kind::ConfirmedWithoutTickets, shard, row, sentence));
    }
    let mut free: Vec<&TicketRow> = Vec::new();
    for ticket in valid {
        let place = (&ticket.performance, &ticket.seat);
        let sold_to = index.sold_to(place);
        if sold_to != Some(row.id) {
            let sentence = format!(
                "booking {} has a valid ticket for {} and not the sale of it",
                row.id, ticket.seat
            );
            let finding =
                of_ticket(Kind::TicketWithoutSale, row, ticket, sentence).on(&shard.shard);
            findings.push(if sold_to.is_none() {
                finding.mended_by(Remedy::WriteSale)
            } else {
                finding
            });
        }
        match index.seats.get(&place) {
            None if sold_to.is_none_or(|other| other == row.id) => free.push(ticket),
            None => {}
            Some(key) if key.value.booking != row.id => {
                let sentence = format!(
                    "{} is sold to booking {} in the ledger, and {} has it in etcd",
                    ticket.seat, row.id, key.value.booking
                );
                let finding = of_ticket(Kind::TicketSeatTaken, row, ticket, sentence);
                findings.push(finding.seen_at(key.mod_revision));
            }
            // Confirming is told once for all seats, where etcd is looked at.
            Some(key) if key.value.state == seat_model::SeatState::Held => {
                let sentence =
                    format!("{} is sold to booking {} and only held in etcd", ticket.seat, row.id);
                let finding = of_ticket(Kind::TicketSeatNotSold, row, ticket, sentence);
                findings.push(finding.seen_at(key.mod_revision));
            }
            Some(_) => {}
        }
    }
    if !free.is_empty() {
        let seats: Vec<&str> = free.iter().map(|ticket| ticket.seat.as_str()).collect();
        let sentence =
            format!("{} is sold to booking {} and free in etcd", seats.join(", "), row.id);
        findings.push(
            Finding::new(Kind::TicketSeatFree, sentence)
                .at(&row.show, &row.performance, free.iter().map(|ticket| ticket.seat.clone()))
                .of(row.id)
                .mended_by(Remedy::WriteSold),
        );
    }
}

fn check_sales(index: &Index<'_>, shard: &ShardRows, findings: &mut Vec<Finding>) {
    for sale in &shard.sales {
        let place = (&sale.performance, &sale.seat);
        if index.valid_ticket(sale.booking, place).is_some() {
            continue;
        }
        let sentence = format!(
            "{} of {} is sold to booking {}, which has no valid ticket for it",
            sale.seat, sale.performance, sale.booking
        );
        let row = index.row(sale.booking);
        let mut finding = Finding::new(Kind::SaleWithoutTicket, sentence).of(sale.booking);
        finding.performance = Some(sale.performance.clone());
        finding.seats = vec![sale.seat.clone()];
        finding.show = row.map(|row| row.show.clone());
        let finding = finding.on(&shard.shard);
        let etcd_agrees = index.seats.get(&place).is_some_and(|key| {
            key.value.booking == sale.booking && key.value.state == seat_model::SeatState::Sold
        });
        let never = !index.tickets_of(sale.booking).iter().any(|ticket| ticket.seat == sale.seat);
        let confirmed = row.is_some_and(|row| row.state == LedgerState::Confirmed);
        findings.push(if etcd_agrees && never && confirmed {
            finding.mended_by(Remedy::IssueTicket)
        } else {
            finding
        });
    }
}

/// One transaction reads both, so any difference is one.
fn check_quotas(shard: &ShardRows, findings: &mut Vec<Finding>) {
    let mut counted: BTreeMap<(&PerformanceId, &UserId), (u32, u32)> = BTreeMap::new();
    for quota in &shard.quotas {
        counted.entry((&quota.performance, &quota.user)).or_default().0 = quota.sold;
    }
    for ticket in shard.tickets.iter().filter(|ticket| ticket.valid) {
        counted.entry((&ticket.performance, &ticket.user)).or_default().1 += 1;
    }
    let shows: HashMap<&PerformanceId, &BookingRow> =
        shard.bookings.iter().map(|row| (&row.performance, row)).collect();
    for ((performance, user), (says, has)) in counted {
        if says == has {
            continue;
        }
        let sentence =
            format!("{user} has {has} valid tickets of {performance} and a quota of {says}");
        let mut finding = Finding::new(Kind::QuotaWrong, sentence).on(&shard.shard);
        finding.performance = Some(performance.clone());
        finding.show = shows.get(performance).map(|row| row.show.clone());
        findings.push(finding.mended_by(Remedy::Recount));
    }
}

fn check_outbox(
    index: &Index<'_>,
    shard: &ShardRows,
    limits: &Limits,
    findings: &mut Vec<Finding>,
) {
    for row in &shard.outbox {
        let age = index.snapshot.at.as_millis() - row.created_at_ms;
        let sentence = format!(
            "work `{}` of booking {} has waited for {:.1} s",
            row.kind,
            row.booking,
            seconds(age.max(0))
        );
        let mut finding =
            Finding::new(Kind::OutboxWaiting, sentence).of(row.booking).on(&shard.shard);
        finding.show = Some(row.show.clone());
        finding.seen_at = Some(row.seq);
        findings.push(if age > limits.outbox_ms { finding } else { finding.pending() });
    }
}

/// INV-1 across all shards, and INV-13 for bookings.
fn check_once(index: &Index<'_>, findings: &mut Vec<Finding>) {
    for (booking, rows) in &index.rows {
        if let [(first, row), (second, _), ..] = rows.as_slice() {
            let sentence =
                format!("booking {booking} is on {} and on {}", first.shard, second.shard);
            findings.push(of_booking(Kind::BookingTwice, second, row, sentence));
        }
    }
    let mut owners: BTreeMap<_, Vec<BookingId>> = BTreeMap::new();
    for ticket in index.snapshot.shards.iter().flat_map(|shard| &shard.tickets) {
        if ticket.valid {
            owners.entry((&ticket.performance, &ticket.seat)).or_default().push(ticket.booking);
        }
    }
    for ((performance, seat), bookings) in owners {
        if let [first, second, ..] = bookings.as_slice() {
            let sentence =
                format!("{seat} of {performance} is sold twice: to {first} and to {second}");
            let mut finding = Finding::new(Kind::SeatSoldTwice, sentence).of(*first);
            finding.performance = Some(performance.clone());
            finding.seats = vec![seat.clone()];
            finding.show = index.row(*first).map(|row| row.show.clone());
            findings.push(finding);
        }
    }
}
