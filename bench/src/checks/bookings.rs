//! Purchases that were acknowledged against the ledger, the seats in etcd and
//! the money (INV-1, INV-2, INV-6, INV-9, INV-10, INV-13).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use seat_model::SeatState;

use super::Check;
use crate::bookings::{Receipt, World, number_of};
use crate::ledger::{Row, SeatOf, Sold};
use crate::load::History;
use crate::orders::PRICE;
use crate::truth::Found;

/// What is looked at after a round.
pub(crate) struct Books<'a> {
    /// What was on sale.
    pub(crate) world: &'a World,
    /// What the keys of the round begin with.
    pub(crate) run: &'a str,
    /// What buyers were told.
    pub(crate) receipts: &'a [Receipt],
    /// Every purchase that was tried.
    pub(crate) history: &'a History,
    /// What is on the shards.
    pub(crate) sold: &'a Sold,
}

/// What only Seatlock has: a truth beside the ledger, and work behind answers.
pub(crate) struct Behind<'a> {
    /// Every seat in etcd.
    pub(crate) seats: &'a [Found],
    /// After which all of them were sold; `None` if they were not in time.
    pub(crate) finished: Option<Duration>,
    /// After which the outboxes were empty; `None` if they were not in time.
    pub(crate) drained: Option<Duration>,
    /// How long that may take.
    pub(crate) within: Duration,
    /// Money captured, by booking.
    pub(crate) captured: &'a HashMap<String, u64>,
}

/// Checks a round of single-seat purchases.
pub(crate) fn check_bookings(system: &str, books: &Books<'_>) -> Vec<Check> {
    let name = |what: &str| format!("{system}: {what}");
    let by_id: HashMap<&str, &Row> =
        books.sold.rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let (sales, tickets) = (by_booking(&books.sold.sales), by_booking(&books.sold.tickets));
    let mut lost = Vec::new();
    let mut wrong = Vec::new();
    let mut given = HashSet::new();
    let mut twice = Vec::new();
    for receipt in books.receipts {
        let n = receipt.n;
        let purchase = books.world.purchase(n);
        match by_id.get(receipt.booking.as_str()) {
            Some(row) if row.confirmed && number_of(books.run, &row.key) == Some(n) => {
                let (performance, shard) = (&purchase.performance.id, purchase.performance.shard);
                if row.shard != shard || row.performance != *performance {
                    lost.push(format!("{n} is on shard {} for {}", row.shard, row.performance));
                }
                if row.customer != purchase.customer.id {
                    lost.push(format!("{n} belongs to {}", row.customer));
                }
            }
            _ => lost.push(format!("{n} was acknowledged and is no confirmed row")),
        }
        let [seat] = receipt.seats.as_slice() else {
            wrong.push(format!("{n} was given {} seats", receipt.seats.len()));
            continue;
        };
        if purchase.seat.is_some_and(|named| *seat != format!("S-{named}")) {
            wrong.push(format!("{n} was given {seat}, which it did not name"));
        }
        let theirs = |seats: &HashMap<&str, Vec<&SeatOf>>| {
            seats.get(receipt.booking.as_str()).is_some_and(|seats| {
                let [one] = seats.as_slice() else { return false };
                one.seat == *seat
                    && one.performance == purchase.performance.id
                    && one.shard == purchase.performance.shard
            })
        };
        if !theirs(&sales) || !theirs(&tickets) {
            wrong.push(format!("{n} has not exactly the seat {seat} it was told"));
        }
        if !given.insert((purchase.place, seat)) {
            twice.push(format!("{seat} was given to {n} and to somebody else"));
        }
    }
    for (what, seats) in [("sold", &books.sold.sales), ("on tickets", &books.sold.tickets)] {
        let mut seen = HashSet::new();
        let again = seats.iter().filter(|one| !seen.insert((&one.performance, &one.seat)));
        twice.extend(again.map(|one| format!("{} is {what} twice", one.seat)));
    }
    let acknowledged: HashSet<u64> = books.history.taken.iter().map(|(n, _)| *n).collect();
    if acknowledged.len() != books.receipts.len() {
        twice.push(format!(
            "{} receipts for {} purchases",
            books.receipts.len(),
            acknowledged.len()
        ));
    }
    let open: HashSet<u64> = books.history.unknown.iter().copied().collect();
    let known = |n: u64| acknowledged.contains(&n) || open.contains(&n);
    let foreign = books.sold.rows.iter().filter(|row| row.confirmed);
    let foreign = foreign.filter(|row| !number_of(books.run, &row.key).is_some_and(known));
    let mut foreign: Vec<String> =
        foreign.map(|row| format!("{} was not acknowledged", row.key)).collect();
    let seats = books.sold.sales.iter().chain(&books.sold.tickets);
    let ownerless =
        seats.filter(|one| !by_id.get(one.booking.as_str()).is_some_and(|r| r.confirmed));
    foreign.extend(ownerless.map(|one| format!("{} has no confirmed booking", one.seat)));
    let refused = books.history.refused.iter().chain(&books.history.not_applied);
    let refused: Vec<String> = refused.map(|n| format!("{n} was refused")).collect();

    let bought = books.receipts.len();
    vec![
        Check::none(
            name("an acknowledged booking is confirmed on its show's shard, for its customer"),
            bought,
            &lost,
        ),
        Check::none(name("with the seat it was told, sold and on a ticket"), bought, &wrong),
        Check::none(name("no seat is sold twice"), bought, &twice),
        Check::none(name("nothing else is in the ledger"), books.sold.rows.len(), &foreign),
        Check::none(name("nobody is refused a free seat"), bought, &refused),
    ]
}

