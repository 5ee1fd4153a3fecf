//! A hold: taken once, by one, whole; replayed, extended, given back.

use std::sync::Arc;

use lock_service_client::LockError;
use lock_service_client::wire::{Acquired, Moved};
use seat_model::{PublicSeatState, SeatState};

use crate::world::*;

pub(crate) async fn seats_are_taken_once_and_given_back(world: Arc<World>) {
    let client = world.client();
    let request = named("once", &["A1", "Box 1/left"]);
    let held = taken(client.acquire(&request).await);
    assert_eq!(
        (names(&held), held.state, held.taken),
        (vec!["A1", "Box 1/left"], SeatState::Held, 2)
    );
    assert_eq!(held.fence, held.acquired);
    assert_eq!(held.deadline.as_millis() - held.acquired_at.as_millis(), 60_000);
    assert_eq!(held.cap.as_millis() - held.acquired_at.as_millis(), 180_000);
    let seen = client.booking(&show(), request.booking).await.unwrap();
    assert_eq!(seen.as_ref(), Some(&held), "what is answered is what is there");
    let counts = client.counts(&show(), &performance("once")).await.unwrap();
    assert_eq!((counts.held["Stalls"], counts.sold.len()), (2, 0));

    let other = client.acquire(&named("once", &["A1", "A2"])).await.unwrap();
    let Acquired::SeatTaken { conflicts } = other else { panic!("{other:?}") };
    assert_eq!(conflicts.len(), 1);
    assert_eq!((conflicts[0].seat.as_str(), conflicts[0].state), ("A1", PublicSeatState::Held));

    let gone = Ok(Moved::Done { seats: None });
    assert_eq!(client.release(&show(), &at(&held)).await, gone);
    assert_eq!(client.release(&show(), &at(&held)).await, gone, "again is the same");
    assert_eq!(client.booking(&show(), request.booking).await, Ok(None));
    let next = taken(client.acquire(&named("once", &["A1"])).await);
    assert!(next.fence > held.fence, "fences of successive owners rise (INV-3)");
}

pub(crate) async fn a_replay_is_told_from_another_body(world: Arc<World>) {
    let client = world.client();
    let request = named("replay", &["A1", "A2"]);
    let held = taken(client.acquire(&request).await);
    let replay = Ok(Acquired::Replay { seats: held.clone() });
    assert_eq!(client.acquire(&request).await, replay);
    assert_eq!(world.services[1].client().acquire(&request).await, replay, "anywhere");
    let mut other = named("replay", &["B1"]);
    (other.booking, other.user) = (request.booking, request.user.clone());
    other.body_hash = "another".into();
    for service in &world.services {
        assert_eq!(service.client().acquire(&other).await, Ok(Acquired::BodyMismatch));
    }
    let mut same_seats = request.clone();
    same_seats.body_hash = "another".into();
    assert_eq!(client.acquire(&same_seats).await, Ok(Acquired::BodyMismatch));
}

pub(crate) async fn two_race_and_one_wins(world: Arc<World>) {
    let clients = [world.services[0].client(), world.services[1].client()];
    for round in 0..100 {
        let name = format!("R{round}");
        let requests = [named("race", &[&name]), named("race", &[&name])];
        let (one, two) =
            tokio::join!(clients[0].acquire(&requests[0]), clients[1].acquire(&requests[1]));
        let answers = [one.unwrap(), two.unwrap()];
        let won = answers.iter().filter(|a| matches!(a, Acquired::Taken { .. })).count();
        let lost = answers.iter().filter(|a| matches!(a, Acquired::SeatTaken { .. })).count();
        assert_eq!((won, lost), (1, 1), "round {round}: {answers:?}");
    }
}

pub(crate) async fn all_or_nothing(world: Arc<World>) {
    let client = world.client();
    taken(client.acquire(&named("whole", &["A3"])).await);
    let request = named("whole", &["A1", "A2", "A3"]);
    let refused = client.acquire(&request).await;
    assert!(matches!(refused, Ok(Acquired::SeatTaken { .. })), "{refused:?}");
    assert_eq!(client.booking(&show(), request.booking).await, Ok(None), "INV-9");
}

pub(crate) async fn a_hold_is_extended_up_to_its_cap(world: Arc<World>) {
    let client = world.client();
    let mut request = named("extend", &["A1"]);
    (request.ttl_ms, request.max_ms) = (60_000, 60_050);
    let held = taken(client.acquire(&request).await);
    wait_for("the clock to move", std::time::Duration::from_secs(5), || async {
        service_kit::clock::now().as_millis() > held.acquired_at.as_millis() + 60
    })
    .await;
    let extended = client.extend(&show(), &at(&held)).await.unwrap();
    let Moved::Done { seats: Some(later) } = &extended else { panic!("{extended:?}") };
    assert_eq!(later.deadline, held.cap);
    assert_eq!(later.first_deadline, held.deadline);
    assert!(later.fence > held.fence && later.acquired == held.acquired);
    let other = world.services[1].client();
    assert_eq!(other.extend(&show(), &at(&held)).await.unwrap(), extended, "a resend");
    let again = client.extend(&show(), &at(later)).await.unwrap();
    assert!(matches!(again, Moved::AtCap { .. }), "{again:?}");
    assert!(matches!(client.release(&show(), &at(&held)).await, Ok(Moved::Changed { .. })));
    assert_eq!(client.release(&show(), &at(later)).await, Ok(Moved::Done { seats: None }));
    assert_eq!(client.extend(&show(), &at(later)).await, Ok(Moved::Gone));
}

pub(crate) async fn a_request_that_cannot_work_is_refused(world: Arc<World>) {
    let client = world.client();
    let eleven: Vec<String> = (0..11).map(|n| format!("A{n}")).collect();
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    let mut short = named("bad", &["A1"]);
    short.ttl_ms = 10;
    let mut pinned = named("bad", &["A1"]);
    pinned.pin = Some(pin(1));
    for bad in
        [named("bad", &[]), named("bad", &eleven), named("bad", &["A1", "A1"]), short, pinned]
    {
        let refused = client.acquire(&bad).await;
        assert!(matches!(refused, Err(LockError::Invalid(_))), "{refused:?}");
        assert_eq!(client.booking(&show(), bad.booking).await, Ok(None));
    }
}
