//! Sales counted for organisers: what the marks promise, and that the sums are
//! those of the ledger's own rows.

use booking_api::store::{ChangedSales, NewBooking, SalesHour, Shard};
use seat_model::{PerformanceId, ShardEpoch, Timestamp};
use sqlx::Executor as _;

use crate::server::Database;
use crate::{SHOW, booking, id, show, tombstone};

const HOUR_MS: i64 = 3_600_000;

fn performance(id: &str) -> PerformanceId {
    PerformanceId::new(id).unwrap()
}

/// Sold in this hour, to this performance.
fn at(hour: i64, of: &str, new: NewBooking) -> NewBooking {
    NewBooking { at_ms: hour * HOUR_MS + 500, performance_id: performance(of), ..new }
}

/// Completes everything the outbox has, as a relay does.
async fn relay(shard: &Shard) {
    loop {
        let rows = shard.claim_outbox(100, 0).await.unwrap();
        if rows.is_empty() {
            return;
        }
        let done: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        shard.complete_outbox(&done, &[]).await.unwrap();
    }
}

fn named(changed: &[ChangedSales]) -> Vec<&str> {
    let mut names: Vec<&str> = changed.iter().map(|one| one.performance.as_str()).collect();
    names.sort_unstable();
    names
}

pub(crate) async fn changed_sales_are_marked_until_what_was_seen_is_counted(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    assert_eq!(shard.changed_sales(10).await.unwrap(), []);
    shard.commit(at(3, "p1", booking(1, "ann", &["A-1", "A-2"]))).await.unwrap();
    shard.commit(at(3, "p1", booking(2, "bob", &["A-3"]))).await.unwrap();
    shard.commit(at(5, "p2", booking(3, "ann", &["A-1"]))).await.unwrap();
    // A tombstone sold nothing.
    shard.tombstone(&tombstone(9)).await.unwrap();
    relay(shard).await;
    let seen = shard.changed_sales(10).await.unwrap();
    assert_eq!(named(&seen), ["p1", "p2"]);
    assert_eq!(shard.count_changed_sales().await.unwrap(), 2);
    assert_eq!(shard.changed_sales(1).await.unwrap(), seen[..1], "in bites");

    // One ticket of two is cancelled two hours later, one hour after that the other.
    let hamlet = show();
    let cancel = |number, hour| {
        let then = Timestamp::from_millis(hour * HOUR_MS + 7);
        shard.cancel(id(1), &hamlet, ShardEpoch::FIRST, number, then)
    };
    assert_eq!(cancel(Some(1), 5).await, Ok(1));
    assert_eq!(cancel(None, 6).await, Ok(1));
    let hours = shard.sales_by_hour(&hamlet, &performance("p1")).await.unwrap();
    let cancelled = |hour: i64| SalesHour {
        hour_ms: hour * HOUR_MS,
        cancels: 1,
        cancelled_tickets: 1,
        refunded: 100,
        ..SalesHour::default()
    };
    let sold = SalesHour {
        hour_ms: 3 * HOUR_MS,
        bookings: 2,
        tickets: 3,
        revenue: 300,
        ..SalesHour::default()
    };
    assert_eq!(hours, [sold, cancelled(5), cancelled(6)]);

    // The cancels are marked while what was seen before is still being counted.
    relay(shard).await;
    for mark in &seen {
        shard.sales_are_counted(mark).await.unwrap();
    }
    let left = shard.changed_sales(10).await.unwrap();
    assert_eq!(named(&left), ["p1"], "a newer mark stays");
    assert!(left[0].seq > seen.iter().map(|mark| mark.seq).max().unwrap());
    shard.sales_are_counted(&left[0]).await.unwrap();
    assert_eq!(shard.changed_sales(10).await.unwrap(), []);
    assert_eq!(shard.sales_by_hour(&hamlet, &performance("p9")).await.unwrap(), []);
}

pub(crate) async fn what_was_sold_before_there_were_marks_is_marked(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    shard.commit(at(3, "p1", booking(1, "ann", &["A-1"]))).await.unwrap();
    shard.commit(at(3, "p2", booking(2, "ann", &["A-1"]))).await.unwrap();
    relay(shard).await;
    // As it was before this migration.
    database.execute("DROP TABLE sales_changed").await;
    database.execute("DELETE FROM _sqlx_migrations WHERE version = 20").await;
    shard.migrate().await.unwrap();
    let marked = shard.changed_sales(10).await.unwrap();
    assert_eq!(named(&marked), ["p1", "p2"]);
    for mark in &marked {
        shard.sales_are_counted(mark).await.unwrap();
    }
    assert_eq!(shard.count_changed_sales().await.unwrap(), 0);
}

pub(crate) async fn a_relay_waits_for_no_rows_of_another(database: Database) {
    let opened = database.open().await;
    let shard = &opened.shard;
    database.execute(SHOW).await;
    shard.commit(at(3, "p1", booking(1, "ann", &["A-1"]))).await.unwrap();
    shard.commit(at(3, "p2", booking(2, "bob", &["A-1"]))).await.unwrap();
    shard.tombstone(&tombstone(9)).await.unwrap();
    let rows = shard.claim_outbox(100, 60_000).await.unwrap();
    let (first, own) = rows.split_first().unwrap();
    assert_eq!(own.len(), 2);
    // Another relay is in the middle of completing the first.
    let mut other = database.connect().await;
    other.execute("START TRANSACTION").await.unwrap();
    let locked = sqlx::query("SELECT seq FROM outbox WHERE seq = ? FOR UPDATE").bind(first.seq);
    locked.fetch_one(&mut other).await.unwrap();
    let own: Vec<u64> = own.iter().map(|row| row.seq).collect();
    shard.complete_outbox(&own, &[]).await.unwrap();
    assert_eq!(shard.outbox_backlog().await.unwrap(), 1);
    other.execute("ROLLBACK").await.unwrap();
    shard.complete_outbox(&[first.seq], &[]).await.unwrap();
    assert_eq!(shard.outbox_backlog().await.unwrap(), 0);
}
