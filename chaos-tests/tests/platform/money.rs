//! INV-10, checked from outside: the payment gateway's own ledger against the
//! shards. And what a gateway that is away, silent, forgetful or stubborn costs.

use std::collections::BTreeMap;
use std::time::Duration;

use chaos_tests::{Caller, eventually};
use futures_util::future::join_all;
use local_cluster::NodeKind;
use payment_gateway_client::GatewayClient;
use payment_gateway_client::wire::{
    Authorise, Faults, Operation, Payment, PaymentState, Reference, Verdict,
};
use seat_model::{BookingId, Code, Currency};
use serde_json::{Value, json};

use crate::extra::Extra;
use crate::world::{Show, World};

/// How long money may take to follow once everything is well.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// A booking's row as the audit sees it.
struct Row {
    state: String,
    payment: String,
    valid: u64,
}

impl World {
    fn gateway(&self) -> GatewayClient {
        let url = self.cluster.service_urls(NodeKind::PaymentGateway).remove(0);
        GatewayClient::new(&url, Duration::from_secs(3)).expect("a URL")
    }

    /// The gateway's whole ledger.
    pub(crate) async fn payments(&self) -> Result<Vec<Payment>, String> {
        let gateway = self.gateway();
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = gateway.payments(after.as_ref(), 500).await;
            let page = page.map_err(|error| error.to_string())?;
            all.extend(page.payments);
            after = page.next_after;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn payments_of(&self, booking: &Value) -> Vec<Payment> {
        let id = booking["booking_id"].as_str().expect("an id");
        let mut all = self.payments().await.expect("the gateway's ledger");
        all.retain(|payment| payment.reference.booking().to_string() == id);
        all
    }

    /// Until the only payment of a booking is this.
    async fn payment_becomes(&self, booking: &Value, state: PaymentState, kept: u64) {
        eventually(SETTLES_WITHIN, || async {
            let payments = self.payments_of(booking).await;
            let right = payments.len() == 1 && payments[0].state == state;
            if right && payments[0].kept() == kept { Ok(()) } else { Err(format!("{payments:?}")) }
        })
        .await;
    }

    /// Until the gateway kept so much for a booking, in whichever payment.
    async fn payment_becomes_settled(&self, booking: &Value, wanted: u64) {
        eventually(SETTLES_WITHIN, || async {
            let kept: u64 = self.payments_of(booking).await.iter().map(Payment::kept).sum();
            if kept == wanted { Ok(()) } else { Err(format!("{kept} instead of {wanted}")) }
        })
        .await;
    }

    async fn rows(&self) -> Result<BTreeMap<String, Row>, String> {
        let mut rows = BTreeMap::new();
        for shard in self.names_of(NodeKind::Shard) {
            let url = self.cluster.database_url(&shard).expect("a shard");
            let connected = <sqlx::MySqlConnection as sqlx::Connection>::connect(&url).await;
            let mut connection = connected.map_err(|error| error.to_string())?;
            let found: Vec<(String, String, String, u64)> = sqlx::query_as(
                "SELECT b.id, b.state, b.payment, \
                 CAST(COALESCE(SUM(IF(t.state = 'VALID', t.price, 0)), 0) AS UNSIGNED) \
                 FROM booking b LEFT JOIN ticket t ON t.booking_id = b.id \
                 GROUP BY b.id, b.state, b.payment",
            )
            .fetch_all(&mut connection)
            .await
            .map_err(|error| error.to_string())?;
            for (id, state, payment, valid) in found {
                let twice = rows.insert(id.clone(), Row { state, payment, valid });
                if twice.is_some() {
                    return Err(format!("{id} is on two shards"));
                }
            }
        }
        Ok(rows)
    }

    /// Both ledgers, side by side: for every booking the gateway kept exactly
    /// what its valid tickets cost, and nothing of what was aborted or never sold.
    async fn balances(&self) -> Result<usize, String> {
        // In this order: a booking made in between has a payment we do not see.
        let payments = self.payments().await?;
        let rows = self.rows().await?;
        let mut wrong = Vec::new();
        let mut kept: BTreeMap<String, u64> = BTreeMap::new();
        for payment in &payments {
            let booking = payment.reference.booking().to_string();
            let row = rows.get(&booking);
            let named = row.is_some_and(|row| row.payment == payment.reference.as_str());
            if named {
                kept.insert(booking.clone(), payment.kept());
            }
            let fine = match (payment.state, row) {
                (PaymentState::Captured, Some(_)) => named,
                (PaymentState::Captured, None) => false,
                // Of a living hold, or not swept yet.
                (PaymentState::Authorised, row) => row.is_none(),
                (PaymentState::Voided | PaymentState::Declined, _) => !named,
            };
            if !fine {
                let state = row.map_or("no row", |row| &row.state);
                wrong.push(format!("{} is {:?}, {state}", payment.reference, payment.state));
            }
        }
        for (booking, row) in &rows {
            let paid = kept.get(booking).copied();
            let right = match row.state.as_str() {
                "ABORTED" => paid.is_none(),
                _ => paid == Some(row.valid),
            };
            if !right {
                let (state, valid) = (&row.state, row.valid);
                wrong.push(format!("{booking} {state}: {valid} valid, {paid:?} kept"));
            }
        }
        if wrong.is_empty() { Ok(rows.len()) } else { Err(wrong.join("\n")) }
    }

    async fn misbehave(&self, faults: Faults) {
        self.gateway().set_faults(&faults).await.expect("told");
    }
}

fn pay(token: &str) -> Value {
    json!({"payment_token": token})
}

async fn hold(world: &World, show: &Show, seat: &str) -> (Caller, Value) {
    let buyer = world.customer("payer");
    let held = buyer.post_once(show.book_path(), show.named(&[seat])).expect(201).await;
    (buyer, held.json())
}

fn bought(show: &Show, seats: &[&str], token: &str) -> Value {
    let mut body = show.named(seats);
    body["confirm"] = json!(true);
    body["payment_token"] = json!(token);
    body
}

pub(crate) async fn a_lost_answer_is_asked_for(world: &World) {
    let show = world.show("lost").await;
    let (buyer, held) = hold(world, &show, "S-A-1").await;
    let confirm = format!("{}/confirm", show.booking_path(&held));
    let paid = buyer.post_once(confirm, pay("tok_lost")).expect(200).await.json();
    assert_eq!(paid["state"], "confirmed");
    world.payment_becomes(&held, PaymentState::Captured, 4500).await;
    let at_once = buyer.post_once(show.book_path(), bought(&show, &["S-A-2"], "tok_lost"));
    let at_once = at_once.expect(201).await.json();
    world.payment_becomes(&at_once, PaymentState::Captured, 4500).await;
}

pub(crate) async fn an_answer_given_twice_is_one_sale(world: &World) {
    let show = world.show("twice").await;
    let (buyer, held) = hold(world, &show, "S-A-1").await;
    let confirm = format!("{}/confirm", show.booking_path(&held));
    buyer.post_once(confirm, pay("tok_twice")).expect(200).await;
    world.payment_becomes(&held, PaymentState::Captured, 4500).await;
}

pub(crate) async fn a_payment_that_was_given_up_can_never_be_taken(world: &World) {
    let show = world.show("given-up").await;
    let (buyer, held) = hold(world, &show, "S-A-1").await;
    let confirm = format!("{}/confirm", show.booking_path(&held));
    buyer.post_once(confirm, pay("tok_unknown")).refused(Code::OutcomeUnknown).await;
    world.payment_becomes(&held, PaymentState::Voided, 0).await;
    // The authorise that was under way all the time arrives at last.
    let reference = world.payments_of(&held).await.remove(0).reference;
    let late = world.gateway().operate(&authorise(reference, "{}".into())).await;
    assert_eq!(late, Ok(Verdict::Now(PaymentState::Voided)));
}

pub(crate) async fn a_declined_card_leaves_no_money_behind(world: &World) {
    let show = world.show("card").await;
    let (buyer, held) = hold(world, &show, "S-A-1").await;
    let confirm = format!("{}/confirm", show.booking_path(&held));
    buyer.post_once(confirm.clone(), pay("tok_declined")).refused(Code::PaymentDeclined).await;
    buyer.post_once(confirm, pay("tok_ok")).expect(200).await;
    eventually(SETTLES_WITHIN, || async {
        let mut states: Vec<_> =
            world.payments_of(&held).await.iter().map(|p| (p.state.name(), p.kept())).collect();
        states.sort_unstable();
        let wanted = [("captured", 4500), ("declined", 0)];
        if states == wanted { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await;
}

pub(crate) async fn what_is_cancelled_is_given_back(world: &World) {
    let show = world.show("back").await;
    let buyer = world.customer("returner");
    let body = bought(&show, &["S-A-1", "S-A-2", "S-A-3"], "tok_ok");
    let booking = buyer.post_once(show.book_path(), body).expect(201).await.json();
    world.payment_becomes(&booking, PaymentState::Captured, 13_500).await;
    let path = show.booking_path(&booking);
    let ticket = booking["tickets"][1]["ticket_id"].as_str().expect("a ticket");
    for _ in 0..2 {
        buyer.delete(format!("{path}/tickets/{ticket}")).expect(200).await;
    }
    world.payment_becomes(&booking, PaymentState::Captured, 9_000).await;
    for _ in 0..2 {
        buyer.delete(path.clone()).expect(200).await;
    }
    world.payment_becomes(&booking, PaymentState::Captured, 0).await;
    let refunds = world.payments_of(&booking).await.remove(0).refunds;
    assert_eq!(refunds.len(), 2, "one for each cancel: {refunds:?}");
}

pub(crate) async fn without_the_gateway_seats_are_held_and_nothing_is_sold(world: &World) {
    let show = world.show("no-gateway").await;
    let (buyer, held) = hold(world, &show, "S-A-1").await;
    let path = show.booking_path(&held);
    let confirm = format!("{path}/confirm");
    world.cluster.kill("payment-gateway").await.expect("killed");
    // A connection that has just died may have carried the question away.
    eventually(Duration::from_secs(5), || async {
        let answer = buyer.post_once(confirm.clone(), pay("tok_ok")).send().await;
        match answer.checked_problem().code {
            Code::Unavailable => Ok(()),
            Code::OutcomeUnknown => Err("not found dead yet"),
            other => panic!("{other:?}: {}", answer.text()),
        }
    })
    .await;
    let read = buyer.get(path.clone()).expect(200).await.json();
    assert_eq!(read["state"], "held", "the hold stays");
    let at_once = buyer.post_once(show.book_path(), bought(&show, &["S-A-2"], "tok_ok"));
    at_once.refused(Code::Unavailable).await;
    world.seats_become(&show, json!({"S-A-1": "held"})).await;
    hold(world, &show, "S-A-3").await;
    world.cluster.restart("payment-gateway").await.expect("restarted");
    eventually(Duration::from_secs(10), || async {
        let answer = buyer.post_once(confirm.clone(), pay("tok_ok")).send().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    world.payment_becomes_settled(&held, 4500).await;
}

pub(crate) async fn a_silent_gateway_leaves_the_hold_and_captures_nothing(world: &World) {
    let show = world.show("silent").await;
    let (buyer, held) = hold(world, &show, "S-A-1").await;
    let path = show.booking_path(&held);
    let confirm = format!("{path}/confirm");
    world.cluster.pause("payment-gateway").await.expect("paused");
    buyer.post_once(confirm.clone(), pay("tok_ok")).refused(Code::OutcomeUnknown).await;
    let read = buyer.get(path.clone()).expect(200).await.json();
    assert_eq!(read["state"], "held", "the hold stays");
    hold(world, &show, "S-A-3").await;
    world.cluster.resume("payment-gateway").await.expect("resumed");
    world.cluster.wait_healthy(Duration::from_secs(30)).await.expect("healthy again");
    // It now does what was asked of it before, late; nobody takes the money.
    let payments = world.payments_of(&held).await;
    assert!(payments.iter().all(|payment| payment.kept() == 0), "{payments:?}");
    eventually(Duration::from_secs(10), || async {
        let answer = buyer.post_once(confirm.clone(), pay("tok_ok")).send().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    world.payment_becomes_settled(&held, 4500).await;
}

pub(crate) async fn a_forgetful_gateway_costs_time_and_no_money(world: &World) {
    let show = world.show("forgetful").await;
    let faults = Faults {
        lose_every: 3,
        repeat_every: 2,
        late_every: 5,
        late_ms: 400,
        turn_away_every: 7,
        decline_every: 9,
        ..Faults::default()
    };
    world.misbehave(faults).await;
    let buy = async |number: usize| {
        let buyer = world.customer("patient");
        let seats = [format!("S-B-{}", number + 1), format!("S-C-{}", number + 1)];
        let body = bought(&show, &[&seats[0], &seats[1]], "tok_ok");
        let answer = buyer.post_once(show.book_path(), body).send().await;
        if answer.status == 201 {
            let ticket = answer.json()["tickets"][0]["ticket_id"].as_str().expect("one").to_owned();
            let path = format!("{}/tickets/{ticket}", show.booking_path(&answer.json()));
            buyer.delete(path).expect(200).await;
            return true;
        }
        let code = answer.checked_problem().code;
        let honest = [Code::PaymentDeclined, Code::Unavailable, Code::OutcomeUnknown];
        assert!(honest.contains(&code), "{}", answer.text());
        false
    };
    let sold = join_all((0..10).map(buy)).await.into_iter().filter(|sold| *sold).count();
    assert!(sold > 0, "somebody got through");
    world.misbehave(Faults::default()).await;
    let _sweeper = sweeper(world).await;
    eventually(SETTLES_WITHIN, || world.balances()).await;
}

async fn stuck_of(world: &World, show: &Show) -> Vec<Value> {
    let path = format!("/v1/admin/shows/{}/stuck", show.show_id);
    let answer = world.organiser.get(path).expect(200).await.json();
    answer["stuck"].as_array().expect("a list").clone()
}

async fn becomes_stuck(world: &World, show: &Show, booking: &Value, settlement: &str) {
    eventually(Duration::from_secs(10), || async {
        let stuck = stuck_of(world, show).await;
        let [one] = &stuck[..] else { return Err(format!("{stuck:?}")) };
        assert_eq!(one["booking_id"], booking["booking_id"]);
        assert_eq!(one["settlement"], settlement);
        assert!(!one["reason"].as_str().expect("a reason").is_empty());
        Ok(())
    })
    .await;
}

async fn is_put_right(world: &World, show: &Show, booking: &Value) {
    world.misbehave(Faults::default()).await;
    let id = booking["booking_id"].as_str().expect("an id");
    let retry = format!("/v1/admin/shows/{}/stuck/{id}/retry", show.show_id);
    world.organiser.post_once(retry.clone(), json!({})).expect(202).await;
    eventually(Duration::from_secs(10), || async {
        let stuck = stuck_of(world, show).await;
        if stuck.is_empty() { Ok(()) } else { Err(format!("{stuck:?}")) }
    })
    .await;
    world.organiser.post_once(retry, json!({})).refused(Code::NotFound).await;
}

pub(crate) async fn what_the_gateway_refuses_is_seen_and_put_right(world: &World) {
    let show = world.show("stuck").await;
    let buyer = world.customer("stuck");
    world.misbehave(Faults { refuse_captures: true, ..Faults::default() }).await;
    let body = bought(&show, &["S-A-1", "S-A-2"], "tok_ok");
    let booking = buyer.post_once(show.book_path(), body).expect(201).await.json();
    becomes_stuck(world, &show, &booking, "capture").await;
    let path = format!("/v1/admin/shows/{}/stuck", show.show_id);
    buyer.get(path).refused(Code::Forbidden).await;
    let read = buyer.get(show.booking_path(&booking)).expect(200).await.json();
    assert_eq!(read["state"], "confirmed", "the customer's tickets are good");
    // Nobody else waits behind it.
    world.misbehave(Faults::default()).await;
    let other = world.customer("other");
    let next = other.post_once(show.book_path(), bought(&show, &["S-A-3"], "tok_ok"));
    let next = next.expect(201).await.json();
    world.payment_becomes(&next, PaymentState::Captured, 4500).await;
    assert_eq!(stuck_of(world, &show).await.len(), 1, "it waits for its next try");
    is_put_right(world, &show, &booking).await;
    world.payment_becomes(&booking, PaymentState::Captured, 9000).await;

    // A refund that is refused frees the seats all the same.
    world.misbehave(Faults { refuse_refunds: true, ..Faults::default() }).await;
    buyer.delete(show.booking_path(&booking)).expect(200).await;
    becomes_stuck(world, &show, &booking, "refund").await;
    world.seats_become(&show, json!({"S-A-3": "sold"})).await;
    is_put_right(world, &show, &booking).await;
    world.payment_becomes(&booking, PaymentState::Captured, 0).await;
    world.organiser.get("/v1/admin/shows/no-such-show/stuck").refused(Code::NotFound).await;
}

fn authorise(reference: Reference, memo: String) -> Operation {
    let (amount, token) = (4500, "tok_ok".to_owned());
    let currency = Currency::new("EUR").expect("a currency");
    Operation::Authorise(Authorise { reference, amount, currency, token, memo })
}

/// What an attempt that died right after it authorised leaves at the gateway.
async fn leaves_an_authorisation(world: &World, booking: &Value) -> Reference {
    let id: BookingId = booking["booking_id"].as_str().expect("an id").parse().expect("an id");
    let reference = Reference::new(id, "dead").expect("a reference");
    let memo = json!({"show": booking["show_id"], "user": booking["user_id"],
        "performance": booking["performance_id"]});
    let asked = authorise(reference.clone(), memo.to_string());
    let answer = world.gateway().operate(&asked).await;
    assert_eq!(answer, Ok(Verdict::Now(PaymentState::Authorised)));
    reference
}

/// A sweeper that need not wait ten minutes.
async fn sweeper(world: &World) -> Extra {
    let settings = [
        ("BOOKING_API_SALE__SWEEP_EVERY_MS", "100"),
        ("BOOKING_API_SALE__SWEEP_OLDER_THAN_MS", "1500"),
        ("BOOKING_API_SALE__REQUEST_DEADLINE_MS", "1400"),
        ("BOOKING_API_SALE__PAYMENT_TIMEOUT_MS", "900"),
        ("BOOKING_API_SALE__PAYMENT_ASK_TIMEOUT_MS", "300"),
    ];
    Extra::start(world, "booking-api-sweeper", &settings).await
}

pub(crate) async fn money_that_nobody_will_take_is_let_go(world: &World) {
    let show = world.show("swept").await;
    let (lender, released) = hold(world, &show, "S-A-1").await;
    let of_released = leaves_an_authorisation(world, &released).await;
    lender.delete(show.booking_path(&released)).expect(200).await;
    let (owner, living) = hold(world, &show, "S-A-2").await;
    let of_living = leaves_an_authorisation(world, &living).await;
    let (payer, sold) = hold(world, &show, "S-A-3").await;
    let of_sold = leaves_an_authorisation(world, &sold).await;
    let confirm = format!("{}/confirm", show.booking_path(&sold));
    payer.post_once(confirm, pay("tok_ok")).expect(200).await;
    // Lost the race for the seat after it had paid.
    let loser = world.customer("loser");
    loser
        .post_once(show.book_path(), bought(&show, &["S-A-3"], "tok_ok"))
        .refused(Code::SeatTaken)
        .await;

    let _sweeper = sweeper(world).await;
    let gateway = world.gateway();
    let becomes = async |reference: &Reference| {
        eventually(Duration::from_secs(20), || async {
            let found = gateway.payment(reference).await.expect("the gateway").expect("one");
            if found.state == PaymentState::Voided { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    };
    becomes(&of_released).await;
    becomes(&of_sold).await;
    // Only the living hold still has money behind it.
    eventually(Duration::from_secs(20), || async {
        let open = gateway.open(Duration::from_millis(1500), 0, 1000).await.expect("the gateway");
        let ours = |payment: &&Payment| payment.memo.contains(&show.show_id);
        let left: Vec<_> = open.iter().filter(ours).map(|p| p.reference.clone()).collect();
        if left == [of_living.clone()] { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    world.payment_becomes_settled(&sold, 4500).await;
    // And it can still be paid for, and let go.
    let confirm = format!("{}/confirm", show.booking_path(&living));
    owner.post_once(confirm, pay("tok_ok")).expect(200).await;
    becomes(&of_living).await;
    world.payment_becomes_settled(&living, 4500).await;
}

/// After everything that the other tests did: both ledgers agree to the cent.
pub(crate) async fn the_two_ledgers_balance_after_everything(world: &World) {
    let _sweeper = sweeper(world).await;
    let rows = eventually(Duration::from_secs(60), || world.balances()).await;
    println!("{rows} bookings balance");
    assert!(rows > 0, "something was sold");
}
