//! Everybody wants one of a few seats: held, sold, given back, left to run out.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::{Visitor, Wish, happens};
use crate::hall::hot_seats;

pub(super) async fn travel(visitor: &Visitor<'_>, dice: &mut StdRng) {
    let Some(seat) = hot_seats().choose(dice).cloned() else { return };
    let (pays, gives_back) = (happens(dice, 60), !happens(dice, 1));
    let (declined, in_one, leaves) = (happens(dice, 10), happens(dice, 30), happens(dice, 12));
    let Some(customer) = visitor.customer("") else { return };
    let wish = Wish::Seats(vec![seat]);
    let buys = pays && in_one;
    let Some(held) = customer.book("hot", &wish, buys).await.done() else { return };
    if pays && !buys {
        if declined {
            customer.confirm(held.booking, "declined", "tok_declined").await;
        }
        customer.confirm(held.booking, "pay", "tok_ok").await;
    }
    if pays {
        tokio::time::sleep(visitor.stage.habits.keep()).await;
    }
    // Few seats stay sold, or there would be nothing left to fight for. Every
    // eighth hold is left to run out.
    if gives_back && (pays || !leaves) {
        customer.cancel(held.booking).await;
    }
}
