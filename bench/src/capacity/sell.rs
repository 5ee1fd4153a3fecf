//! What selling costs: holds, bookings and cancels of a whole programme, over
//! both shards, through the load balancer, with every service at work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use seat_model::SeatState;

use super::costs::{Gathered, Measure, Operation};
use super::place::{Place, Rounds, TwoLoads, longest};
use super::stores::{OnShards, memory_of};
use super::{BENCH, SETTLED_WITHIN, seats_for};
use crate::Failure;
use crate::bookings::{HOUSES, OverHttp, Receipt, Wares, Way, World};
use crate::checks::{Behind, Books, Check, check_behind, check_bookings};
use crate::http::{NoAnswer, Server};
use crate::load::{History, Holder, Outcome, Proof, Rush};
use crate::report::Report;
use crate::report::table::figure;
use crate::truth::{Found, SEATS, all_sold};
use crate::usage::Sample;

/// How long refunds may take after the last cancel: all were asked for at once.
const REFUNDED_WITHIN: Duration = Duration::from_secs(60);

/// After which a cancel is asked for again, where nothing says when.
const COME_AGAIN: Duration = Duration::from_millis(100);

const LOCKS: &str = "lock-service";
const VIEWS: &str = "view-service";

/// Puts the programme on sale, and notes what etcd has for it.
pub(super) async fn open(
    place: &Place<'_>,
    gathered: &mut Gathered,
) -> Result<Arc<World>, Failure> {
    let both_loads = seats_for(longest(place.options) * 2);
    let seats = (both_loads / (2 * HOUSES)).max(200);
    let before = place.truth.compacted_bytes().await?;
    let world = World::create(&place.stage, &place.ledger, Wares::programme(seats)).await?;
    let grown = between(before, place.truth.compacted_bytes().await?);
    gathered.note(Measure::EtcdPerformanceBytes, grown / f64::from(HOUSES));
    Ok(Arc::new(world))
}

/// One round: holds; then bookings, and their cancels.
pub(super) async fn round(
    place: &Place<'_>,
    world: &Arc<World>,
    round: u16,
    gathered: &mut Gathered,
    rounds: &mut Rounds,
    report: &mut Report,
) -> Result<(), Failure> {
    // Keys are never used again: the payment gateway forgets nothing.
    let (held, bought) = (format!("h{round}"), format!("b{round}"));
    holds(place, world, &held, gathered, rounds, report).await?;
    let receipts = bookings(place, world, &bought, gathered, rounds, report).await?;
    cancels(place, world, receipts, gathered, rounds, report).await
}

async fn holds(
    place: &Place<'_>,
    world: &Arc<World>,
    run: &str,
    gathered: &mut Gathered,
    rounds: &mut Rounds,
    report: &mut Report,
) -> Result<(), Failure> {
    place.begin().await?;
    let in_etcd = place.truth.compacted_bytes().await?;
    let (locks, views) = (memory_of(&place.stage, LOCKS)?, memory_of(&place.stage, VIEWS)?);
    let buyers = Arc::new(OverHttp::new(world.clone(), &[place.balancer], run, Way::HoldOnly));
    let callers = place.options.callers;
    let TwoLoads { closed, open, history } = place.two_loads(callers, &buyers).await?;

    let seats = place.truth.seats(SEATS).await?;
    report.add_checks(check_held(&format!("{BENCH}, holds"), &history, &seats));
    let count = count(seats.len()).max(1.0);
    let in_etcd = between(in_etcd, place.truth.compacted_bytes().await?);
    gathered.note(Measure::EtcdHeldBytes, in_etcd / count);
    let grown = |before: f64, kind: &str| {
        Ok::<_, Failure>((memory_of(&place.stage, kind)? - before).max(0.0) / count)
    };
    gathered.note(Measure::LockTakenBytes, grown(locks, LOCKS)?);
    gathered.note(Measure::ViewTakenBytes, grown(views, VIEWS)?);
    gathered.note(Measure::HoldsPerS, closed.per_second);
    place.note_half(gathered, Operation::Hold, &open);
    eprintln!("holds: {}/s", figure(closed.per_second));
    rounds.add(&format!("holds, {callers} callers"), closed);
    rounds.add("holds, half of that, open loop", open);
    Ok(())
}