/// Checks what Seatlock does beside and behind the ledger.
pub(crate) fn check_behind(system: &str, books: &Books<'_>, behind: &Behind<'_>) -> Vec<Check> {
    let name = |what: &str| format!("{system}: {what}");
    let in_etcd: HashMap<(&str, &str), &Found> = behind
        .seats
        .iter()
        .map(|found| ((found.performance.as_str(), found.seat.as_str()), found))
        .collect();
    let sold: Vec<String> = books
        .sold
        .sales
        .iter()
        .filter(|sale| {
            let found = in_etcd.get(&(sale.performance.as_str(), sale.seat.as_str()));
            !found.is_some_and(|found| {
                found.state == Some(SeatState::Sold) && found.booking == sale.booking
            })
        })
        .map(|sale| format!("{} is not sold to {} in etcd", sale.seat, sale.booking))
        .collect();
    let confirmed = books.sold.rows.iter().filter(|row| row.confirmed);
    let mut unpaid: Vec<String> = confirmed
        .filter(|row| behind.captured.get(&row.id) != Some(&PRICE))
        .map(|row| format!("{}: {:?} was captured", row.id, behind.captured.get(&row.id)))
        .collect();
    let ids: HashSet<&str> = books.sold.rows.iter().map(|row| row.id.as_str()).collect();
    let free = behind.captured.keys().filter(|id| !ids.contains(id.as_str()));
    unpaid.extend(free.map(|id| format!("{id} was charged for nothing")));
    let in_time = |took: Option<Duration>, what: &str| match took {
        Some(took) if took <= behind.within => vec![],
        _ => vec![format!("{what} after {} s", behind.within.as_secs())],
    };
    let within = behind.within.as_secs();
    vec![
        Check::none(name("etcd says sold for each of them"), books.sold.sales.len(), &sold),
        Check::same(name("and has no other seat"), behind.seats.len(), books.sold.sales.len()),
        Check::none(
            name(&format!("all of that within {within} s of the last answer")),
            1,
            &in_time(behind.finished, "not all are sold"),
        ),
        Check::none(
            name(&format!("and the outboxes empty within {within} s")),
            1,
            &in_time(behind.drained, "not empty"),
        ),
        Check::none(name("captured is the price of each, no more"), ids.len(), &unpaid),
    ]
}

