//! "Pick for me": the best seats, once for one key, and for a whole crowd.

use std::collections::HashSet;
use std::sync::Arc;

use lock_service_client::LockError;
use lock_service_client::wire::{Acquired, Choice, Moved};
use seat_model::PlanId;

use crate::world::*;

pub(crate) async fn the_best_seats_are_picked_and_replayed(world: Arc<World>) {
    let client = world.client();
    let plan = PlanId::new("row-9").unwrap();
    let request = picked("best", &plan, 3);
    assert_eq!(client.acquire(&request).await, Ok(Acquired::PlanUnknown));
    client.put_plan(&show(), &plan, &row(9)).await.unwrap();
    client.put_plan(&show(), &plan, &row(9)).await.unwrap();
    let held = taken(client.acquire(&request).await);
    assert_eq!(names(&held), ["S4", "S5", "S6"], "the middle of the front");
    assert_eq!((held.seats[0].tier.as_str(), held.seats[0].price), ("Stalls", 4200));
    let other = world.services[1].client();
    other.put_plan(&show(), &plan, &row(9)).await.unwrap();
    for instance in [&client, &other] {
        let replay = instance.acquire(&request).await;
        assert_eq!(replay, Ok(Acquired::Replay { seats: held.clone() }), "one key, one set");
    }
    let mut another = request.clone();
    another.body_hash = "another".into();
    assert_eq!(other.acquire(&another).await, Ok(Acquired::BodyMismatch));
    assert_eq!(client.release(&show(), &at(&held)).await, Ok(Moved::Done { seats: None }));
    let held = taken(client.acquire(&request).await);
    assert_eq!(names(&held), ["S4", "S5", "S6"], "the marker went with the seats");
}

pub(crate) async fn a_crowd_sells_out_a_row_exactly(world: Arc<World>) {
    let plan = PlanId::new("row-40").unwrap();
    let mut tasks = Vec::new();
    for service in &world.services {
        service.client().put_plan(&show(), &plan, &row(40)).await.unwrap();
    }
    for i in 0..60 {
        // Mostly at one instance, as affinity has it; correctness never depends on it.
        let client = world.services[usize::from(i % 10 == 0)].client();
        let request = picked("crowd", &plan, 1);
        tasks.push(tokio::spawn(async move {
            loop {
                match client.acquire(&request).await {
                    Err(LockError::NotApplied(_) | LockError::Unknown(_)) => {}
                    answer => return answer.unwrap(),
                }
            }
        }));
    }
    let (mut seats, mut sold_out) = (HashSet::new(), 0);
    for task in tasks {
        match task.await.unwrap() {
            Acquired::Taken { seats: booked } | Acquired::Replay { seats: booked } => {
                assert!(seats.insert(booked.seats[0].seat.clone()), "twice: {booked:?}");
            }
            Acquired::SoldOut => sold_out += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((seats.len(), sold_out), (40, 20), "none twice, none left over");
}

pub(crate) async fn no_choice_is_explained(world: Arc<World>) {
    let client = world.client();
    let plan = PlanId::new("row-5").unwrap();
    client.put_plan(&show(), &plan, &row(5)).await.unwrap();
    taken(client.acquire(&named("none", &["S3"])).await);
    let none = client.acquire(&picked("none", &plan, 3)).await;
    assert_eq!(none, Ok(Acquired::NoAdjacentSeats));
    assert_eq!(client.acquire(&picked("none", &plan, 5)).await, Ok(Acquired::SoldOut));
    let mut unknown = picked("none", &plan, 1);
    if let Choice::Pick { tier, .. } = &mut unknown.choice {
        *tier = "Moon".into();
    }
    assert!(matches!(client.acquire(&unknown).await, Err(LockError::Invalid(_))));
}
