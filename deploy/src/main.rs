//! The `seatlock` program: the command line over the library. It must not
//! know how a cluster works, only how to ask for things and print them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

mod commands;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(commands::Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("seatlock: {error}");
            ExitCode::FAILURE
        }
    }
}
