//! One seat, many buyers: exactly one of them has it, and everybody knows (INV-3).

use super::Check;
use crate::load::History;
use crate::orders::Orders;
use crate::truth::Found;

/// Checks one round for one seat.
pub(crate) fn check_winner(
    system: &str,
    orders: &Orders,
    buyers: u64,
    history: &History,
    seats: &[Found],
) -> Vec<Check> {
    let name = |what: &str| format!("{system}: {what}");
    let buyers = usize::try_from(buyers).unwrap_or(usize::MAX);
    let losers = buyers.saturating_sub(1);
    let mut wrong = Vec::new();
    for (n, proof) in &history.taken {
        let booking = orders.booking(*n).to_string();
        let theirs = |found: &Found| {
            found.booking == booking
                && proof.revision.is_none_or(|revision| revision == found.revision)
                && proof.lease.is_none_or(|lease| lease == found.lease)
        };
        if !seats.iter().any(theirs) {
            wrong.push(format!("order {n} won, and etcd does not know"));
        }
    }
    vec![
        Check::same(name("exactly one winner"), history.taken.len(), 1),
        Check::same(
            name("everybody else is told that the seat is gone"),
            history.refused.len(),
            losers,
        ),
        Check::same(name("one seat is in etcd"), seats.len(), 1),
        Check::none(name("it is the winner's"), history.taken.len(), &wrong),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Outcome, Proof};

    /// Three buyers of one seat; the second wins.
    fn good() -> (Orders, History, Vec<Found>) {
        let orders = Orders::new("hot", 1).unwrap().for_one_seat();
        let mut history = History::default();
        history.note(0, Outcome::Refused);
        history.note(1, Outcome::Taken(Proof { lease: Some(4), revision: Some(9) }));
        history.note(2, Outcome::Refused);
        let found = Found {
            performance: "hot-p0".to_owned(),
            seat: "S-0".to_owned(),
            booking: orders.booking(1).to_string(),
            state: None,
            deadline_ms: None,
            lease: 4,
            revision: 9,
            version: 1,
        };
        (orders, history, vec![found])
    }

    fn broken(orders: &Orders, history: &History, seats: &[Found]) -> usize {
        check_winner("x", orders, 3, history, seats).iter().filter(|check| !check.ok).count()
    }

    #[test]
    fn one_winner_and_two_losers_pass() {
        let (orders, history, seats) = good();
        assert_eq!(broken(&orders, &history, &seats), 0);
    }

    #[test]
    fn a_second_winner_is_seen() {
        let (orders, mut history, seats) = good();
        history.refused.pop();
        history.note(2, Outcome::Taken(Proof { lease: None, revision: Some(10) }));
        assert_eq!(
            broken(&orders, &history, &seats),
            3,
            "two winners, one loser, one unknown to etcd"
        );
    }

    #[test]
    fn a_winner_that_etcd_does_not_know_is_seen() {
        let (orders, history, mut seats) = good();
        seats[0].booking = orders.booking(2).to_string();
        assert_eq!(broken(&orders, &history, &seats), 1);
    }

    #[test]
    fn somebody_without_an_answer_is_seen() {
        let (orders, mut history, seats) = good();
        history.refused.pop();
        history.note(2, Outcome::Unknown);
        assert_eq!(broken(&orders, &history, &seats), 1);
    }
}
