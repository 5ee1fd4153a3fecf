//! The ledger on a real server: what its transactions promise, whoever meets
//! in them.

#![expect(clippy::unwrap_used, reason = "a test: with a main of its own it is not built as one")]

mod deliveries;
mod sales;
mod server;

use std::sync::Arc;
use std::time::Duration;

use booking_api::store::{
    Backoff, Group, HeldBack, LedgerState, NewBooking, NewTicket, OutboxRow, OutboxWork, Refusal,
    Sold, StoreError, Tombstone,
};
use deliveries::{
    a_cancel_and_its_answer_are_one_transaction, a_claim_that_ran_out_is_another_instances,
    an_event_is_written_exactly_with_the_end_of_its_outbox_row,
    claims_of_two_instances_do_not_meet, deliveries_keep_the_order_of_a_booking_for_each_webhook,
    events_nobody_could_address_are_handed_out_in_order, what_is_due_is_known_for_each_webhook,
};
use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal;
use prometheus::Registry;
use sales::{
    a_relay_waits_for_no_rows_of_another, changed_sales_are_marked_until_what_was_seen_is_counted,
    what_was_sold_before_there_were_marks_is_marked,
};
use seat_model::{
    BookingId, Currency, Fence, PerformanceId, SeatId, ShardEpoch, ShowId, Timestamp, UserId,
};
use server::{Database, Server};
use sqlx::Executor;
use tokio::sync::RwLock;

