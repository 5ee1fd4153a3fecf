//! What etcd holds, against the ledger and against itself.

use seat_model::{BookingId, SeatId, SeatState};

use super::Limits;
use super::index::Index;
use crate::finding::{Finding, Kind, Remedy};
use crate::records::{BookingRow, CellMark, LedgerState, SeatKey};

pub(super) fn check(index: &Index<'_>, limits: &Limits, findings: &mut Vec<Finding>) {
    let cell = &index.snapshot.cell;
    for unreadable in &cell.unreadable {
        let sentence = format!("etcd's key {} makes no sense: {}", unreadable.key, unreadable.why);
        findings.push(Finding::new(Kind::Unreadable, sentence));
    }
    let closed = match cell.mark {
        CellMark::Missing => Some("etcd has no epoch: it is new, or it was lost"),
        CellMark::Closed => Some("etcd is closed: a rebuild has begun and not ended"),
        CellMark::Open(_) if cell.map.is_none() => Some("etcd has no shard map"),
        CellMark::Open(_) => None,
    };
    if let Some(why) = closed {
        let sentence = format!("{why}; nothing is sold. `./seatlock rebuild-locks` opens it");
        findings.push(Finding::new(Kind::CellNotOpen, sentence));
    }
    for (booking, keys) in &index.booked {
        check_together(*booking, keys, findings);
        check_marker(index, *booking, keys, findings);
        let of = |state| keys.iter().copied().filter(move |key| key.value.state == state);
        let held: Vec<&SeatKey> = of(SeatState::Held).collect();
        if !held.is_empty() {
            check_held(index, limits, *booking, &held, findings);
        }
        let confirming: Vec<&SeatKey> = of(SeatState::Confirming).collect();
        if !confirming.is_empty() {
            findings.push(confirmation(index, *booking, &confirming));
        }
        let sold: Vec<&SeatKey> = of(SeatState::Sold).collect();
        if !sold.is_empty() {
            check_sold(index, *booking, &sold, findings);
        }
    }
    for pick in &cell.picks {
        if !index.booked.contains_key(&pick.booking) {
            let sentence = "a pick marker is left of a booking that has no seat";
            let mut finding = Finding::new(Kind::MarkerWithoutSeats, sentence)
                .of(pick.booking)
                .seen_at(pick.mod_revision)
                .mended_by(Remedy::DropMarker);
            finding.performance = Some(pick.performance.clone());
            finding.seats.clone_from(&pick.seats);
            findings.push(finding);
        }
    }
    for key in &cell.seats {
        check_plan(index, key, findings);
    }
}

fn at(kind: Kind, keys: &[&SeatKey], sentence: impl Into<String>) -> Finding {
    let finding = Finding::new(kind, sentence);
    let Some(first) = keys.first() else { return finding };
    let latest = keys.iter().map(|key| key.mod_revision).max().unwrap_or(0);
    finding
        .at(&first.value.show, &first.performance, keys.iter().map(|key| key.seat.clone()))
        .of(first.value.booking)
        .seen_at(latest)
}

/// INV-9: all seats of a booking are written together.
fn check_together(booking: BookingId, keys: &[&SeatKey], findings: &mut Vec<Finding>) {
    let apart = |same: fn(&SeatKey) -> u64, among: &[&SeatKey]| {
        among.windows(2).any(|pair| same(pair[0]) != same(pair[1]))
    };
    if apart(|key| key.mod_revision, keys) {
        let sentence = format!("the seats of booking {booking} were last written apart");
        findings.push(at(Kind::SeatsApart, keys, sentence));
    }
    // Only a repair writes sold seats beside others, after the ledger said so.
    let living: Vec<&SeatKey> =
        keys.iter().copied().filter(|key| key.value.state != SeatState::Sold).collect();
    let elsewhere = keys.iter().any(|key| key.performance != keys[0].performance);
    if apart(|key| key.create_revision, &living) || elsewhere {
        let sentence = format!("booking {booking} has seats of two acquires");
        findings.push(at(Kind::Strays, keys, sentence));
    }
}

/// INV-8: picked seats have a marker as long as there are any.
fn check_marker(
    index: &Index<'_>,
    booking: BookingId,
    keys: &[&SeatKey],
    findings: &mut Vec<Finding>,
) {
    if !keys.iter().any(|key| key.value.picked) {
        return;
    }
    match index.picks.get(&booking) {
        None => {
            let sentence =
                format!("the seats of booking {booking} were picked, their marker is gone");
            let finding = at(Kind::SeatsWithoutMarker, keys, sentence);
            findings.push(finding.mended_by(Remedy::WriteMarker));
        }
        Some(pick) if keys.iter().any(|key| !pick.seats.contains(&key.seat)) => {
            let sentence = format!("the marker of booking {booking} names other seats");
            findings.push(at(Kind::SeatsWithoutMarker, keys, sentence));
        }
        Some(_) => {}
    }
}

