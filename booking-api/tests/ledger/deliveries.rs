//! What the shard promises of deliveries to webhooks: written exactly with the
//! outbox row they come from, handed out in order per booking, and again after
//! a crash; and a cancel's answer kept exactly with the cancel.

use booking_api::store::{
    ClaimedDelivery, DeliveryEnd, KeepAnswer, LedgerBooking, Listener, NewDelivery,
    SettledDelivery, Shard,
};
use seat_model::{ShardEpoch, Timestamp, UserId, WebhookId};

use crate::server::Database;
use crate::{SHOW, booking, id, show};

const CONFIRMED: &str = "booking.confirmed";
const CANCELLED: &str = "booking.cancelled";

fn hook(name: &str) -> WebhookId {
    WebhookId::new(name).unwrap()
}

fn event(webhook: Option<&str>, seq: u64, of: u32, event: &'static str) -> NewDelivery {
    NewDelivery {
        webhook: webhook.map(hook),
        seq,
        booking: id(of),
        show: show(),
        event,
        message: format!("msg_{seq}"),
        body: format!("{{\"seq\":{seq}}}"),
        at: Timestamp::from_millis(7),
    }
}

/// Sells to as many customers and tells `hooks` of each sale; answers the
/// outbox's places.
async fn told(database: &Database, shard: &Shard, of: &[u32], hooks: &[Option<&str>]) -> Vec<u64> {
    database.execute("INSERT IGNORE INTO placement VALUES ('hamlet', 1, FALSE)").await;
    for number in of {
        let (user, seat) = (format!("u{number}"), format!("S-{number}"));
        shard.commit(booking(*number, &user, &[&seat])).await.unwrap();
    }
    let rows = shard.claim_outbox(100, 60_000).await.unwrap();
    let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    let events: Vec<NewDelivery> = seqs
        .iter()
        .zip(of)
        .flat_map(|(seq, of)| hooks.iter().map(|hook| event(*hook, *seq, *of, CONFIRMED)))
        .collect();
    shard.complete_outbox(&seqs, &events).await.unwrap();
    seqs
}

fn ended(delivery: &ClaimedDelivery, end: DeliveryEnd) -> SettledDelivery {
    SettledDelivery {
        webhook: delivery.webhook.clone(),
        seq: delivery.seq,
        booking: delivery.booking,
        attempts: delivery.attempts,
        end,
    }
}

fn retry(after_ms: i64) -> DeliveryEnd {
    DeliveryEnd::Retry { after_ms, status: Some(500), why: "answered 500".into() }
}

async fn claim(shard: &Shard, webhook: &str) -> Vec<ClaimedDelivery> {
    shard.claim_deliveries(&hook(webhook), 100, 60_000).await.unwrap()
}

fn seqs(claimed: &[ClaimedDelivery]) -> Vec<u64> {
    claimed.iter().map(|one| one.seq).collect()
}

pub(crate) async fn an_event_is_written_exactly_with_the_end_of_its_outbox_row(database: Database) {
    let (one, other) = (database.open().await, database.open().await);
    let done = told(&database, &one.shard, &[1], &[Some("a")]).await;
    assert_eq!(database.number("SELECT COUNT(*) FROM outbox").await, 0);
    // Another instance whose claim had run out ends the same row, before and
    // after the delivery was accepted.
    let late = [event(Some("a"), done[0], 1, CONFIRMED)];
    other.shard.complete_outbox(&done, &late).await.unwrap();
    let claimed = claim(&one.shard, "a").await;
    assert_eq!(seqs(&claimed), done);
    let accepted = ended(&claimed[0], DeliveryEnd::Accepted);
    one.shard.settle_deliveries(std::slice::from_ref(&accepted)).await.unwrap();
    one.shard.settle_deliveries(&[accepted]).await.unwrap();
    other.shard.complete_outbox(&done, &late).await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM webhook_delivery").await, 0);
}