type Shared = Arc<RwLock<Server>>;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, Vec::new()).exit_code();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::start();
    runtime.block_on(server.ready());
    let server: Shared = Arc::new(RwLock::new(server));
    let handle = runtime.handle().clone();
    macro_rules! trials {
        ($($name:ident),* $(,)?) => {
            vec![$({
                let (server, handle) = (server.clone(), handle.clone());
                Trial::test(stringify!($name), move || {
                    handle.block_on(async move {
                        let server = server.read().await;
                        $name(server.database().await).await;
                    });
                    Ok(())
                })
            }),*]
        };
    }
    let mut trials = trials![
        a_sale_is_read_as_it_was_written,
        bookings_that_meet_are_committed_together,
        one_bad_booking_does_not_spoil_its_group,
        a_group_keeps_each_of_its_shows_in_place,
        the_limit_is_exact_however_many_commits_meet,
        a_stale_a_frozen_and_an_unknown_placement_are_refused,
        a_closed_performance_is_refused,
        a_seat_is_sold_once_and_a_booking_written_once,
        a_tombstone_and_a_commit_exclude_each_other,
        a_cancel_changes_and_refunds_each_ticket_once,
        the_outbox_keeps_the_order_of_a_booking,
        a_refused_settlement_is_seen_and_in_nobodys_way,
        changed_sales_are_marked_until_what_was_seen_is_counted,
        what_was_sold_before_there_were_marks_is_marked,
        a_relay_waits_for_no_rows_of_another,
        an_event_is_written_exactly_with_the_end_of_its_outbox_row,
        deliveries_keep_the_order_of_a_booking_for_each_webhook,
        a_claim_that_ran_out_is_another_instances,
        claims_of_two_instances_do_not_meet,
        events_nobody_could_address_are_handed_out_in_order,
        what_is_due_is_known_for_each_webhook,
        a_cancel_and_its_answer_are_one_transaction,
    ];
    let paused = server.clone();
    trials.push(Trial::test("a_paused_shard_is_unknown_then_away_then_back", move || {
        handle.block_on(async move {
            let server = paused.write().await;
            a_paused_shard_is_unknown_then_away_then_back(&server).await;
        });
        Ok(())
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

const SHOW: &str = "INSERT INTO placement VALUES ('hamlet', 1, FALSE)";

fn show() -> ShowId {
    ShowId::new("hamlet").unwrap()
}

fn id(number: u32) -> BookingId {
    BookingId::from_bytes(u128::from(number).to_be_bytes())
}

fn booking(number: u32, user: &str, seats: &[&str]) -> NewBooking {
    let sold = Sold {
        payment: format!("pay-{number}"),
        currency: "EUR".into(),
        amount: 100 * seats.len() as u64,
        trace: None,
    };
    NewBooking {
        id: id(number),
        user_id: UserId::new(user).unwrap(),
        show_id: show(),
        epoch: ShardEpoch::FIRST,
        performance_id: PerformanceId::new("p1").unwrap(),
        fence: Fence::from_u64(20),
        acquired: Fence::from_u64(10),
        first_deadline_ms: 1_000,
        body_hash: "body".into(),
        direct: true,
        confirm_key: "key \" with 'quotes' \\".into(),
        confirm_hash: "confirm".into(),
        payment: sold.payment.clone(),
        currency: Currency::new("EUR").unwrap(),
        at_ms: 500,
        seats: seats.len(),
        seats_limit: 10,
        payload: serde_json::to_string(&sold).unwrap(),
        tickets: seats
            .iter()
            .zip(1..)
            .map(|(seat, number)| NewTicket {
                number,
                seat: SeatId::new(*seat).unwrap(),
                tier: "Parkett “links”".into(),
                price: 100,
                code: format!("CODE{number}"),
            })
            .collect(),
    }
}

fn tombstone(number: u32) -> Tombstone {
    Tombstone {
        id: id(number),
        user: UserId::new("ann").unwrap(),
        show: show(),
        performance: PerformanceId::new("p1").unwrap(),
        epoch: ShardEpoch::FIRST,
        fence: Fence::from_u64(20),
        acquired: Fence::from_u64(10),
        at: Timestamp::from_millis(1),
    }
}

fn refused(refusal: Refusal) -> Result<(), StoreError> {
    Err(StoreError::Refused(refusal))
}

/// How many groups were sent, and how many of them were redone.
fn groups(registry: &Registry) -> (u64, f64) {
    let gathered = registry.gather();
    let metric = |name: &str| {
        let family = gathered.iter().find(|family| family.name() == name).unwrap();
        family.get_metric()[0].clone()
    };
    let sent = metric("booking_commit_group_size").get_histogram().get_sample_count();
    let redone = metric("booking_commit_groups_redone_total").get_counter().get_value();
    (sent, redone)
}

/// What a counter of this shard shows; none that was never counted is missing.
fn counted(registry: &Registry, name: &str, label: (&str, &str)) -> f64 {
    let gathered = registry.gather();
    let family = gathered.iter().find(|family| family.name() == name).unwrap();
    let has = |metric: &&prometheus::proto::Metric| {
        metric.get_label().iter().any(|pair| (pair.name(), pair.value()) == label)
    };
    family.get_metric().iter().find(has).unwrap().get_counter().get_value()
}

async fn a_sale_is_read_as_it_was_written(database: Database) {
    let opened = database.open().await;
    database.execute(SHOW).await;
    let new = booking(1, "ann", &["A \"1\"", "A-2 'b'\\"]);
    opened.shard.commit(new.clone()).await.unwrap();
    assert_eq!(opened.shard.read(id(1)).await.unwrap(), Some(new.clone().into_row()));
    assert_eq!(opened.shard.read(id(2)).await.unwrap(), None);
    let listed = opened.shard.list(&new.user_id, None, 10).await.unwrap();
    assert_eq!(listed, [new.into_row()]);
    let totals = opened.shard.totals(&show()).await.unwrap();
    assert_eq!((totals[0].sold, totals[0].revenue, totals[0].cancelled), (2, 200, 0));
}

async fn bookings_that_meet_are_committed_together(database: Database) {
    let opened = database.open().await;
    database.execute(SHOW).await;
    let commits = (0..100).map(|n| {
        let (shard, seat) = (opened.shard.clone(), format!("S-{n}"));
        tokio::spawn(async move { shard.commit(booking(n, &format!("u{n}"), &[&seat])).await })
    });
    for commit in commits.collect::<Vec<_>>() {
        assert_eq!(commit.await.unwrap(), Ok(()));
    }
    let (sent, redone) = groups(&opened.registry);
    assert!(sent < 50, "100 bookings took {sent} transactions");
    assert!(redone < 0.5, "{redone} groups were redone");
    assert_eq!(database.number("SELECT COUNT(*) FROM seat_sale").await, 100);
    assert_eq!(database.number("SELECT COUNT(*) FROM outbox").await, 100);
}

/// Until a statement on this database waits for a lock.
async fn somebody_waits(database: &Database) {
    let waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx AS trx \
                   JOIN information_schema.processlist AS list ON list.id = trx.trx_mysql_thread_id \
                   WHERE trx.trx_state = 'LOCK WAIT' AND list.db = DATABASE()";
    // The table is a snapshot that is taken anew only where nobody has looked at
    // it for 100 ms: looking more often would show the first one for ever.
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(250));
    let looked = async {
        while database.number(waiting).await == 0 {
            looks.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(2), looked).await.unwrap();
}

/// INV-13: whoever freezes any show of a group waits for the whole group. Under
/// READ COMMITTED a search for misfits would give back the locks of the fit.
async fn a_group_keeps_each_of_its_shows_in_place(database: Database) {
    let _migrated = database.open().await;
    database.execute("INSERT INTO placement VALUES ('hamlet', 1, FALSE), ('lear', 1, FALSE)").await;
    database.execute("INSERT INTO quota VALUES ('p1', 'ann', 0)").await;
    let mut blocker = database.connect().await;
    blocker.execute("START TRANSACTION").await.unwrap();
    blocker.execute("SELECT * FROM quota FOR UPDATE").await.unwrap();
    let mut other = booking(2, "ann", &["A-2"]);
    other.show_id = ShowId::new("lear").unwrap();
    let group = Group::new(&[&booking(1, "ann", &["A-1"]), &other]).unwrap();
    let mut connection = database.connect().await;
    let commit = tokio::spawn(async move {
        sqlx::query("CALL commit_group(?, ?, ?)")
            .bind(group.terms)
            .bind(group.bookings)
            .bind(group.tickets)
            .execute(&mut connection)
            .await
    });
    somebody_waits(&database).await;
    for freeze in [
        "SELECT * FROM placement WHERE show_id = 'hamlet' FOR UPDATE NOWAIT",
        "SELECT * FROM placement WHERE show_id = 'lear' FOR UPDATE NOWAIT",
    ] {
        let mut mover = database.connect().await;
        assert!(mover.execute(freeze).await.is_err(), "{freeze} did not have to wait");
    }
    blocker.execute("ROLLBACK").await.unwrap();
    commit.await.unwrap().unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM seat_sale").await, 2);
}

/// INV-9: the group is all or nothing, and so is each booking in it.
async fn one_bad_booking_does_not_spoil_its_group(database: Database) {
    let opened = database.open().await;
    database.execute(SHOW).await;
    // While this is locked the first groups wait, and the others collect.
    let mut blocker = database.connect().await;
    blocker.execute("START TRANSACTION").await.unwrap();
    blocker.execute("SELECT * FROM placement FOR UPDATE").await.unwrap();
    let commits: Vec<_> = (0..20)
        .map(|n| {
            let (shard, seat) = (opened.shard.clone(), format!("S-{n}"));
            let mut new = booking(n, &format!("u{n}"), &[&seat, "xx"]);
            new.tickets[1].seat = SeatId::new(format!("T-{n}")).unwrap();
            if n == 13 {
                new.seats_limit = 1;
            }
            tokio::spawn(async move { shard.commit(new).await })
        })
        .collect();
    somebody_waits(&database).await;
    blocker.execute("ROLLBACK").await.unwrap();
    for (n, commit) in commits.into_iter().enumerate() {
        let expected = if n == 13 { refused(Refusal::Quota) } else { Ok(()) };
        assert_eq!(commit.await.unwrap(), expected, "booking {n}");
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM booking").await, 19);
    assert_eq!(database.number("SELECT COUNT(*) FROM ticket").await, 38);
    assert_eq!(database.number("SELECT COUNT(*) FROM quota").await, 19);
}

async fn the_limit_is_exact_however_many_commits_meet(database: Database) {
    let (one, other) = (database.open().await, database.open().await);
    database.execute(SHOW).await;
    let commits: Vec<_> = (0..24)
        .map(|n| {
            let shard = if n % 2 == 0 { one.shard.clone() } else { other.shard.clone() };
            let mut new = booking(n, "ann", &[&format!("S-{n}")]);
            new.seats_limit = 5;
            tokio::spawn(async move { shard.commit(new).await })
        })
        .collect();
    let mut sold = 0;
    for commit in commits {
        match commit.await.unwrap() {
            Ok(()) => sold += 1,
            refusal => assert_eq!(refusal, refused(Refusal::Quota)),
        }
    }
    assert_eq!(sold, 5);
    assert_eq!(database.number("SELECT CAST(sold AS SIGNED) FROM quota").await, 5);
}

/// INV-13.
async fn a_stale_a_frozen_and_an_unknown_placement_are_refused(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    let stale = refused(Refusal::StalePlacement);
    assert_eq!(shard.commit(booking(1, "ann", &["A-1"])).await, stale);
    shard.place(&show(), ShardEpoch::from_u64(2)).await.unwrap();
    shard.place(&show(), ShardEpoch::from_u64(3)).await.unwrap();
    assert_eq!(database.number("SELECT CAST(epoch AS SIGNED) FROM placement").await, 2);
    assert_eq!(shard.commit(booking(1, "ann", &["A-1"])).await, stale);
    assert_eq!(shard.tombstone(&tombstone(1)).await, stale);
    database.execute("UPDATE placement SET epoch = 1").await;
    shard.commit(booking(1, "ann", &["A-1"])).await.unwrap();
    database.execute("UPDATE placement SET frozen = TRUE").await;
    assert_eq!(shard.commit(booking(2, "ann", &["A-2"])).await, stale);
    assert_eq!(shard.tombstone(&tombstone(2)).await, stale);
    let cancelled =
        shard.cancel(id(1), &show(), ShardEpoch::FIRST, None, Timestamp::from_millis(1)).await;
    assert_eq!(cancelled, Err(StoreError::Refused(Refusal::StalePlacement)));
    assert_eq!(database.number("SELECT COUNT(*) FROM seat_sale").await, 1);
}

async fn a_closed_performance_is_refused(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    shard.commit(booking(1, "ann", &["A-1"])).await.unwrap();
    let (performance, at) = (PerformanceId::new("p1").unwrap(), Timestamp::from_millis(1));
    let close = |even_if_sold| {
        let (shard, performance) = (shard.clone(), performance.clone());
        async move {
            shard
                .close_performance(&show(), &performance, ShardEpoch::FIRST, even_if_sold, at)
                .await
        }
    };
    assert_eq!(close(false).await, refused(Refusal::TicketsLive));
    shard.commit(booking(2, "ann", &["A-2"])).await.unwrap();
    close(true).await.unwrap();
    close(true).await.unwrap();
    assert_eq!(
        shard.commit(booking(3, "ann", &["A-3"])).await,
        refused(Refusal::PerformanceClosed)
    );
    assert_eq!(shard.sold_bookings(&performance, 10).await.unwrap().len(), 2);
}

/// INV-1.
async fn a_seat_is_sold_once_and_a_booking_written_once(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    shard.commit(booking(1, "ann", &["A-1", "A-2"])).await.unwrap();
    assert_eq!(shard.commit(booking(2, "bob", &["A-3", "A-2"])).await, refused(Refusal::SeatSold));
    assert_eq!(shard.commit(booking(1, "ann", &["A-4"])).await, refused(Refusal::DuplicateBooking));
    for (result, count) in [("committed", 1.0), ("refused", 2.0), ("unknown", 0.0)] {
        let there = counted(&opened.registry, "booking_commits_total", ("result", result));
        assert!((there - count).abs() < 0.5, "{result}: {there}");
    }
    for (reason, count) in [("seat_sold", 1.0), ("duplicate_booking", 1.0), ("quota", 0.0)] {
        let there = counted(&opened.registry, "booking_commit_refusals_total", ("reason", reason));
        assert!((there - count).abs() < 0.5, "{reason}: {there}");
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM seat_sale").await, 2);
    assert_eq!(shard.read(id(2)).await.unwrap(), None);
}

/// INV-4, INV-6: in both orders, and when they race.
async fn a_tombstone_and_a_commit_exclude_each_other(database: Database) {
    let (one, other) = (database.open().await, database.open().await);
    database.execute(SHOW).await;
    let duplicate = refused(Refusal::DuplicateBooking);
    one.shard.tombstone(&tombstone(1)).await.unwrap();
    assert_eq!(other.shard.commit(booking(1, "ann", &["A-1"])).await, duplicate);
    assert_eq!(one.shard.read(id(1)).await.unwrap().unwrap().state, LedgerState::Aborted);
    one.shard.commit(booking(2, "ann", &["A-2"])).await.unwrap();
    assert_eq!(other.shard.tombstone(&tombstone(2)).await, duplicate);
    assert_eq!(one.shard.read(id(2)).await.unwrap().unwrap().state, LedgerState::Confirmed);
    for n in 10..40 {
        let seat = format!("R-{n}");
        let (committed, stoned) =
            tokio::join!(one.shard.commit(booking(n, &format!("u{n}"), &[&seat])), async {
                other.shard.tombstone(&tombstone(n)).await
            });
        let state = one.shard.read(id(n)).await.unwrap().unwrap().state;
        match (committed, stoned) {
            (Ok(()), refusal) if refusal == duplicate => assert_eq!(state, LedgerState::Confirmed),
            (refusal, Ok(())) if refusal == duplicate => assert_eq!(state, LedgerState::Aborted),
            both => panic!("round {n}: {both:?}"),
        }
    }
}

/// INV-7.
async fn a_cancel_changes_and_refunds_each_ticket_once(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    shard.commit(booking(1, "ann", &["A-1", "A-2", "A-3"])).await.unwrap();
    let cancel = |number| {
        let shard = shard.clone();
        async move {
            let at = Timestamp::from_millis(9);
            shard.cancel(id(1), &show(), ShardEpoch::FIRST, number, at).await.unwrap()
        }
    };
    let (a, b, c) = tokio::join!(cancel(Some(2)), cancel(Some(2)), cancel(Some(2)));
    assert_eq!(a + b + c, 1, "three cancels of one ticket");
    let row = shard.read(id(1)).await.unwrap().unwrap();
    assert_eq!(row.state, LedgerState::Confirmed);
    assert_eq!(row.tickets.iter().map(|t| t.valid).collect::<Vec<_>>(), [true, false, true]);
    // The seat is free again for somebody else, who is not touched later.
    shard.commit(booking(2, "bob", &["A-2"])).await.unwrap();
    let (a, b) = tokio::join!(cancel(None), cancel(None));
    assert_eq!(a + b, 2, "two cancels of what was left");
    assert_eq!(cancel(Some(1)).await, 0);
    assert_eq!(shard.read(id(1)).await.unwrap().unwrap().state, LedgerState::Cancelled);
    assert_eq!(database.number("SELECT COUNT(*) FROM seat_sale").await, 1);
    assert_eq!(
        database.number("SELECT CAST(sold AS SIGNED) FROM quota WHERE user_id = 'ann'").await,
        0
    );
    let refunded = "SELECT CAST(SUM(JSON_VALUE(payload, '$.amount')) AS SIGNED) FROM outbox \
                    WHERE kind = 'cancelled'";
    assert_eq!(database.number(refunded).await, 300);
    assert_eq!(database.number("SELECT COUNT(*) FROM outbox WHERE kind = 'cancelled'").await, 2);
    // A cancel for a booking of another show's name changes nothing.
    let other = ShowId::new("carmen").unwrap();
    database.execute("INSERT INTO placement VALUES ('carmen', 1, FALSE)").await;
    let none =
        shard.cancel(id(2), &other, ShardEpoch::FIRST, None, Timestamp::from_millis(1)).await;
    assert_eq!(none, Ok(0));
}

async fn the_outbox_keeps_the_order_of_a_booking(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    shard.commit(booking(1, "ann", &["A-1"])).await.unwrap();
    let at = Timestamp::from_millis(9);
    shard.cancel(id(1), &show(), ShardEpoch::FIRST, None, at).await.unwrap();
    shard.tombstone(&tombstone(2)).await.unwrap();
    let first = shard.claim_outbox(10, 60_000).await.unwrap();
    let kinds: Vec<_> = first.iter().map(|row| &row.work).collect();
    assert!(matches!(kinds[..], [OutboxWork::Confirmed(_), OutboxWork::Aborted]), "{kinds:?}");
    assert_eq!(shard.claim_outbox(10, 60_000).await.unwrap(), []);
    let done: Vec<u64> = first.iter().map(|row| row.seq).collect();
    shard.complete_outbox(&done, &[]).await.unwrap();
    let then = shard.claim_outbox(10, 0).await.unwrap();
    let [OutboxWork::Cancelled(refund)] =
        &then.iter().map(|r| r.work.clone()).collect::<Vec<_>>()[..]
    else {
        panic!("{then:?}");
    };
    assert_eq!((refund.amount, refund.payment.as_str()), (100, "pay-1"));
    assert_eq!(refund.seats, [SeatId::new("A-1").unwrap()]);
    // A claim that ran out is handed out again: at least once.
    assert_eq!(shard.claim_outbox(10, 60_000).await.unwrap(), then);
}

fn held_back(row: &OutboxRow, reason: &str) -> HeldBack {
    HeldBack {
        seq: row.seq,
        booking: row.booking,
        show: row.show.clone(),
        kind: "confirmed",
        reason: reason.into(),
    }
}

/// INV-7, INV-10: what the gateway refuses is neither forgotten nor in the way
/// of anything but its own booking.
async fn a_refused_settlement_is_seen_and_in_nobodys_way(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    shard.commit(booking(1, "ann", &["A-1"])).await.unwrap();
    shard.commit(booking(2, "bob", &["A-2"])).await.unwrap();
    let at = Timestamp::from_millis(9);
    shard.cancel(id(1), &show(), ShardEpoch::FIRST, None, at).await.unwrap();
    let rows = shard.claim_outbox(10, 0).await.unwrap();
    let backoff = Backoff { first: Duration::from_secs(60), longest: Duration::from_secs(100) };
    shard.hold_back(&[held_back(&rows[0], "voided before")], backoff).await.unwrap();
    let others = shard.claim_outbox(10, 0).await.unwrap();
    assert_eq!(others, rows[1..], "neither the capture nor the refund behind it");
    shard.complete_outbox(&[others[0].seq], &[]).await.unwrap();

    let stuck = shard.stuck(&show()).await.unwrap();
    let [one] = &stuck[..] else { panic!("{stuck:?}") };
    assert_eq!((one.booking, one.attempts), (id(1), 1));
    assert_eq!((one.kind.as_str(), one.reason.as_str()), ("confirmed", "voided before"));
    assert_eq!(one.retry_at.as_millis() - one.since.as_millis(), 60_000);
    assert_eq!(shard.stuck(&ShowId::new("carmen").unwrap()).await.unwrap(), []);
    assert_eq!(shard.count_stuck().await.unwrap(), 1);

    // A person has it tried again; refused again, it waits longer.
    let retried = shard.retry_stuck(&show(), id(1)).await.unwrap().unwrap();
    assert_eq!(retried.booking, id(1));
    assert_eq!(shard.retry_stuck(&show(), id(2)).await.unwrap(), None);
    let again = shard.claim_outbox(10, 60_000).await.unwrap();
    assert_eq!(again, rows[..1]);
    shard.hold_back(&[held_back(&rows[0], "still voided")], backoff).await.unwrap();
    let now = shard.stuck(&show()).await.unwrap().remove(0);
    assert_eq!((now.attempts, now.since, now.reason.as_str()), (2, one.since, "still voided"));
    let pause = now.retry_at.as_millis() - now.since.as_millis();
    assert!((100_000..160_000).contains(&pause), "never longer than the longest: {pause}");

    // Settled at last: the refund behind it comes, and nothing is stuck.
    shard.complete_outbox(&[rows[0].seq], &[]).await.unwrap();
    assert_eq!(shard.stuck(&show()).await.unwrap(), []);
    assert_eq!(shard.count_stuck().await.unwrap(), 0);
    let then = shard.claim_outbox(10, 0).await.unwrap();
    assert!(matches!(then[0].work, OutboxWork::Cancelled(_)), "{then:?}");
}

async fn a_paused_shard_is_unknown_then_away_then_back(server: &Server) {
    let database = server.database().await;
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    shard.commit(booking(1, "ann", &["A-1"])).await.unwrap();
    server.signal(Signal::SIGSTOP);
    // A trusted connection is there: it was sent, and nobody answers.
    let sent = shard.commit(booking(2, "ann", &["A-2"])).await;
    // No connection can be made: nothing was sent.
    let unsent = shard.commit(booking(3, "ann", &["A-3"])).await;
    server.signal(Signal::SIGCONT);
    assert!(matches!(sent, Err(StoreError::Unknown { .. })), "{sent:?}");
    assert!(matches!(unsent, Err(StoreError::NotSent { .. })), "{unsent:?}");
    shard.commit(booking(4, "ann", &["A-4"])).await.unwrap();
    assert_eq!(shard.read(id(3)).await.unwrap(), None, "it was never sent");
    // The unknown one became true or not; a tombstone finds out which.
    match shard.tombstone(&tombstone(2)).await {
        Ok(()) => {}
        other => assert_eq!(other, refused(Refusal::DuplicateBooking)),
    }
}
