//! The report for people.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::{Report, Row};

/// All of it, as text.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    let machine = &report.machine;
    let versions: Vec<String> =
        report.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let _ = writeln!(
        text,
        "\n{} cores, {}, {} MiB, Linux {}\n{}\n",
        machine.cores,
        machine.cpu,
        machine.memory_mib,
        machine.kernel,
        versions.join("; ")
    );
    let _ = writeln!(text, "{}\n", rows(report));
    if report.rows.iter().any(|row| !row.used.is_empty()) {
        let _ = writeln!(text, "{}\n", used(report));
    }
    for target in &report.targets {
        let verdict = if target.met { "met" } else { "NOT met" };
        let (id, what) = (&target.id, &target.what);
        let (value, goal) = (figure(target.value), figure(target.target));
        let _ = writeln!(text, "{id:4} {verdict:8} {value:>9} of {goal:>6}  {what}");
    }
    text.push('\n');
    for check in &report.checks {
        let verdict = if check.ok { "ok" } else { "BROKEN" };
        let _ = writeln!(text, "{verdict:7} {} ({})", check.name, check.detail);
    }
    if let Some(capacity) = &report.capacity {
        let _ = writeln!(text, "\n{}", capacity.text());
    }
    text
}

fn rows(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["bench", "load", "system", "per second", "p50 ms", "p99 ms", "rounds", ""]);
    for row in &report.rows {
        let rounds: Vec<String> = row.rounds.iter().map(|value| figure(*value)).collect();
        table.add_row([
            row.bench.clone(),
            row.load.clone(),
            row.system.clone(),
            figure(row.ops_per_s),
            figure(row.p50_ms),
            figure(row.p99_ms),
            rounds.join(" "),
            note(row),
        ]);
    }
    right(&mut table, 3..=5);
    table
}

fn note(row: &Row) -> String {
    if row.valid { row.note.clone() } else { format!("NO RESULT: a check failed; {}", row.note) }
}

fn used(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["bench", "load", "system", "process", "cpu s", "cpu us per op", "rss MiB"]);
    for row in &report.rows {
        for process in &row.used {
            table.add_row([
                row.bench.clone(),
                row.load.clone(),
                row.system.clone(),
                process.used.process.clone(),
                format!("{:.2}", process.used.cpu_s),
                figure(process.cpu_us_per_op),
                process.used.rss_mib.to_string(),
            ]);
        }
    }
    right(&mut table, 4..=6);
    table
}

fn right(table: &mut Table, columns: std::ops::RangeInclusive<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// As many digits as mean something.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 0.1 || small == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.5}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_as_many_digits_as_mean_something() {
        assert_eq!(
            [35_500.4, 12.34, 1.234, 0.0, 0.00123].map(figure),
            ["35500", "12.3", "1.23", "0.00", "0.00123"]
        );
    }
}
