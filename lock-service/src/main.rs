//! The process `lock-service --config FILE.toml`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::run("LOCK_SERVICE_", lock_service::start)
}
