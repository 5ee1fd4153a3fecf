//! What is refused to hand-picked seats and to greedy customers.

use std::sync::Arc;

use lock_service_client::wire::{Acquired, Choice};
use seat_model::PlanId;

use crate::world::*;

pub(crate) async fn a_customer_has_a_limit(world: Arc<World>) {
    let client = world.client();
    let mut first = named("limit", &["A1", "A2"]);
    first.max_seats_per_customer = 4;
    taken(client.acquire(&first).await);
    let mut more = named("limit", &["A3", "A4", "A5"]);
    (more.user, more.max_seats_per_customer) = (first.user.clone(), 4);
    assert_eq!(client.acquire(&more).await, Ok(Acquired::LimitPerCustomer { has: 2 }));
    assert_eq!(client.booking(&show(), more.booking).await, Ok(None));
    let replay = client.acquire(&first).await;
    assert!(matches!(replay, Ok(Acquired::Replay { .. })), "{replay:?}");
    // Eight at once, for two more seats.
    let attempts = (0..8).map(|n| {
        let client = client.clone();
        let mut request = named("limit", &[&format!("B{n}")]);
        (request.user, request.max_seats_per_customer) = (first.user.clone(), 4);
        tokio::spawn(async move { client.acquire(&request).await.unwrap() })
    });
    let mut won = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Acquired::Taken { .. } => won += 1,
            Acquired::LimitPerCustomer { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 2, "what is in flight counts");
}

pub(crate) async fn a_choice_that_leaves_a_single_seat_is_refused(world: Arc<World>) {
    let client = world.client();
    let plan = PlanId::new("row-6").unwrap();
    let refusing = |seats: &[&str]| {
        let mut request = named("orphan", seats);
        request.plan = plan.clone();
        if let Choice::Seats { refuse_orphans, .. } = &mut request.choice {
            *refuse_orphans = true;
        }
        request
    };
    assert_eq!(client.acquire(&refusing(&["S2"])).await, Ok(Acquired::PlanUnknown));
    client.put_plan(&show(), &plan, &row(6)).await.unwrap();
    let refused = client.acquire(&refusing(&["S2", "S3"])).await;
    assert_eq!(refused, Ok(Acquired::LeavesSingleSeat { singles: vec![seat("S1")] }));
    taken(client.acquire(&refusing(&["S1", "S2"])).await);
    let conflict = client.acquire(&refusing(&["S2", "S4"])).await;
    assert!(matches!(conflict, Ok(Acquired::SeatTaken { .. })), "{conflict:?}");
}
