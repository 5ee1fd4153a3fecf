//! What one performance can do, however many machines there are: all holds, all
//! bookings and all refusals are for one house, so that they meet in one crowd,
//! under one placement, on one shard.

use std::sync::Arc;

use super::costs::{Gathered, Measure, Operation};
use super::place::{Place, Rounds};
use super::sell::{check_held, check_sold};
use super::{BENCH, seats_for};
use crate::Failure;
use crate::bookings::{OverHttp, Wares, Way, World};
use crate::checks::Check;
use crate::load::{Holder, Outcome, Rush};
use crate::report::Report;
use crate::report::table::figure;
use crate::truth::SEATS;

/// Seats in each of its two tiers at most: the on-sale that is sized for.
const MOST_SEATS: u32 = 30_000;

/// Transactions that went to etcd, and the batches that they went in.
const TRANSACTIONS: &str = "lock_batch_transactions_sum";
const BATCHES: &str = "lock_batch_transactions_count";

/// Puts it on sale.
pub(super) async fn open(place: &Place<'_>) -> Result<Arc<World>, Failure> {
    let seats = (seats_for(place.options.measure()) / 2).clamp(200, MOST_SEATS);
    let world = World::create(&place.stage, &place.ledger, Wares::one_show(seats)).await?;
    Ok(Arc::new(world))
}

/// One round: holds and refusals; then bookings.
pub(super) async fn round(
    place: &Place<'_>,
    world: &Arc<World>,
    round: u16,
    gathered: &mut Gathered,
    rounds: &mut Rounds,
    report: &mut Report,
) -> Result<(), Failure> {
    let at_once = place.options.callers as usize;
    place.begin().await?;
    let orders = orders(place, world, gathered.latest(Measure::HoldsPerS));
    let run = format!("oh{round}");
    let buyers = Arc::new(OverHttp::new(world.clone(), &[place.balancer], &run, Way::HoldOnly));
    let rushed = Rush { orders, at_once }.run(&buyers, &place.stage.processes()?).await?;
    let seats = place.truth.seats(SEATS).await?;
    let name = format!("{BENCH}, holds of one show");
    report.add_checks(check_held(&name, &rushed.history, &seats));
    let per_second = rushed.per_second();
    gathered.note(Measure::OneShowHoldsPerS, per_second);
    eprintln!("holds of one show: {}/s", figure(per_second));
    let load = format!("holds of one show, {at_once} at once");
    rounds.add_other(&load, per_second, rushed.latency, rushed.used);

    // Every second order named its seat: so many are taken by name.
    let late = orders / 2;
    let run = format!("late{round}");
    let buyers = OverHttp::new(world.clone(), &[place.balancer], &run, Way::HoldOnly);
    let rush = Rush { orders: late, at_once };
    let rushed = rush.run(&Arc::new(TooLate(buyers)), &place.stage.processes()?).await?;
    let name = format!("{BENCH}: everybody who is too late is told so");
    let refused = rushed.history.refused.len();
    report.add_checks(vec![Check::same(name, refused, usize::try_from(late)?)]);
    let per_second = rushed.per_second();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    gathered.note_cpu(Operation::Refusal, &rushed.used, rushed.took, late as f64);
    gathered.note(Measure::OneShowRefusalsPerS, per_second);
    eprintln!("refusals of one show: {}/s", figure(per_second));
    let load = format!("refusals of one show, {at_once} at once");
    rounds.add_other(&load, per_second, rushed.latency, rushed.used);

    bookings(place, world, round, gathered, rounds, report).await
}

async fn bookings(
    place: &Place<'_>,
    world: &Arc<World>,
    round: u16,
    gathered: &mut Gathered,
    rounds: &mut Rounds,
    report: &mut Report,
) -> Result<(), Failure> {
    let at_once = place.options.callers as usize;
    place.begin().await?;
    let transactions = place.stage.lock_metric(TRANSACTIONS).await?;
    let batches = place.stage.lock_metric(BATCHES).await?;
    let orders = orders(place, world, gathered.latest(Measure::BookingsPerS));
    let run = format!("ob{round}");
    let buyers = Arc::new(OverHttp::new(world.clone(), &[place.balancer], &run, Way::TwoCalls));
    let rushed = Rush { orders, at_once }.run(&buyers, &place.stage.processes()?).await?;
    let transactions = place.stage.lock_metric(TRANSACTIONS).await? - transactions;
    let batches = place.stage.lock_metric(BATCHES).await? - batches;
    let what = ("bookings of one show", run.as_str());
    check_sold(place, world, what, &buyers.receipts(), &rushed.history, report).await?;
    let per_second = rushed.per_second();
    gathered.note(Measure::BatchTransactions, transactions / batches.max(1.0));
    gathered.note(Measure::OneShowBookingsPerS, per_second);
    eprintln!("holds of one show with their confirms: {}/s", figure(per_second));
    let load = format!("holds of one show with their confirms, {at_once} at once");
    rounds.add_other(&load, per_second, rushed.latency, rushed.used);
    Ok(())
}

/// About as many as many shows did in the measured time, but never all seats of
/// the house: nobody may find it sold out.
fn orders(place: &Place<'_>, world: &World, per_second: f64) -> u64 {
    let most = u64::from(world.seats) * 2 * 9 / 10;
    let wanted = per_second * place.options.measure().as_secs_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53")]
    let wanted = wanted as u64;
    wanted.clamp(2, most)
}

/// Customers who want seats by name that are taken: order n names the seat that
/// order 2n + 1 of the house has.
struct TooLate(OverHttp);

impl Holder for TooLate {
    const RESENDABLE: bool = true;

    async fn hold(&self, caller: usize, n: u64) -> Outcome {
        self.0.hold(caller, 2 * n + 1).await
    }
}
