//! Thousands of bookings at once by customers who hold, pay, repeat themselves
//! and cancel all or a part; afterwards every ledger balances.
//!
//! How many is set by `SEATLOCK_BOOKINGS`: the run of a hundred thousand takes
//! minutes, the one in every test run seconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chaos_tests::{Answer, Call, Caller, eventually};
use futures_util::stream::{self, StreamExt};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use seat_model::{Code, Retry};
use serde_json::{Value, json};

use crate::books;
use crate::orphans;
use crate::world::{Show, World};

/// Confirmed bookings in a run that nobody asked to be longer.
const FEW: u64 = 1_000;

/// Shows, over both shards.
const SHOWS: usize = 8;

/// Customers at once.
const AT_ONCE: usize = 32;

/// Of so many first customers half keep what they bought; later ones give it
/// back, or the houses would be full.
const KEEPERS: u64 = 100;

/// Long enough for what the outboxes still have to do.
const QUIET_WITHIN: Duration = Duration::from_secs(120);

/// How long a customer sends again what could not be done just then.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Tally {
    confirmed: AtomicU64,
    cancelled: AtomicU64,
    in_part: AtomicU64,
    released: AtomicU64,
    sold_out: AtomicU64,
    /// Requests that were sent again because the answer said so.
    again: AtomicU64,
    /// Holds that were gone before they could be sold.
    given_up: AtomicU64,
}

pub(crate) async fn thousands_of_bookings_and_cancels_balance(world: &World) {
    let wanted = std::env::var("SEATLOCK_BOOKINGS").ok().and_then(|n| n.parse().ok());
    let wanted: u64 = wanted.unwrap_or(FEW);
    let mut shows = Vec::new();
    for _ in 0..SHOWS {
        shows.push(world.show_with("marathon", json!({"max_seats_per_customer": 40})).await);
    }
    let tally = Tally::default();
    stream::iter(0..u64::MAX)
        .take_while(|_| std::future::ready(tally.confirmed.load(Ordering::Relaxed) < wanted))
        .for_each_concurrent(AT_ONCE, |number| visit(world, &shows, number, &tally))
        .await;
    println!("marathon: {tally:?}");
    let cancelled = tally.cancelled.load(Ordering::Relaxed);
    let in_part = tally.in_part.load(Ordering::Relaxed);
    let odd = tally.again.load(Ordering::Relaxed) + tally.given_up.load(Ordering::Relaxed);
    // In hours a disk may stall; in seconds nothing is excused.
    let excused = if wanted > FEW { wanted / 100 } else { 0 };
    assert!(odd <= excused, "nothing was broken, and yet: {tally:?}");
    assert!(cancelled > wanted / 8 && in_part > wanted / 20, "too little was cancelled: {tally:?}");
    for show in &shows {
        let ended = books::balanced_within(world, show, QUIET_WITHIN).await;
        ended.unwrap_or_else(|faults| panic!("{}: {faults}", show.show_id));
    }
    orphans::the_stores_agree_after_all_of_it(world).await;
}

/// One customer: a booking, and what becomes of it.
async fn visit(world: &World, shows: &[Show], number: u64, tally: &Tally) {
    let mut rng = StdRng::seed_from_u64(number);
    let Some(show) = shows.choose(&mut rng) else { return };
    let buyer = world.customer("runner");
    let Some(booking) = buy(&buyer, show, number, &mut rng, tally).await else { return };
    let keeps = number < KEEPERS && rng.random_bool(0.5);
    if rng.random_bool(0.4) {
        let ticket = booking["tickets"].as_array().and_then(|all| all.choose(&mut rng));
        let ticket = ticket.and_then(|ticket| ticket["ticket_id"].as_str()).expect("a ticket");
        let path = format!("{}/tickets/{ticket}", show.booking_path(&booking));
        cancel(&buyer, &path, &mut rng, tally, &tally.in_part).await;
    }
    if !keeps {
        let path = show.booking_path(&booking);
        cancel(&buyer, &path, &mut rng, tally, &tally.cancelled).await;
    }
}

/// Buys in one call or in two, some of them sent twice at once or again later:
/// the same key must be the same booking (INV-8).
async fn buy(
    buyer: &Caller,
    show: &Show,
    number: u64,
    rng: &mut StdRng,
    tally: &Tally,
) -> Option<Value> {
    let mut body = show.best(["Stalls", "Box", "Balcony"][rng.random_range(0..3)], 1);
    body["quantity"] = json!(rng.random_range(1..=3));
    body["accept_split"] = json!(true);
    let at_once = rng.random_bool(0.5);
    if at_once {
        body["confirm"] = json!(true);
        body["payment_token"] = json!("tok_ok");
    }
    let key = format!("marathon-{number}");
    let order = || as_told(tally, || buyer.post(show.book_path(), body.clone()).key(&key));
    let answer = order().await;
    if answer.status != 201 {
        let problem = answer.checked_problem();
        if problem.retry == Retry::StartOver {
            tally.given_up.fetch_add(1, Ordering::Relaxed);
        } else {
            assert_eq!(problem.code, Code::SoldOut, "{}", answer.text());
            tally.sold_out.fetch_add(1, Ordering::Relaxed);
        }
        return None;
    }
    let mut booking = answer.json();
    if rng.random_bool(0.2) {
        let again = order().await;
        assert_eq!((again.status, again.json()), (answer.status, booking), "INV-8");
        booking = again.json();
    }
    if !at_once {
        let path = show.booking_path(&booking);
        if rng.random_bool(0.1) {
            let answer = as_told(tally, || buyer.delete(path.clone())).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            tally.released.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let pay = json!({"payment_token": "tok_ok"});
        let pay_key = format!("{key}-pay");
        let confirm =
            || as_told(tally, || buyer.post(format!("{path}/confirm"), pay.clone()).key(&pay_key));
        let answer = confirm().await;
        if answer.status != 200 {
            // It took so long that the hold was given up, and with it the money.
            assert_eq!(answer.checked_problem().retry, Retry::StartOver, "{}", answer.text());
            tally.given_up.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        booking = answer.json();
        if rng.random_bool(0.2) {
            assert_eq!(confirm().await.json(), booking, "INV-8");
        }
    }
    assert_eq!(booking["state"], "confirmed");
    tally.confirmed.fetch_add(1, Ordering::Relaxed);
    Some(booking)
}

/// Cancels, sometimes twice: the second changes nothing (INV-7).
async fn cancel(buyer: &Caller, path: &str, rng: &mut StdRng, tally: &Tally, count: &AtomicU64) {
    let delete = || as_told(tally, || buyer.delete(path));
    let first = delete().await;
    assert_eq!(first.status, 200, "{}", first.text());
    count.fetch_add(1, Ordering::Relaxed);
    if rng.random_bool(0.2) {
        let second = delete().await;
        assert_eq!(second.status, 200, "{}", second.text());
        assert_eq!(second.json()["amount"], first.json()["amount"], "INV-7: {path}");
    }
}

/// Sends a request, and the very same one again for as long as the answer says
/// so, or that it is not decided yet: what a client does that takes the contract
/// at its word. Whether the first one was applied must not matter (INV-7, INV-8).
async fn as_told<'c>(tally: &Tally, call: impl Fn() -> Call<'c>) -> Answer {
    eventually(PATIENCE, || async {
        let answer = call().send().await;
        let undecided = answer.status == 202
            || (!answer.status.is_success()
                && answer.checked_problem().retry == Retry::SameRequest);
        if undecided {
            tally.again.fetch_add(1, Ordering::Relaxed);
            return Err(answer.text());
        }
        Ok(answer)
    })
    .await
}
