//! An on-sale in memory: ten thousand people ask for pairs of a tier of 5,000
//! seats, some hundred at a time, through the parts that choose seats as the
//! engine puts them together. etcd is a map here, and watches are queues.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use seat_model::{BookingId, Chart, PerformanceId, Plan, SeatId, SeatState, UserId};
use seat_picker::{Prepared, Spread, Wanted};

use crate::crowd::{Crowd, Reserved};
use crate::etcd::WatchEvent;
use crate::keys;
use crate::metrics::Metrics;
use crate::mirror::State;
use crate::picks::{NoPick, choose};
use crate::record::tests::record;
use crate::transaction::Kv;

const BUYERS: u64 = 10_000;

/// How it is sold.
#[derive(Clone, Copy)]
struct Night {
    instances: usize,
    /// One in so many asks another instance than the first.
    elsewhere: u32,
    in_flight: usize,
    /// How many seats there are between two aisles.
    row: usize,
    spreading: bool,
    seed: u64,
}

/// As affinity has it: all of a show's requests at one instance.
const NIGHT: Night =
    Night { instances: 1, elsewhere: 10, in_flight: 256, row: 100, spreading: true, seed: 1 };

/// Fifty rows of a hundred, with rows of `row` seats between the aisles.
fn hall(row: usize) -> Arc<Prepared> {
    let seat = |y: usize, x: usize| {
        serde_json::json!({"seat_guid": format!("{y}-{x}"), "seat_number": x.to_string(),
            "position": {"x": x + x / row * 2, "y": 0}, "category": "A"})
    };
    let rows: Vec<_> = (0..50)
        .map(|y| {
            let seats: Vec<_> = (0..100).map(|x| seat(y, x)).collect();
            serde_json::json!({"row_number": y.to_string(), "seats": seats,
                "position": {"x": 0, "y": y}})
        })
        .collect();
    let plan = serde_json::json!({"name": "Hall", "categories": [{"name": "A"}],
        "size": {"width": 300, "height": 50},
        "zones": [{"position": {"x": 0, "y": 0}, "rows": rows}]});
    let plan: Plan = serde_json::from_value(plan).unwrap();
    Arc::new(Prepared::new(Arc::new(Chart::new(&plan))))
}

struct Instance {
    crowd: Crowd,
    state: State,
    /// What etcd has told and the mirror has not seen.
    told: VecDeque<WatchEvent>,
    /// Who waits for the crowd.
    waiting: VecDeque<u64>,
}

struct OnTheWay {
    at: usize,
    buyer: u64,
    seats: Vec<SeatId>,
    reserved: Reserved,
}

struct Sale {
    random: StdRng,
    prepared: Arc<Prepared>,
    performance: PerformanceId,
    wanted: Wanted,
    night: Night,
    instances: Vec<Instance>,
    etcd: HashMap<SeatId, u64>,
    on_the_way: Vec<OnTheWay>,
    refused: u64,
    conflicts: u64,
}

impl Sale {
    fn new(night: Night) -> Self {
        let prepared = hall(night.row);
        let performance = PerformanceId::new("p").unwrap();
        let instance = || {
            let mut state = State::new();
            state.chart(&performance, &prepared, 1);
            let crowd = Crowd::new(Metrics::new(&prometheus::Registry::new()).unwrap());
            Instance { crowd, state, told: VecDeque::new(), waiting: VecDeque::new() }
        };
        let instances = (0..night.instances).map(|_| instance()).collect();
        Self {
            random: StdRng::seed_from_u64(night.seed),
            wanted: Wanted { tier: 0, quantity: 2, accessible: 0, accept_split: true },
            performance: performance.clone(),
            prepared,
            night,
            instances,
            etcd: HashMap::new(),
            on_the_way: Vec::new(),
            refused: 0,
            conflicts: 0,
        }
    }

    fn run(mut self) -> Self {
        let mut to_come = (0..BUYERS).collect::<VecDeque<u64>>();
        while !to_come.is_empty() || !self.on_the_way.is_empty() {
            if self.on_the_way.len() < self.night.in_flight
                && let Some(buyer) = to_come.pop_front()
            {
                let others = self.instances.len() - 1;
                let elsewhere = others > 0 && self.random.random_ratio(1, self.night.elsewhere);
                let at = if elsewhere { self.random.random_range(1..=others) } else { 0 };
                self.ask(at, buyer);
                continue;
            }
            let index = self.random.random_range(0..self.on_the_way.len());
            let OnTheWay { at, buyer, seats, reserved } = self.on_the_way.swap_remove(index);
            if self.random.random_ratio(1, 50) {
                // It never reached etcd; the buyer tries again.
                self.let_go(at, reserved);
                to_come.push_back(buyer);
            } else if seats.iter().any(|seat| self.etcd.contains_key(seat)) {
                self.conflicts += 1;
                self.catch_up(at);
                self.let_go(at, reserved);
                self.ask(at, buyer);
            } else {
                self.sell(buyer, seats);
                self.catch_up(at);
                // The others' watches deliver as well, sooner or later.
                let other = self.random.random_range(0..self.instances.len());
                self.catch_up(other);
                self.let_go(at, reserved);
            }
        }
        assert!(self.instances.iter().all(|instance| instance.waiting.is_empty()));
        self
    }

