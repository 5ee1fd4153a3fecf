//! The process `lock-service --config FILE.toml`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lock_service::run()
}
