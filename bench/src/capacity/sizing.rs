//! The sizing: how many cells, shards and instances a seller needs, what one
//! performance can sell at most, and what breaks first. A pure function of the
//! inputs and the unit costs.

use serde::Serialize;

use super::costs::{LEADER, Measure, Operation, UnitCosts};
use super::inputs::Inputs;
use super::parts::{Cell, House, cell};
use super::rates::{Rates, Storm, every_day, let_in, stormed};

pub(super) const GIB: f64 = (1_u64 << 30) as f64;

/// Everything that was worked out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Sizing {
    /// The whole seller at its peak, on a usual day.
    pub(crate) day: Rates,
    /// Seats that are not free, everywhere.
    pub(crate) taken_seats: f64,
    /// How many cells each thing alone would need, the most first.
    pub(crate) cell_limits: Vec<Amount>,
    /// Cells for the usual days.
    pub(crate) cells: f64,
    /// The busiest of them.
    pub(crate) day_cell: Cell,
    /// What one performance can do.
    pub(crate) show: Show,
    /// What the on-sale asks for behind a waiting room.
    pub(crate) on_sale: Rates,
    /// A cell of its own for the on-sale.
    pub(crate) on_sale_cell: Cell,
    /// Without a waiting room: who comes, and in the first minute demand over
    /// capacity of that cell, the worst first.
    pub(crate) storm: Storm,
    /// See above.
    pub(crate) strains: Vec<Amount>,
}

/// A number with what it is of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Amount {
    /// What.
    pub(crate) what: String,
    /// How many, or how many times.
    pub(crate) value: f64,
}

impl Amount {
    pub(super) fn new(what: &str, value: f64) -> Self {
        Self { what: what.to_owned(), value }
    }
}

/// What one performance can do, whatever else there is: it has one cell, one
/// lock-service, one placement and one shard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Show {
    /// Seats held in a second by what limits it, the least first.
    pub(crate) holds_by: Vec<Amount>,
    /// Seats sold in a second by what limits it, holds that are not bought
    /// included; the least first.
    pub(crate) sales_by: Vec<Amount>,
    /// Seats sold in a second at the planned use.
    pub(crate) planned: f64,
    /// Seconds to sell it out at the planned use.
    pub(crate) sold_out_s: f64,
    /// People who may be let in in a second.
    pub(crate) let_in: f64,
    /// People who get nothing.
    pub(crate) in_vain: f64,
}

impl Show {
    fn most(limits: &[Amount]) -> f64 {
        limits.first().map_or(0.0, |limit| limit.value)
    }

    /// Seats held in a second at most.
    pub(crate) fn holds(&self) -> f64 {
        Self::most(&self.holds_by)
    }

    /// Seats sold in a second at most.
    pub(crate) fn sales(&self) -> f64 {
        Self::most(&self.sales_by)
    }
}

/// Works it out.
pub(crate) fn size(inputs: &Inputs, costs: &UnitCosts) -> Sizing {
    let day = every_day(inputs);
    let sold = inputs.tickets_per_day * inputs.days_to_performance;
    let held = day.tickets * inputs.holds_per_sale * inputs.minutes_held * 60.0;
    let cell_limits = cell_limits(inputs, costs, &day, sold, held);
    let cells = cell_limits.first().map_or(1.0, |limit| limit.value.ceil()).max(1.0);
    let part = inputs.busiest_cell.min(cells) / cells;
    let stored = Stored {
        taken: (sold + held) / cells,
        bookings: inputs.tickets_per_day * inputs.days_kept * part,
        a_day: inputs.tickets_per_day * part,
    };
    let house = House { seats: inputs.house_seats, alone: false };
    let day_cell = cell(inputs, costs, &day.share(part), &stored, house);

    let show = one_show(inputs, costs);
    let batch = costs.measure(Measure::BatchTransactions);
    let on_sale = let_in(inputs, show.planned, batch);
    let seats = inputs.on_sale_seats;
    let stored = Stored { taken: seats, bookings: seats, a_day: seats };
    let house = House { seats, alone: true };
    let on_sale_cell = cell(inputs, costs, &on_sale, &stored, house);
    let (stormed, storm) = stormed(inputs, show.sales(), batch);
    let mut strains = on_sale_cell.strains(inputs, costs, &stormed, house);
    strains.push(Amount::new("holds of one show", ratio(storm.seats_asked_for, show.holds())));
    let bought = storm.seats_asked_for * inputs.bought_share;
    strains.push(Amount::new("sales of one show", ratio(bought, show.sales())));
    strains.sort_by(|a, b| b.value.total_cmp(&a.value));
    Sizing {
        day,
        taken_seats: sold + held,
        cell_limits,
        cells,
        day_cell,
        show,
        on_sale,
        on_sale_cell,
        storm,
        strains,
    }
}

