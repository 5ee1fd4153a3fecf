//! Looking at the seat map, several times.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::Visitor;

pub(super) async fn travel(visitor: &Visitor<'_>, dice: &mut StdRng) {
    let times = dice.random_range(1..=4);
    let Some(customer) = visitor.customer("") else { return };
    for _ in 0..times {
        customer.look().await;
    }
}
