//! The booking-api process; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    booking_api::run()
}