/// What a cell keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    /// Seats that are not free.
    pub(super) taken: f64,
    /// Bookings on its shards, one a seat.
    pub(super) bookings: f64,
    /// Bookings of a day.
    pub(super) a_day: f64,
}

/// The least that is divided by, so that something over nothing is a very large
/// number that can still be printed.
const LEAST: f64 = 1e-9;

/// Nothing over nothing is nothing; something over nothing does not fit at all.
pub(super) fn ratio(demand: f64, capacity: f64) -> f64 {
    if demand <= 0.0 { 0.0 } else { demand / capacity.max(LEAST) }
}

/// What a sold seat costs a kind of process beyond its hold.
pub(super) fn confirm_us(costs: &UnitCosts, kind: &str) -> f64 {
    (costs.cpu(Operation::Booking, kind) - costs.cpu(Operation::Hold, kind)).max(0.0)
}

fn cell_limits(
    inputs: &Inputs,
    costs: &UnitCosts,
    day: &Rates,
    sold: f64,
    held: f64,
) -> Vec<Amount> {
    let taken = sold + held;
    let memory = inputs.memory_gib * GIB * inputs.use_of_stores;
    let etcd_room = inputs.etcd_quota_gib * GIB * inputs.etcd_refuses_at * inputs.use_of_stores;
    let in_etcd = sold * costs.measure(Measure::EtcdSoldBytes)
        + held * costs.measure(Measure::EtcdHeldBytes)
        + inputs.performances_live * costs.measure(Measure::EtcdPerformanceBytes);
    let streams = day.streams.min(inputs.view_streams) * costs.measure(Measure::ViewStreamBytes);
    let leader_us = day.holds * costs.cpu(Operation::Hold, LEADER)
        + day.tickets * confirm_us(costs, LEADER)
        + day.cancels * costs.cpu(Operation::Cancel, LEADER);
    // What one show can keep busy is what a leader can: its applying is one thread.
    let leader = cores_us(inputs, inputs.cores_of_one_show.min(inputs.etcd_cores));
    let mut limits = vec![
        Amount::new("room in etcd", ratio(in_etcd, etcd_room)),
        Amount::new(
            "memory of lock-service",
            ratio(taken * costs.measure(Measure::LockTakenBytes), memory),
        ),
        Amount::new(
            "memory of view-service",
            ratio(taken * costs.measure(Measure::ViewTakenBytes), memory - streams),
        ),
        Amount::new(
            "memory of Redis",
            ratio(taken * costs.measure(Measure::RedisTakenBytes), memory),
        ),
        Amount::new(
            "processor of etcd's leader",
            ratio(leader_us * inputs.busiest_cell, leader * inputs.use_at_peak),
        ),
    ];
    limits.sort_by(|a, b| b.value.total_cmp(&a.value));
    limits
}

/// Microseconds of the measured machine that so many cores have in a second.
pub(super) fn cores_us(inputs: &Inputs, cores: f64) -> f64 {
    cores * 1e6 * inputs.core_speed
}

