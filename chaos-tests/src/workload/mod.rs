//! Customers: journeys through the public API, drawn from a seed, each request
//! recorded. They must not know what is broken around them.

mod abandon;
mod browse;
mod customer;
mod group;
mod hot_seat;
mod on_sale;
mod rebook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use seat_model::ShardId;
use tokio::task::JoinSet;

use crate::hall::Hall;
use crate::recorder::Recorder;
use crate::stage::Stage;
pub(crate) use customer::{Customer, Reply, Wish};

/// A way of using the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journey {
    /// A few seats that everybody wants.
    HotSeat,
    /// Several seats by name, all or none.
    Group,
    /// A hold that is left to run out.
    Abandon,
    /// The best of a tier, paid for.
    OnSale,
    /// Bought, given back, and bought again by somebody else.
    Rebook,
    /// Looking only.
    Browse,
}

/// How often each is drawn, of the sum of all.
const WEIGHTS: [(Journey, u32); 6] = [
    (Journey::HotSeat, 30),
    (Journey::Group, 15),
    (Journey::Abandon, 10),
    (Journey::OnSale, 25),
    (Journey::Rebook, 10),
    (Journey::Browse, 10),
];

/// Between two journeys of a customer.
const PAUSE_MS: std::ops::Range<u64> = 5..60;

/// What customers do beside what is drawn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    keep_ms: u64,
    lookers: u32,
}

impl Habits {
    /// Nothing.
    pub const USUAL: Self = Self { keep_ms: 0, lookers: 0 };

    /// A seat that everybody wants is kept for so many milliseconds once it is
    /// paid for.
    #[must_use]
    pub const fn keeping(self, keep_ms: u64) -> Self {
        Self { keep_ms, ..self }
    }

    /// So many more come, and only look.
    #[must_use]
    pub const fn looking(self, lookers: u32) -> Self {
        Self { lookers, ..self }
    }

    const fn keep(self) -> Duration {
        Duration::from_millis(self.keep_ms)
    }
}

/// A crowd at work.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    at_work: JoinSet<()>,
}

impl Crowd {
    /// Sends so many customers in; who does what comes from the seed.
    pub(crate) fn enter(
        stage: &Arc<Stage>,
        recorder: &Arc<Recorder>,
        seed: u64,
        customers: u32,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut at_work = JoinSet::new();
        for number in 0..customers + stage.habits.lookers {
            let only_looks = number >= customers;
            let mut dice = StdRng::seed_from_u64(seed ^ ((u64::from(number) + 1) << 32));
            let (stage, recorder) = (Arc::clone(stage), Arc::clone(recorder));
            let stop = Arc::clone(&stop);
            at_work.spawn(async move {
                let client = recorder.next_client();
                let halls = halls_of(&stage, number);
                let mut visit = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    visit += 1;
                    let Some(hall) = halls.choose(&mut dice) else { return };
                    let who = Visitor {
                        stage: &stage,
                        recorder: &recorder,
                        hall,
                        client,
                        name: format!("c{number}-{visit}"),
                        stop: &stop,
                    };
                    let journey = if only_looks { Journey::Browse } else { drawn(&mut dice) };
                    who.travel(journey, &mut dice).await;
                    tokio::time::sleep(Duration::from_millis(dice.random_range(PAUSE_MS))).await;
                }
            });
        }
        Self { stop, at_work }
    }

    /// Lets everybody finish what was begun, and no more.
    pub(crate) async fn leave(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while self.at_work.join_next().await.is_some() {}
    }
}

/// Where a customer goes. Every third one keeps to one shard: were all to wait
/// for a shard that is away, nobody could tell whether another still sells.
fn halls_of(stage: &Stage, number: u32) -> Vec<Hall> {
    let shards: Vec<ShardId> = stage.one_of_each_shard().into_keys().collect();
    let home = usize::try_from(number / 3).unwrap_or(0) % shards.len().max(1);
    let home = shards.get(home).filter(|_| number.is_multiple_of(3));
    let halls = stage.halls.iter().filter(|hall| home.is_none_or(|home| hall.shard == *home));
    halls.cloned().collect()
}

fn drawn(dice: &mut StdRng) -> Journey {
    let total: u32 = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    let mut point = dice.random_range(0..total);
    for (journey, weight) in WEIGHTS {
        if point < weight {
            return journey;
        }
        point -= weight;
    }
    Journey::Browse
}

/// Somebody at the door: who they are is drawn with each journey, so that a
/// store's record names the journey it came from.
pub(crate) struct Visitor<'a> {
    stage: &'a Stage,
    recorder: &'a Recorder,
    hall: &'a Hall,
    client: u32,
    name: String,
    stop: &'a AtomicBool,
}

impl Visitor<'_> {
    async fn travel(&self, journey: Journey, dice: &mut StdRng) {
        match journey {
            Journey::HotSeat => hot_seat::travel(self, dice).await,
            Journey::Group => group::travel(self, dice).await,
            Journey::Abandon => abandon::travel(self, dice).await,
            Journey::OnSale => on_sale::travel(self, dice).await,
            Journey::Rebook => rebook::travel(self, dice).await,
            Journey::Browse => browse::travel(self, dice).await,
        }
    }

    /// A customer nobody else is.
    fn customer(&self, part: &str) -> Option<Customer<'_>> {
        let name = format!("{}{part}", self.name);
        Customer::new(self.stage, self.recorder, self.hall, self.client, &name, Some(self.stop))
    }
}

/// Whether something with this chance happens.
fn happens(dice: &mut StdRng, percent: u32) -> bool {
    dice.random_range(0..100) < percent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_journeys() {
        let draw = |seed| {
            let mut dice = StdRng::seed_from_u64(seed);
            (0..50).map(|_| drawn(&mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let all = draw(7);
        for (journey, _) in WEIGHTS {
            assert!(all.contains(&journey), "{journey:?} is never drawn");
        }
    }
}
