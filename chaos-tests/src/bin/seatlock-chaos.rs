//! `seatlock chaos`: runs, and runs of runs. What a run is, the library knows.
#![expect(clippy::print_stdout, reason = "the command line's answer")]

use std::process::ExitCode;

use chaos_tests::carrier;
use chaos_tests::options::Options;
use chaos_tests::programme;
use clap::Parser as _;

/// Nothing is known: the run could not be made.
const NOT_RUN: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(late_ms) = carrier::asked() {
        let Err(error) = carrier::carry(&late_ms).await;
        println!("seatlock chaos: packets are not carried: {error}");
        return ExitCode::from(NOT_RUN);
    }
    let options = Options::parse();
    match programme::follow(&options).await {
        Ok(code) => code,
        Err(error) => {
            println!("seatlock chaos: {error}");
            ExitCode::from(NOT_RUN)
        }
    }
}