/// INV-5: a hold ends by its deadline + 2 s, because a lease is behind it. Where
/// etcd's leader and the lock-services were all replaced meanwhile it may take
/// as long again as it lived: a new leader starts its lease at full length, and
/// an instance ends only what it has watched for that long itself.
fn check_held(
    index: &Index<'_>,
    limits: &Limits,
    booking: BookingId,
    keys: &[&SeatKey],
    findings: &mut Vec<Finding>,
) {
    let now = index.snapshot.at.as_millis();
    let overdue = |key: &&SeatKey| now - key.value.deadline_ms;
    let length = |key: &&SeatKey| i64::try_from(key.value.ttl_ms).unwrap_or(i64::MAX);
    let longest = keys.iter().max_by_key(|key| overdue(key));
    if let Some((overdue, length)) = longest.map(|key| (overdue(key), length(key)))
        && overdue > limits.hold_grace_ms.saturating_add(length)
    {
        let sentence = format!(
            "the hold {booking} ran out {:.1} s ago and its seats are still held",
            seconds(overdue)
        );
        findings.push(at(Kind::HoldOverdue, keys, sentence).mended_by(Remedy::Release));
    }
    let leases = &index.snapshot.cell.leases;
    if keys.iter().any(|key| key.lease == 0 || !leases.contains(&key.lease)) {
        let sentence = format!("the hold {booking} is on no lease that lives");
        findings.push(at(Kind::HoldWithoutLease, keys, sentence));
    }
}

/// INV-6: what is `confirming` ends. Every sale passes through here, so only
/// who sees it for longer than a reconciler takes may call it a fault.
fn confirmation(index: &Index<'_>, booking: BookingId, keys: &[&SeatKey]) -> Finding {
    let revision = keys.iter().map(|key| key.mod_revision).max().unwrap_or(0);
    let fence = index.snapshot.cell.fence(revision);
    let row = index.row(booking);
    if row.is_some_and(|row| row.state == LedgerState::Confirmed && row.fence == fence) {
        let sentence = format!("booking {booking} is CONFIRMED and its seats are still confirming");
        return at(Kind::TicketSeatNotSold, keys, sentence).pending().mended_by(Remedy::Finish);
    }
    let what = row.map_or("no row", |row| match row.state {
        LedgerState::Confirmed => "a row under another fence",
        LedgerState::Cancelled => "a cancelled row",
        LedgerState::Aborted => "a tombstone",
    });
    let sentence = format!("the seats of booking {booking} are confirming; the ledger has {what}");
    at(Kind::Confirming, keys, sentence).pending().mended_by(Remedy::End)
}

/// INV-1, INV-2, INV-6: what etcd calls sold, the ledger has sold to the same booking.
fn check_sold(
    index: &Index<'_>,
    booking: BookingId,
    keys: &[&SeatKey],
    findings: &mut Vec<Finding>,
) {
    let Some(row) = index.row(booking) else {
        let sentence = format!(
            "etcd has sold {} to booking {booking}, and no shard knows that booking",
            listed(keys)
        );
        let finding = at(Kind::SoldWithoutBooking, keys, sentence);
        findings.push(finding.mended_by(Remedy::WriteBooking));
        return;
    };
    if row.state == LedgerState::Aborted {
        let sentence = format!("etcd has sold {} to the aborted booking {booking}", listed(keys));
        findings.push(at(Kind::SoldDespiteTombstone, keys, sentence));
        return;
    }
    let mut cancelled = Vec::new();
    for key in keys {
        let place = (&key.performance, &key.seat);
        if index.valid_ticket(booking, place).is_some() {
            continue;
        }
        let other = index.sold_to(place).filter(|other| *other != booking);
        let was_cancelled =
            index.tickets_of(booking).iter().any(|ticket| ticket.seat == key.seat && !ticket.valid);
        if let Some(other) = other {
            let sentence =
                format!("etcd has sold {} to {booking}, the ledger to {other}", key.seat);
            findings.push(at(Kind::SoldToAnother, &[key], sentence));
        } else if was_cancelled || row.state == LedgerState::Cancelled {
            cancelled.push(*key);
        } else {
            findings.push(ticketless(index, row, key));
        }
    }
    if !cancelled.is_empty() {
        let sentence =
            format!("{} of booking {booking} was cancelled and is still sold", listed(&cancelled));
        let finding = at(Kind::SoldAfterCancel, &cancelled, sentence);
        // The outbox frees them, unless it has nothing more to do for them.
        findings.push(if index.waiting.contains_key(&booking) {
            finding.pending()
        } else {
            finding.mended_by(Remedy::Free)
        });
    }
}

fn ticketless(index: &Index<'_>, row: &BookingRow, key: &SeatKey) -> Finding {
    let place = (&key.performance, &key.seat);
    let sentence =
        format!("{} is sold to booking {}, which has no ticket for it", key.seat, row.id);
    let finding = at(Kind::SoldWithoutTicket, &[key], sentence);
    // etcd and the sale's primary key agree on whose it is: only the ticket is missing.
    if index.sold_to(place) == Some(row.id) && row.performance == key.performance {
        return finding.mended_by(Remedy::IssueTicket);
    }
    finding
}

fn check_plan(index: &Index<'_>, key: &SeatKey, findings: &mut Vec<Finding>) {
    let catalogue = &index.snapshot.catalogue;
    let why =
        match (catalogue.performances.get(&key.performance), catalogue.chart(&key.performance)) {
            (None, _) => "the catalogue has no such performance",
            (Some(row), _) if row.show != key.value.show => "the performance is another show's",
            (Some(_), Some(chart)) if chart.index_of(&key.seat).is_none() => {
                "its plan has no such seat"
            }
            _ => return,
        };
    let sentence = format!("etcd has {} of {}: {why}", key.seat, key.performance);
    findings.push(at(Kind::SeatUnknown, &[key], sentence));
}

/// `A-1, A-2`, or the first and how many more.
pub(super) fn listed(keys: &[&SeatKey]) -> String {
    let seats: Vec<&SeatId> = keys.iter().map(|key| &key.seat).collect();
    seats.iter().map(|seat| seat.as_str()).collect::<Vec<_>>().join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "for people: a tenth of a second")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