fn one_show(inputs: &Inputs, costs: &UnitCosts) -> Show {
    let cores = |of: f64| cores_us(inputs, inputs.cores_of_one_show.min(of));
    let processes = [
        ("etcd's leader", LEADER, inputs.etcd_cores),
        ("lock-service", "lock-service", inputs.service_cores),
        ("the shard", "shard", inputs.shard_cores),
    ];
    let by = |cost: &dyn Fn(&str) -> f64| {
        let limit = |(what, kind, of): &(&str, &str, f64)| {
            let us = cost(kind);
            (us > 0.0).then(|| Amount::new(what, cores(*of) / us))
        };
        let mut limits: Vec<Amount> = processes.iter().filter_map(limit).collect();
        limits.sort_by(|a, b| a.value.total_cmp(&b.value));
        limits
    };
    let holds_by = by(&|kind| costs.cpu(Operation::Hold, kind));
    let holds_of_a_sale = inputs.sends / inputs.bought_share;
    let sales_by =
        by(&|kind| holds_of_a_sale * costs.cpu(Operation::Hold, kind) + confirm_us(costs, kind));
    let planned = Show::most(&sales_by) * inputs.use_at_peak;
    let buyers = inputs.on_sale_seats / inputs.tickets_per_booking;
    Show {
        planned,
        sold_out_s: ratio(inputs.on_sale_seats, planned),
        let_in: planned / inputs.tickets_per_booking,
        in_vain: (inputs.on_sale_people - buyers).max(0.0),
        holds_by,
        sales_by,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::tests::costs;
    use super::*;

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= wanted.abs() * 1e-9, "{found}, should be {wanted}");
    }

    fn amount(amounts: &[Amount], what: &str) -> f64 {
        amounts.iter().find(|amount| amount.what == what).map_or(f64::NAN, |amount| amount.value)
    }

    #[test]
    fn cells_are_as_many_as_the_tightest_limit_asks_for() {
        let inputs = Inputs {
            tickets_per_day: 1e6,
            days_to_performance: 50.0,
            minutes_held: 0.0,
            etcd_quota_gib: 8.0,
            etcd_refuses_at: 0.5,
            use_of_stores: 0.5,
            ..Inputs::default()
        };
        let sizing = size(&inputs, &costs());
        // 50 million sold seats of 400 bytes, 2 GiB a cell.
        close(amount(&sizing.cell_limits, "room in etcd"), 50e6 * 400.0 / (2.0 * GIB));
        assert_eq!(sizing.cell_limits[0].what, "room in etcd");
        close(sizing.cells, 10.0);
        close(sizing.taken_seats, 50e6);
        let one = size(&Inputs { tickets_per_day: 10.0, ..inputs }, &costs());
        close(one.cells, 1.0);
    }

    #[test]
    fn one_show_sells_what_its_slowest_process_can() {
        let inputs = Inputs {
            cores_of_one_show: 2.0,
            core_speed: 2.0,
            bought_share: 0.5,
            sends: 1.0,
            use_at_peak: 0.5,
            tickets_per_booking: 2.0,
            on_sale_seats: 60_000.0,
            on_sale_people: 1e6,
            ..Inputs::default()
        };
        let show = size(&inputs, &costs()).show;
        // A hold costs the leader 50 us, its confirm 150 more; two holds for each sale.
        close(show.holds(), 4e6 / 50.0);
        close(amount(&show.sales_by, "etcd's leader"), 4e6 / 250.0);
        close(amount(&show.sales_by, "the shard"), 4e6 / 400.0);
        assert_eq!(show.sales_by[0].what, "the shard");
        close(show.planned, 5_000.0);
        close(show.sold_out_s, 12.0);
        close(show.let_in, 2_500.0);
        close(show.in_vain, 970_000.0);
    }

    #[test]
    fn a_process_has_no_more_cores_than_its_machine() {
        let inputs = Inputs { cores_of_one_show: 4.0, etcd_cores: 1.0, ..Inputs::default() };
        close(size(&inputs, &costs()).show.holds(), 1e6 / 50.0);
    }

    #[test]
    fn a_storm_strains_the_show_by_all_who_come() {
        let inputs = Inputs { sends: 1.0, ..Inputs::default() };
        let sizing = size(&inputs, &costs());
        let asked = 1.5e6 * 0.4 / 60.0 * 3.0 * 2.5;
        close(sizing.storm.seats_asked_for, asked);
        close(amount(&sizing.strains, "holds of one show"), asked / sizing.show.holds());
        assert!(sizing.strains.is_sorted_by(|a, b| a.value >= b.value), "{:?}", sizing.strains);
        assert!(sizing.strains[0].value > 1.0);
    }

    #[test]
    fn without_costs_nothing_is_divided_by_nothing() {
        let nothing = UnitCosts {
            idle_us_per_s: std::collections::BTreeMap::new(),
            cpu_us: std::collections::BTreeMap::new(),
            measures: std::collections::BTreeMap::new(),
        };
        let sizing = size(&Inputs::default(), &nothing);
        close(sizing.cells, 1.0);
        close(sizing.show.planned, 0.0);
        let amounts = sizing.strains.iter().chain(&sizing.cell_limits);
        assert!(amounts.into_iter().all(|amount| amount.value.is_finite()));
    }
}
