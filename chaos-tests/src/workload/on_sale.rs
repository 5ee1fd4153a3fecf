//! The best of a tier, chosen by the platform and paid for, in one call or in
//! two; now and then a careless client uses a key twice.

use booking_api_client::BookingState;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Visitor, Wish, happens};

pub(super) async fn travel(visitor: &Visitor<'_>, dice: &mut StdRng) {
    let quantity = dice.random_range(1..=4);
    let (in_one, careless) = (happens(dice, 60), happens(dice, 10));
    let (repeats, gives_back) = (happens(dice, 15), happens(dice, 95));
    let Some(customer) = visitor.customer("") else { return };
    let wish = Wish::Best(quantity);
    let Some(taken) = customer.book("sale", &wish, in_one).await.done() else { return };
    if !in_one {
        customer.confirm(taken.booking, "pay", "tok_ok").await;
    }
    let Some(truth) = customer.truth(taken.booking).await.done() else { return };
    // A key whose hold ran out simply holds again: only a sale is remembered.
    if truth.state == BookingState::Confirmed {
        if repeats {
            customer.book("sale", &wish, in_one).await;
        }
        if careless {
            customer.book("sale", &Wish::Best(quantity + 1), in_one).await;
        }
    }
    if gives_back {
        customer.cancel(taken.booking).await;
    }
}
