//! A sell-out: every seat is sold, each once, to whom the store says, and
//! nobody got fewer or more than they asked for (INV-3, INV-9).

use std::collections::{BTreeMap, HashMap};

use super::Check;
use crate::load::History;
use crate::orders::Orders;
use crate::ours::Receipt;

/// What was for sale, and what is in the store now.
pub(crate) struct Sale {
    /// Seats there were.
    pub(crate) seats: usize,
    /// Seats each order was for; divides `seats`.
    pub(crate) each: usize,
    /// Orders there were; more than there are seats for.
    pub(crate) buyers: usize,
    /// In the store: seat and booking, as often as it is there.
    pub(crate) stored: Vec<(String, String)>,
}

/// Checks one sell-out.
pub(crate) fn check_sale(
    system: &str,
    orders: &Orders,
    history: &History,
    receipts: &[Receipt],
    sale: &Sale,
) -> Vec<Check> {
    let mut told: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut uneven = Vec::new();
    for (n, seats) in receipts {
        if seats.len() != sale.each {
            uneven.push(format!("order {n} got {} seats", seats.len()));
        }
        for seat in seats {
            told.entry(seat).or_default().push(*n);
        }
    }
    let doubles: Vec<String> = told
        .iter()
        .filter(|(_, orders)| orders.len() > 1)
        .map(|(seat, orders)| format!("{seat} went to orders {orders:?}"))
        .collect();

    let mut stored: HashMap<&str, Vec<&str>> = HashMap::new();
    for (seat, booking) in &sale.stored {
        stored.entry(seat).or_default().push(booking);
    }
    let mut differ = Vec::new();
    for (seat, numbers) in &told {
        let bookings: Vec<String> =
            numbers.iter().map(|n| orders.booking(*n).to_string()).collect();
        if stored.get(seat).is_none_or(|kept| *kept != bookings) {
            differ.push(format!("{seat} was sold to order {numbers:?}, the store says otherwise"));
        }
    }
    let unasked = stored.keys().filter(|seat| !told.contains_key(*seat));
    differ.extend(unasked.map(|seat| format!("nobody was told of {seat}")));

    let name = |what: &str| format!("{system}: {what}");
    let winners = sale.seats / sale.each.max(1);
    let losers = sale.buyers.saturating_sub(winners);
    vec![
        Check::none(name("no seat is sold twice"), told.len(), &doubles),
        Check::none(name("everybody got as many seats as asked for"), receipts.len(), &uneven),
        Check::same(name("no seat is left over"), stored.len(), sale.seats),
        Check::none(name("the store says the same"), told.len(), &differ),
        Check::same(
            name("everybody else is told that it is sold out"),
            history.refused.len(),
            losers,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Outcome;

    /// Four seats in pairs for three buyers.
    fn good() -> (Orders, History, Vec<Receipt>, Sale) {
        let orders = Orders::new("sale", 1).unwrap();
        let mut history = History::default();
        history.note(2, Outcome::Refused);
        let receipts: Vec<Receipt> = vec![
            (0, vec!["A1".to_owned(), "A2".to_owned()]),
            (1, vec!["A3".to_owned(), "A4".to_owned()]),
        ];
        let stored = receipts
            .iter()
            .flat_map(|(n, seats)| {
                seats.iter().map(|seat| (seat.clone(), orders.booking(*n).to_string()))
            })
            .collect();
        (orders, history, receipts, Sale { seats: 4, each: 2, buyers: 3, stored })
    }

    fn broken(
        orders: &Orders,
        history: &History,
        receipts: &[Receipt],
        sale: &Sale,
    ) -> Vec<String> {
        let checks = check_sale("x", orders, history, receipts, sale);
        checks.into_iter().filter(|check| !check.ok).map(|check| check.name).collect()
    }

    #[test]
    fn a_sell_out_passes() {
        let (orders, history, receipts, sale) = good();
        assert_eq!(broken(&orders, &history, &receipts, &sale), [""; 0]);
    }

    #[test]
    fn a_double_sale_is_seen() {
        let (orders, history, mut receipts, sale) = good();
        receipts[1].1[0] = "A2".to_owned();
        assert_eq!(
            broken(&orders, &history, &receipts, &sale),
            ["x: no seat is sold twice", "x: the store says the same"]
        );
    }

    #[test]
    fn a_seat_left_over_is_seen() {
        let (orders, history, mut receipts, mut sale) = good();
        receipts.pop();
        sale.stored.truncate(2);
        assert_eq!(broken(&orders, &history, &receipts, &sale), ["x: no seat is left over"]);
    }

    #[test]
    fn half_a_pair_is_seen() {
        let (orders, history, mut receipts, mut sale) = good();
        receipts[1].1.pop();
        sale.stored.pop();
        assert_eq!(
            broken(&orders, &history, &receipts, &sale),
            ["x: everybody got as many seats as asked for", "x: no seat is left over"]
        );
    }

    #[test]
    fn a_sale_nobody_was_told_of_is_seen() {
        let (orders, history, mut receipts, sale) = good();
        receipts.pop();
        assert_eq!(broken(&orders, &history, &receipts, &sale), ["x: the store says the same"]);
    }

    #[test]
    fn somebody_without_an_answer_is_seen() {
        let (orders, _, receipts, sale) = good();
        let told = "x: everybody else is told that it is sold out";
        assert_eq!(broken(&orders, &History::default(), &receipts, &sale), [told]);
    }
}
