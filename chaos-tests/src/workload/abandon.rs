//! A hold that nobody pays for: held, perhaps extended, and left.

use rand::rngs::StdRng;

use super::{Visitor, Wish, happens};

pub(super) async fn travel(visitor: &Visitor<'_>, dice: &mut StdRng) {
    let longer = happens(dice, 40);
    let Some(customer) = visitor.customer("") else { return };
    let Some(held) = customer.book("left", &Wish::Best(2), false).await.done() else { return };
    if longer {
        customer.extend(held.booking).await;
    }
    customer.read(held.booking).await;
}