async fn bookings(
    place: &Place<'_>,
    world: &Arc<World>,
    run: &str,
    gathered: &mut Gathered,
    rounds: &mut Rounds,
    report: &mut Report,
) -> Result<Vec<Receipt>, Failure> {
    place.begin().await?;
    let in_etcd = place.truth.compacted_bytes().await?;
    let on_shards = OnShards::look(&place.shards).await?;
    let buyers = Arc::new(OverHttp::new(world.clone(), &[place.balancer], run, Way::TwoCalls));
    let callers = place.options.callers;
    let TwoLoads { closed, open, history } = place.two_loads(callers, &buyers).await?;

    let receipts = buyers.receipts();
    check_sold(place, world, ("bookings", run), &receipts, &history, report).await?;
    let count = count(receipts.len()).max(1.0);
    let in_etcd = between(in_etcd, place.truth.compacted_bytes().await?);
    gathered.note(Measure::EtcdSoldBytes, in_etcd / count);
    let now = OnShards::look(&place.shards).await?;
    gathered.note(Measure::ShardDataBytes, (now.data - on_shards.data).max(0.0) / count);
    gathered.note(Measure::ShardBinlogBytes, (now.binlog - on_shards.binlog).max(0.0) / count);
    gathered.note(Measure::BookingsPerS, closed.per_second);
    place.note_half(gathered, Operation::Booking, &open);
    eprintln!("holds with their confirms: {}/s", figure(closed.per_second));
    rounds.add(&format!("holds with their confirms, {callers} callers"), closed);
    rounds.add("holds with their confirms, half of that, open loop", open);
    Ok(receipts)
}

/// Cancels all of these bookings. Its cost is that of a crowd, until the last
/// refund has been made and the last seat is free.
async fn cancels(
    place: &Place<'_>,
    world: &Arc<World>,
    receipts: Vec<Receipt>,
    gathered: &mut Gathered,
    rounds: &mut Rounds,
    report: &mut Report,
) -> Result<(), Failure> {
    let orders = receipts.len() as u64;
    let at_once = place.options.callers as usize;
    let server = Server::new(place.balancer);
    let cancelling = Arc::new(Cancelling { world: world.clone(), server, receipts });
    let before = Sample::take(&place.stage.processes()?);
    let began = Instant::now();
    let rushed = Rush { orders, at_once }.run(&cancelling, &[]).await?;
    let drained = place.ledger.drained(REFUNDED_WITHIN).await?;
    let (freed, seats) = place.truth.seats_when(SETTLED_WITHIN, <[Found]>::is_empty).await?;
    let (used, took) = (before.until_now(), began.elapsed());

    let sold = place.ledger.sold().await?;
    let kept = place.ledger.captured(&sold).await?;
    let name = |what: &str| format!("{BENCH}, cancels: {what}");
    let asked_for = cancelling.receipts.len();
    let still = sold.rows.iter().filter(|row| row.confirmed).count();
    report.add_checks(vec![
        Check::same(name("each is answered"), rushed.history.taken.len(), asked_for),
        Check::same(name("no booking is confirmed"), still, 0),
        Check::same(name("no seat is sold"), sold.sales.len() + sold.tickets.len(), 0),
        Check::same(name("no seat is taken in etcd"), seats.len(), 0),
        Check::same(name("no money is kept"), kept.len(), 0),
        Check {
            name: name("and all of that in time"),
            ok: drained.is_some() && freed.is_some(),
            detail: format!("after {} s", figure(took.as_secs_f64())),
        },
    ]);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    gathered.note_cpu(Operation::Cancel, &used, took, orders as f64);
    gathered.note(Measure::CancelsPerS, rushed.per_second());
    eprintln!("cancels: {}/s", figure(rushed.per_second()));
    let per_second = rushed.per_second();
    rounds.add_other(&format!("cancels, {at_once} at once"), per_second, rushed.latency, used);
    Ok(())
}