fn by_booking(seats: &[SeatOf]) -> HashMap<&str, Vec<&SeatOf>> {
    let mut by_booking: HashMap<&str, Vec<&SeatOf>> = HashMap::with_capacity(seats.len());
    for seat in seats {
        by_booking.entry(&seat.booking).or_default().push(seat);
    }
    by_booking
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Outcome, Proof};

    struct Good {
        world: World,
        receipts: Vec<Receipt>,
        history: History,
        sold: Sold,
    }

    /// Purchases 0 to 5 are acknowledged, 6 is unknown and there.
    fn good() -> Good {
        let world = World::sample();
        let mut history = History::default();
        let mut receipts = Vec::new();
        let mut sold = Sold::default();
        for n in 0..7 {
            let purchase = world.purchase(n);
            let seat = format!("S-{}", purchase.seat.map_or(n, u64::from));
            let booking = format!("b{n}");
            let (performance, shard) = (&purchase.performance.id, purchase.performance.shard);
            sold.rows.push(Row {
                shard,
                id: booking.clone(),
                confirmed: true,
                customer: purchase.customer.id.clone(),
                key: format!("r.{n}"),
                performance: performance.clone(),
            });
            let (performance, seat_name) = (performance.clone(), seat.clone());
            let one = SeatOf { shard, performance, seat: seat_name, booking: booking.clone() };
            sold.sales.push(one.clone());
            sold.tickets.push(one);
            if n == 6 {
                history.note(n, Outcome::Unknown);
            } else {
                history.note(n, Outcome::Taken(Proof { lease: None, revision: None }));
                receipts.push(Receipt { n, booking, seats: vec![seat] });
            }
        }
        Good { world, receipts, history, sold }
    }

    impl Good {
        fn broken(&self) -> usize {
            let books = Books {
                world: &self.world,
                run: "r",
                receipts: &self.receipts,
                history: &self.history,
                sold: &self.sold,
            };
            check_bookings("x", &books).iter().filter(|check| !check.ok).count()
        }
    }

    #[test]
    fn a_good_round_passes() {
        assert_eq!(good().broken(), 0);
    }

    #[test]
    fn a_lost_booking_a_wrong_shard_and_a_wrong_customer_are_seen() {
        let mut lost = good();
        lost.sold.rows[2].confirmed = false;
        assert!(lost.broken() >= 1);
        let mut moved = good();
        moved.sold.rows[1].shard = 0;
        assert_eq!(moved.broken(), 1);
        let mut stolen = good();
        stolen.sold.rows[1].customer = "somebody".to_owned();
        assert_eq!(stolen.broken(), 1);
    }

    #[test]
    fn a_missing_ticket_and_a_seat_sold_twice_are_seen() {
        let mut without = good();
        without.sold.tickets.remove(3);
        assert_eq!(without.broken(), 1);
        let mut twice = good();
        let again = SeatOf { booking: "b6".to_owned(), ..twice.sold.sales[4].clone() };
        twice.sold.sales.push(again);
        assert_eq!(twice.broken(), 1);
    }

    #[test]
    fn a_booking_nobody_was_told_of_is_seen() {
        let mut extra = good();
        let row = Row { id: "b9".to_owned(), key: "r.9".to_owned(), ..extra.sold.rows[0].clone() };
        extra.sold.rows.push(row);
        assert_eq!(extra.broken(), 1);
    }

    #[test]
    fn seats_that_are_not_sold_in_etcd_and_money_that_is_missing_are_seen() {
        let good = good();
        let books = Books {
            world: &good.world,
            run: "r",
            receipts: &good.receipts,
            history: &good.history,
            sold: &good.sold,
        };
        let seat = |sale: &SeatOf, state| Found {
            performance: sale.performance.clone(),
            seat: sale.seat.clone(),
            booking: sale.booking.clone(),
            state: Some(state),
            deadline_ms: Some(1),
            lease: 0,
            revision: 1,
            version: 2,
        };
        let mut seats: Vec<Found> =
            good.sold.sales.iter().map(|sale| seat(sale, SeatState::Sold)).collect();
        let mut captured: HashMap<String, u64> =
            good.sold.rows.iter().map(|row| (row.id.clone(), PRICE)).collect();
        let soon = Some(Duration::from_millis(5));
        let within = Duration::from_secs(1);
        let count = |seats: &[Found], drained, captured: &HashMap<String, u64>| {
            let behind = Behind { seats, finished: soon, drained, within, captured };
            check_behind("x", &books, &behind).iter().filter(|check| !check.ok).count()
        };
        assert_eq!(count(&seats, soon, &captured), 0);
        assert_eq!(count(&seats, None, &captured), 1, "the outbox is not empty");
        captured.insert("b1".to_owned(), PRICE - 1);
        captured.insert("b99".to_owned(), PRICE);
        assert_eq!(count(&seats, soon, &captured), 1);
        seats[0].state = Some(SeatState::Confirming);
        seats.pop();
        assert_eq!(count(&seats, soon, &captured), 3);
    }
}
