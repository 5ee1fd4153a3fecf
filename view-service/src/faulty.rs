//! The view-service process of a faulty build: the same program with bugs it can
//! be told to have. For tests only.

use std::process::ExitCode;

fn main() -> ExitCode {
    view_service::run()
}
