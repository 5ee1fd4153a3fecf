//! The process. Everything else is in the library, where tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::run("VIEW_SERVICE_", service_kit::Faults::NONE, view_service::build)
}
