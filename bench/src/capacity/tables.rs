//! The results as tables in Markdown, as they stand in docs/CAPACITY.md.

use std::fmt::Write as _;

use super::Capacity;
use super::costs::{LEADER, Spread, UnitCosts};
use super::inputs::Inputs;
use super::parts::{Cell, Part};
use super::rates::Rates;
use super::sizing::{Amount, Sizing, ratio};
use crate::report::table::figure;

/// The columns of processor time. What is not here is the load generator.
const KINDS: [&str; 10] = [
    "etcd",
    LEADER,
    "lock-service",
    "booking-api",
    "shard",
    "payment-gateway",
    "redis",
    "view-service",
    "load-balancer",
    "catalogue",
];

/// All of them, in the order of the document.
pub(super) fn text(capacity: &Capacity) -> String {
    let Capacity { inputs, costs, sizing } = capacity;
    let parts = [
        heading("Processor time of an operation, us of one core", &processors(costs)),
        heading("Sizes, and what this machine did", &measures(costs)),
        heading("Rates", &rates(sizing)),
        heading("Cells that each limit alone asks for", &amounts("Limit", &sizing.cell_limits)),
        heading("The busiest usual cell", &cell(&sizing.day_cell)),
        heading("One performance", &show(inputs, sizing)),
        heading("The on-sale's cell, behind a waiting room", &cell(&sizing.on_sale_cell)),
        heading("All machines' processes", &totals(sizing)),
        heading(
            "Without a waiting room: the first minute's demand over all there is",
            &amounts("What", &sizing.strains),
        ),
    ];
    parts.concat()
}

