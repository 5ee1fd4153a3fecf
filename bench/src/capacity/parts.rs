//! What one cell is made of: how many of each process its load needs, with one
//! to spare and as many in every zone. Pure.

use serde::Serialize;

use super::costs::{Measure, Operation, UnitCosts};
use super::inputs::Inputs;
use super::rates::Rates;
use super::sizing::{Amount, GIB, Stored, confirm_us, cores_us, ratio};

/// The least that is left to answer with of a view-service's processors, however
/// much following and rendering takes: a part of them.
const LEAST_LEFT: f64 = 0.01;

const LOCKS: &str = "lock-service";
const BOOKING: &str = "booking-api";
const SHARD: &str = "shard";
const REDIS: &str = "redis";
const VIEWS: &str = "view-service";
const BALANCER: &str = "load-balancer";

/// The house whose map is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct House {
    /// Its seats.
    pub(super) seats: f64,
    /// Whether all of the cell's load is for this one performance.
    pub(super) alone: bool,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Cell {
    /// What is asked of it.
    pub(crate) rates: Rates,
    /// Its processes.
    pub(crate) parts: Vec<Part>,
    /// What goes out of its load balancers, in Gbit/s.
    pub(crate) network_gbit: f64,
    /// What Redis keeps, in GiB.
    pub(crate) redis_gib: f64,
    /// What each view-service keeps, in GiB, the event streams of its share included.
    pub(crate) view_gib: f64,
    /// What lock-service keeps, in GiB, each instance.
    pub(crate) lock_gib: f64,
    /// What is in use of etcd's database, in GiB, each member.
    pub(crate) etcd_gib: f64,
}

/// Processes of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Part {
    /// The kind.
    pub(crate) kind: String,
    /// How many each thing alone needs, the most first.
    pub(crate) needs: Vec<Amount>,
    /// How many there are.
    pub(crate) instances: f64,
}

impl Part {
    /// One to spare, and as many in every zone: with a zone of three lost,
    /// what was half busy is three quarters busy.
    fn spread(kind: &str, needs: Vec<Amount>, zones: f64) -> Self {
        let mut part = Self::primaries(kind, needs);
        let zones = zones.ceil().max(1.0);
        part.instances = ((part.instances + 1.0) / zones).ceil() * zones;
        part
    }

    /// As many as are needed: replicas are beside them.
    fn primaries(kind: &str, mut needs: Vec<Amount>) -> Self {
        needs.sort_by(|a, b| b.value.total_cmp(&a.value));
        let most = needs.first().map_or(0.0, |need| need.value);
        Self { kind: kind.to_owned(), needs, instances: most.ceil().max(1.0) }
    }
}

/// How much larger a house's map is than the one that was measured; taken for
/// the factor of bytes and of processor time alike, which is an upper bound.
fn scale(costs: &UnitCosts, house: House) -> f64 {
    match costs.measure(Measure::HouseSeats) {
        seats if seats > 0.0 => house.seats / seats,
        _ => 1.0,
    }
}

/// Microseconds a second of a kind of process that all of its instances share.
fn shared_us(costs: &UnitCosts, kind: &str, rates: &Rates, house: House) -> f64 {
    let cpu = |operation| costs.cpu(operation, kind);
    let looking = rates.maps * cpu(Operation::Map) * scale(costs, house)
        + rates.unchanged * cpu(Operation::Unchanged)
        + rates.shows * cpu(Operation::Show)
        + rates.lists * cpu(Operation::List)
        + rates.sightings * cpu(Operation::Sighting);
    if kind != VIEWS {
        return looking + writing_us(costs, kind, rates);
    }
    if house.alone {
        return looking;
    }
    // Of many performances each is looked at so seldom that nearly every look
    // finds a map that is a second old, and renders.
    looking + rates.maps * costs.measure(Measure::RenderUs) * scale(costs, house)
}