    /// Chooses and reserves, as the engine does.
    fn ask(&mut self, at: usize, buyer: u64) {
        for caught_up in [false, true] {
            let Self { instances, performance, prepared, wanted, random, .. } = self;
            let Instance { crowd, state, .. } = &instances[at];
            let spreading = self.night.spreading;
            let user = UserId::new(buyer.to_string()).unwrap();
            let reserved = crowd.reserve(performance, booking(buyer), &user, |in_flight| {
                let taken = state.taken(performance, prepared);
                let choices = in_flight.requests(performance) + 1;
                let seed = random.random();
                let spread = if spreading { Spread { choices, seed } } else { Spread::NONE };
                let reserved = in_flight.reserved(performance, prepared);
                let seats = choose(prepared, wanted, &taken, reserved, spread)?;
                Ok((seats.clone(), seats))
            });
            match reserved {
                Ok((reserved, seats)) => {
                    self.on_the_way.push(OnTheWay { at, buyer, seats, reserved });
                    return;
                }
                Err(NoPick::Crowded) => {
                    self.instances[at].waiting.push_back(buyer);
                    return;
                }
                Err(NoPick::Truly(_)) if caught_up => self.refused += 1,
                Err(NoPick::Truly(_)) => self.catch_up(at),
            }
        }
    }

    /// Told as the crowd tells: one of each letting go, all of the last.
    fn let_go(&mut self, at: usize, reserved: Reserved) {
        drop(reserved);
        let left = self.on_the_way.iter().any(|other| other.at == at);
        let waiting = &mut self.instances[at].waiting;
        let told = if left { usize::from(!waiting.is_empty()) } else { waiting.len() };
        for buyer in waiting.drain(..told).collect::<Vec<_>>() {
            self.ask(at, buyer);
        }
    }

    fn sell(&mut self, buyer: u64, seats: Vec<SeatId>) {
        let revision = self.etcd.len() as u64 + 1;
        for seat in seats {
            let key = keys::seat(&self.performance, &seat);
            let value = record(booking(buyer), SeatState::Held).encode();
            let now = Kv { key: key.clone(), value, mod_revision: revision, create_revision: 1 };
            let event = WatchEvent { key, revision, now: Some(now) };
            for instance in &mut self.instances {
                instance.told.push_back(event.clone());
            }
            assert_eq!(self.etcd.insert(seat, buyer), None, "sold twice");
        }
    }

    fn catch_up(&mut self, at: usize) {
        let Instance { state, told, .. } = &mut self.instances[at];
        let revision = told.back().map_or(0, |event| event.revision);
        state.apply(told.drain(..).collect(), revision);
    }
}

fn booking(buyer: u64) -> BookingId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&buyer.to_be_bytes());
    BookingId::from_bytes(bytes)
}

#[test]
fn a_crowd_sells_a_tier_out_without_one_conflict() {
    for (row, seed) in [(100, 1), (25, 2), (7, 3), (100, 4)] {
        let sale = Sale::new(Night { row, seed, ..NIGHT }).run();
        let buyers: HashSet<u64> = sale.etcd.values().copied().collect();
        assert_eq!((sale.etcd.len(), buyers.len()), (5000, 2500), "rows of {row}");
        assert_eq!((sale.refused, sale.conflicts), (BUYERS - 2500, 0), "rows of {row}");
    }
}

#[test]
fn two_crowds_sell_it_out_too_and_spread_they_collide_less() {
    let sales = [true, false].map(|spreading| {
        let night = Night { instances: 2, elsewhere: 2, in_flight: 32, spreading, ..NIGHT };
        let sale = Sale::new(night).run();
        assert_eq!((sale.etcd.len(), sale.refused), (5000, BUYERS - 2500));
        println!("spreading {spreading}: {} conflicts", sale.conflicts);
        sale.conflicts
    });
    assert!(sales[0] < sales[1], "{sales:?}");
}