/// Checks that bookings are what their buyers were told, once all is done that
/// was left behind the answers.
pub(super) async fn check_sold(
    place: &Place<'_>,
    world: &World,
    (what, run): (&str, &str),
    receipts: &[Receipt],
    history: &History,
    report: &mut Report,
) -> Result<(), Failure> {
    let drained = place.ledger.drained(SETTLED_WITHIN).await?;
    let (finished, seats) = place.truth.seats_when(SETTLED_WITHIN, all_sold).await?;
    let sold = place.ledger.sold().await?;
    let captured = place.ledger.captured(&sold).await?;
    let within = SETTLED_WITHIN;
    let books = Books { world, run, receipts, history, sold: &sold };
    let behind = Behind { seats: &seats, finished, drained, within, captured: &captured };
    let name = format!("{BENCH}, {what}");
    report.add_checks(check_bookings(&name, &books));
    report.add_checks(check_behind(&name, &books, &behind));
    Ok(())
}

/// Checks that everybody was given a seat, and that those are held.
pub(super) fn check_held(name: &str, history: &History, seats: &[Found]) -> Vec<Check> {
    let without = history.refused.iter().chain(&history.not_applied).chain(&history.unknown);
    let without: Vec<String> = without.map(|n| format!("{n} has none")).collect();
    let other = seats.iter().filter(|seat| seat.state != Some(SeatState::Held));
    let other: Vec<String> = other.map(|seat| format!("{} is not held", seat.seat)).collect();
    vec![
        Check::none(format!("{name}: everybody is given a seat"), history.taken.len(), &without),
        Check::same(format!("{name}: etcd has one for each"), seats.len(), history.taken.len()),
        Check::none(format!("{name}: and it is held"), seats.len(), &other),
    ]
}

fn count(of: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = of as f64;
    count
}

fn between(before: i64, after: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let grown = (after - before).max(0) as f64;
    grown
}

/// Customers who give back what they bought: order n is that of receipt n.
struct Cancelling {
    world: Arc<World>,
    server: Server,
    receipts: Vec<Receipt>,
}

impl Holder for Cancelling {
    const RESENDABLE: bool = true;

    async fn hold(&self, _: usize, n: u64) -> Outcome {
        let receipt = usize::try_from(n).ok().and_then(|n| self.receipts.get(n));
        let Some(receipt) = receipt else { return Outcome::NotApplied };
        let purchase = self.world.purchase(receipt.n);
        let path = format!("/v1/book/{}/{}", purchase.performance.show, receipt.booking);
        let key = format!("given-back.{}", receipt.n);
        match self.server.delete(&path, &purchase.customer.token, &key).await {
            Ok(answer) => match (answer.status, answer.retry_after) {
                (200, _) => Outcome::Taken(Proof { lease: None, revision: None }),
                (429 | 503, after) => Outcome::Busy(after.unwrap_or(COME_AGAIN)),
                (409, Some(after)) => Outcome::Busy(after),
                (500 | 502 | 504, _) => Outcome::Unknown,
                _ => Outcome::NotApplied,
            },
            Err(NoAnswer::NotSent) => Outcome::Busy(COME_AGAIN),
            Err(NoAnswer::Lost) => Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_that_is_missing_or_is_none_is_seen() {
        let proof = Proof { lease: None, revision: None };
        let mut history = History::default();
        history.note(0, Outcome::Taken(proof));
        history.note(1, Outcome::Taken(proof));
        let seat = |n: u32, state| Found {
            performance: "p".to_owned(),
            seat: format!("S-{n}"),
            booking: format!("b{n}"),
            state: Some(state),
            deadline_ms: Some(1),
            lease: 1,
            revision: 1,
            version: 1,
        };
        let broken = |history: &History, seats: &[Found]| {
            check_held("x", history, seats).iter().filter(|check| !check.ok).count()
        };
        let held = [seat(0, SeatState::Held), seat(1, SeatState::Held)];
        assert_eq!(broken(&history, &held), 0);
        assert_eq!(broken(&history, &held[..1]), 1);
        assert_eq!(broken(&history, &[seat(0, SeatState::Held), seat(1, SeatState::Sold)]), 1);
        history.note(2, Outcome::Refused);
        assert_eq!(broken(&history, &held), 1);
    }
}