fn writing_us(costs: &UnitCosts, kind: &str, rates: &Rates) -> f64 {
    rates.holds * costs.cpu(Operation::Hold, kind)
        + rates.refusals * costs.cpu(Operation::Refusal, kind)
        + rates.tickets * confirm_us(costs, kind)
        + rates.cancels * costs.cpu(Operation::Cancel, kind)
}

/// Microseconds a second of every single view-service, however many there are:
/// each follows all changes, and renders the map that all look at after each of
/// them, one rendering at a time.
fn of_each_view_us(inputs: &Inputs, costs: &UnitCosts, rates: &Rates, house: House) -> f64 {
    let following = writing_us(costs, VIEWS, rates);
    if !house.alone {
        return following;
    }
    let rendering = rates.events.min(rates.maps) * costs.measure(Measure::RenderUs);
    following + (rendering * scale(costs, house)).min(cores_us(inputs, 1.0))
}

/// Bytes a second out of the load balancers. A stream begins with the whole map,
/// as it is.
fn network_bytes(costs: &UnitCosts, rates: &Rates, house: House) -> f64 {
    let bytes = |measure| costs.measure(measure);
    let scale = scale(costs, house);
    rates.maps * bytes(Measure::MapBrotliBytes) * scale
        + rates.unchanged * bytes(Measure::UnchangedBytes)
        + rates.openings * bytes(Measure::MapPlainBytes) * scale
        + rates.shows * bytes(Measure::ShowBytes)
        + rates.lists * bytes(Measure::ListBytes)
        + rates.sightings * bytes(Measure::EventBytes)
}

/// The cell for a load.
pub(super) fn cell(
    inputs: &Inputs,
    costs: &UnitCosts,
    rates: &Rates,
    stored: &Stored,
    house: House,
) -> Cell {
    let Inputs { use_at_peak, use_of_stores, zones, .. } = *inputs;
    let busy = |cores: f64| cores_us(inputs, cores) * use_at_peak;
    let by_processor = |kind: &str| {
        let need = ratio(shared_us(costs, kind, rates, house), busy(inputs.service_cores));
        Amount::new("processor", need)
    };

    let of_each = of_each_view_us(inputs, costs, rates, house);
    let left = (busy(inputs.service_cores) - of_each)
        .max(cores_us(inputs, inputs.service_cores) * LEAST_LEFT);
    let views = Part::spread(
        VIEWS,
        vec![
            Amount::new("processor", ratio(shared_us(costs, VIEWS, rates, house), left)),
            Amount::new("event streams", ratio(rates.streams, inputs.view_streams * use_at_peak)),
        ],
        zones,
    );

    let memory = inputs.memory_gib * GIB * use_of_stores;
    let in_redis = stored.taken * costs.measure(Measure::RedisTakenBytes);
    // Every view-service writes every change; Redis works on one thread.
    let redis_us = writing_us(costs, REDIS, rates) * views.instances;
    let redis = Part::primaries(
        REDIS,
        vec![
            Amount::new("memory", ratio(in_redis, memory)),
            Amount::new("processor", ratio(redis_us, busy(1.0))),
        ],
    );

    let disk = inputs.shard_disk_gib * GIB * use_of_stores;
    let on_disk = stored.bookings * costs.measure(Measure::ShardDataBytes)
        + stored.a_day * inputs.binlog_days * costs.measure(Measure::ShardBinlogBytes);
    let shard_us = shared_us(costs, SHARD, rates, house);
    let shards = Part::primaries(
        SHARD,
        vec![
            Amount::new("processor", ratio(shard_us, busy(inputs.shard_cores))),
            Amount::new("disk", ratio(on_disk, disk)),
        ],
    );

    let network = network_bytes(costs, rates, house) * 8.0 / 1e9;
    let open = rates.streams + rates.lists + rates.shows + rates.maps;
    let balancers = Part::spread(
        BALANCER,
        vec![
            by_processor(BALANCER),
            Amount::new("network", ratio(network, inputs.network_gbit * use_at_peak)),
            Amount::new("connections", ratio(open, inputs.balancer_connections * use_at_peak)),
        ],
        zones,
    );

    let streams_each = rates.streams / views.instances;
    let view_bytes = stored.taken * costs.measure(Measure::ViewTakenBytes)
        + streams_each * costs.measure(Measure::ViewStreamBytes);
    let parts = vec![
        Part::primaries("etcd", vec![Amount::new("a member in each zone", zones.ceil())]),
        Part::spread(LOCKS, vec![by_processor(LOCKS)], zones),
        Part::spread(BOOKING, vec![by_processor(BOOKING)], zones),
        shards,
        redis,
        views,
        balancers,
    ];
    Cell {
        rates: *rates,
        parts,
        network_gbit: network,
        redis_gib: in_redis / GIB,
        view_gib: view_bytes / GIB,
        lock_gib: stored.taken * costs.measure(Measure::LockTakenBytes) / GIB,
        etcd_gib: stored.taken * costs.measure(Measure::EtcdSoldBytes) / GIB,
    }
}