fn heading(title: &str, table: &str) -> String {
    format!("**{title}**\n\n{table}\n")
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// A table's first two lines: the first column is text, the others are numbers.
fn head(columns: &[&str]) -> String {
    let names: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
    let numbers = " ---: |".repeat(columns.len().saturating_sub(1));
    format!("{}| --- |{numbers}\n", row(&names))
}

fn spread(spread: Spread) -> String {
    let Spread { median, low, high } = spread;
    format!("{} ({}–{})", grouped(median), grouped(low), grouped(high))
}

fn processors(costs: &UnitCosts) -> String {
    let mut columns = vec!["Operation"];
    columns.extend(KINDS);
    let mut text = head(&columns);
    for (operation, kinds) in &costs.cpu_us {
        let mut cells = vec![operation.name().to_owned()];
        let cost = |kind: &&str| kinds.get(*kind).map_or_else(String::new, |one| spread(*one));
        cells.extend(KINDS.iter().map(cost));
        text.push_str(&row(&cells));
    }
    let mut cells = vec!["nothing, for a second".to_owned()];
    let idle =
        |kind: &&str| costs.idle_us_per_s.get(*kind).copied().map_or_else(String::new, grouped);
    cells.extend(KINDS.iter().map(idle));
    text.push_str(&row(&cells));
    text
}

fn measures(costs: &UnitCosts) -> String {
    let mut text = head(&["What", "Median (lowest–highest round)"]);
    for (measure, value) in &costs.measures {
        text.push_str(&row(&[measure.name().to_owned(), spread(*value)]));
    }
    text
}

/// A row of the table of rates: its name, and how it is read.
type RateOf = (&'static str, fn(&Rates) -> f64);

fn rates(sizing: &Sizing) -> String {
    let all: [RateOf; 12] = [
        ("seats held", |r| r.holds),
        ("holds refused", |r| r.refusals),
        ("seats sold", |r| r.tickets),
        ("seats cancelled", |r| r.cancels),
        ("lists of shows", |r| r.lists),
        ("shows' pages", |r| r.shows),
        ("seat maps sent", |r| r.maps),
        ("seat maps, 304", |r| r.unchanged),
        ("events", |r| r.events),
        ("event streams opened", |r| r.openings),
        ("event streams open (not a second)", |r| r.streams),
        ("events delivered", |r| r.sightings),
    ];
    let mut text =
        head(&["A second", "whole seller, peak", "busiest usual cell", "on-sale, let in"]);
    for (name, of) in all {
        let columns = [&sizing.day, &sizing.day_cell.rates, &sizing.on_sale];
        let mut cells = vec![name.to_owned()];
        cells.extend(columns.iter().map(|rates| grouped(of(rates))));
        text.push_str(&row(&cells));
    }
    let _ =
        writeln!(text, "\nSeats that are not free, everywhere: {}.", grouped(sizing.taken_seats));
    text
}

fn amounts(of: &str, amounts: &[Amount]) -> String {
    let mut text = head(&[of, "Times"]);
    for Amount { what, value } in amounts {
        text.push_str(&row(&[what.clone(), grouped(*value)]));
    }
    text
}

fn cell(cell: &Cell) -> String {
    let mut text = head(&["Process", "Instances", "Needs, before what is spare"]);
    for Part { kind, needs, instances } in &cell.parts {
        let needs: Vec<String> =
            needs.iter().map(|need| format!("{} {}", need.what, grouped(need.value))).collect();
        text.push_str(&row(&[kind.clone(), grouped(*instances), needs.join(", ")]));
    }
    let _ = writeln!(
        text,
        "\nIn use: etcd {} GiB a member, lock-service {} GiB, view-service {} GiB, Redis {} GiB, \
         network {} Gbit/s.",
        grouped(cell.etcd_gib),
        grouped(cell.lock_gib),
        grouped(cell.view_gib),
        grouped(cell.redis_gib),
        grouped(cell.network_gbit)
    );
    text
}

fn show(inputs: &Inputs, sizing: &Sizing) -> String {
    let show = &sizing.show;
    let mut text = head(&["What", "Value"]);
    let mut line = |what: &str, value: f64| text.push_str(&row(&[what.to_owned(), grouped(value)]));
    for Amount { what, value } in &show.holds_by {
        line(&format!("holds/s that {what} can do"), *value);
    }
    for Amount { what, value } in &show.sales_by {
        line(&format!("sales/s that {what} can do"), *value);
    }
    line("sales/s at the planned use", show.planned);
    line("seconds to sell it out", show.sold_out_s);
    line("people let in a second", show.let_in);
    line("people who come in the first minute", sizing.storm.people);
    line("seats they ask for in a second", sizing.storm.seats_asked_for);
    line("people who get nothing", show.in_vain);
    let longest = ratio(inputs.on_sale_people, show.let_in);
    line("seconds until all were let in, if the seats sufficed", longest);
    text
}

fn totals(sizing: &Sizing) -> String {
    let mut text = head(&["Process", "usual cells", "on-sale's cell", "together"]);
    let cells = sizing.cells;
    text.push_str(&row(&["cells".to_owned(), grouped(cells), grouped(1.0), grouped(cells + 1.0)]));
    for Part { kind, instances, .. } in &sizing.day_cell.parts {
        let (usual, on_sale) = (cells * instances, sizing.on_sale_cell.instances(kind));
        let [usual, on_sale, both] = [usual, on_sale, usual + on_sale].map(grouped);
        text.push_str(&row(&[kind.clone(), usual, on_sale, both]));
    }
    text
}

/// A figure with its thousands set apart.
fn grouped(value: f64) -> String {
    let text = figure(value);
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, part) = text.split_once('.').map_or((text, None), |(w, p)| (w, Some(p)));
    let mut out = String::from(sign);
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(part) = part {
        out.push('.');
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::costs::Operation;
    use super::super::parts::tests::costs;
    use super::super::sizing::size;
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let wanted = ["1,234,568", "123", "12.3", "0.00", "1,000"];
        assert_eq!([1_234_567.8, 123.4, 12.34, 0.0, 999.9].map(grouped), wanted);
    }

    #[test]
    fn every_row_has_as_many_cells_as_its_head() {
        let (inputs, costs) = (Inputs::default(), costs());
        let sizing = size(&inputs, &costs);
        let text = text(&Capacity { inputs, costs, sizing });
        let mut columns = 0;
        let mut tables = 0;
        let mut inside = false;
        for line in text.lines() {
            let is_row = line.starts_with('|');
            let cells = line.matches('|').count();
            if is_row && !inside {
                tables += 1;
                columns = cells;
            }
            assert!(!is_row || cells == columns, "{line}");
            inside = is_row;
        }
        assert_eq!(tables, 9, "{text}");
    }

    /// The document says what a reader may change, and to what.
    #[test]
    fn the_document_has_every_input_with_its_value() {
        let text = include_str!("../../../docs/CAPACITY.md");
        let inputs = serde_json::to_value(Inputs::default()).unwrap();
        for (name, value) in inputs.as_object().unwrap() {
            let key = format!("| `{name}` | ");
            let row = text.lines().find_map(|line| line.strip_prefix(key.as_str()));
            let row = row.unwrap_or_else(|| panic!("{name} is not in docs/CAPACITY.md"));
            let written = row.split(" |").next().unwrap().replace(',', "");
            let written: f64 = written.parse().unwrap();
            assert!((written - value.as_f64().unwrap()).abs() < 1e-9, "{name}: {row}");
        }
    }

    #[test]
    fn an_operation_without_a_cost_somewhere_has_an_empty_cell() {
        let costs = costs();
        let table = processors(&costs);
        let hold = table.lines().find(|line| line.contains(Operation::Hold.name())).unwrap();
        assert!(hold.contains("50.0 (50.0–50.0)") && hold.contains("|  |"), "{hold}");
    }
}
