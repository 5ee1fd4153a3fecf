//! Customers while a server of their shard is away or lost: what they were told
//! stays true (INV-2), and no seat is sold twice (INV-1).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chaos_tests::{Answer, eventually};
use futures_util::future::join_all;
use local_cluster::{ClusterError, StartedCluster};
use seat_model::{Code, Outcome, Retry};
use serde_json::json;

use crate::operator::{seatlock, text};
use crate::whole::{
    BACK_WITHIN, Sale, buy, is_there, lose_the_primary, paid, rows_on, servers, the_stores_agree,
    with_replica,
};
use crate::world::{Show, World};

/// How long a purchase may take when its shard is led elsewhere meanwhile.
const BOUGHT_WITHIN: Duration = Duration::from_secs(60);

/// What the crowd fights for: rows of ten, and how many go for each.
const ROWS: [&str; 3] = ["A", "B", "C"];
const RIVALS: usize = 2;

/// The primary dies when so many were sold: the rest meets it dead.
const SOLD_BEFORE: usize = 6;

pub(crate) async fn what_the_replica_has_not_is_not_acknowledged(world: &mut World) {
    with_replica(world).await;
    let show = world.show("unheard").await;
    let (primary, replica) = servers(world);
    let buyer = world.customer("waiting");
    let held = buyer.post_once(show.book_path(), show.best("Stalls", 2)).expect(201).await.json();
    let path = show.booking_path(&held);
    let key = format!("confirm-{}", show.show_id);
    let confirm =
        || buyer.post(format!("{path}/confirm"), json!({"payment_token": "tok_ok"})).key(&key);

    world.cluster.pause(&replica).await.expect("paused");
    let answer = confirm().send().await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.json()["state"], "pending");
    // Nobody sees it either: what is shown could not be taken back.
    let booking = held["booking_id"].as_str().expect("a booking id");
    assert_eq!(rows_on(world, &primary, booking).await, Ok(0), "shown before the replica has it");
    buyer.delete(path.clone()).refused(Code::ConfirmInProgress).await;

    world.cluster.resume(&replica).await.expect("resumed");
    let sold = eventually(BACK_WITHIN, || async {
        let answer = confirm().send().await;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
    })
    .await;
    assert_eq!(sold["state"], "confirmed");
    assert_eq!(sold["tickets"].as_array().map(Vec::len), Some(2), "{sold}");
    world.seats_become(&show, json!({"S-A-5": "sold", "S-A-6": "sold"})).await;
    the_stores_agree(world).await;
}

pub(crate) async fn what_was_acknowledged_is_there_after_a_promotion(world: &mut World) {
    with_replica(world).await;
    let show = world.show("kept").await;
    let before = world.cluster.clone();
    let seats = ["S-A-1", "S-A-3", "S-A-5", "S-A-7"];
    let sales = join_all(seats.iter().map(|seat| buy(world, &show, seat))).await;
    lose_the_primary(world).await;

    for sale in &sales {
        is_there(&show, sale).await;
    }
    let other = world.customer("other");
    for seat in seats {
        let taken = other.post_once(show.book_path(), show.named(&[seat]));
        taken.refused(Code::SeatTaken).await;
    }
    // It sells, alone.
    let after = buy(world, &show, "S-B-1").await;
    is_there(&show, &after).await;
    // A launcher that has not heard of it leads nobody back.
    let late = before.restart("booking-api-0").await;
    assert!(matches!(late, Err(ClusterError::Outdated)), "{late:?}");
    // What an operator has works with the server that leads.
    for command in ["fsck", "rebuild-locks", "fsck"] {
        let output = seatlock(world, &[command]).await;
        let said = format!("{} {}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command}: {said}");
    }
    is_there(&show, &after).await;
}

/// One purchase, asked for until it is known what became of it: `None` where it
/// was refused.
async fn bought(
    world: &World,
    show: &Show,
    seat: &str,
    who: usize,
    sold: &AtomicUsize,
) -> Option<Sale> {
    let buyer = world.customer("crowd");
    let key = format!("{}-{seat}-{who}", show.show_id);
    let answer = eventually(BOUGHT_WITHIN, || async {
        let sent = buyer.post(show.book_path(), paid(show, seat)).key(&key).try_send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        if is_final(&answer) { Ok(answer) } else { Err(answer.text()) }
    })
    .await;
    if answer.status != 201 {
        return None;
    }
    sold.fetch_add(1, Ordering::Relaxed);
    Some(Sale { buyer, booking: answer.json() })
}

fn is_final(answer: &Answer) -> bool {
    if answer.status.is_success() {
        return answer.status == 201;
    }
    let problem = answer.checked_problem();
    problem.outcome != Outcome::Unknown && problem.retry != Retry::SameRequest
}

pub(crate) async fn a_crowd_loses_nothing_with_the_primary(world: &mut World) {
    with_replica(world).await;
    let show = world.show("crowd").await;
    let sold = AtomicUsize::new(0);
    let (ended, led) = {
        let world = &*world;
        let buyers = ROWS.iter().flat_map(|row| (0..RIVALS).map(move |who| (row, who)));
        let buys_a_row = async |(row, who): (&&str, usize)| {
            let mut sales = Vec::new();
            for number in 1..=10 {
                let seat = format!("S-{row}-{number}");
                sales
                    .extend(bought(world, &show, &seat, who, &sold).await.map(|sale| (seat, sale)));
            }
            sales
        };
        tokio::join!(join_all(buyers.map(buys_a_row)), loses_it(world, &sold))
    };
    world.cluster = led;

    let sales: Vec<_> = ended.into_iter().flatten().collect();
    let seats: BTreeSet<&str> = sales.iter().map(|(seat, _)| seat.as_str()).collect();
    assert_eq!(seats.len(), sales.len(), "INV-1: a seat was sold twice");
    assert!(sales.len() > SOLD_BEFORE, "the promoted server sells: {}", sales.len());
    for (_, sale) in &sales {
        is_there(&show, sale).await;
    }
    with_replica(world).await;
    the_stores_agree(world).await;
}

/// Kills the primary in the middle of the sale, and promotes.
async fn loses_it(world: &World, sold: &AtomicUsize) -> StartedCluster {
    let (primary, replica) = servers(world);
    eventually(BOUGHT_WITHIN, || async {
        let sold = sold.load(Ordering::Relaxed);
        if sold >= SOLD_BEFORE { Ok(()) } else { Err(format!("only {sold} are sold")) }
    })
    .await;
    world.cluster.kill(&primary).await.expect("killed");
    world.cluster.promote(&replica, false).await.expect("promoted")
}
