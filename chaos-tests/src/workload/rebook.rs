//! A seat is bought, given back, and bought at once by somebody else: a cancel
//! must free it once, and never for the second owner.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::{Visitor, Wish, happens};
use crate::hall::{group_row, hot_seats};

pub(super) async fn travel(visitor: &Visitor<'_>, dice: &mut StdRng) {
    let seats: Vec<_> = hot_seats().into_iter().chain(group_row(0)).collect();
    let Some(seat) = seats.choose(dice).cloned() else { return };
    let stays = happens(dice, 1);
    let wish = Wish::Seats(vec![seat]);
    let (Some(first), Some(second)) = (visitor.customer("a"), visitor.customer("b")) else {
        return;
    };
    let Some(bought) = first.book("first", &wish, true).await.done() else { return };
    first.truth(bought.booking).await;
    first.cancel(bought.booking).await;
    let Some(again) = second.book("second", &wish, true).await.done() else { return };
    // A late sending of the same cancel must not touch the second owner.
    first.cancel(bought.booking).await;
    let Some(kept) = second.truth(again.booking).await.done() else { return };
    if !stays {
        second.cancel(kept.booking).await;
    }
}
