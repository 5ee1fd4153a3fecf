//! A group takes seats next to each other by name, and gives some of them back.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Visitor, Wish, happens};
use crate::hall::{GROUP_ROWS, group_row};

pub(super) async fn travel(visitor: &Visitor<'_>, dice: &mut StdRng) {
    let row = group_row(dice.random_range(0..GROUP_ROWS));
    let size = dice.random_range(2..=5);
    let first = dice.random_range(0..=row.len() - size);
    let seats = row[first..first + size].to_vec();
    let (pays, one_back, all_back) = (happens(dice, 70), happens(dice, 50), happens(dice, 97));
    let Some(customer) = visitor.customer("") else { return };
    let Some(held) = customer.book("group", &Wish::Seats(seats), false).await.done() else {
        return;
    };
    if !pays {
        customer.cancel(held.booking).await;
        return;
    }
    let Some(sold) = customer.confirm(held.booking, "pay", "tok_ok").await.done() else { return };
    if let Some(ticket) = sold.tickets.first().filter(|_| one_back) {
        customer.cancel_ticket(sold.booking, &ticket.ticket, &ticket.seat).await;
    }
    if all_back {
        customer.cancel(sold.booking).await;
    }
}
