//! The report of a run: figures from its history, as JSON for programs and as
//! one HTML page for people. Pure but for writing the two files.

mod figures;
mod page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::history::{Began, Demanded, FaultSpan, History};
use crate::verdict::Ruling;
pub use figures::{Counts, Figures, Gap, Second};

/// Everything that is said of a run.
#[derive(Debug, Serialize)]
struct Document<'a> {
    began: &'a Began,
    #[serde(flatten)]
    ruling: &'a Ruling,
    figures: &'a Figures,
    faults: &'a [FaultSpan],
    demanded: &'a [Demanded],
    /// What repeats it.
    command: String,
}

/// Writes `report.json` and `report.html` into the folder; answers the page.
///
/// # Errors
/// When the folder does not take them.
pub fn write(folder: &Path, history: &History, ruling: &Ruling) -> io::Result<PathBuf> {
    let figures = Figures::of(history);
    let command = command(&history.began);
    let document = Document {
        began: &history.began,
        ruling,
        figures: &figures,
        faults: &history.faults,
        demanded: &history.demanded,
        command: command.clone(),
    };
    let text = serde_json::to_string_pretty(&document)?;
    fs::write(folder.join("report.json"), text)?;
    let page = folder.join("report.html");
    fs::write(&page, page::page(history, ruling, &figures, &command))?;
    Ok(page)
}

/// What makes the same choices again.
fn command(began: &Began) -> String {
    let planted = match began.planted.as_str() {
        "" => String::new(),
        planted => format!(" --plant {planted}"),
    };
    format!(
        "./seatlock chaos {} --seed {} --time {}s{planted}",
        began.scenario, began.seed, began.time_s
    )
}