pub(crate) async fn deliveries_keep_the_order_of_a_booking_for_each_webhook(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    let first = told(&database, shard, &[1, 2], &[Some("a"), Some("b")]).await;
    let at = Timestamp::from_millis(9);
    shard.cancel(id(1), &show(), ShardEpoch::FIRST, None, at).await.unwrap();
    let rows = shard.claim_outbox(10, 60_000).await.unwrap();
    let late = rows[0].seq;
    let events = [event(Some("a"), late, 1, CANCELLED), event(Some("b"), late, 1, CANCELLED)];
    shard.complete_outbox(&[late], &events).await.unwrap();

    let claimed = claim(shard, "a").await;
    assert_eq!(seqs(&claimed), first, "the cancel waits for its sale");
    assert_eq!(claim(shard, "a").await, [], "what is claimed is claimed");
    shard.settle_deliveries(&[ended(&claimed[0], retry(60_000))]).await.unwrap();
    assert_eq!(claim(shard, "a").await, [], "it waits while the sale is tried again");
    // Another webhook is not kept back by that, nor is another booking.
    let others = claim(shard, "b").await;
    assert_eq!(seqs(&others), first);
    let all = others.iter().map(|one| ended(one, DeliveryEnd::Accepted));
    shard.settle_deliveries(&all.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(seqs(&claim(shard, "b").await), [late]);
    // Given up, the sale keeps nothing back any more; sent again it may.
    let dead = DeliveryEnd::Dead { status: None, why: "no answer in time".into() };
    let tried = ClaimedDelivery { attempts: 1, ..claimed[0].clone() };
    shard.settle_deliveries(&[ended(&tried, dead)]).await.unwrap();
    assert_eq!(seqs(&claim(shard, "a").await), [late]);
    let listed = shard.list_deliveries(&hook("a"), true, 0, 10).await.unwrap();
    assert_eq!((listed[0].seq, listed[0].attempts, listed[0].last_status), (first[0], 2, None));
    let again = shard.redeliver(&hook("a"), first[0], None).await.unwrap().unwrap();
    assert!(!again.dead && again.attempts == 0);
    assert_eq!(seqs(&claim(shard, "a").await), [first[0]]);
    assert_eq!(shard.redeliver(&hook("a"), 4_711, None).await.unwrap(), None);
}

pub(crate) async fn a_claim_that_ran_out_is_another_instances(database: Database) {
    let (one, other) = (database.open().await, database.open().await);
    told(&database, &one.shard, &[1], &[Some("a")]).await;
    let lost = one.shard.claim_deliveries(&hook("a"), 10, 0).await.unwrap();
    let again = claim(&other.shard, "a").await;
    let same = |one: &ClaimedDelivery| (one.seq, one.message.clone(), one.body.clone());
    assert_eq!(same(&again[0]), same(&lost[0]), "the same message under the same id");
    assert_eq!(again.len(), 1);
    other.shard.settle_deliveries(&[ended(&again[0], retry(0))]).await.unwrap();
    // Whoever comes back late does not count the attempt twice, nor end it.
    one.shard.settle_deliveries(&[ended(&lost[0], retry(60_000))]).await.unwrap();
    let then = claim(&other.shard, "a").await;
    assert_eq!((then[0].seq, then[0].attempts), (lost[0].seq, 1));
}

pub(crate) async fn claims_of_two_instances_do_not_meet(database: Database) {
    let (one, other) = (database.open().await, database.open().await);
    let all: Vec<u32> = (1..=40).collect();
    let told = told(&database, &one.shard, &all, &[Some("a")]).await;
    let hook = hook("a");
    let mut claimed = Vec::new();
    for _ in 0..4 {
        let (a, b) = tokio::join!(
            one.shard.claim_deliveries(&hook, 5, 60_000),
            other.shard.claim_deliveries(&hook, 5, 60_000)
        );
        claimed.extend(seqs(&a.unwrap()));
        claimed.extend(seqs(&b.unwrap()));
    }
    claimed.extend(seqs(&claim(&one.shard, "a").await));
    claimed.sort_unstable();
    assert_eq!(claimed, told, "each once");
}

pub(crate) async fn events_nobody_could_address_are_handed_out_in_order(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    let first = told(&database, shard, &[1], &[None]).await;
    let at = Timestamp::from_millis(9);
    shard.cancel(id(1), &show(), ShardEpoch::FIRST, None, at).await.unwrap();
    let late = shard.claim_outbox(10, 60_000).await.unwrap()[0].seq;
    // By now this instance knows the webhooks.
    shard.complete_outbox(&[late], &[event(Some("a"), late, 1, CANCELLED)]).await.unwrap();
    assert_eq!(claim(shard, "a").await, [], "the sale is not addressed yet");
    let listeners = [
        Listener { webhook: hook("a"), events: vec![CONFIRMED, CANCELLED] },
        Listener { webhook: hook("b"), events: vec![CANCELLED] },
    ];
    assert_eq!(shard.hand_out_deliveries(&listeners, 10).await, Ok(1));
    assert_eq!(shard.hand_out_deliveries(&listeners, 10).await, Ok(0));
    assert_eq!(claim(shard, "b").await, [], "it did not ask for sales");
    let claimed = claim(shard, "a").await;
    assert_eq!(seqs(&claimed), first);
    assert_eq!((claimed[0].message.as_str(), claimed[0].attempts), ("msg_1", 0));
    shard.settle_deliveries(&[ended(&claimed[0], DeliveryEnd::Accepted)]).await.unwrap();
    assert_eq!(seqs(&claim(shard, "a").await), [late]);
}

pub(crate) async fn what_is_due_is_known_for_each_webhook(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    told(&database, shard, &[1, 2], &[None, Some("a"), Some("b")]).await;
    let claimed = claim(shard, "b").await;
    let retries = claimed.iter().map(|one| ended(one, retry(60_000)));
    shard.settle_deliveries(&retries.collect::<Vec<_>>()).await.unwrap();
    let due = shard.due_deliveries().await.unwrap();
    let due: Vec<_> = due
        .iter()
        .map(|due| (due.webhook.as_ref().map(WebhookId::as_str), due.in_ms > 0))
        .collect();
    assert_eq!(due, [(None, false), (Some("a"), false), (Some("b"), true)]);
    assert_eq!(shard.bury_deliveries(&hook("b"), 1, "too many").await, Ok(1));
    let mut counts: Vec<_> = shard
        .count_deliveries()
        .await
        .unwrap()
        .into_iter()
        .map(|c| (c.webhook.map_or(String::new(), String::from), c.dead, c.count))
        .collect();
    counts.sort();
    let count = |name: &str, dead, count| (name.to_owned(), dead, count);
    let wanted =
        [count("", false, 2), count("a", false, 2), count("b", false, 1), count("b", true, 1)];
    assert_eq!(counts, wanted);
    shard.drop_dead_deliveries(&hook("b"), 60_000, 0).await.unwrap();
    assert_eq!(shard.list_deliveries(&hook("b"), true, 0, 10).await.unwrap().len(), 1);
    shard.drop_dead_deliveries(&hook("b"), 60_000, 1).await.unwrap();
    shard.drop_deliveries(&hook("a")).await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM webhook_delivery").await, 3);
}

/// INV-8: the change and its first answer are there, or neither is.
pub(crate) async fn a_cancel_and_its_answer_are_one_transaction(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    shard.commit(booking(1, "ann", &["A-1", "A-2"])).await.unwrap();
    let user = UserId::new("ann").unwrap();
    let body = |row: &LedgerBooking| {
        let valid = row.tickets.iter().filter(|ticket| ticket.valid).count();
        format!("{valid} left")
    };
    let cancel = |key: &'static str, number, epoch| {
        let (shard, user, body) = (shard.clone(), user.clone(), &body);
        async move {
            let at = Timestamp::from_millis(9);
            let keep = KeepAnswer { user: &user, scope: "cancel", key, body, at };
            shard.cancel_and_keep(id(1), &show(), epoch, number, keep).await
        }
    };
    let kept = |key: &'static str| {
        let (shard, user) = (shard.clone(), user.clone());
        async move { shard.recall(&user, "cancel", key).await.unwrap().map(|kept| kept.body) }
    };
    let stale = cancel("stale", Some(1), ShardEpoch::from_u64(2)).await;
    assert!(stale.is_err() && kept("stale").await.is_none(), "{stale:?}");
    let first = cancel("one", Some(1), ShardEpoch::FIRST).await.unwrap().unwrap();
    assert_eq!(body(&first), "1 left");
    cancel("all", None, ShardEpoch::FIRST).await.unwrap();
    // Repeated, it changes nothing, and its first answer stays.
    cancel("one", Some(1), ShardEpoch::FIRST).await.unwrap();
    assert_eq!(kept("one").await.as_deref(), Some("1 left"));
    assert_eq!(kept("all").await.as_deref(), Some("0 left"));
    assert_eq!(database.number("SELECT COUNT(*) FROM outbox WHERE kind = 'cancelled'").await, 2);
    assert_eq!(database.number("SELECT CAST(version AS SIGNED) FROM booking").await, 3);
    assert_eq!(database.number("SELECT COUNT(*) FROM seat_sale").await, 0);
}