impl Cell {
    /// How many processes of a kind there are.
    pub(crate) fn instances(&self, kind: &str) -> f64 {
        let part = self.parts.iter().find(|part| part.kind == kind);
        part.map_or(0.0, |part| part.instances)
    }

    /// Demand over all that there is, for another load than it was made for.
    pub(super) fn strains(
        &self,
        inputs: &Inputs,
        costs: &UnitCosts,
        rates: &Rates,
        house: House,
    ) -> Vec<Amount> {
        let processors = |kind: &str, more_us: f64| {
            let demand = shared_us(costs, kind, rates, house) + more_us;
            let all = cores_us(inputs, inputs.service_cores) * self.instances(kind);
            Amount::new(&format!("processors of {kind}"), ratio(demand, all))
        };
        let of_each = of_each_view_us(inputs, costs, rates, house);
        let (views, balancers) = (self.instances(VIEWS), self.instances(BALANCER));
        let network = network_bytes(costs, rates, house) * 8.0 / 1e9;
        vec![
            processors(BOOKING, 0.0),
            processors(VIEWS, of_each * views),
            processors(BALANCER, 0.0),
            Amount::new("event streams", ratio(rates.streams, inputs.view_streams * views)),
            Amount::new(
                "connections of the load balancers",
                ratio(rates.streams, inputs.balancer_connections * balancers),
            ),
            Amount::new(
                "network of the load balancers",
                ratio(network, inputs.network_gbit * balancers),
            ),
        ]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::super::costs::{LEADER, Spread};
    use super::*;

    fn exact(value: f64) -> Spread {
        Spread { median: value, low: value, high: value }
    }

    /// Round numbers, for arithmetic that can be done by hand.
    pub(in crate::capacity) fn costs() -> UnitCosts {
        let kinds = |kinds: &[(&str, f64)]| {
            kinds.iter().map(|(kind, us)| ((*kind).to_owned(), exact(*us))).collect()
        };
        UnitCosts {
            idle_us_per_s: BTreeMap::new(),
            cpu_us: BTreeMap::from([
                (
                    Operation::Hold,
                    kinds(&[(LEADER, 50.0), (LOCKS, 25.0), (BOOKING, 100.0), (VIEWS, 10.0)]),
                ),
                (
                    Operation::Booking,
                    kinds(&[
                        (LEADER, 200.0),
                        (LOCKS, 75.0),
                        (BOOKING, 400.0),
                        (SHARD, 400.0),
                        (VIEWS, 20.0),
                    ]),
                ),
                (Operation::Map, kinds(&[(VIEWS, 100.0), (BALANCER, 50.0)])),
                (Operation::Sighting, kinds(&[(VIEWS, 10.0), (BALANCER, 20.0)])),
            ]),
            measures: BTreeMap::from([
                (Measure::EtcdSoldBytes, exact(400.0)),
                (Measure::EtcdHeldBytes, exact(500.0)),
                (Measure::ShardDataBytes, exact(1_000.0)),
                (Measure::ShardBinlogBytes, exact(2_000.0)),
                (Measure::HouseSeats, exact(1_000.0)),
                (Measure::RenderUs, exact(1_000.0)),
                (Measure::MapBrotliBytes, exact(1_000.0)),
                (Measure::BatchTransactions, exact(10.0)),
            ]),
        }
    }

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= wanted.abs() * 1e-9, "{found}, should be {wanted}");
    }

    fn inputs() -> Inputs {
        Inputs { service_cores: 4.0, use_at_peak: 0.5, zones: 3.0, ..Inputs::default() }
    }

    const NOTHING: Stored = Stored { taken: 0.0, bookings: 0.0, a_day: 0.0 };
    const HOUSE: House = House { seats: 2_000.0, alone: false };

    fn need(cell: &Cell, kind: &str, what: &str) -> f64 {
        let part = cell.parts.iter().find(|part| part.kind == kind).unwrap();
        part.needs.iter().find(|need| need.what == what).unwrap().value
    }

    #[test]
    fn instances_have_one_to_spare_and_as_many_in_every_zone() {
        let rates = Rates { holds: 50_000.0, ..Rates::default() };
        let cell = cell(&inputs(), &costs(), &rates, &NOTHING, HOUSE);
        // 5 s of processor time in a second, 2 s an instance at half use.
        close(need(&cell, BOOKING, "processor"), 2.5);
        close(cell.instances(BOOKING), 6.0);
        close(cell.instances(LOCKS), 3.0);
        close(cell.instances("etcd"), 3.0);
        close(cell.instances(SHARD), 1.0);
    }

    #[test]
    fn every_view_service_follows_every_change() {
        let rates = Rates { holds: 100_000.0, maps: 1_000.0, ..Rates::default() };
        let cell = cell(&inputs(), &costs(), &rates, &NOTHING, HOUSE);
        // Half of its 2 s goes by following; a look at twice the house costs 200 us
        // and as it is the first in a second, 2,000 us to render.
        close(need(&cell, VIEWS, "processor"), 1_000.0 * 2_200.0 / 1e6);
    }

    #[test]
    fn one_map_that_all_look_at_is_rendered_once_for_a_change() {
        let alone = House { alone: true, ..HOUSE };
        let few = Rates { maps: 1_000.0, events: 100.0, ..Rates::default() };
        let cell_of = |rates: &Rates| cell(&inputs(), &costs(), rates, &NOTHING, alone);
        close(need(&cell_of(&few), VIEWS, "processor"), 1_000.0 * 200.0 / (2e6 - 200_000.0));
        // One at a time: never more than one core of it.
        let many = Rates { events: 10_000.0, maps: 10_000.0, ..few };
        close(need(&cell_of(&many), VIEWS, "processor"), 10_000.0 * 200.0 / (2e6 - 1e6));
    }

    #[test]
    fn a_shards_disk_has_what_is_kept_and_its_logs() {
        let inputs =
            Inputs { shard_disk_gib: 1_000.0, use_of_stores: 0.5, binlog_days: 2.0, ..inputs() };
        let stored = Stored { taken: 0.0, bookings: 1e9, a_day: 1e6 };
        let cell = cell(&inputs, &costs(), &Rates::default(), &stored, HOUSE);
        close(need(&cell, SHARD, "disk"), (1e12 + 4e9) / (500.0 * GIB));
        close(cell.instances(SHARD), 2.0);
    }

    #[test]
    fn strains_are_demand_over_all_there_is() {
        let cell = cell(&inputs(), &costs(), &Rates::default(), &NOTHING, HOUSE);
        let rates = Rates { streams: 60_000.0, sightings: 600_000.0, ..Rates::default() };
        let strains = cell.strains(&inputs(), &costs(), &rates, HOUSE);
        let strain = |what: &str| strains.iter().find(|one| one.what == what).unwrap().value;
        close(strain("event streams"), 2.0);
        close(strain("connections of the load balancers"), 1.0);
        close(strain("processors of load-balancer"), 12.0 / 12.0);
        close(strain("processors of view-service"), 6.0 / 12.0);
    }
}
